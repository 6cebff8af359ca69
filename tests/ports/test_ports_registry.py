"""The registry port: what satisfies it."""

from __future__ import annotations

import pytest

from holdfast.adapters.tools.registry import ToolRegistry, builtin_tools
from holdfast.core.errors import InvalidInput
from holdfast.ports.registry import Registry


def _registry() -> Registry:
    return ToolRegistry(builtin_tools())


def test_tools_are_found_without_regard_to_case() -> None:
    """And listed by name."""
    registry = _registry()
    found = registry.get("READ")
    assert found is not None and "read" == found.spec.name
    assert registry.get("nothing") is None
    names = [spec.name for spec in registry.specs()]
    assert sorted(names) == names


def test_arguments_are_checked_before_the_gate() -> None:
    """What the schema does not allow is one clear line."""
    registry = _registry()
    assert {"file_path": "a"} == dict(registry.validate("read", '{"file_path": "a"}'))
    for text in ("", "[]", '{"file_path": 1}', '{"file_path": "a", "other": 1}', "{"):
        with pytest.raises(InvalidInput) as refused:
            registry.validate("read", text)
        assert 1 == len(str(refused.value).splitlines())
