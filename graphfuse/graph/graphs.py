"""Graphs: the subjects' graphs over one region set, stacked once, and the doors to PyG and networkx."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from graphfuse._check import check_shape
from graphfuse.kernels.adjacency import Adjacency


@dataclass(frozen=True, eq=False, repr=False)
class Graphs:
    """N subjects over one set of R regions; ``graphs[rows]`` takes subjects.

    Parameters
    ----------
    x : Tensor (G, R, F)
        Node features; zero where a region is masked.
    adjacency : Adjacency
        G graphs of R nodes.
    nodes : Tensor (G, R) bool
        Which regions are usable.
    present : Tensor (N,) bool
        Who was measured. The graph of somebody who was not holds zeros and is never read.
    offsets : array (N + 1,) int or None
        Subject i owns the graphs ``offsets[i]:offsets[i + 1]`` (windows); None = one graph a subject, G = N.
    """

    x: torch.Tensor
    adjacency: Adjacency
    nodes: torch.Tensor
    present: torch.Tensor
    offsets: np.ndarray | None = None

    def __post_init__(self):
        check_shape("nodes", self.nodes, tuple(self.x.shape[:2]))
        check_shape("adjacency", self.adjacency, (self.x.shape[0], self.x.shape[1], None))
        check_shape("present", self.present, (len(self),))

    def __len__(self) -> int:
        return self.x.shape[0] if self.offsets is None else len(self.offsets) - 1

    def __getitem__(self, rows) -> Graphs:
        rows = np.atleast_1d(np.arange(len(self))[rows])
        if self.offsets is None:
            graphs, offsets = rows, None
        else:
            runs = [np.arange(self.offsets[i], self.offsets[i + 1]) for i in rows]
            graphs, offsets = np.concatenate([*runs, []]).astype(int), np.cumsum([0, *map(len, runs)])
        return replace(
            self,
            x=self.x[graphs],
            adjacency=self.adjacency[graphs],
            nodes=self.nodes[graphs],
            present=self.present[rows],
            offsets=offsets,
        )

    def __repr__(self) -> str:
        n, r, f = self.x.shape
        return (
            f"Graphs({len(self)} subjects, {n} graphs, {r} regions x {f} features, {self.adjacency.density:.0%} dense)"
        )

    def to_pyg(self, y: Sequence[int] | None = None, pos: np.ndarray | None = None) -> list:
        """One `torch_geometric.data.Data` a graph: x, edge_index, edge_weight, pos [MNI mm], y.

        Parameters
        ----------
        y : sequence (G,) of int, optional
            Class codes.
        pos : array (R, 3), optional
            Region centres [MNI mm], for example ``atlas.xyz``.
        """
        from torch_geometric.data import Data

        dense = self.adjacency.to_dense()
        place = None if pos is None else torch.as_tensor(pos, dtype=torch.float32)
        items = []
        for g, weight in enumerate(dense):
            target, source = weight.nonzero(as_tuple=True)  # row = target, column = source
            label = None if y is None else torch.tensor([int(y[g])])
            edge_index = torch.stack([source, target])
            items.append(Data(self.x[g], edge_index, edge_weight=weight[target, source], y=label, pos=place))
        return items

    @classmethod
    def from_pyg(cls, items: Sequence) -> Graphs:
        """Stack PyG `Data` of equal size back into Graphs (edge_weight 1 where there is none)."""
        x = torch.stack([item.x for item in items])  # (G, R, F)
        dense = x.new_zeros(len(items), x.shape[1], x.shape[1])
        for g, item in enumerate(items):
            source, target = item.edge_index
            weight = item.get("edge_weight")
            dense[g, target, source] = x.new_ones(len(source)) if weight is None else weight
        nodes = torch.ones(x.shape[:2], dtype=torch.bool)
        return cls(x, Adjacency.from_dense(dense), nodes, torch.ones(len(items), dtype=torch.bool))

    def to_networkx(self, index: int, names: Sequence[str] | None = None):
        """Graph `index` in networkx (`Graph` if symmetric, else `DiGraph`), nodes called by `names`, weighted edges."""
        import networkx as nx

        weight = self.adjacency[[index]].to_dense()[0].detach().cpu().numpy()
        kind = nx.Graph if np.array_equal(weight, weight.T) else nx.DiGraph
        graph = nx.from_numpy_array(weight.T, create_using=kind)  # our rows are targets, networkx's are sources
        return graph if names is None else nx.relabel_nodes(graph, dict(enumerate(names)))


def from_networkx(graph, names: Sequence[str]) -> Adjacency:
    """The weights of a networkx graph as one Adjacency whose rows follow `names`; edges without ``weight`` count 1."""
    import networkx as nx

    weight = nx.to_numpy_array(graph, nodelist=list(names), dtype=np.float32).T
    return Adjacency.from_dense(torch.as_tensor(weight.copy())[None])
