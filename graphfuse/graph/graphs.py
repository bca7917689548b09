"""Graphs: the subjects' graphs over one region set, stacked once, and the doors to PyG and networkx."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from graphfuse._check import check_shape
from graphfuse.errors import InvalidOption, ShapeMismatch
from graphfuse.kernels.adjacency import Adjacency
from graphfuse.kernels.finite import check_finite


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
        check_finite("The node features x", self.x)

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

    def followed_by(self, *others: Graphs) -> Graphs:
        """These subjects, then those of the others, over the same regions."""
        parts = [self, *others]
        owned = [np.diff(part.offsets) if part.offsets is not None else np.ones(len(part), int) for part in parts]
        return Graphs(
            torch.cat([part.x for part in parts]),
            Adjacency.from_dense(torch.cat([part.adjacency.to_dense() for part in parts])),
            torch.cat([part.nodes for part in parts]),
            torch.cat([part.present for part in parts]),
            None if self.offsets is None else np.cumsum([0, *np.concatenate(owned)]),
        )

    def __repr__(self) -> str:
        n, r, f = self.x.shape
        return (
            f"Graphs({len(self)} subjects, {n} graphs, {r} regions x {f} features, {self.adjacency.density:.0%} dense)"
        )

    def isolated(self) -> np.ndarray:
        """How many usable regions of each graph, (G,) int, no other joins: only their self-loop keeps them alive."""
        bare = self.adjacency.without_self_loops()
        edges = bare.with_weight((bare.weight.detach() != 0).to(self.x.dtype))
        return ((edges.degree() == 0) & self.nodes).sum(1).numpy()

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
        """Stack PyG `Data` of equal size back into Graphs (edge_weight 1 where there is none; equal edges are summed).

        Raises
        ------
        ShapeMismatch
            No items, node features of another shape, or weights that are not one an edge.
        InvalidOption, NonFinite
            An edge to a node that is not there; a NaN or an infinity.
        """
        _check_items(items)
        x = torch.stack([item.x for item in items])  # (G, R, F)
        graphs, regions = x.shape[:2]
        edge_index = torch.cat([_inside(item.edge_index, regions) + g * regions for g, item in enumerate(items)], 1)
        weight = torch.cat([_edge_weight(item) for item in items])
        adjacency = Adjacency.from_edge_index(edge_index, weight, num_nodes=regions, num_graphs=graphs)
        nodes = torch.ones(graphs, regions, dtype=torch.bool)
        return cls(x, adjacency, nodes, torch.ones(graphs, dtype=torch.bool))

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


def _check_items(items: Sequence) -> None:
    shapes = {tuple(item.x.shape) for item in items}
    if len(shapes) != 1:
        raise ShapeMismatch(f"Expected one or more Data with x of one shape (R, F); got {sorted(shapes)}.")


def _inside(edge_index: torch.Tensor, regions: int) -> torch.Tensor:
    """`edge_index` (2, E), once it is clear that it stays inside a graph of R nodes."""
    if edge_index.numel() and not 0 <= int(edge_index.min()) <= int(edge_index.max()) < regions:
        raise InvalidOption(
            f"edge_index must lie in 0 .. {regions - 1}; got {int(edge_index.min())} .. {int(edge_index.max())}."
        )
    return check_shape("edge_index", edge_index, (2, None))


def _edge_weight(item) -> torch.Tensor:
    """Weights (E,) of one `Data`, 1 where it has none."""
    weight, edges = item.get("edge_weight"), item.edge_index.shape[1]
    return item.x.new_ones(edges) if weight is None else check_shape("edge_weight", weight, (edges,)).to(item.x)
