"""Paths are judged lexically; what runs is the validated form."""

from __future__ import annotations

import pytest

from holdfast.core.messages import ToolUse
from holdfast.core.tools import Nature
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.normalise import inside, model_action, prepare
from sessionhelp import registry, tool


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a", "a"),
        ("./a/../b", "b"),
        ("", "."),
        ("/w", "."),
        ("/w/x", "x"),
        ("..", None),
        ("a/../../w2", None),
        ("/w2", None),
        ("/", None),
        ("~/x", None),
        ("a\0b", None),
        ("//w/x", None),
    ],
)
def test_inside(path: str, expected: str | None) -> None:
    """Only what is lexically beneath the workspace is inside."""
    assert expected == inside(path, "/w")


def test_nothing_is_inside_no_workspace() -> None:
    """A session without a workspace has no inside; the root has everything."""
    assert inside("a", "") is None
    assert "etc" == inside("/etc", "/")


def crypto() -> Crypto:
    """A session's crypto under a key made for the test."""
    from holdfast.adapters.keys.memory import MemoryKeys

    key = MemoryKeys().create_session_key(tenant="t", user="u", stream=1)
    return Crypto(key, lambda count: b"r" * count)


def test_the_digest_is_of_the_meaning() -> None:
    """Order and spelling of arguments do not change the digest; values and names do."""

    def act(a: str = "", b: str = "") -> str:
        return a + b

    offered, keyed = registry(tool(act, params=["a", "b"], nature=Nature.READ_ONLY)), crypto()

    def digest(text: str, name: str = "act") -> str:
        return prepare(ToolUse("i", name, text), offered, "", keyed).action.digest

    assert digest('{"a":"1","b":"2"}') == digest('{ "b": "2", "a": "\\u0031" }', "ACT")
    assert digest('{"a":"1"}') != digest('{"a":"2"}')
    assert digest("{}", "act") != digest("{}", "other")


def test_problems_are_part_of_the_action() -> None:
    """An unknown tool is not known; wrong arguments are a problem, never an exception."""

    def act(a: str = "") -> str:
        return a

    offered, keyed = registry(tool(act, params=["a"])), crypto()
    unknown = prepare(ToolUse("i", "nosuch", "{}"), offered, "", keyed)
    assert not unknown.action.known and unknown.tool is None
    for text in ("{", "[]", '{"b":1}', '{"a":1}', "\ud800", '{"a":"\\ud800"'):
        found = prepare(ToolUse("i", "act", text), offered, "", keyed)
        assert found.action.known and found.action.problem
    assert not model_action("m", known=False).known
