"""What the built-in tools declare is what they do."""

from __future__ import annotations

import pytest

from holdfast.adapters.tools.manifests import (
    READS_FILES,
    RUNS_ANYWHERE,
    RUNS_CONFINED,
    WRITES_FILES,
)
from holdfast.adapters.tools.registry import builtin_tools
from holdfast.core.flows import UNDECLARED, Flow, Reads, Role, Sink
from holdfast.core.labels import Sensitivity

FLOWS = {tool.spec.name: tool.spec.flow for tool in builtin_tools(unsandboxed=False)}


def test_every_built_in_tool_declares_itself() -> None:
    """None of them is taken for an unknown one, which reads and sends anything."""
    assert [] == [name for name, flow in FLOWS.items() if flow == UNDECLARED]


@pytest.mark.parametrize("name", ["read", "grep", "glob", "ls"])
def test_what_reads_files_sends_nothing(name: str) -> None:
    """A workspace's files may be anybody's."""
    assert READS_FILES == FLOWS[name]
    assert (Reads.UNTRUSTED, Sink.NONE) == (FLOWS[name].reads, FLOWS[name].sink)


@pytest.mark.parametrize("name", ["write", "edit"])
def test_what_writes_files_stays_within(name: str) -> None:
    """The path is where it goes; the rest is carried there, however secret."""
    flow = FLOWS[name]
    assert (WRITES_FILES, Sink.WRITE, True) == (flow, flow.sink, flow.confined)
    assert Role.TARGET is flow.role("path")
    assert Role.PAYLOAD is flow.role("content") is flow.role("new_string")
    assert Sensitivity.CRITICAL is flow.accepts


def test_a_shell_without_a_sandbox_may_do_anything() -> None:
    """In a sandbox a command line is confined; without one it is a way out."""
    assert (Sink.WRITE, True) == (RUNS_CONFINED.sink, RUNS_CONFINED.confined)
    assert Role.PAYLOAD is RUNS_CONFINED.role("command")
    assert (Sink.EGRESS, False) == (RUNS_ANYWHERE.sink, RUNS_ANYWHERE.confined)
    assert Role.TARGET is RUNS_ANYWHERE.role("command")
    assert Flow().accepts is RUNS_ANYWHERE.accepts
    assert Reads.UNTRUSTED is RUNS_CONFINED.reads is RUNS_ANYWHERE.reads
