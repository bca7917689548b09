"""A dict of estimators as a scikit-learn parameter, so that a grid reaches ``views__fmri__sparsify__density``."""

from __future__ import annotations

from sklearn.base import clone


class Nested:
    """Mix-in before `BaseEstimator`: the entries of one dict of estimators are parameters of their own.

    Attributes
    ----------
    nested : str
        The name of the parameter that is the dict.
    """

    nested: str

    def get_params(self, deep: bool = True) -> dict:
        params, parts = super().get_params(deep=deep), getattr(self, self.nested)
        if deep and isinstance(parts, dict):
            for name, part in parts.items():
                params[f"{self.nested}__{name}"] = part
                inner = part.get_params(deep=True).items()
                params |= {f"{self.nested}__{name}__{key}": value for key, value in inner}
        return params

    def set_params(self, **params):
        inner = {key: params.pop(key) for key in list(params) if key.startswith(f"{self.nested}__")}
        super().set_params(**params)
        parts = getattr(self, self.nested)
        parts = parts if isinstance(parts, dict) else {}
        for key, value in inner.items():
            _, name, *rest = key.split("__", 2)
            if name not in parts:
                raise ValueError(f"Invalid parameter {key!r}: {self.nested} has {sorted(parts)}.")
            if rest:
                parts[name].set_params(**{rest[0]: value})
            else:
                parts[name] = value
        return self

    def __sklearn_clone__(self):
        params, parts = super().get_params(deep=False), getattr(self, self.nested)
        params = {key: clone(value, safe=False) for key, value in params.items()}
        if isinstance(parts, dict):  # which scikit-learn would copy, fitted parts and all
            params[self.nested] = {name: clone(part) for name, part in parts.items()}
        return type(self)(**params)


class NestedViews(Nested):
    """`Nested` of the dict ``views``."""

    nested = "views"


class NestedModels(Nested):
    """`Nested` of the dict ``models``."""

    nested = "models"
