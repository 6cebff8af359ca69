"""What is judged is the validated form, with the paths as they lead now."""

from __future__ import annotations

import json
from pathlib import Path

from holdfast.adapters.tools.registry import ToolRegistry, builtin_tools
from holdfast.core.actions import Action
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.messages import ToolUse
from holdfast.core.tools import Nature
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.normalise import PREVIEW_BYTES_MAX, model_action, prepare
from sessionhelp import registry, tool


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


def test_a_link_that_was_changed_makes_another_digest(tmp_path: Path) -> None:
    """A yes is for where a path led: the same text leading elsewhere is not covered."""
    offered, keyed = ToolRegistry(builtin_tools()), crypto()
    use = ToolUse("i", "read", '{"file_path":"link"}')

    def digest() -> str:
        return prepare(use, offered, str(tmp_path), keyed).action.digest

    (tmp_path / "link").symlink_to("one")
    first = digest()
    assert first == digest()
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to("other")
    assert first != digest()


class Shell:
    """A parser that reads one line, and fails at all others."""

    def parse(self, line: str) -> CommandLine:
        """Parse `ls -l`."""
        if line != "ls -l":
            raise ValueError(line)
        return CommandLine((Segment(("ls", "-l"), "ls"),))


def test_command_lines_are_parsed() -> None:
    """A tool that runs a command line has its commands in the action, and as its subject."""
    offered, keyed = ToolRegistry(builtin_tools()), crypto()
    use = ToolUse("i", "bash", '{"command":"ls -l"}')
    action = prepare(use, offered, "", keyed, Shell()).action
    assert action.command is not None
    assert (("ls", "-l"), "ls -l") == (action.command.segments[0].argv, action.subject)
    assert "unclear" not in action.command.unclear
    assert prepare(use, offered, "", keyed).action.digest == action.digest


def test_a_parser_that_fails_makes_the_line_unclear() -> None:
    """What cannot be parsed is asked about, never allowed (contract 1.6)."""
    offered, keyed = ToolRegistry(builtin_tools()), crypto()
    for text in ('{"command":"x"}', '{"command":1}', "{"):
        action = prepare(ToolUse("i", "bash", text), offered, "", keyed, Shell()).action
        assert action.command is not None
        assert "" != action.command.unclear
        assert "" == action.subject
    assert prepare(ToolUse("i", "ls", "{}"), offered, "", keyed, Shell()).action.command is None


def test_subject_and_preview_are_bounded() -> None:
    """A subject over 4 KB is none; a preview has at most 2 KB and shows what does not show."""

    def act(a: str = "") -> str:
        return a

    offered, keyed = registry(tool(act, params=["a"])), crypto()

    def action(value: str) -> Action:
        use = ToolUse("i", "act", json.dumps({"a": value}))
        return prepare(use, offered, "", keyed).action

    assert '{"a":"é"}' == action("é").subject == action("é").preview
    long = action("é" * 3_000)
    assert "" == long.subject
    assert PREVIEW_BYTES_MAX >= len(long.preview.encode()) > PREVIEW_BYTES_MAX - 8
    assert '{"a":"\\u202e\\u0000\\n\\U000e0041"}' == action("\u202e\0\n\U000e0041").preview
