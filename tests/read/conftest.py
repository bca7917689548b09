from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

REGIONS = ["Left A", "Left B", "Right A", "Right B"]


class Study:
    """A small study on disk: 6 people, time series of 4 regions, a wide table of volumes."""

    def __init__(self, root: Path):
        self.root = root
        self.rng = np.random.default_rng(0)
        self.ids = [f"0{i}" for i in range(11, 17)]
        self.top = (
            'table = "people.csv"\nid = "ID"\ntarget = "DX"\nclasses = { sick = 1, well = 2 }\npositive = "sick"\n'
        )
        self.top += 'site = "SITE"\nmissing = [-9999]\n'
        self.files = ""
        self.fmri = '[signals.fmri]\nkind = "timeseries"\npath = "ts/{ID}.1D"\natlas = "four.tsv"\n'
        self.extra = ""
        (root / "ts").mkdir()
        self.write_table(["ID,SITE,DX,AGE"] + [f"{s},X,{1 + i % 2},{10 + i}.5" for i, s in enumerate(self.ids)])
        lines = ["region\tnetwork\themisphere\tx\ty\tz\tsource\tlabel"]
        xyz = [(-10, 0, 0), (-10, 10, 0), (10, 0, 0), (10, 10, 0)]
        lines += [f"{n}\tnet\t{n[0]}\t{x}\t{y}\t{z}\tself\t{10 * (r + 1)}"
                  for r, (n, (x, y, z)) in enumerate(zip(REGIONS, xyz, strict=True))]  # fmt: skip
        (root / "four.tsv").write_text("\n".join(lines) + "\n")
        self.series = {s: self.rng.normal(size=(40, 4)) for s in self.ids}
        for subject, series in self.series.items():
            self.write_series(subject, series)

    def write_table(self, lines: list[str], **options) -> None:
        (self.root / "people.csv").write_text("\n".join(lines) + "\n", **{"encoding": "utf-8"} | options)

    def write_series(self, subject: str, series, header: str = "#10\t#20\t#30\t#40", stop: str = "\n") -> None:
        rows = ["\t".join(f"{v:.8g}" for v in row) for row in series]
        (self.root / "ts" / f"{subject}.1D").write_text("\n".join(([header] if header else []) + rows) + stop)

    def toml(self) -> Path:
        path = self.root / "cohort.toml"
        path.write_text(self.top + self.files + self.fmri + self.extra)
        return path


@pytest.fixture
def study(tmp_path) -> Study:
    return Study(tmp_path)
