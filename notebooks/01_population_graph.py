# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A population graph joins people of one site long before people of one diagnosis
#
# In a population graph the people are the nodes, and two people are joined when they are alike. This notebook builds
# one from simulated fMRI, looks at who is joined to whom, and attaches a new subject alone, as the clinic would.
# Nothing here needs data of your own: `simulate_cohort` makes people of whom we know the truth.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import networkx as nx
import numpy as np
import pandas as pd
import torch

import graphfuse as gf
from graphfuse.estimators.features import CohortVector

cohort = gf.simulate_cohort(160, missing={}, seed=0).cohort
print(cohort)

# %% [markdown]
# ## Features: what "alike" is measured on
#
# The last 20 people play the new ones, and the graph is built without them. The features are the Fisher-z
# correlations of all pairs of regions. `CohortVector` learns its mean from the people it is fitted on, never from the
# new ones.

# %%
known, new = cohort[:140], cohort[140:]
vectors = CohortVector(["fmri"], "correlation").fit(known)
x, x_new = (torch.as_tensor(vectors.transform(part)) for part in (known, new))  # (N, P)
print(f"{x.shape[0]} people x {x.shape[1]} pairs of regions; {x_new.shape[0]} new people")

# %% [markdown]
# ## Four ways to say who is alike
#
# The weight of an edge is the similarity of two images, times the number of phenotypes on which two people agree.
# `same` counts equal categories, `within` counts numbers that differ by less than a threshold. Each person keeps the
# ten heaviest edges.

# %%
kernels = {
    "imaging": gf.PopulationGraph(),
    "imaging x same sex": gf.PopulationGraph(same=["sex"]),
    "imaging x (same sex + age within 2 years)": gf.PopulationGraph(same=["sex"], within={"age": 2.0}),
    "imaging x (same sex + same site)": gf.PopulationGraph(same=["sex", "site"]),
}
adjacency = {name: graph.fit(x, known.phenotypes).adjacency() for name, graph in kernels.items()}


def shared(pairs: tuple[np.ndarray, np.ndarray], column: str) -> float:
    """Share of the pairs whose two people have the same value in a column of the phenotypes."""
    values = known.phenotypes[column].to_numpy()
    return float(np.mean(values[pairs[0]] == values[pairs[1]]))


joined = {name: np.nonzero(np.triu(adj.to_dense()[0].numpy())) for name, adj in adjacency.items()}
joined["any two people (chance)"] = np.triu_indices(len(known), 1)
table = pd.DataFrame(
    {column: {name: shared(pairs, column) for name, pairs in joined.items()} for column in ("site", "sex", "diagnosis")}
)
table.insert(0, "edges", [len(pairs[0]) for pairs in joined.values()])
table.round(2)

# %% [markdown]
# Imaging alone, which was told nothing about scanners, joins people of one site nearly always, and people of one
# diagnosis only somewhat more often than chance. A network that smooths over such a graph smooths over scanners. So
# ask of every population graph what it joins, and of every result whether it holds at a new site
# (`gf.Splits(leave_site_out=True)`).
#
# ## A picture of the graph, through networkx
#
# The same graph twice: the layout is the same, the colours are not.

# %%
graphs = gf.Graphs(x[None], adjacency["imaging"], torch.ones(1, len(known)).bool(), torch.ones(1).bool())
people = graphs.to_networkx(0)
place = nx.spring_layout(people, seed=0, iterations=100)
figure, axes = plt.subplots(1, 2, figsize=(11, 5), layout="constrained")
for panel, column, colours in zip(
    axes, ("site", "diagnosis"), (["#0072B2", "#E69F00", "#009E73", "#CC79A7"], ["#56B4E9", "#D55E00"]), strict=True
):
    nx.draw_networkx_edges(people, place, ax=panel, edge_color="0.8", width=0.4)
    for value, colour in zip(sorted(known.phenotypes[column].unique()), colours, strict=True):
        rows = np.flatnonzero(known.phenotypes[column] == value).tolist()
        nx.draw_networkx_nodes(people, place, rows, 45, colour, ax=panel, label=value, edgecolors="white")
    panel.set_title(f"coloured by {column}: {table.loc['imaging', column]:.0%} of the edges join equals")
    panel.legend(loc="best", frameon=False, fontsize=9)
    panel.set_axis_off()

# %% [markdown]
# ## A new subject is attached alone
#
# `attach` gives a new person ten edges *from* the fitted people. Nobody listens to the new person, so the fitted part
# does not change, and it makes no difference who else is new. Without this, a prediction would depend on the
# other patients of the day.

# %%
graph, n = kernels["imaging"], len(known)
before = adjacency["imaging"].to_dense()[0]
together = graph.attach(x_new, new.phenotypes).to_dense()[0]  # (N + M, N + M), row = who listens
alone = torch.stack([graph.attach(x_new[[i]], new[[i]].phenotypes).to_dense()[0][n, :n] for i in range(len(new))])
print("the fitted part is as it was:      ", torch.equal(together[:n, :n], before))
print("nobody listens to a new person:    ", not together[:, n:].any())
print("attached alone = attached together:", torch.allclose(together[n:, :n], alone, atol=1e-6))
print("edges of each new person:          ", (alone > 0).sum(1).tolist())

# %% [markdown]
# ## The classifier on top does the same
#
# `PopulationClassifier` trains a GCN on the graph of the training people. Predicted one at a time or all at once, a
# new person gets the same probability.

# %%
model = gf.PopulationClassifier(signals=["fmri"], graph=gf.PopulationGraph(same=["sex"]), random_state=0)
model.fit(known.blind(), known.y)
at_once = model.predict_proba(new)
one_by_one = np.concatenate([model.predict_proba(new[[i]]) for i in range(len(new))])
print(f"largest difference between one by one and all at once: {np.abs(at_once - one_by_one).max():.1e}")
