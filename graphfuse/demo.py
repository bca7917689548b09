"""The demo: a simulated cohort from files to report, and whether the planted regions were found."""

from __future__ import annotations

from pathlib import Path

from graphfuse.estimators.fusion_classifier import FusionClassifier
from graphfuse.evaluate.cross_validation import cross_validate
from graphfuse.evaluate.run_folder import write_run, write_table
from graphfuse.evaluate.splits import Splits
from graphfuse.explain import edge_importance, region_importance
from graphfuse.read import read_cohort
from graphfuse.report import write_report
from graphfuse.simulate import simulate_cohort
from graphfuse.write import write_cohort

SUBJECTS, FOLDS, TARGET_AUC, JOBS = 200, 3, 0.78, 2


def run_demo(out: Path, seed: int = 0) -> None:
    """Simulate, write, read, evaluate, explain and report into `out`."""
    out = Path(out)
    simulation = simulate_cohort(SUBJECTS, auc=TARGET_AUC, seed=seed)
    print(
        f"1/4 Simulated {SUBJECTS} people; who knew what was planted would reach an AUC of {simulation.oracle_auc:.2f}."
    )
    folder = out / f"cohort-{seed}"
    if not folder.exists():
        write_cohort(simulation, folder)
    cohort = read_cohort(folder / "cohort.toml")
    print(f"2/4 Read them back: {cohort}")
    result = cross_validate(FusionClassifier(), cohort, Splits(folds=FOLDS, random_state=seed), n_jobs=JOBS)
    write_run(result, out, {"demo": True, "seed": seed})
    print(f"3/4 Evaluated {len(result.model_names)} models on the same {FOLDS} folds:\n")
    print(result.table()[["role", "accuracy", "auc", "difference", "p_holm"]].to_string())
    print(f"\n{result.verdict()}\n")
    importance, edges = region_importance(result), edge_importance(result)
    write_table(importance, out / "importance.tsv")
    write_table(edges, out / "edges.tsv")
    planted = set(simulation.planted_regions.itertuples(index=False, name=None))
    found = [(row.modality, row.region) in planted for row in importance.itertuples()]
    print(f"4/4 {sum(found[:10])} of the 10 most important regions were planted. Most important first:")
    for row, hit in list(zip(importance.itertuples(), found, strict=True))[:10]:
        print(f"    {row.mean:.3f}  {row.modality}  {row.region}{'  (planted)' if hit else ''}")
    print(f"\nReport: {write_report(result, out / 'report.html', importance, edges)}")
