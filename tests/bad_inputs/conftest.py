"""A small study on disk, and what it means that a fault of one subject costs that subject and nobody else."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from graphfuse import cli
from graphfuse.errors import GraphFuseWarning
from graphfuse.read import read_cohort

NAMES = ["Left A", "Left B", "Right A", "Right B"]
CENTRES = [(-10, 0, 0), (-10, 10, 0), (10, 0, 0), (10, 10, 0)]
AFFINE = np.diag([5.0, 5, 5, 1])
AFFINE[:3, 3] = -20  # 9 voxels from -20 to 20 mm


class Study:
    """Six people at two sites: series of 4 regions as text, and, where a test asks for them, 4D images."""

    def __init__(self, root: Path, n: int = 6):
        self.root, self.rng = root, np.random.default_rng(0)
        self.ids = [f"0{11 + i}" for i in range(n)]
        self.rows = [[s, "YX"[i % 4 < 2], str(1 + i % 2), f"{20 + i % 30}.5"] for i, s in enumerate(self.ids)]
        self.top = 'table = "people.csv"\nid = "ID"\ntarget = "DX"\npositive = "sick"\nsite = "SITE"\n'
        self.coding = "classes = { sick = 1, well = 2 }\n"
        self.files = ""
        self.fmri = '[signals.fmri]\nkind = "timeseries"\npath = "ts/{ID}.1D"\natlas = "four.tsv"\n'
        self.extra = ""
        (root / "ts").mkdir()
        lines = ["region\tnetwork\themisphere\tx\ty\tz\tsource\tlabel"]
        for r, (name, (x, y, z)) in enumerate(zip(NAMES, CENTRES, strict=True)):
            lines.append(f"{name}\tnet\t{name[0]}\t{x}\t{y}\t{z}\tself\t{10 * (r + 1)}")
        (root / "four.tsv").write_text("\n".join(lines) + "\n")
        for subject in self.ids:
            self.series(subject, self.rng.normal(size=(40, 4)))

    def series(self, subject: str, values, header: str = "#10\t#20\t#30\t#40") -> Path:
        rows = ["\t".join(f"{v:.8g}" for v in row) for row in values]
        path = self.root / "ts" / f"{subject}.1D"
        path.write_text("\n".join(([header] if header else []) + rows) + "\n")
        return path

    def images(self, n: int = 3) -> list[Path]:
        """Replace the series by 4D images of the first `n` people, under a label volume."""
        self.rows, self.ids = self.rows[:n], self.ids[:n]
        volume = np.zeros((9, 9, 9), np.int16)
        volume[:2, :4], volume[:2, 5:], volume[7:, :4], volume[7:, 5:] = 10, 20, 30, 40
        self.labels(volume)
        self.fmri = '[signals.fmri]\nkind = "nifti"\npath = "img/{ID}.nii.gz"\natlas = "four.tsv"\n'
        self.fmri += 'labels = "labels.nii.gz"\ndetrend = false\n'
        (self.root / "img").mkdir()
        return [self.image(subject, self.voxels()) for subject in self.ids]

    def voxels(self) -> np.ndarray:
        return self.rng.normal(100, 5, size=(9, 9, 9, 30)).astype(np.float32)

    def labels(self, volume, affine=AFFINE) -> None:
        nib.save(nib.Nifti1Image(volume, affine), self.root / "labels.nii.gz")

    def image(self, subject: str, voxels, affine=AFFINE) -> Path:
        image = nib.Nifti1Image(voxels, affine)
        image.header.set_zooms((5, 5, 5, 2.0, *[1] * (voxels.ndim - 4))[: voxels.ndim])
        image.header.set_xyzt_units("mm", "sec")
        path = self.root / "img" / f"{subject}.nii.gz"
        nib.save(image, path)
        return path

    def toml(self) -> Path:
        table = "\n".join(",".join(row) for row in [["ID", "SITE", "DX", "AGE"], *self.rows])
        (self.root / "people.csv").write_text(table + "\n")
        path = self.root / "cohort.toml"
        path.write_text(self.top + self.coding + self.files + self.fmri + self.extra)
        return path

    def read(self, **options):
        """The cohort, without the warning that images have no confounds beside them."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*no fMRIPrep confounds.*", GraphFuseWarning)
            return read_cohort(self.toml(), **options)


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(tmp_path)


def plain(error, root: Path) -> None:
    """A message is one line with what to do, and names no path."""
    text = str(error)
    assert "\n" not in text
    assert text.rstrip().endswith((".", "?"))
    assert len(text.split()) >= 8  # what was expected, what came, what to do
    assert str(root) not in text


@pytest.fixture
def costs_one(study):
    """Assert that the fault of one subject costs his row and nobody else, and that `strict` stops with his id."""

    def check(kind, words, place: int = 1):
        name = study.ids[place]
        cohort = study.read()
        assert cohort.exclusions["subject"].tolist() == [name]
        assert len(cohort) == len(study.ids) - 1
        with pytest.raises(kind, match=words) as caught:
            study.read(strict=True)
        assert caught.value.subject == name
        assert name not in str(caught.value)
        plain(caught.value, study.root)
        return caught.value

    return check


@pytest.fixture
def refused(study):
    """Assert that the whole source is refused, in one line that names no subject."""

    def check(kind, words, **options):
        with pytest.raises(kind, match=words) as caught:
            study.read(**options)
        assert not any(name in str(caught.value) for name in study.ids)
        plain(caught.value, study.root)
        return caught.value

    return check


@pytest.fixture
def shell(monkeypatch, capsys):
    """Run the command line here: (exit code, stdout, stderr); warnings are lines of stderr where `warned`."""

    def call(*arguments, warned=False):
        monkeypatch.setattr(sys, "argv", ["graphfuse", *map(str, arguments)])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        with warnings.catch_warnings(action="always" if warned else "ignore"), pytest.raises(SystemExit) as stop:
            cli.main()
        captured = capsys.readouterr()
        return stop.value.code or 0, captured.out, captured.err

    return call
