"""Every Triton kernel compiles for a GPU of 2022 (sm_90) on a machine without one, and none can be forgotten.

Compiling goes on in a process of its own: this file, run as a script, without the interpreter that other tests set.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import graphfuse.kernels

MODULES = sorted(path.stem for path in Path(graphfuse.kernels.__file__).parent.glob("*_gpu.py"))
SHARED_MEMORY = 227 * 1024  # bytes that a program may have

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="needs triton, which comes with torch for CUDA on Linux"
)


def in_a_process(*arguments: str) -> list[dict]:
    """What this file prints when it is run as a script."""
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    run = subprocess.run(
        [sys.executable, __file__, *arguments], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_every_kernel_compiles_to_machine_code_for_sm_90(module):
    built = in_a_process("compile", module)
    assert built
    for one in built:
        print(f"{one['kernel']} {one['constants']}: {one['registers']} registers, {one['shared']} bytes shared")
        assert one["ptx"] > 0, one
        assert one["cubin"] > 0, one
        assert 0 < one["registers"] <= 255, one
        assert one["shared"] <= SHARED_MEMORY, one


@pytest.mark.parametrize("module", MODULES)
def test_no_kernel_is_left_out(module):
    (functions,) = in_a_process("list", module)
    assert functions["kernels"]
    assert set(functions["launched"]) == set(functions["kernels"])
    assert set(functions["uncalled"]) == set(functions["kernels"])  # all else is called by a kernel


def test_compilers_are_imported_for_tensors_on_a_gpu_only():
    code = "import sys; sys.modules['triton'] = None; import graphfuse.kernels as k; print(*dir(k))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "Adjacency" in run.stdout
    assert not set(MODULES) & set(run.stdout.split())


# ---- what the process does


def compile_all(module) -> None:
    for kernel, constants, real in module.builds():
        compiled = compiled_for_sm_90(kernel, constants, real, module.TYPES)
        shown = {name: value for name, value in constants.items() if name in kernel.arg_names}
        found = {
            "kernel": kernel.__name__,
            "constants": {"real": real, **shown},
            "shared": compiled.metadata.shared,
            "registers": registers(compiled.asm["cubin"]),
            "ptx": len(compiled.asm["ptx"]),
            "cubin": len(compiled.asm["cubin"]),
        }
        print(json.dumps(found), flush=True)


def compiled_for_sm_90(kernel, constants: dict, real: str, types: dict):
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    names = kernel.arg_names
    fixed = {name: value for name, value in constants.items() if name in names}
    options = {name: value for name, value in constants.items() if name not in names}
    signature = {name: "constexpr" if name in fixed else types[name].replace("real", real) for name in names}
    aligned = {(i,): [["tt.divisibility", 16]] for i, name in enumerate(names) if signature[name].startswith("*")}
    source = ASTSource(kernel, signature, fixed, aligned)
    return triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)


def registers(cubin: bytes) -> int:
    """Registers of a thread, as the disassembler that comes with triton says."""
    from triton import knobs

    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        command = [knobs.nvidia.cuobjdump.path, "-res-usage", file.name]
        shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return max(int(number) for number in re.findall(r"REG:(\d+)", shown))


def list_all(module) -> None:
    from triton.runtime.jit import JITFunction

    functions = {name: value for name, value in vars(module).items() if isinstance(value, JITFunction)}
    text = Path(module.__file__).read_text()
    kernels = {kernel.__name__ for kernel, _, _ in module.builds()}
    found = {
        "kernels": sorted(kernels),
        "launched": sorted(name for name in functions if f"{name}[" in text),
        "uncalled": sorted(name for name in functions if text.count(f"{name}(") == 1),  # its own def
    }
    print(json.dumps(found))


if __name__ == "__main__":
    {"compile": compile_all, "list": list_all}[sys.argv[1]](importlib.import_module(f"graphfuse.kernels.{sys.argv[2]}"))
