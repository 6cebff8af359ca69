"""The store port: values that do not change, and adapters that fit."""

from __future__ import annotations

import dataclasses
import inspect

import pytest

from holdfast.adapters.store.memory import MemoryStore
from holdfast.adapters.store.sqlite import SqliteStore
from holdfast.ports import store as port

VALUES = [
    value
    for value in vars(port).values()
    if inspect.isclass(value) and dataclasses.is_dataclass(value)
]


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_values_are_frozen_and_slotted(kind: type) -> None:
    """Nobody changes what was handed to a store."""
    assert kind.__dataclass_params__.frozen and "__slots__" in vars(kind)
    assert all(field.kw_only for field in dataclasses.fields(kind))


@pytest.mark.parametrize("adapter", [MemoryStore, SqliteStore])
def test_adapters_have_the_ports_methods(adapter: type) -> None:
    """Every method of the port is there, with the same parameters."""
    for name, wanted in vars(port.Store).items():
        if name.startswith("_"):
            continue
        found = getattr(adapter, name)
        if inspect.isfunction(wanted):
            assert inspect.signature(wanted) == inspect.signature(found), name
        else:
            assert isinstance(found, property), name
