from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from graphfuse.audit.walk import walk

HIDDEN = [1, 2, 3]


class Slotted:
    __slots__ = ("inside",)

    def __init__(self, inside):
        self.inside = inside


@dataclass
class Box:
    content: object


def places(root) -> dict[str, object]:
    return dict(walk(root))


def test_attributes_slots_containers_and_arrays_of_objects_are_walked():
    needle = np.arange(3)
    for root, place in (
        (Box(needle), "model.content"),
        (Slotted([needle]), "model.inside[0]"),
        ({"a": (needle,)}, "model['a'][0]"),
        (np.array([None, needle], dtype=object)[1:], "model[0]"),
    ):
        assert places(root)[place] is needle


def test_closures_defaults_partials_methods_and_named_globals_are_walked():
    needle = np.arange(3)

    def closed():
        return needle

    def default(x=needle):
        return x

    def names_a_global():
        return HIDDEN

    def nested():
        def inner():
            return HIDDEN

        return inner

    assert places(closed)["model.closure['needle']"] is needle
    assert places(default)["model.default[0]"] is needle
    assert places(functools.partial(print, needle))["model.args[0]"] is needle
    assert places(Box(needle).__eq__)["model.__self__.content"] is needle
    assert places(names_a_global)["model.global['HIDDEN']"] is HIDDEN
    assert places(nested)["model.global['HIDDEN']"] is HIDDEN


def test_a_circle_ends_and_the_order_depends_on_content_only():
    box = Box(None)
    box.content = [box, {"b": 1, "a": {3, 1, 2}}]
    again = Box(None)
    again.content = [again, {"b": 1, "a": {2, 3, 1}}]
    assert [place for place, _ in walk(box)] == [place for place, _ in walk(again)]
