"""Privacy: strings planted in ids, paths, free text and image headers turn up in no log, report, record or model.

Exempt by design are the tables whose key is the subject (predictions, folds, exclusions, masked): they are the user's
own result, and so are the paths of manifest and root in run.json, from which `report` reads the cohort again.
"""

from __future__ import annotations

import base64
import gzip
import json
import re

import nibabel as nib
import numpy as np
import pytest

CANARY = "KANARIE"
KEYED = {"predictions.tsv", "folds.tsv", "exclusions.tsv"}


def canary(i: int) -> str:
    return f"{CANARY}x{i:03d}"


@pytest.fixture
def planted(study, tmp_path):
    """Forty people: ids, folder, file names, free text, JSON sidecars and NIfTI headers hold 200 canaries."""
    study.images(0)
    names = [f"sub-{canary(i)}" for i in range(40)]
    folder = study.root / "img" / canary(990)
    folder.mkdir()
    for i, name in enumerate(names):
        image = nib.Nifti1Image(
            study.rng.normal(100, 5, size=(9, 9, 9, 32)).astype(np.float32), np.diag([5, 5, 5, 1.0])
        )
        image.affine[:3, 3] = -20
        image = nib.Nifti1Image(np.asarray(image.dataobj), image.affine)
        header = image.header
        header["descrip"], header["db_name"] = canary(100 + i).encode(), canary(200 + i).encode()
        header["aux_file"], header["intent_name"] = canary(300 + i).encode(), canary(400 + i).encode()
        header.extensions.append(nib.nifti1.Nifti1Extension("comment", canary(500 + i).encode()))
        header.set_zooms((5, 5, 5, 2.0))
        nib.save(image, folder / f"{name}.nii.gz")
    (folder / f"{names[3]}.nii.gz").write_bytes(b"torn")  # an exclusion, whose reason must not tell who
    rows = [
        [n, "YX"[i % 4 < 2], str(1 + i % 2), f"{20 + i % 30}", f"lives at {canary(600 + i)}"]
        for i, n in enumerate(names)
    ]
    text = "\n".join(",".join(row) for row in [["ID", "SITE", "DX", "AGE", "note"], *rows])
    study.fmri = study.fmri.replace("img/{ID}", f"img/{canary(990)}/{{ID}}")
    study.top += 'confounds = ["AGE"]\n'
    study.toml()
    (study.root / "people.csv").write_text(text + "\n")
    return study.root


def _everything(folder):
    """Each file below a folder as bytes, with what is packed inside it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            raw = path.read_bytes()
            yield path, raw
            if path.suffix == ".npz":
                with np.load(path, allow_pickle=False) as table:
                    yield path, b"".join(np.ascontiguousarray(table[key]).tobytes() for key in table.files)
            for packed in re.findall(rb"base64,([A-Za-z0-9+/=]{200,})", raw):
                inner = base64.b64decode(packed + b"=" * (-len(packed) % 4))
                yield path, inner
                if inner[:2] == b"\x1f\x8b":
                    yield path, gzip.decompress(inner)


def _has(raw: bytes) -> bool:
    return any(word in raw for word in (CANARY.encode(), CANARY.encode("utf-16-le"), CANARY.lower().encode()))


@pytest.mark.slow
def test_no_canary_in_logs_report_record_pieces_and_models(planted, shell, tmp_path):
    out = tmp_path / "run"
    names = "confounds,ridge-correlation-fmri,fusion"
    code, said, err = shell(
        "evaluate", planted / "cohort.toml", "--out", out, "--folds", 2, "--models", names, warned=True
    )
    assert code == 1  # one torn image
    models = tmp_path / "models"
    models.mkdir()
    for name in ("ridge-correlation-fmri", "mlp", "fusion"):
        _, more, worse = shell(
            "fit", planted / "cohort.toml", "--model", name, "--out", models / f"{name}.model", warned=True
        )
        _, inside, _ = shell("inspect", models / f"{name}.model")
        said, err = said + more + inside, err + worse
    assert len(list(models.iterdir())) == 3
    assert CANARY not in said.replace(str(tmp_path), "")
    assert CANARY not in err
    assert "warning: signals.fmri: " in err
    record = json.loads((out / "run.json").read_text())
    for key in ("manifest", "root"):
        record["arguments"].pop(key, None)
    assert CANARY not in json.dumps(record)
    files = [*_everything(out), *_everything(models)]
    assert {"report.html", "scores.tsv", "importance.tsv", "leaks.tsv"} <= {path.name for path, _ in files}
    assert any(path.suffix == ".model" and path.parent.name == "pieces" for path, _ in files)
    assert [path.name for path, raw in files if path.name not in KEYED | {"run.json"} and _has(raw)] == []
    assert _has((out / "predictions.tsv").read_bytes())  # the search itself works


def test_an_error_of_one_subject_names_him_beside_the_message_alone(planted, shell, study):
    code, _, err = shell("check", planted / "cohort.toml", "--strict")
    assert code == 2
    message, _, subject = err.partition(" (subject ")
    assert CANARY not in message
    assert subject.strip() == f"sub-{canary(3)})"
