"""What the GPU path reaches of what the card can do; run it where a CUDA GPU is at hand.

    python benchmarks/gpu.py [--regions 64984] [--frames 1200] [--out FILE.tsv]

Three workloads: SpMM (cuSPARSE, through torch, against scattered messages), attention (against PyG's GATConv, whose
edges are sorted and have their self-loops already) and connectivity convolution in each precision. Medians of 7
interleaved turns by CUDA events, after one to warm up and compile. A limit is the time that the card needs at the
clock, memory and width that torch.cuda.get_device_properties reports, for what must be computed and for what must
move through memory at least once; the larger counts, and the fraction is that limit over the time taken.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import torch
from torch import Tensor

from graphfuse.kernels import Adjacency
from graphfuse.kernels.spmm import spmm, spmm_reference
from graphfuse.nn.conv import GATConv

TURNS = 7
# Operations a clock and multiprocessor, a fused multiply-add being two: ordinary float32, and TF32 on the matrix units.
ORDINARY = 256
MATRIX = {(8, 0): 1024, (8, 6): 256, (8, 9): 256, (9, 0): 2048, (10, 0): 4096}


@dataclass(frozen=True)
class Work:
    """One workload: who does it, and the least that must be done.

    Parameters
    ----------
    name : str
    contestants : dict of str to callable
        The first is ours.
    moved : float
        Bytes that must go through memory at least once.
    computed : float
        Floating-point operations.
    unit : str
        "ordinary", "matrix" or "matrix in three parts".
    """

    name: str
    contestants: dict[str, Callable[[], object]]
    moved: float
    computed: float
    unit: str = "ordinary"


@dataclass(frozen=True)
class Line:
    """One line of the table."""

    workload: str
    contestant: str
    milliseconds: float
    ratio: float
    limit: str
    fraction: float
    peak_mb: float


class Card:
    """What a GPU can do in a second, from its properties."""

    def __init__(self, properties):
        self.bytes = 2 * properties.memory_clock_rate * 1e3 * properties.memory_bus_width / 8
        clocks = properties.multi_processor_count * properties.clock_rate * 1e3
        matrix = clocks * MATRIX.get((properties.major, properties.minor), ORDINARY)
        self.operations = {"ordinary": clocks * ORDINARY, "matrix": matrix, "matrix in three parts": matrix / 3}

    def limit(self, work: Work) -> tuple[float, str]:
        """The least seconds that a workload takes, and what binds."""
        computing, moving = work.computed / self.operations[work.unit], work.moved / self.bytes
        return (computing, f"arithmetic, {work.unit}") if computing > moving else (moving, "bandwidth")


def products(device: str, graphs=200, regions=200, width=64, density=0.1) -> Iterator[Work]:
    """SpMM over stacked graphs, forward."""
    adjacency = random_graphs(device, graphs, regions, density)
    x = torch.randn(graphs * regions, width, device=device)
    weight, pattern = adjacency.weight, adjacency.pattern
    yield Work(
        f"SpMM, {graphs} x {regions}, {density:.0%}, D = {width}",
        {
            "graphfuse (cuSPARSE)": lambda: spmm(weight, x, pattern),
            "scattered messages": lambda: spmm_reference(weight, x, pattern),
        },
        moved=8 * len(weight) + 4 * len(pattern.crow) + 8 * x.numel(),
        computed=2 * len(weight) * width,
    )


def attentions(device: str, graphs=200, regions=200, heads=4, width=16, density=0.1) -> Iterator[Work]:
    """One GAT layer, forward and backward."""
    from torch_geometric.nn import GATConv as PyGGATConv

    adjacency = random_graphs(device, graphs, regions, density)
    theirs = PyGGATConv(width * heads, width, heads, add_self_loops=False).to(device)
    ours = GATConv(width * heads, width, heads).to(device)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(graphs, regions, heads * width, device=device)
    edge_index = adjacency.to_edge_index()[0]
    edges, nodes = edge_index.shape[1], graphs * regions
    yield Work(
        f"GAT layer, epoch, {graphs} x {regions}, {density:.0%}, {heads} heads of {width}",
        {
            "graphfuse": lambda: trained(ours, x, adjacency),
            "PyG GATConv": lambda: trained(theirs, x.flatten(0, 1), edge_index),
        },
        # x, its product, y and their gradients; the pattern thrice.
        moved=4 * (6 * nodes * heads * width + 3 * (edges + nodes)),
        # Sums over edges: one forward, three backward; the products with W: one forward, two backward.
        computed=2 * edges * heads * width * 4 + 2 * nodes * (heads * width) ** 2 * 3,
    )


def convolutions(device: str, regions: int, frames: int, width=64) -> Iterator[Work]:
    """Connectivity convolution at vertex level: forward, and the gradient to the series, in each precision."""
    from graphfuse.kernels import connectivity_gpu as gpu

    z = torch.randn(1, frames, regions, device=device)
    z /= z.norm(dim=1, keepdim=True)
    x, grad = (torch.randn(1, regions, width, device=device) for _ in range(2))
    scale = torch.rand(1, regions, device=device)
    setting = (0.1, "hard-absolute")
    units = {"ieee": "ordinary", "tf32x3": "matrix in three parts", "tf32": "matrix"}
    name = f"connectivity convolution, R = {regions}, T = {frames}, D = {width}"
    for precision, unit in units.items():
        forward = {"graphfuse": lambda p=precision: gpu.forward(z, x, scale, *setting, 1.0, precision=p)}
        backward = {"graphfuse": lambda p=precision: gpu.backward(z, x, scale, grad, None, *setting, precision=p)}
        moved = 4 * regions * (frames + 2 * width)
        yield Work(f"{name}, forward, {precision}", forward, moved, 2 * regions**2 * (frames + width), unit)
        # Correlations, the gradients to them, and their sums over the series, each once.
        computed = 2 * regions**2 * (2 * frames + 2 * width)
        yield Work(f"{name}, gradient to the series, {precision}", backward, 2 * moved, computed, unit)


def random_graphs(device: str, graphs: int, regions: int, density: float) -> Adjacency:
    """Random graphs with self-loops, sparse."""
    edge = torch.rand(graphs, regions, regions) < density
    return Adjacency.from_dense((edge | torch.eye(regions, dtype=torch.bool)).float(), "sparse").to(device)


def trained(layer: torch.nn.Module, x: Tensor, graph) -> None:
    """Forward and backward."""
    layer.zero_grad()
    layer(x, graph).square().mean().backward()


def measured(work: Work, card: Card) -> Iterator[Line]:
    """Time the contestants in turns."""
    turns = {name: [] for name in work.contestants}
    peaks = {name: peak(run) for name, run in work.contestants.items()}  # this warms up, too
    for _ in range(TURNS):
        for name, run in work.contestants.items():
            turns[name].append(milliseconds(run))
    medians = {name: statistics.median(times) for name, times in turns.items()}
    seconds, binds = card.limit(work)
    ours = next(iter(medians.values()))
    for name, time in medians.items():
        yield Line(work.name, name, time, time / ours, binds, 1e3 * seconds / time, peaks[name])


def milliseconds(run: Callable[[], object]) -> float:
    """One turn by the GPU's clock."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    begin.record()
    run()
    end.record()
    torch.cuda.synchronize()
    return begin.elapsed_time(end)


def peak(run: Callable[[], object]) -> float:
    """Memory [MB] that a turn takes beyond what stood before it."""
    run()
    torch.cuda.synchronize()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    run()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - before) / 2**20


def main() -> int:
    """Print the table, a line at a time, and write it where asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--regions", type=int, default=64_984)
    parser.add_argument("--frames", type=int, default=1200)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("skipped: this benchmark needs a CUDA GPU, and torch sees none here")
        return 0
    properties = torch.cuda.get_device_properties(0)
    card = Card(properties)
    peaks = ", ".join(f"{number / 1e12:.0f} TFLOP/s {unit}" for unit, number in card.operations.items())
    print(f"{properties.name}: {card.bytes / 1e12:.2f} TB/s, {peaks}", flush=True)
    torch.manual_seed(0)
    lines = []
    for works in (products("cuda"), attentions("cuda"), convolutions("cuda", arguments.regions, arguments.frames)):
        for work in works:
            for line in measured(work, card):
                lines.append(line)
                show(line)
    if arguments.out:
        write(lines, arguments.out)
    return 0


def show(line: Line) -> None:
    """Print one line."""
    figures = f"{line.milliseconds:10.3f} ms  x {line.ratio:.2f}  {line.fraction:6.1%} of {line.limit}"
    print(f"{line.workload}: {line.contestant:22s}{figures}  {line.peak_mb:.0f} MB", flush=True)


def write(lines: list[Line], path: Path) -> None:
    """Write the table."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream, delimiter="\t", lineterminator="\n")
        names = [field.name for field in fields(Line)]
        writer.writerow(names)
        writer.writerows([getattr(line, name) for name in names] for line in lines)


if __name__ == "__main__":
    sys.exit(main())
