"""No code of a file is ever run: nothing that could is in the package, and hostile files under every ending try it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "graphfuse"
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "yaml", "jsonpickle", "xml", "imp"}
CALLS = {"eval", "exec", "compile", "__import__", "execfile"}
LOADERS = {"load", "loads", "Unpickler", "read_pickle", "read_hdf", "unsafe_load", "full_load"}
OWNERS = {"torch", "joblib", "jit", "package", "hub"}
# A file that a user names on his own command line to have it audited is run; and a function that he handed over is
# copied inside this process, through bytes that never leave it.
ASKED_FOR = {("audits.py", "exec_module"), ("pipeline.py", "import cloudpickle")}


def dangers(source: str, name: str) -> list[str]:
    """What a module imports or calls that can run code out of a file."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            found += [f"import {module}" for module in names if module.split(".")[0] in MODULES]
        if isinstance(node, ast.Call):
            found += _called(node, name)
    return [danger for danger in found if (name, danger) not in ASKED_FOR]


def _called(node: ast.Call, name: str) -> list[str]:
    found = [
        f"{key.arg}=True"
        for key in node.keywords
        if key.arg == "allow_pickle" and not (isinstance(key.value, ast.Constant) and key.value.value is False)
    ]
    found += [f"{key.arg}=False" for key in node.keywords if key.arg == "weights_only"]
    if isinstance(node.func, ast.Name) and node.func.id in CALLS:
        found.append(node.func.id)
    if isinstance(node.func, ast.Attribute):
        called, owner = node.func.attr, ast.unparse(node.func.value).split(".")[-1]
        if called in LOADERS and (owner in OWNERS or called in ("read_pickle", "read_hdf", "Unpickler", "unsafe_load")):
            found.append(f"{owner}.{called}")
        if called == "exec_module":
            found.append(called)
    return found  # fmt: skip


def test_nothing_in_the_package_can_run_code_out_of_a_file():
    found = {path.name: bad for path in PACKAGE.rglob("*.py") if (bad := dangers(path.read_text(), path.name))}
    assert found == {}


def test_the_copy_of_a_function_is_made_of_bytes_of_this_process():
    lines = [line.strip() for path in PACKAGE.rglob("*.py") for line in path.read_text().splitlines()]
    calls = [line for line in lines if "cloudpickle." in line]
    assert calls == ["return cloudpickle.loads(cloudpickle.dumps(run))"]


@pytest.mark.parametrize(
    "source",
    ["import pickle", "from joblib import load\nimport dill", "import torch\ntorch.load('x')", "eval('1')", "exec('x')",
     "import numpy as np\nnp.load('x', allow_pickle=True)", "import yaml", "import joblib\njoblib.load('x')",
     "import pandas as pd\npd.read_pickle('x')", "import marshal", "import shelve", "loader.exec_module(m)"],
)  # fmt: skip
def test_the_scan_sees_each_danger(source):
    assert dangers(source, "some.py")


SCRIPT = """
import gzip, io, os, pickle, struct, sys, warnings, zipfile
from pathlib import Path

import nibabel, nilearn.maskers, numpy as np, scipy.io, torch  # imports may unpickle what is their own
from graphfuse.errors import GraphFuseError
from graphfuse.estimators.inspection import inspect_model
from graphfuse.estimators.saving import load_model
from graphfuse.evaluate.run_folder import read_arguments, read_table
from graphfuse.evaluate.store import Store
from graphfuse.read import load_manifest, read_cohort
from graphfuse.read.image import load_run
from graphfuse.read.matrix import read_matrix
from graphfuse.read.repetition import find_repetition_times
from graphfuse.read.tables import read_table as read_people

root, ran = Path(sys.argv[1]), Path(sys.argv[1]) / "code-ran"

class Evil:
    def __reduce__(self):
        return os.system, (f"touch {ran}",)

def saved(write, *arguments, **options):
    content = io.BytesIO()
    write(*[content if item is None else item for item in arguments], **options)
    return content.getvalue()

def zipped(**members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "."), data)
    return content.getvalue()

evil = pickle.dumps(Evil())
header = b'{"__metadata__":{"graphfuse":"' + b"cos" + b'"}}'
hostile = {
    "pkl": evil, "pkl-protocol-0": pickle.dumps(Evil(), 0), "pt": saved(torch.save, Evil(), None),
    "npy": saved(np.save, None, np.array([Evil()], dtype=object), allow_pickle=True),
    "npz": saved(np.savez, None, probabilities=np.array([Evil()], dtype=object), seconds=np.array([1.0])),
    "npz-of-pickle": zipped(probabilities__npy=evil, seconds__npy=evil),
    "mat": saved(scipy.io.savemat, None, {"ts": np.array([[evil]], dtype=object)}), "gz": gzip.compress(evil),
    "safetensors": struct.pack("<Q", len(header)) + header + evil,
}
calls = []
def listen(event, arguments):
    if event in ("pickle.find_class", "os.system", "subprocess.Popen", "os.exec"):
        calls.append((event, [str(argument)[:80] for argument in arguments]))

def manifest(path):
    text = f'table = "{path.name}"\\nid = "ID"\\n[signals.a]\\nkind = "vector"\\npath = "a.csv"\\n'
    (path.parent / "c.toml").write_text(text)
    return read_cohort(path.parent / "c.toml")

def sidecar(path):
    import pandas as pd
    cells = pd.DataFrame({"id": [path.stem]}, index=[path.stem])
    return find_repetition_times("{id}.json", cells, None, path.parent, "signals.a")

readers = {
    **{ending: read_matrix for ending in ("1D", "txt", "tsv", "csv", "dat", "npy", "mat", "npz", "pkl")},
    "nii": load_run, "nii.gz": load_run, "safetensors": load_model, "model": inspect_model, "toml": load_manifest,
    "table": manifest, "json": sidecar, "run.tsv": read_table,  # the last takes any text, and runs none
}
sys.addaudithook(listen)
silent = []
for kind, content in hostile.items():
    for ending, read in readers.items():
        folder = root / kind / ending
        folder.mkdir(parents=True)
        path = folder / f"a.{ending}"
        path.write_bytes(content)
        try:
            read(path)
            silent += [(kind, ending)] if (kind, ending) != ("pkl-protocol-0", "run.tsv") else []
        except GraphFuseError:
            pass
    (root / kind / "run.json").write_bytes(content)
    try:
        read_arguments(root / kind)
        silent.append((kind, "run.json"))
    except GraphFuseError:
        pass
    store = Store(root / kind, "key")
    (root / kind / "pieces" / "m-0-0.npz").write_bytes(content)
    if store.load("m", 0, 0) is not None:
        silent.append((kind, "piece"))
assert not ran.exists(), "code ran"
assert not calls, calls
assert not silent, silent
pickle.loads(evil)  # the trap itself works
assert ran.exists() and calls
print("safe", len(hostile) * (len(readers) + 2))
"""


@pytest.mark.slow
def test_a_hostile_file_under_every_ending_runs_no_code_and_is_refused_by_name(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split() == ["safe", "171"]
