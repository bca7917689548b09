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
# # Selection before the split finds a diagnosis in pure noise, and the audit says so
#
# The most common leak of the field: keep the features that differ between patients and controls, then cross-validate.
# We do it on random numbers, look at the score, and let `run_audit` look at the code that made it.

# %%
# %matplotlib inline
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.feature_selection import SelectKBest
from sklearn.linear_model import RidgeClassifier

import graphfuse as gf

rng = np.random.default_rng(0)
n = 200
table = pd.DataFrame(
    {"diagnosis": np.tile(["patient", "control"], n // 2), "age": rng.normal(20, 4, n)},
    index=[f"s{i}" for i in range(n)],
)
noise = gf.Signal.pack("vector", list(rng.standard_normal((n, 3000))), columns=[f"edge {i}" for i in range(3000)])
cohort = gf.Cohort(table, {"fc": noise}, target="diagnosis", classes=("control", "patient"), confounds=("age",))

# %% [markdown]
# ## Two functions that differ by one line
#
# Each takes a cohort and a split and returns the probabilities of the test subjects, as your own script would. The
# first selects on everybody. The second selects on the training subjects.


# %%
def predict(X, y, train, test):
    positive = RidgeClassifier().fit(X[train], y[train]).decision_function(X[test]) > 0
    return np.column_stack([~positive, positive]).astype(float)


def selects_before_the_split(cohort, train, test):
    X, y = cohort.signals["fc"].stack(), cohort.y
    return predict(X[:, SelectKBest(k=50).fit(X, y).get_support()], y, train, test)


def selects_inside_the_fold(cohort, train, test):
    X, y = cohort.signals["fc"].stack(), cohort.y
    return predict(X[:, SelectKBest(k=50).fit(X[train], y[train]).get_support()], y, train, test)


pipelines = {f.__name__.replace("_", " "): f for f in (selects_before_the_split, selects_inside_the_fold)}

# %%
folds = list(gf.Splits(folds=5).split(cohort))
accuracy = {
    name: np.mean([(f(cohort, train, test).argmax(1) == cohort.y[test]).mean() for train, test in folds])
    for name, f in pipelines.items()
}
figure, axis = plt.subplots(figsize=(6, 1.6))
axis.barh(list(accuracy), list(accuracy.values()), color=["#b2182b", "#4d4d4d"])
axis.axvline(0.5, color="black", linestyle=":")
axis.set(xlabel="accuracy on random numbers (a coin: .5)", xlim=(0, 1))
plt.show()

# %% [markdown]
# ## The audit needs no suspicion
#
# It runs each function again with the labels of the test subjects flipped, drawn at random and removed. An honest
# function cannot notice. It also permutes all labels, puts noise in the place of other test subjects, and looks for
# labels in everything that the function can reach.

# %%
audit = gf.run_audit(pipelines, cohort, gf.Splits(folds=5))
print(audit)

# %% [markdown]
# ## Inside graphfuse the mistake cannot be made
#
# `cross_validate` hands a model its training subjects with their labels, and test subjects without. On the command
# line: `graphfuse audit cohort.toml`, or `--pipeline script.py:function` for your own. Exit code 3 is a leak.

# %%
result = gf.cross_validate({"ridge": gf.Ridge()}, cohort, gf.Splits(folds=5), baselines="none")
result.table()[["accuracy", "auc"]]
