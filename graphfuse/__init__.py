"""graphfuse: from brain data to graphs, and from graphs to honest diagnoses."""

from __future__ import annotations

from importlib import import_module

# Public name -> the module that holds it; imported when first used, so that `import graphfuse` stays quick.
_HOME = {
    "AddFusion": "graphfuse.fusion",
    "Adjacency": "graphfuse.kernels",
    "Atlas": "graphfuse.atlas",
    "Audit": "graphfuse.audit",
    "ChebConv": "graphfuse.nn.conv",
    "Cohort": "graphfuse.cohort",
    "ComBat": "graphfuse.harmonise",
    "ConcatFusion": "graphfuse.fusion",
    "ConformalClassifier": "graphfuse.estimators.conformal",
    "Confounds": "graphfuse.estimators.baselines",
    "ConnectivityConv": "graphfuse.nn.conv",
    "CrossValidation": "graphfuse.evaluate.result",
    "DisparityFilter": "graphfuse.graph.backbone",
    "DynamicGraph": "graphfuse.graph.dynamic",
    "FunctionalGraph": "graphfuse.graph.subject",
    "FusionClassifier": "graphfuse.estimators.fusion_classifier",
    "GATConv": "graphfuse.nn.conv",
    "GATv2Conv": "graphfuse.nn.conv",
    "GCNConv": "graphfuse.nn.conv",
    "GatedFusion": "graphfuse.fusion",
    "GraphEncoder": "graphfuse.nn.encoder",
    "GraphFuseError": "graphfuse.errors",
    "GraphFuseWarning": "graphfuse.errors",
    "GraphMeasures": "graphfuse.graph.subject_measures",
    "Graphs": "graphfuse.graph.graphs",
    "HybridFusion": "graphfuse.estimators.hybrid",
    "IndividualNetwork": "graphfuse.connectome.individual",
    "InnerFolds": "graphfuse.estimators.choice",
    "KNearest": "graphfuse.graph.sparsify",
    "LateFusion": "graphfuse.estimators.late_fusion",
    "LinearSVM": "graphfuse.estimators.svm",
    "LocationScale": "graphfuse.harmonise",
    "MLP": "graphfuse.estimators.mlp",
    "Majority": "graphfuse.estimators.baselines",
    "MeanOfRidges": "graphfuse.estimators.ridge",
    "MorphometricGraph": "graphfuse.graph.subject",
    "NetworkEdges": "graphfuse.estimators.network_edges",
    "PhenotypeView": "graphfuse.estimators.vector_view",
    "PopulationClassifier": "graphfuse.estimators.population_classifier",
    "PopulationGraph": "graphfuse.graph.population",
    "PopulationSystem": "graphfuse.estimators.population_system",
    "ProbabilityScore": "graphfuse.estimators.choice",
    "RegressOut": "graphfuse.harmonise",
    "Ridge": "graphfuse.estimators.ridge",
    "Signal": "graphfuse.signal",
    "SpanningDensity": "graphfuse.graph.backbone",
    "Stacking": "graphfuse.estimators.stacking",
    "SubjectGraph": "graphfuse.graph.subject_graph",
    "SubjectSystem": "graphfuse.estimators.subject_system",
    "Splits": "graphfuse.evaluate.splits",
    "TangentSpace": "graphfuse.connectome.tangent",
    "Threshold": "graphfuse.graph.sparsify",
    "TopDensity": "graphfuse.graph.sparsify",
    "TransformerConv": "graphfuse.nn.conv",
    "VectorView": "graphfuse.estimators.vector_view",
    "choose": "graphfuse.estimators.choice",
    "cross_validate": "graphfuse.evaluate.cross_validation",
    "edge_importance": "graphfuse.explain",
    "faithfulness": "graphfuse.explain",
    "fetch_abide": "graphfuse.read.abide",
    "fit_together": "graphfuse.estimators.together",
    "functional_connectivity": "graphfuse.connectome.functional",
    "global_measures": "graphfuse.graph.measure_table",
    "graph_measures": "graphfuse.graph.measure_table",
    "importance_checks": "graphfuse.explain",
    "importance_stability": "graphfuse.explain",
    "inspect_model": "graphfuse.estimators.inspection",
    "integrated_gradients": "graphfuse.explain",
    "leak_columns": "graphfuse.evaluate.leaks",
    "linear_importance": "graphfuse.explain",
    "list_atlases": "graphfuse.atlas",
    "list_systems": "graphfuse.systems",
    "load_abide": "graphfuse.read.abide",
    "load_atlas": "graphfuse.atlas",
    "load_model": "graphfuse.estimators.saving",
    "make_system": "graphfuse.systems",
    "morphometric_similarity": "graphfuse.connectome.morphometric",
    "network_based_statistic": "graphfuse.connectome.network_statistic",
    "network_importance": "graphfuse.explain",
    "parameter_randomisation": "graphfuse.explain",
    "permutation_test": "graphfuse.evaluate.permutation",
    "plot_calibration": "graphfuse.plot",
    "plot_connectome": "graphfuse.plot",
    "plot_faithfulness": "graphfuse.plot",
    "plot_importance": "graphfuse.plot",
    "plot_roc": "graphfuse.plot",
    "plot_scores": "graphfuse.plot",
    "plot_sites": "graphfuse.plot",
    "prototypes": "graphfuse.estimators.prototypes",
    "read_cohort": "graphfuse.read",
    "region_importance": "graphfuse.explain",
    "run_audit": "graphfuse.audit",
    "save_model": "graphfuse.estimators.saving",
    "simulate_cohort": "graphfuse.simulate",
    "sliding_connectivity": "graphfuse.connectome.windows",
    "stream_connectomes": "graphfuse.connectome.stream",
    "view_connectome": "graphfuse.plot",
    "view_importance": "graphfuse.plot",
    "write_cohort": "graphfuse.write",
    "write_report": "graphfuse.report",
}

__all__ = sorted([*_HOME, "__version__"])


def __getattr__(name: str):
    if name == "__version__":
        from importlib.metadata import version

        return version("graphfuse")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'graphfuse' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(__all__)
