"""Resolving paths: one real path for every text, or none."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Mapping
from pathlib import Path

import pytest

from holdfast.core.actions import PathUse
from holdfast.core.tools import Nature, Operation, ToolSpec
from holdfast.runtime.paths import (
    escapes,
    inside,
    judged,
    malformed,
    operation_of,
    path_uses,
    resolve,
)

LONG = "n" * 256


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A workspace `w` with links, beside it `out`; the home is `home`."""
    root = os.path.realpath(tmp_path)
    for folder in ("w/d", "out", "home"):
        os.makedirs(f"{root}/{folder}")
    Path(root, "w/d/f").write_text("in")
    os.symlink("../out", f"{root}/w/away")
    os.symlink("d", f"{root}/w/near")
    os.symlink(f"{root}/w/d/f", f"{root}/w/whole")
    os.symlink("../out/new", f"{root}/w/dangling")
    os.symlink("loop", f"{root}/w/loop")
    monkeypatch.setenv("HOME", f"{root}/home")
    return root


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("d/f", "w/d/f"),
        ("./d/../d//f/", "w/d/f"),
        ("", "w"),
        ("near/f", "w/d/f"),
        ("whole", "w/d/f"),
        ("new/file", "w/new/file"),
        ("near/new/../x", "w/d/x"),
        ("near/../x", "w/x"),
        ("d/f./x", "w/d/f./x"),
        ("d /x", "w/d /x"),
        ("...", "w/..."),
        ("..", ""),
        ("../w/d", "w/d"),
        ("../../etc/cron.d/new", None),
        ("away", "out"),
        ("away/new", "out/new"),
        ("away/../w2", "w2"),
        ("dangling", "out/new"),
        ("~", "home"),
        ("~/x", "home/x"),
        ("d/~", "w/d/~"),
    ],
)
def test_where_paths_lead(place: str, given: str, expected: str | None) -> None:
    """astrid#AW-7: `..`, `~` and links are resolved, for what does not exist as well."""
    wanted = os.path.realpath(f"{place}/w/{given}") if expected is None else f"{place}/{expected}"
    assert wanted.rstrip("/") == resolve(given, f"{place}/w")


@pytest.mark.parametrize(
    "given",
    ["a\0b", "a\nb", "\x1b[1m", "a\x7f", "a\x85b", "\ud800", "~nobody-of-that-name/x",
     LONG, f"d/{LONG}/x", "a/" * 2048 + "a", "loop", "loop/x", "missing/../loop"],
)  # fmt: skip
def test_what_is_refused(place: str, given: str) -> None:
    """Control characters, what is too long or no text, loops, and nobody's home."""
    assert "" == resolve(given, f"{place}/w")


def test_a_name_as_long_as_it_may_be(place: str) -> None:
    """255 bytes are a name; 256 are none."""
    assert resolve(LONG[:-1], f"{place}/w").endswith(LONG[:-1])
    assert not malformed("ü" * 100) and malformed("ü" * 2048)


def test_inside_is_a_matter_of_whole_names() -> None:
    """A workspace's neighbour with the same beginning is outside."""
    assert "." == inside("/w", "/w")
    assert "x/y" == inside("/w/x/y", "/w")
    assert inside("/w2", "/w") is None
    assert inside("/", "/w") is None
    assert "etc" == inside("/etc", "/")
    assert inside("", "/w") is None and inside("/w", "") is None


class FoldingDisk:
    """A disk that finds names whatever their case, like most on a Mac or with Windows."""

    def __init__(self, files: Mapping[str, str]) -> None:
        """Take the stored path of each thing, and what a link says or ""."""
        self.files = files

    def _found(self, path: str) -> str:
        for number, stored in enumerate(self.files):
            if stored.casefold() == path.casefold():
                self.number = number + 1
                return stored
        raise FileNotFoundError(errno.ENOENT, "no such name", path)

    def lstat(self, path: str) -> os.stat_result:
        """Find a path."""
        kind = stat.S_IFLNK if self.files[self._found(path)] else stat.S_IFDIR
        return os.stat_result((kind, self.number, 1, 1, 0, 0, 0, 0, 0, 0))

    def readlink(self, path: str) -> str:
        """Say where a link points."""
        return self.files[self._found(path)]

    def names(self, folder: str) -> list[str]:
        """List a folder as it is stored."""
        prefix = folder.rstrip("/").casefold() + "/"
        rest = [path[len(prefix) :] for path in self.files if path.casefold().startswith(prefix)]
        return [name for name in rest if "/" not in name]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("SRC/Main.PY", "/Proj/src/Main.py"),
        ("src/new.PY", "/Proj/src/new.PY"),
        ("/proj/SRC", "/Proj/src"),
        ("/ETC/SHADOW", "/etc/shadow"),
        ("OUT/shadow", "/etc/shadow"),
    ],
)
def test_the_stored_name_counts(given: str, expected: str) -> None:
    """astrid#AW-6: another spelling of a name is the same place, through links as well."""
    disk = FoldingDisk(
        {"/Proj": "", "/Proj/src": "", "/Proj/src/Main.py": "", "/Proj/Out": "/ETC",
         "/etc": "", "/etc/shadow": ""}
    )  # fmt: skip
    assert expected == resolve(given, "/Proj", disk)


def test_what_may_not_be_looked_at_is_refused(place: str) -> None:
    """An error of the system is no permission."""

    class Failing(FoldingDisk):
        def lstat(self, path: str) -> os.stat_result:
            raise PermissionError(errno.EACCES, "no", path)

    assert "" == resolve("x", "/Proj", Failing({}))


def spec(*params: str, nature: Nature = Nature.ONCE, **operations: Operation) -> ToolSpec:
    """A tool with path arguments."""
    schema = '{"type":"object","properties":{"root":{"type":"string","default":"d"}}}'
    return ToolSpec(
        name="act",
        description="",
        parameters=schema,
        nature=nature,
        path_params=params,
        path_operations=tuple(operations.items()),
    )


def given(tool: ToolSpec, arguments: dict[str, object], workspace: str) -> list[str]:
    """The paths a call names."""
    return [use.given for use in path_uses(tool, arguments, workspace)]


def test_paths_in_lists_and_objects(place: str) -> None:
    """astrid#AW-11: however deep a path is, it is judged."""
    tool = spec("files", "edits.path", "any")
    arguments: dict[str, object] = {
        "files": ["a", ["b"], {"x": "c"}, 1, None],
        "edits": [{"path": "d", "text": "no"}, {"path": ["e"]}, {"other": "no"}],
        "any": {"deep": [{"er": "../f"}]},
        "text": "no",
    }
    workspace = f"{place}/w"
    assert ["a", "b", "c", "d", "e", "../f"] == given(tool, arguments, workspace)
    assert [True] * 5 + [False] == [
        use.inside is not None for use in path_uses(tool, arguments, workspace)
    ]


def test_an_argument_left_out_counts_by_its_default(place: str) -> None:
    """What the tool will use is what is judged."""
    uses = path_uses(spec("root", "other"), {}, f"{place}/w")
    assert [PathUse("d", "d", Operation.WRITE, f"{place}/w/d")] == list(uses)
    assert [] == given(spec("root"), {"root": None}, f"{place}/w")


def test_operations_are_declared_and_never_guessed() -> None:
    """astrid#AW-10: names say nothing; what nobody declared is a write."""
    tool = spec("get", "cat_list", cat_list=Operation.DELETE)
    assert Operation.WRITE is operation_of(tool, "get")
    assert Operation.DELETE is operation_of(tool, "cat_list")
    assert Operation.READ is operation_of(spec("x", nature=Nature.READ_ONLY), "x")
    assert Operation.LIST is operation_of(spec("x", nature=Nature.READ_ONLY, x=Operation.LIST), "x")


def test_only_what_reads_takes_a_handle(place: str) -> None:
    """A handle of an earlier output is no path for `read`, and one for everything else."""
    handle = "spill:00ff-2"
    reading = spec("p", p=Operation.READ)
    assert [] == given(reading, {"p": handle}, f"{place}/w")
    assert ["spill:../x"] == given(reading, {"p": "spill:../x"}, f"{place}/w")
    assert [handle] == given(spec("p"), {"p": handle}, f"{place}/w")


def test_the_sessions_own_workspace_counts(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """astrid#AW-8: neither the directory of the process nor the spelling of the root matters."""
    os.symlink("w", f"{place}/alias")
    monkeypatch.chdir("/")
    for root in (f"{place}/w", f"{place}/alias", f"{place}/out/../w/"):
        assert ["d/f", "d/f"] == [
            use.inside for use in path_uses(spec("p"), {"p": ["d/f", f"{place}/alias/d/f"]}, root)
        ]


def test_nothing_is_inside_no_workspace() -> None:
    """Without a workspace no path resolves."""
    assert (PathUse("a", None, Operation.WRITE, ""),) == path_uses(spec("p"), {"p": "a"}, "")


def test_what_the_tool_is_told(place: str) -> None:
    """Each path as it was judged; outside ones for their operation alone."""
    uses = path_uses(
        spec("r", "w", r=Operation.READ), {"r": ["near/f", "away"], "w": "../x"}, f"{place}/w"
    )
    assert {
        "near/f": f"{place}/w/d/f",
        "away": f"{place}/out",
        "../x": f"{place}/x",
    } == judged(uses)
    found = [(one.path, one.operations, one.subtree) for one in escapes(uses)]
    assert [
        (f"{place}/out", (Operation.READ,), True),
        (f"{place}/x", (Operation.WRITE,), False),
    ] == found
