"""Pictures: matplotlib figures and nilearn's interactive views of tables that were computed elsewhere."""

from graphfuse.plot.brain import plot_importance, view_importance
from graphfuse.plot.calibration import plot_calibration
from graphfuse.plot.connectome import plot_connectome, view_connectome
from graphfuse.plot.faithfulness import plot_faithfulness
from graphfuse.plot.roc import plot_roc
from graphfuse.plot.scores import plot_scores
from graphfuse.plot.sites import plot_sites

__all__ = [
    "plot_calibration",
    "plot_connectome",
    "plot_faithfulness",
    "plot_importance",
    "plot_roc",
    "plot_scores",
    "plot_sites",
    "view_connectome",
    "view_importance",
]
