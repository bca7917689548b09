"""Where the time of one fit of the main job's graph network goes: torch's own profile, by operator.

    python benchmarks/profile_fusion.py DIR [--epochs 8]

DIR holds ABIDE I as `reference_figures.py` wants it. One member of the ensemble, one thread, nine tenths of the people;
the making of the graphs is part of what is shown.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np
import torch
from torch.profiler import profile

import graphfuse as gf

MANIFEST = Path(__file__).parents[1] / "examples" / "abide.toml"


def main() -> None:
    """Fit once to warm up, once under the profiler."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--epochs", type=int, default=8)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cohort = gf.read_cohort(MANIFEST, root=arguments.root)
    train = cohort[np.arange(len(cohort)) % 10 != 0]
    model = gf.FusionClassifier(members=1, epochs=arguments.epochs, patience=arguments.epochs)
    model.fit(train.blind(), train.y)
    with profile() as record:
        model.fit(train.blind(), train.y)
    print(record.key_averages().table(sort_by="self_cpu_time_total", row_limit=20, max_name_column_width=40))


if __name__ == "__main__":
    main()
