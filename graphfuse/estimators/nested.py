"""A dict of views as a scikit-learn parameter, so that a grid reaches ``views__fmri__sparsify__density``."""

from __future__ import annotations

from sklearn.base import clone


class NestedViews:
    """Mix-in before `BaseEstimator`: the entries of the dict ``views`` are parameters of their own."""

    def get_params(self, deep: bool = True) -> dict:
        params = super().get_params(deep=deep)
        if deep and isinstance(self.views, dict):
            for name, view in self.views.items():
                params[f"views__{name}"] = view
                params |= {f"views__{name}__{key}": value for key, value in view.get_params(deep=True).items()}
        return params

    def set_params(self, **params):
        inner = {key: params.pop(key) for key in list(params) if key.startswith("views__")}
        super().set_params(**params)
        for key, value in inner.items():
            _, name, *rest = key.split("__", 2)
            if name not in (self.views or {}):
                raise ValueError(f"Invalid parameter {key!r}: views has {sorted(self.views or {})}.")
            if rest:
                self.views[name].set_params(**{rest[0]: value})
            else:
                self.views[name] = value
        return self

    def __sklearn_clone__(self):
        params = {key: value for key, value in super().get_params(deep=False).items() if key != "views"}
        views = self.views
        if isinstance(views, dict):
            views = {name: clone(view) for name, view in views.items()}
        return type(self)(views=views, **{key: clone(value, safe=False) for key, value in params.items()})
