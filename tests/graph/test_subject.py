from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone

import graphfuse as gf
from graphfuse.errors import AtlasMismatch, InvalidOption, MissingModality, NotFitted, ShapeMismatch
from graphfuse.graph.subject import FunctionalGraph, MorphometricGraph

R, M = 12, 5


def series(n=10, seed=0, missing=(), dead=()) -> gf.Signal:
    """Time series of n subjects; `missing` were not scanned, `dead` (subject, region) are constant."""
    rng = np.random.default_rng(seed)
    mixing = rng.standard_normal((R, R)) * 0.3 + np.eye(R)
    arrays = [rng.standard_normal((40 + 5 * (i % 3), R)) @ mixing for i in range(n)]
    for i, r in dead:
        arrays[i][:, r] = 3.0
    return gf.Signal.pack("timeseries", [None if i in missing else a for i, a in enumerate(arrays)])


def measures(n=10, seed=0, missing=(), dead=()) -> gf.Signal:
    arrays = list(np.random.default_rng(seed).standard_normal((n, R, M)) + 5)
    for i, r in dead:
        arrays[i][r] = np.nan
    return gf.Signal.pack("measures", [None if i in missing else a for i, a in enumerate(arrays)], columns="abcde")


def matrices(n=10, **options) -> gf.Signal:
    signal = series(n, **{**options, "dead": ()})
    arrays = [None if a is None else np.corrcoef(a.T) for a in (signal[i] for i in range(n))]
    for i, r in options.get("dead", ()):
        arrays[i][r] = arrays[i][:, r] = np.nan
    return gf.Signal.pack("connectivity", arrays)


VIEWS = {
    "correlation": (series, FunctionalGraph()),
    "partial": (series, FunctionalGraph("partial")),
    "tangent": (series, FunctionalGraph("tangent")),
    "strength": (series, FunctionalGraph(nodes="strength")),
    "identity": (series, FunctionalGraph(nodes="identity")),
    "nearest": (series, FunctionalGraph(sparsify=gf.KNearest(2))),
    "given": (matrices, FunctionalGraph()),
    "measures": (measures, MorphometricGraph()),
    "gaussian": (measures, MorphometricGraph("gaussian")),
    "measures-profile": (measures, MorphometricGraph(nodes="profile")),
    "measures-identity": (measures, MorphometricGraph(nodes="identity")),
}


@pytest.fixture(params=list(VIEWS))
def case(request):
    return VIEWS[request.param]


def same(a, b, rows_a=slice(None), rows_b=slice(None)) -> bool:
    """Equal but for the last bits: torch rounds atanh differently in the middle and at the end of a block."""
    pairs = (a.x[rows_a], b.x[rows_b]), tuple(g.adjacency.to_dense()[r] for g, r in ((a, rows_a), (b, rows_b)))
    return all(torch.allclose(one, other, rtol=1e-5, atol=2e-6) for one, other in pairs) and torch.equal(
        pairs[1][0] > 0, pairs[1][1] > 0
    )


def test_a_graph_depends_on_its_own_subject_alone(case):
    make, view = case
    view = view.fit(make(8))
    signal = make(6, seed=5)
    together = view.transform(signal)
    assert (together.x.abs().sum((1, 2)) > 0).all()
    assert torch.isfinite(together.x).all()
    for i in range(6):
        assert same(view.transform(signal[np.array([i])]), together, [0], [i])
    other = make(6, seed=6)
    if make is not matrices:
        assert not same(view.transform(other), together)


def test_transform_leaves_what_was_fitted(case):
    make, view = case
    view = view.fit(make(8))
    before = view.mean_.clone(), torch.as_tensor(view.scale_).clone(), view.transform(make(8))
    view.transform(make(6, seed=9))
    assert torch.equal(view.mean_, before[0])
    assert torch.equal(torch.as_tensor(view.scale_), before[1])
    assert same(view.transform(make(8)), before[2])


def test_a_masked_region_is_a_zero_row_without_an_edge(case):
    make, view = case
    signal = make(8, dead=[(2, 4), (2, 5), (3, 0)])
    graphs = view.fit(signal).transform(signal)
    dense = graphs.adjacency.to_dense()
    for i, r in [(2, 4), (2, 5), (3, 0)]:
        assert not graphs.nodes[i, r]
        assert graphs.x[i, r].abs().sum() == 0
        assert dense[i, r].abs().sum() == 0
        assert dense[i, :, r].abs().sum() == 0
    assert graphs.nodes.sum() == 8 * R - 3
    assert torch.isfinite(graphs.x).all()
    assert dense.sum() > 0


def test_a_region_that_nobody_trained_with_is_finite_in_a_new_subject(case):
    make, view = case
    view = view.fit(make(6, dead=[(i, 4) for i in range(6)]))
    graphs = view.transform(make(4, seed=2))
    assert torch.isfinite(graphs.x).all()
    assert graphs.x.abs().max() <= 10


def test_who_was_not_measured_has_zeros_and_moves_nothing(case):
    make, view = case
    signal = make(8, missing=(1, 4))
    graphs = view.fit(signal).transform(signal)
    assert graphs.present.tolist() == [True, False, True, True, False, True, True, True]
    assert graphs.x[[1, 4]].abs().sum() == 0
    assert graphs.nodes[[1, 4]].sum() == 0
    assert graphs.adjacency.to_dense()[[1, 4]].abs().sum() == 0
    measured = signal[np.flatnonzero(signal.present)]
    assert same(view.fit(measured).transform(measured), graphs, slice(None), signal.present)


def test_what_is_packed_for_who_was_not_measured_is_never_read():
    signal = series(8)
    length = signal.length.copy()
    length[3] = 0
    hidden = replace(signal, length=length, usable=signal.usable & (length > 0)[:, None])
    data = signal.data.copy()
    data[signal.start[3] : signal.start[4]] = np.nan
    poisoned = replace(hidden, data=data)
    assert same(FunctionalGraph().fit(hidden).transform(hidden), FunctionalGraph().fit(poisoned).transform(poisoned))


def test_nobody_was_measured(case):
    make, view = case
    view = view.fit(make(8))
    graphs = view.transform(make(8, missing=(1, 4))[np.array([1, 4])])
    wanted = view.transform(make(8))
    assert len(graphs) == 2
    assert graphs.x.shape[1:] == wanted.x.shape[1:]
    assert not graphs.present.any()
    assert graphs.x.abs().sum() == 0


def test_profile_is_the_standardised_fisher_z_of_the_correlation():
    signal = series(9)
    graphs = FunctionalGraph().fit(signal).transform(signal)
    z = np.stack([np.arctanh(np.corrcoef(a.T) * (1 - np.eye(R))) for a in signal.arrays()])
    deviation = z.std(0)
    np.fill_diagonal(deviation, 1)
    np.testing.assert_allclose(graphs.x.numpy(), (z - z.mean(0)) / deviation, atol=2e-3)
    kept = graphs.adjacency.to_dense().numpy()
    for i in range(9):
        upper = np.abs(z[i][np.triu_indices(R, 1)])
        strongest = np.sort(upper)[-int(np.ceil(0.1 * len(upper))) :]
        np.testing.assert_allclose(np.sort(kept[i][np.triu_indices(R, 1)])[-len(strongest) :], strongest, atol=1e-4)
        assert (kept[i] > 0).sum() == 2 * len(strongest)
        assert np.array_equal(kept[i], kept[i].T)


def test_measures_are_standardised_region_by_region_with_the_training_subjects():
    train, test = measures(8), measures(3, seed=4)
    graphs = MorphometricGraph().fit(train).transform(test)
    a, b = train.stack(), test.stack()
    np.testing.assert_allclose(graphs.x.numpy(), (b - a.mean(0)) / a.std(0), atol=1e-4)


@pytest.mark.parametrize("nodes", ["strength", "identity"])
def test_the_other_node_features(nodes):
    signal = series(8)
    graphs = FunctionalGraph(nodes=nodes).fit(signal).transform(signal)
    if nodes == "identity":
        assert torch.equal(graphs.x, torch.eye(R).expand(8, R, R))
    else:
        assert graphs.x.shape == (8, R, 1)
        torch.testing.assert_close(graphs.x.mean(0), torch.zeros(R, 1), atol=1e-5, rtol=0)


def test_the_tangent_reference_comes_from_the_subjects_of_fit():
    train, test = series(8), series(4, seed=7)
    alone = FunctionalGraph("tangent").fit(train).transform(test)
    other = FunctionalGraph("tangent").fit(test).transform(test)
    assert not same(alone, other)


def test_a_wrong_kind_of_signal_or_option_is_refused():
    with pytest.raises(InvalidOption, match="timeseries or connectivity"):
        FunctionalGraph().fit(measures())
    with pytest.raises(InvalidOption, match="measures signal"):
        MorphometricGraph().fit(series())
    with pytest.raises(InvalidOption, match="kind"):
        FunctionalGraph("pearson").fit(series())
    with pytest.raises(InvalidOption, match="nodes"):
        MorphometricGraph(nodes="degree").fit(measures())
    with pytest.raises(InvalidOption, match="density"):
        FunctionalGraph(sparsify=gf.TopDensity(1.5)).fit(series()).transform(series())


@pytest.mark.parametrize(("signal", "view"), [(series, FunctionalGraph()), (measures, MorphometricGraph())])
def test_nobody_to_fit_other_regions_and_no_fit_are_refused_by_name(signal, view):
    view = clone(view)
    with pytest.raises(NotFitted, match="call fit"):
        view.transform(signal())
    with pytest.raises(MissingModality, match="got none"):
        view.fit(signal(missing=range(10)))
    view.fit(signal())
    fewer = gf.Signal.pack(
        signal().kind, [a[..., : R - 1, :] if a.shape[-1] == M else a[:, 1:] for a in signal().arrays()]
    )
    with pytest.raises(AtlasMismatch, match=f"{R} regions; this signal has {R - 1}"):
        view.transform(fewer)


def test_a_ready_matrix_that_is_not_symmetric_is_refused():
    arrays = matrices().arrays()
    arrays[3] = arrays[3] + np.triu(np.full((R, R), 0.1), 1)
    with pytest.raises(ShapeMismatch, match="symmetric"):
        FunctionalGraph().fit(gf.Signal.pack("connectivity", arrays))


def test_the_diagonal_of_a_ready_matrix_changes_nothing():
    arrays = matrices().arrays()
    other = gf.Signal.pack("connectivity", [a + np.diag(np.arange(R)) for a in arrays])
    for nodes in ("profile", "strength"):
        one = FunctionalGraph(nodes=nodes).fit(matrices()).transform(matrices())
        two = FunctionalGraph(nodes=nodes).fit(other).transform(other)
        assert torch.equal(one.x, two.x)
        assert torch.equal(one.adjacency.to_dense(), two.adjacency.to_dense())


def test_regions_that_hold_the_same_signal_are_clipped_and_counted():
    arrays = [np.concatenate([a[:, :1], -a[:, :1], a[:, 2:]], 1) for a in series().arrays()]
    with pytest.warns(gf.GraphFuseWarning, match="10 correlations"):
        graphs = FunctionalGraph().fit(gf.Signal.pack("timeseries", arrays))
    assert graphs.mean_.abs().max() < 9


def test_measures_of_any_unit_are_standardised_alike():
    plain, huge = measures(), gf.Signal.pack("measures", [a * np.float32(2**100) for a in measures().arrays()])
    torch.testing.assert_close(
        MorphometricGraph().fit(plain).transform(plain).x, MorphometricGraph().fit(huge).transform(huge).x
    )
