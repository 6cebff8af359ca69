"""The tool registry."""

from __future__ import annotations

import json
from typing import Any

import pytest

from holdfast.adapters.tools import registry as registry_module
from holdfast.adapters.tools.function import FunctionTool
from holdfast.adapters.tools.registry import ToolRegistry, builtin_tools
from holdfast.core.errors import AlreadyThere, InvalidInput, NotFound, TooLarge
from holdfast.core.tools import Lane, ToolSpec
from holdfast.ports.tool import Tool


def _tool(name: str, properties: dict[str, object] | None = None) -> FunctionTool:
    parameters = {"type": "object", "properties": properties or {}, "additionalProperties": False}
    spec = ToolSpec(name=name, description="", parameters=json.dumps(parameters))
    return FunctionTool(lambda **_: "", spec)


def test_tools_are_found_without_regard_to_case() -> None:
    """Names are one whatever their case; a second one is refused unless it replaces."""
    registry = ToolRegistry([_tool("Deploy")])
    assert registry.get("dEPLOY") is registry.get("deploy")
    assert registry.get("other") is None
    with pytest.raises(AlreadyThere):
        registry.register(_tool("DEPLOY"))
    replacement = _tool("DEPLOY")
    registry.register(replacement, replace=True)
    assert replacement is registry.get("deploy")
    registry.unregister("deploy")
    assert registry.get("deploy") is None
    with pytest.raises(NotFound):
        registry.unregister("deploy")


def test_the_builtin_tools() -> None:
    """They are all there, sorted, in their lanes, with schemas that take nothing else."""
    registry = ToolRegistry(builtin_tools())
    specs = registry.specs()
    assert ["bash", "edit", "glob", "grep", "ls", "read", "write"] == [s.name for s in specs]
    for spec in specs:
        assert json.loads(spec.parameters)["additionalProperties"] is False
        expected = Lane.EXECUTE if spec.name in {"bash", "edit", "write"} else Lane.QUERY
        assert expected is spec.lane
        assert isinstance(registry.get(spec.name), Tool)


def test_good_arguments_pass() -> None:
    """The parsed object is returned; nothing at all is the empty object."""
    registry = ToolRegistry(builtin_tools())
    assert {"file_path": "x", "limit": 3} == registry.validate(
        "Read", '{"file_path": "x", "limit": 3}'
    )
    assert {} == registry.validate("ls", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "must be a JSON object"),
        ("{}", "'file_path' is a required property"),
        ('{"file_path": 1}', "file_path: 1 is not of type 'string'"),
        ('{"file_path": "x", "offset": -1}', "offset: -1 is less than the minimum of 0"),
        ('{"file_path": "x", "offset": true}', "offset: True is not of type 'integer'"),
        ('{"file_path": "x", "more": 1}', "Additional properties are not allowed"),
        ('{"file_path": "x", "file_path": "y"}', "a name is repeated"),
        ('{"file_path": NaN}', "NaN is not JSON"),
        ('{"file_path": 1e999}', "a number is too large"),
        ("[" * 100_000, "not JSON"),
    ],
)
def test_bad_arguments_are_explained_on_one_line(text: str, message: str) -> None:
    """The error names the tool, the place and the problem."""
    with pytest.raises(InvalidInput) as caught:
        ToolRegistry(builtin_tools()).validate("read", text)
    assert message in caught.value.message
    assert caught.value.message.startswith("read: ")
    assert "\n" not in str(caught.value)


def test_the_same_arguments_are_checked_once_a_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Good ones are known again; bad ones are explained each time; a new schema asks anew."""
    registry = ToolRegistry([_tool("t", {"a": {"type": "integer"}})])
    first = registry.validate("t", '{"a": 1}')
    first["a"] = "changed by a caller"
    checked: list[str] = []
    check = registry_module._check

    def note(validator: Any, name: str, value: Any) -> None:
        checked.append(name)
        check(validator, name, value)

    monkeypatch.setattr(registry_module, "_check", note)
    assert {"a": 1} == registry.validate("t", '{"a": 1}')
    assert [] == checked
    for _ in range(2):
        with pytest.raises(InvalidInput):
            registry.validate("t", '{"a": "b"}')
    registry.register(_tool("t", {"a": {"type": "string"}}), replace=True)
    with pytest.raises(InvalidInput):
        registry.validate("t", '{"a": 1}')
    assert ["t", "t", "t"] == checked


def test_a_long_value_is_not_repeated_in_the_error() -> None:
    """The problem is named without the megabyte that caused it."""
    with pytest.raises(InvalidInput) as caught:
        ToolRegistry(builtin_tools()).validate("read", json.dumps({"file_path": "x" * 1_000_000}))
    assert 400 > len(caught.value.message)


def test_limits_and_unknown_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too long a text and an unknown tool have errors of their own."""
    registry = ToolRegistry(builtin_tools())
    monkeypatch.setattr("holdfast.adapters.tools.registry.ARGUMENTS_BYTES_MAX", 3)
    with pytest.raises(TooLarge):
        registry.validate("read", "    ")
    with pytest.raises(NotFound):
        registry.validate("nothing", "{}")


def test_digests_follow_the_schema() -> None:
    """Spacing and order do not matter; a changed schema does."""
    one, other = ToolRegistry(), ToolRegistry()
    one.register(_tool("a", {"x": {"type": "string"}, "y": {}}))
    other.register(_tool("a", {"y": {}, "x": {"type": "string"}}))
    assert one.digest("A") == other.digest("a")
    other.register(_tool("a", {"y": {}}), replace=True)
    assert one.digest("a") != other.digest("a")


@pytest.mark.parametrize("parameters", ["{", '{"type": "nonsense"}', '{"type": "string"}', "[]"])
def test_malformed_schemas_are_refused(parameters: str) -> None:
    """A tool whose schema cannot be used is not registered."""
    spec = ToolSpec(name="x", description="", parameters=parameters)
    with pytest.raises(InvalidInput):
        ToolRegistry().register(FunctionTool(lambda: "", spec))


def test_a_schema_never_fetches() -> None:
    """A reference to an address is an error, never a download."""
    registry = ToolRegistry([_tool("x", {"a": {"$ref": "http://127.0.0.1:1/schema.json"}})])
    with pytest.raises(InvalidInput):
        registry.validate("x", '{"a": 1}')
