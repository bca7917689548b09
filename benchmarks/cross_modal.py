"""Which fusions find an effect that lies in the combination of two modalities alone: a table in Markdown.

Simulated people whose fMRI and sMRI are each at chance (``simulate_cohort(cross_modal=True)``): the class is the
product of two signs, one in each modality. Every fusion stands between the same encoders, ``relu(W x + b)`` of the same
principal components, and the same linear head, and is trained by the same recipe; late fusions are of networks that
read one modality. An effect that adds up stands beside it, so that one sees what a fusion gives away.

    python benchmarks/cross_modal.py [--subjects 600] [--cohorts 2] [--jobs 2]
"""

from __future__ import annotations

import argparse

import numpy as np
import pandas as pd
from torch import Tensor, nn

import graphfuse as gf
from graphfuse.estimators.hybrid_network import RoleEncoder
from graphfuse.estimators.subject_system import SubjectSystem
from graphfuse.fusion import FUSIONS, make_fusion

COMPONENTS, WIDTH = 10, 16
RECIPE = {"members": 1, "learning_rate": 3e-3, "weight_decay": 1e-2, "epochs": 300, "patience": 60}
AUC = 0.95


class Fused(nn.Module):
    """Encoders of vectors, a fusion by name, a linear head.

    Parameters
    ----------
    shapes : dict of str to (P,)
    n_classes : int
    fusion : str
    """

    def __init__(self, shapes, n_classes: int, fusion: str):
        super().__init__()
        self.encoders = nn.ModuleDict({role: RoleEncoder(shape, WIDTH) for role, shape in shapes.items()})
        self.fusion = make_fusion(fusion, dict.fromkeys(shapes, WIDTH), WIDTH)
        self.head = nn.Linear(WIDTH, n_classes)

    def forward(self, inputs) -> Tensor:
        """Return logits (B, C)."""
        embeddings = {role: encode(inputs[role]) for role, encode in self.encoders.items()}
        return self.head(self.fusion(embeddings, {role: part.present for role, part in inputs.items()})[0])


def views(*roles: str) -> dict:
    """The same components of each modality for everybody."""
    return {role: gf.VectorView(components=COMPONENTS) for role in roles}


def models() -> dict:
    """Name -> estimator: every fusion, one modality alone, late fusions of networks of one modality."""
    both = {name: SubjectSystem(views("fmri", "smri"), Fused, {"fusion": name}, **RECIPE) for name in FUSIONS}
    alone = {
        f"{role} alone": SubjectSystem(views(role), Fused, {"fusion": "concat"}, **RECIPE) for role in ("fmri", "smri")
    }
    parts = {role: alone[f"{role} alone"] for role in ("fmri", "smri")}
    late = {f"late: {rule}": gf.LateFusion(parts, rule) for rule in ("mean", "bayes", "dempster-shafer", "max")}
    hybrid = gf.HybridFusion(views("fmri", "smri"), "gated", width=WIDTH, dropout=0.0, **RECIPE)
    deep = gf.HierarchicalClassifier(views("fmri", "smri"), width=WIDTH, hidden=(WIDTH, WIDTH), dropout=0.0, **RECIPE)
    stacked = {"stacking": gf.Stacking(parts)}
    kernels = {f"kernels: {terms}": gf.MultipleKernel(kernel="rbf", terms=terms) for terms in ("each", "pairs")}
    return both | {"hybrid: gated, mean": hybrid, "hierarchical: gated": deep} | late | stacked | kernels | alone


def scores(cohort: gf.Cohort, names: list[str], jobs: int) -> pd.Series:
    """AUC of the models of these names, or of all, five folds."""
    chosen = {name: model for name, model in models().items() if not names or name in names}
    result = gf.cross_validate(chosen, cohort, gf.Splits(folds=5), baselines="none", n_jobs=jobs)
    table = result.scores
    return table[table["metric"] == "auc"].set_index("model")["mean"]


def simulated(subjects: int, seed: int, cross_modal: bool) -> gf.Simulation:
    """People with strong planted subnetworks, without sites, motion and missing modalities."""
    return gf.simulate_cohort(
        subjects, auc=AUC, cross_modal=cross_modal, shared=0.0, regions=20, n_sites=1, site_offset=0.0, motion=0.0,
        missing={}, seed=seed,
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=600)
    parser.add_argument("--cohorts", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--models", type=str, default="", help="names, separated by semicolons; default: all")
    asked = parser.parse_args()
    columns, names = {}, [name.strip() for name in asked.models.split(";") if name.strip()]
    for name, crossed in (("adds up", False), ("crossed", True)):
        made = [simulated(asked.subjects, seed, crossed) for seed in range(asked.cohorts)]
        columns[name] = pd.concat([scores(one.cohort, names, asked.jobs) for one in made], axis=1).mean(axis=1)
        columns[name]["oracle"] = np.mean([one.oracle_auc for one in made])
    table = pd.DataFrame(columns).sort_values("crossed", ascending=False)
    print("| fusion | AUC, effects add up | AUC, only the combination |\n|---|---|---|")
    for row in table.itertuples():
        print(f"| {row.Index} | {row[1]:.3f} | {row[2]:.3f} |")


if __name__ == "__main__":
    main()
