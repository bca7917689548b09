"""Tables of graph measures: one row a subject and region, and one row a subject."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from graphfuse._check import check_shape
from graphfuse.connectome.measures.communities import communities_of
from graphfuse.connectome.measures.regional import MEASURES, check_measures, needs_communities, regional_measures
from graphfuse.errors import InvalidOption
from graphfuse.graph.graphs import Graphs


def graph_measures(
    graphs: Graphs | Tensor | np.ndarray,
    measures: Sequence[str] = tuple(MEASURES),
    *,
    subjects: Sequence | None = None,
    regions: Sequence[str] | None = None,
    networks: str | Sequence[str] | None = None,
    random_state: int = 0,
) -> pd.DataFrame:
    """Measure every region of every subject's graph: a table for statistics, plots and mixed models.

    Who was not measured has no rows, nor has a region that is not usable. For one measure with a column a region:
    ``table.pivot(index="subject", columns="region", values="strength")``.

    Parameters
    ----------
    graphs : Graphs or array (N, R, R)
        Graphs of the subjects, or their weights: symmetric, 0 or above, the diagonal is never looked at.
    measures : sequence of str
        Keys of `MEASURES`. A plain name such as ``clustering`` asks which edges exist, ``weighted-clustering`` how
        strong they are.
    subjects : sequence (N,) or None
        Ids, for example ``cohort.subjects``; None = 0 .. N - 1.
    regions : sequence of str (R,) or None
        Names, for example ``atlas.names``; None = ``region 0`` ...
    networks : sequence of str (R,), or str, or None
        For ``modularity`` and ``participation``: the network of each region, for example ``atlas.network``; or how
        to find the communities of each subject, ``"louvain"`` or ``"greedy"``; None = ``"louvain"``.
    random_state : int
        Seed of the search for communities.

    Returns
    -------
    DataFrame
        subject, region, one column a measure, and, where networks are given or a measure needs them, community: the
        network's name, or the number of the community that was found, from 0 on.

    Raises
    ------
    InvalidOption
        Unknown measures or networks, or graphs of windows.
    NegativeWeights, NonFinite, ShapeMismatch
    """
    measures = check_measures(measures)
    weights, nodes = _weights(graphs)
    count, width = nodes.shape
    subjects = np.arange(count) if subjects is None else check_shape("subjects", np.asarray(subjects), (count,))
    regions = [f"region {r}" for r in range(width)] if regions is None else list(regions)
    check_shape("regions", np.asarray(regions, dtype=object), (width,))
    who, where = (index.numpy() for index in nodes.nonzero(as_tuple=True))
    table = pd.DataFrame({"subject": subjects[who], "region": np.asarray(regions, dtype=object)[where]})
    codes = None
    if networks is not None or needs_communities(measures):
        codes = communities_of(networks, weights, nodes, random_state)
        table["community"] = _labels(networks, codes)[who, where]
    values = regional_measures(weights, measures, nodes, codes).numpy()[who, where]
    return table.join(pd.DataFrame(values, columns=list(measures)))


def global_measures(table: pd.DataFrame) -> pd.DataFrame:
    """One row a subject: the mean over regions of each measure, of ``modularity`` the sum.

    So ``clustering`` is networkx's ``average_clustering``, ``efficiency`` its ``global_efficiency``,
    ``local-efficiency`` its ``local_efficiency``, ``modularity`` that of the whole graph, and ``degree / (n - 1)``
    its ``density``.

    Parameters
    ----------
    table : DataFrame
        What `graph_measures` returns.

    Returns
    -------
    DataFrame
        subject, regions (how many are usable), communities (how many, where the table knows them), one column a
        measure.
    """
    measures = [name for name in table.columns if name in MEASURES]
    people = table.groupby("subject", sort=False)
    counts = people.agg(regions=("region", "size"))
    if "community" in table:
        counts["communities"] = people["community"].nunique()
    values = people[measures].agg({name: "sum" if name == "modularity" else "mean" for name in measures})
    return counts.join(values).reset_index()


def _weights(graphs: Graphs | Tensor | np.ndarray) -> tuple[Tensor, Tensor]:
    """Weights (N, R, R) and usable regions (N, R); none of who was not measured."""
    if not isinstance(graphs, Graphs):
        weights = check_shape("graphs", torch.as_tensor(graphs), (None, None, None))
        return weights, torch.ones(weights.shape[:2], dtype=torch.bool)
    if graphs.offsets is not None:
        raise InvalidOption("graph_measures needs one graph a subject; got windows. Use FunctionalGraph, not windows.")
    return graphs.adjacency.to_dense().detach().cpu(), (graphs.nodes & graphs.present[:, None]).cpu()


def _labels(networks: str | Sequence[str] | None, codes: Tensor) -> np.ndarray:
    """What the table calls the community of each region, (N, R): its name, or the number that was found."""
    if networks is None or isinstance(networks, str):
        return codes.numpy()
    return np.broadcast_to(np.asarray(networks, dtype=object), tuple(codes.shape))
