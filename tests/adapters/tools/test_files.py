"""The tools read, write, edit and ls."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable

import pytest

from adapters.tools.toolhelp import Bench
from holdfast.adapters.tools.files import EditTool, LsTool, ReadTool, WriteTool
from holdfast.adapters.tools.find import GlobTool, GrepTool
from holdfast.core.tools import Nature
from holdfast.ports.tool import Json, ReconcilableTool, Reconciliation, Tool

Call = tuple[Callable[..., Tool], Callable[[str], dict[str, Json]]]

CALLS: list[Call] = [
    (ReadTool, lambda path: {"file_path": path}),
    (WriteTool, lambda path: {"file_path": path, "content": "overwritten"}),
    (EditTool, lambda path: {"file_path": path, "old_string": "SECRET", "new_string": "x"}),
    (LsTool, lambda path: {"path": path}),
    (GlobTool, lambda path: {"pattern": "**", "path": path}),
    (GrepTool, lambda path: {"pattern": "SECRET", "path": path}),
]
ESCAPES = [
    "../outside/secret.txt",
    "../outside",
    "ABSOLUTE",
    "link",
    "dirlink",
    "dirlink/secret.txt",
]
ESCAPES += ["proclink/self/cwd", "a\0b"]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0].__name__)
@pytest.mark.parametrize("path", ESCAPES)
def test_no_tool_leaves_the_workspace(bench: Bench, walking: bool, call: Call, path: str) -> None:
    """Every tool refuses every way out, says so, and shows and changes nothing."""
    (bench.workspace / "link").symlink_to(bench.secret)
    (bench.workspace / "dirlink").symlink_to("../outside")
    (bench.workspace / "proclink").symlink_to("/proc")
    path = str(bench.secret) if path == "ABSOLUTE" else path
    tool, arguments = call
    outcome = bench.call(tool(without_openat2=walking), arguments(path))
    assert outcome.is_error
    expected = "invalid_input" if "\0" in path else "path_escape"
    assert expected == outcome.metadata["reason"]
    assert "OUTSIDE-SECRET" not in outcome.content
    assert "OUTSIDE-SECRET\n" == bench.secret.read_text()
    assert ["secret.txt"] == os.listdir(bench.outside)


@pytest.mark.parametrize("call", CALLS[:3], ids=lambda call: call[0].__name__)
def test_no_tool_waits_for_a_pipe(bench: Bench, walking: bool, call: Call) -> None:
    """A pipe in the workspace is refused at once and stays."""
    os.mkfifo(bench.workspace / "pipe")
    tool, arguments = call
    outcome = bench.call(tool(without_openat2=walking), arguments("pipe"))
    assert "denied" == outcome.metadata["reason"]
    assert stat.S_ISFIFO((bench.workspace / "pipe").stat().st_mode)


@pytest.mark.parametrize("call", CALLS[1:3], ids=lambda call: call[0].__name__)
def test_no_tool_writes_a_hard_link(bench: Bench, walking: bool, call: Call) -> None:
    """A second name of an outside file is not changed."""
    os.link(bench.secret, bench.workspace / "hard")
    tool, arguments = call
    outcome = bench.call(tool(without_openat2=walking), arguments("hard"))
    assert "denied" == outcome.metadata["reason"]
    assert "OUTSIDE-SECRET\n" == bench.secret.read_text()


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0].__name__)
def test_every_tool_needs_a_workspace(bench: Bench, call: Call) -> None:
    """Without a workspace a call fails as an outcome."""
    tool, arguments = call
    outcome = bench.call(tool(), arguments("x"), workspace=None)
    assert "no_workspace" == outcome.metadata["reason"]


# --- read -----------------------------------------------------------------------


def test_read_numbers_lines(bench: Bench) -> None:
    """Numbers start at 1; the end of the last line adds none."""
    (bench.workspace / "f").write_text("one\ntwo\n")
    outcome = bench.call(ReadTool(), {"file_path": "f"})
    assert "     1\tone\n     2\ttwo" == outcome.content
    assert not outcome.is_error


def test_read_pages(bench: Bench) -> None:
    """Offset counts from 0, and what is left is announced with the next offset."""
    (bench.workspace / "f").write_text("".join(f"line {i}\n" for i in range(10)))
    outcome = bench.call(ReadTool(), {"file_path": "f", "offset": 3, "limit": 2})
    assert (
        "     4\tline 3\n     5\tline 4\n[more lines follow; continue with offset 5]"
        == outcome.content
    )
    last = bench.call(ReadTool(), {"file_path": "f", "offset": 8, "limit": 2})
    assert "     9\tline 8\n    10\tline 9" == last.content
    past = bench.call(ReadTool(), {"file_path": "f", "offset": 10})
    assert past.is_error
    assert "only 10 lines" in past.content


def test_read_cuts_long_lines_on_characters(bench: Bench) -> None:
    """A long line is cut at 2000 characters and the next one is still found."""
    (bench.workspace / "f").write_text("€" * 5_000 + "\nnext\n")
    outcome = bench.call(ReadTool(), {"file_path": "f"})
    first, second = outcome.content.split("\n")
    assert "     1\t" + "€" * 2_000 + " [line cut]" == first
    assert "     2\tnext" == second


def test_read_says_what_is_not_text(bench: Bench) -> None:
    """Binary and empty files are named as such."""
    (bench.workspace / "b").write_bytes(b"a\0b")
    (bench.workspace / "e").write_bytes(b"")
    assert "b is a binary file of 3 bytes" in bench.call(ReadTool(), {"file_path": "b"}).content
    assert "e is empty." == bench.call(ReadTool(), {"file_path": "e"}).content


def test_read_shows_broken_text(bench: Bench) -> None:
    """Bytes that are not UTF-8 become replacement characters."""
    (bench.workspace / "f").write_bytes(b"a\xffb\r\n")
    assert "     1\ta\ufffdb" == bench.call(ReadTool(), {"file_path": "f"}).content


def test_read_spills_and_reads_what_was_spilled(bench: Bench) -> None:
    """A large result is cut, and its handle is accepted as a path."""
    (bench.workspace / "f").write_text(("x" * 199 + "\n") * 1_000)
    outcome = bench.call(ReadTool(), {"file_path": "f"})
    assert "bytes omitted" in outcome.content
    assert 100 * 1024 >= len(outcome.content)
    again = bench.call(ReadTool(), {"file_path": "spill:1", "offset": 998}, workspace=None)
    assert again.content.count("x") == 2 * 199
    unknown = bench.call(ReadTool(), {"file_path": "spill:none"})
    assert "blob_not_found" == unknown.metadata["reason"]


def test_read_of_nothing(bench: Bench) -> None:
    """A missing file and a directory are errors of the call."""
    assert "not_found" == bench.call(ReadTool(), {"file_path": "no"}).metadata["reason"]
    assert "is a directory" in bench.call(ReadTool(), {"file_path": "."}).content


# --- write ----------------------------------------------------------------------


def test_write_creates_parents_and_reports(bench: Bench, walking: bool) -> None:
    """Bytes are counted in UTF-8, lines as they are read."""
    arguments = {"file_path": "a/b/f", "content": "é\nx"}
    outcome = bench.call(WriteTool(without_openat2=walking), arguments)
    assert "Wrote 4 bytes (2 lines) to a/b/f." == outcome.content
    assert "é\nx" == (bench.workspace / "a" / "b" / "f").read_text()
    assert Nature.IDEMPOTENT is WriteTool().spec.nature


def test_write_refuses_half_a_character(bench: Bench) -> None:
    """A lone surrogate is not written as something else."""
    outcome = bench.call(WriteTool(), {"file_path": "f", "content": "\ud800"})
    assert "invalid_input" == outcome.metadata["reason"]
    assert [] == os.listdir(bench.workspace)


def test_write_without_permission(bench: Bench) -> None:
    """A directory that cannot be written to is an outcome, not an exception."""
    if os.geteuid() == 0:
        pytest.skip("permissions do not bind root")
    bench.workspace.chmod(0o500)
    assert bench.call(WriteTool(), {"file_path": "f", "content": ""}).is_error


# --- edit -----------------------------------------------------------------------


def _edit(bench: Bench, old: str, new: str, **more: Json) -> tuple[str, dict[str, Json]]:
    outcome = bench.call(
        EditTool(), {"file_path": "f", "old_string": old, "new_string": new, **more}
    )
    return (bench.workspace / "f").read_bytes().decode(), dict(outcome.metadata)


def test_edit_replaces_what_occurs_once(bench: Bench) -> None:
    """One occurrence is replaced and counted."""
    (bench.workspace / "f").write_text("a b c")
    assert ("a X c", {"replaced": 1}) == _edit(bench, "b", "X")


def test_edit_refuses_what_is_not_clear(bench: Bench) -> None:
    """None, several without replace_all, empty and equal strings change nothing."""
    (bench.workspace / "f").write_text("b b c")
    assert ("b b c", {"reason": "ambiguous", "count": 2}) == _edit(bench, "b", "X")
    assert ("b b c", {"reason": "not_found"}) == _edit(bench, "z", "X")
    assert ("b b c", {"reason": "empty_old_string"}) == _edit(bench, "", "X")
    assert ("b b c", {"reason": "no_change"}) == _edit(bench, "c", "c")
    assert ("X X c", {"replaced": 2}) == _edit(bench, "b", "X", replace_all=True)


def test_edit_keeps_bytes_and_line_ends(bench: Bench) -> None:
    """Bytes that are no text stay, and lines ending in CR LF can be quoted."""
    (bench.workspace / "f").write_bytes(b"\xff one\r\ntwo\r\n")
    outcome = bench.call(
        EditTool(), {"file_path": "f", "old_string": "one\ntwo", "new_string": "1\n2"}
    )
    assert not outcome.is_error
    assert b"\xff 1\r\n2\r\n" == (bench.workspace / "f").read_bytes()


def test_edit_tells_what_became_of_it(bench: Bench) -> None:
    """Done is proved by the file's mark, everything else stays unknown."""
    tool = EditTool()
    assert isinstance(tool, ReconcilableTool)
    assert Nature.RECONCILABLE is tool.spec.nature
    arguments = {"file_path": "f", "old_string": "b", "new_string": "X"}
    (bench.workspace / "f").write_text("a b c")

    def told(effect_id: str) -> Reconciliation:
        return asyncio.run(tool.reconcile(arguments, bench.context(effect_id))).state

    assert Reconciliation.UNKNOWN is told("one")
    bench.call(tool, arguments, effect_id="one")
    try:
        os.getxattr(bench.workspace / "f", "user.holdfast.effect")
    except OSError:
        pytest.skip("this file system keeps no user attributes")
    assert Reconciliation.DONE is told("one")
    assert Reconciliation.UNKNOWN is told("two")
    (bench.workspace / "f").unlink()
    assert Reconciliation.UNKNOWN is told("one")


# --- ls -------------------------------------------------------------------------


def test_ls_shows_type_size_and_name(bench: Bench) -> None:
    """Entries are sorted; links are shown as links."""
    (bench.workspace / "b").write_text("123")
    (bench.workspace / "a").mkdir()
    (bench.workspace / "c").symlink_to("b")
    rows = [line.split() for line in bench.call(LsTool(), {}).content.splitlines()]
    assert [["dir", "0", "a"], ["file", "3", "b"], ["link", "0", "c"]] == rows
    assert "a is empty." == bench.call(LsTool(), {"path": "a"}).content
