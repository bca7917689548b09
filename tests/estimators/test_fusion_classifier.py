from __future__ import annotations

import functools
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from torch import nn
from torch_geometric.nn import GCN, GIN, GraphSAGE

import graphfuse as gf
from graphfuse.errors import InvalidOption, MissingModality, ShapeMismatch
from graphfuse.estimators.fusion_classifier import _with_edges
from graphfuse.fusion import FiLMFusion
from graphfuse.graph.graphs import Graphs
from graphfuse.nn.encoder import PyGEncoder


def small(**options) -> gf.FusionClassifier:
    return gf.FusionClassifier(**{"epochs": 2, "hidden": (4,), "width": 4, **options})


def without(cohort: gf.Cohort, **rows) -> gf.Cohort:
    """The cohort in which the subjects at rows[name] lack the signal `name`."""
    signals = {}
    for name, signal in cohort.signals.items():
        length = signal.length.copy()
        length[rows.get(name, [])] = 0
        signals[name] = replace(signal, length=length, usable=signal.usable & (length > 0)[:, None])
    return replace(cohort, signals=signals)


@pytest.mark.parametrize("conv", ["gcn", "cheb", "gat"])
@pytest.mark.parametrize("fusion", ["add", "concat", "gated"])
def test_every_convolution_and_fusion_runs(train, test, conv, fusion):
    p = small(conv=conv, fusion=fusion, readout="mean").fit(train).predict_proba(test)
    assert np.isfinite(p).all()


def test_it_learns_a_planted_effect():
    cohort = gf.simulate_cohort(100, auc=0.97, modalities=("smri",), missing={}, site_offset=0, seed=1).cohort
    model = gf.FusionClassifier(hidden=(16,), width=8, epochs=40).fit(cohort[:70])
    assert model.score(cohort[:70]) > 0.8
    assert model.score(cohort[70:]) > 0.6


@pytest.mark.parametrize("encoder", [GCN, GraphSAGE, GIN])
def test_a_model_of_pyg_is_the_encoder(train, test, encoder):
    given = encoder(68, 4, num_layers=2, out_channels=4)
    before = {name: value.clone() for name, value in given.state_dict().items()}
    model = small(views={"smri": gf.MorphometricGraph(nodes="profile")}, encoder=given).fit(train)
    p = model.predict_proba(test)
    assert np.isfinite(p).all()
    assert all(torch.equal(value, before[name]) for name, value in given.state_dict().items())  # copied, not used up
    assert np.array_equal(clone(model).fit(train).predict_proba(test), p)
    inside = model.network_.members[0].encoders["smri"].module
    assert isinstance(inside, encoder)
    assert not torch.equal(next(inside.parameters()), next(given.parameters()))


def test_an_encoder_for_each_modality_and_a_callable(train, test):
    by_name = {"smri": GCN(5, 4, num_layers=1, out_channels=4)}  # fmri keeps the default
    model = small(encoder=by_name).fit(train)
    assert isinstance(model.network_.members[0].encoders["smri"], PyGEncoder)
    assert not isinstance(model.network_.members[0].encoders["fmri"], PyGEncoder)
    made = small(encoder=lambda f, r: PyGEncoder(GraphSAGE(f, 4, num_layers=1), 4)).fit(train)
    assert np.isfinite(made.predict_proba(test)).all()


def test_encoders_that_do_not_fit_are_refused_by_name(train):
    with pytest.raises(ShapeMismatch, match="takes 7 node features"):
        small(encoder=GCN(7, 4, num_layers=1)).fit(train)
    with pytest.raises(InvalidOption, match="reset_parameters"):
        small(encoder=nn.Sequential()).fit(train)
    with pytest.raises(InvalidOption, match="a modality of encoder"):
        small(encoder={"dti": GCN(5, 4, num_layers=1)}).fit(train)


def test_no_edges_is_a_graph_whose_edges_were_removed(train, test):
    none = small(edges="none").fit(train)
    removed = small(
        views={
            "fmri": gf.FunctionalGraph(sparsify=lambda weights, nodes: torch.zeros_like(weights)),
            "smri": gf.MorphometricGraph(sparsify=lambda weights, nodes: torch.zeros_like(weights)),
        }
    ).fit(train)
    np.testing.assert_allclose(none.predict_proba(test), removed.predict_proba(test), atol=1e-6)
    assert not np.allclose(none.predict_proba(test), small().fit(train).predict_proba(test), atol=1e-4)


def test_shuffled_edges_are_as_many_and_drawn_from_the_subject_alone(train):
    given = gf.FunctionalGraph().fit(train.signals["fmri"]).transform(train.signals["fmri"])
    nodes = given.nodes.clone()
    dense = given.adjacency.to_dense().clone()
    nodes[3, 10:14] = False
    dense[3, 10:14] = dense[3, :, 10:14] = 0
    given = replace(given, nodes=nodes, adjacency=gf.Adjacency.from_dense(dense))
    shuffled = _with_edges(given, "shuffled", 0)
    a, b = given.adjacency.to_dense(), shuffled.adjacency.to_dense()
    for i in range(len(train)):
        assert not torch.equal(a[i], b[i])
        assert torch.equal(a[i].flatten().sort().values, b[i].flatten().sort().values)  # weights are kept
        torch.testing.assert_close(a[i].sum(0).sort().values, b[i].sum(0).sort().values)  # and degrees
    assert b[3, 10:14].sum() == 0  # a masked region gets no edge
    rows = [5, 3]
    assert torch.equal(_with_edges(given[rows], "shuffled", 0).adjacency.to_dense(), b[rows])
    assert not torch.equal(_with_edges(given, "shuffled", 1).adjacency.to_dense(), b)
    assert torch.equal(shuffled.x, given.x)


def test_each_subject_has_an_order_of_its_own():
    """One order for all would only rename the regions: the same graphs again."""
    weight = torch.rand(1, 12, 12).round() * (1 + torch.arange(5) / 100)[:, None, None]  # one pattern, five weights
    here = torch.ones(5, dtype=torch.bool)
    graphs = Graphs(torch.zeros(5, 12, 1), gf.Adjacency.from_dense(weight), here[:, None].expand(5, 12), here)
    patterns = _with_edges(graphs, "shuffled", 0).adjacency.to_dense() > 0
    assert len({tuple(pattern.flatten().tolist()) for pattern in patterns}) == 5


def test_half_of_the_people_lack_a_modality(train, test):
    half = without(train, smri=np.arange(0, 44, 2))
    model = small().fit(half)
    p = model.predict_proba(without(test, smri=[0, 1, 2, 3]))
    assert np.isfinite(p).all()
    np.testing.assert_allclose(p[4:], model.predict_proba(test)[4:], atol=1e-6)


def test_who_has_no_modality_gets_no_opinion_and_teaches_nothing(train, test):
    nobody = without(test, smri=[2], fmri=[2])
    model = small().fit(train)
    p = model.predict_proba(nobody)
    assert np.array_equal(p[2], [0.5, 0.5])
    np.testing.assert_allclose(np.delete(p, 2, 0), np.delete(model.predict_proba(test), 2, 0), atol=1e-6)
    gone = without(train, smri=[0, 1], fmri=[0, 1])
    flipped = train.y.copy()
    flipped[:2] = 1 - flipped[:2]
    a, b = (small().fit(gone.blind(), y).predict_proba(test) for y in (train.y, flipped))
    assert np.array_equal(a, b)


def test_the_values_behind_a_missing_modality_change_no_bit(train, test):
    hidden = without(train, smri=[4, 5])
    signal = hidden.signals["smri"]
    data = signal.data.copy()
    data[signal.start[[4, 5]]] = 1e6
    poisoned = replace(hidden, signals={**hidden.signals, "smri": replace(signal, data=data)})
    a, b = (small().fit(part).predict_proba(test) for part in (hidden, poisoned))
    assert np.array_equal(a, b)


def test_views_that_nobody_has_and_wrong_options_are_refused(train):
    with pytest.raises(InvalidOption, match="views"):
        small(views={"dti": gf.FunctionalGraph()}).fit(train)
    with pytest.raises(MissingModality, match="smri"):
        small().fit(without(train, smri=np.arange(44)))
    with pytest.raises(InvalidOption, match="edges"):
        small(edges="some").fit(train)
    with pytest.raises(InvalidOption, match="width"):
        small(width=0).fit(train)
    with pytest.raises(InvalidOption, match="epochs"):
        small(epochs=0).fit(train)
    with pytest.raises(InvalidOption, match="No modality"):
        small().fit(replace(train, signals={}))


def test_scikit_learns_tools_run_on_it_unchanged(train, test):
    scores = cross_val_score(small(), train, train.y, cv=gf.Splits(folds=2))
    assert scores.shape == (2,)
    assert np.isfinite(scores).all()
    pipeline = make_pipeline(small()).fit(train, train.y)
    assert np.array_equal(pipeline.predict_proba(test), small().fit(train).predict_proba(test))
    p = cross_val_predict(gf.Ridge(), train, train.y, cv=gf.Splits(folds=3), method="predict_proba")
    assert p.shape == (44, 2)
    assert np.array_equal(pickle.loads(pickle.dumps(pipeline)).predict(test), pipeline.predict(test))


def test_fitting_leaves_the_parameters_alone(train):
    views = {"smri": gf.MorphometricGraph()}
    model = small(views=views).fit(train)
    assert model.views is views
    assert not hasattr(views["smri"], "mean_")
    assert model.views_["smri"] is not views["smri"]


def test_vectors_and_phenotypes_are_fused_with_graphs(train, test):
    views = {"fmri": gf.FunctionalGraph(), "smri": gf.VectorView(), "people": gf.PhenotypeView(["age", "sex"])}
    film = functools.partial(FiLMFusion, condition="people")
    for fusion in ("gated", film):
        model = small(views=views, fusion=fusion).fit(train)
        p = model.predict_proba(test)
        older = replace(test, phenotypes=test.phenotypes.assign(age=test.phenotypes["age"] + 20))
        assert not np.array_equal(model.predict_proba(older), p)
    assert model.shapes_["people"] == (3,)
    assert not model.reads_graphs
    assert list(model._modalities(test)) == ["fmri", "smri"]


def test_modality_dropout_changes_training_and_nothing_else(train, test):
    plain, dropped = small(epochs=3).fit(train), small(epochs=3, modality_dropout=0.5).fit(train)
    assert not np.array_equal(plain.predict_proba(test), dropped.predict_proba(test))
    assert np.array_equal(dropped.predict_proba(test), dropped.predict_proba(test))
