"""A dict of estimators as a scikit-learn parameter, so that a grid reaches ``models__fmri__features``."""

from __future__ import annotations

from sklearn.base import clone


class NestedModels:
    """Mix-in before `BaseEstimator`: the entries of the dict ``models`` are parameters of their own."""

    def get_params(self, deep: bool = True) -> dict:
        params = super().get_params(deep=deep)
        if deep and isinstance(self.models, dict):
            for name, model in self.models.items():
                params[f"models__{name}"] = model
                params |= {f"models__{name}__{key}": value for key, value in model.get_params(deep=True).items()}
        return params

    def set_params(self, **params):
        inner = {key: params.pop(key) for key in list(params) if key.startswith("models__")}
        super().set_params(**params)
        for key, value in inner.items():
            _, name, *rest = key.split("__", 2)
            if name not in (self.models or {}):
                raise ValueError(f"Invalid parameter {key!r}: models has {sorted(self.models or {})}.")
            if rest:
                self.models[name].set_params(**{rest[0]: value})
            else:
                self.models[name] = value
        return self

    def __sklearn_clone__(self):
        params = {key: value for key, value in super().get_params(deep=False).items() if key != "models"}
        models = self.models
        if isinstance(models, dict):
            models = {name: clone(model) for name, model in models.items()}
        return type(self)(models=models, **{key: clone(value, safe=False) for key, value in params.items()})
