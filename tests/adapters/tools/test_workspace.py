"""The workspace: what can be reached in it, and what never can."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.tools.toolhelp import Bench
from holdfast.adapters.tools.workspace import Workspace
from holdfast.core.errors import Denied, InvalidInput, NotFound, PathEscape, TooLarge


@pytest.fixture
def workspace(bench: Bench, walking: bool) -> Iterator[Workspace]:
    """The bench's workspace, open in one of the two ways."""
    with Workspace.open(bench.workspace, without_openat2=walking) as opened:
        yield opened


def test_what_is_written_is_read(workspace: Workspace, bench: Bench) -> None:
    """Parents are created and no temporary file stays."""
    workspace.write_bytes("a/b/c.txt", b"hello")
    assert b"hello" == workspace.read_bytes("a/b/c.txt")
    assert ["c.txt"] == os.listdir(bench.workspace / "a" / "b")


def test_absolute_paths_inside_are_relative_ones(workspace: Workspace, bench: Bench) -> None:
    """An absolute path into the workspace names the same file."""
    workspace.write_bytes(str(bench.workspace / "x"), b"1")
    assert b"1" == workspace.read_bytes("x")
    assert "." == workspace.relative(str(bench.workspace))


def test_an_absolute_path_through_a_link_to_the_workspace_is_inside(
    bench: Bench, walking: bool
) -> None:
    """The name the workspace was opened by counts as well as its real one."""
    (bench.base / "alias").symlink_to(bench.workspace)
    with Workspace.open(bench.base / "alias", without_openat2=walking) as workspace:
        workspace.write_bytes(str(bench.base / "alias" / "x"), b"1")
        assert b"1" == workspace.read_bytes(str(bench.workspace / "x"))


ESCAPES = [
    "../outside/secret.txt",
    "sub/../../outside/secret.txt",
    "ABSOLUTE",
    "file-link",
    "dir-link/secret.txt",
    "absolute-link",
    "chain-a",
    "proc-link/self/root/etc/passwd",
    "/proc/self/cwd/x",
]


@pytest.fixture
def trap(bench: Bench) -> Bench:
    """A workspace full of ways out."""
    (bench.workspace / "sub").mkdir()
    (bench.workspace / "file-link").symlink_to("../outside/secret.txt")
    (bench.workspace / "dir-link").symlink_to("../outside")
    (bench.workspace / "absolute-link").symlink_to(bench.secret)
    (bench.workspace / "chain-a").symlink_to("sub/chain-b")
    (bench.workspace / "sub" / "chain-b").symlink_to("../file-link")
    (bench.workspace / "proc-link").symlink_to("/proc")
    return bench


@pytest.mark.parametrize("path", ESCAPES)
def test_no_escape_is_read_written_looked_at_or_removed(
    trap: Bench, walking: bool, path: str
) -> None:
    """Every way out raises PathEscape and leaves the outside as it was."""
    path = str(trap.secret) if path == "ABSOLUTE" else path
    with Workspace.open(trap.workspace, without_openat2=walking) as workspace:
        for act in (
            workspace.read_bytes,
            workspace.stat,
            workspace.list,
            lambda p: workspace.write_bytes(p, b"overwritten"),
            lambda p: list(workspace.walk(p)),
        ):
            with pytest.raises(PathEscape):
                act(path)
    assert "OUTSIDE-SECRET\n" == trap.secret.read_text()
    assert ["secret.txt"] == os.listdir(trap.outside)


def test_nothing_is_created_outside(trap: Bench, walking: bool) -> None:
    """New files and their parents are not made behind a link either."""
    with Workspace.open(trap.workspace, without_openat2=walking) as workspace:
        for path in ("dir-link/new/file", "../new/file", "sub/../../new", "dir-link/new"):
            with pytest.raises(PathEscape):
                workspace.write_bytes(path, b"x")
    assert {"workspace", "outside"} == set(os.listdir(trap.base))
    assert ["secret.txt"] == os.listdir(trap.outside)


def test_removing_a_link_leaves_its_target(trap: Bench, walking: bool) -> None:
    """A link is removed as a name; paths through one are not followed out."""
    with Workspace.open(trap.workspace, without_openat2=walking) as workspace:
        workspace.remove("file-link")
        with pytest.raises(PathEscape):
            workspace.remove("dir-link/secret.txt")
        with pytest.raises(InvalidInput):
            workspace.remove("sub")
    assert trap.secret.exists()
    assert not (trap.workspace / "file-link").is_symlink()


def test_writing_through_a_link_inside(bench: Bench, walking: bool) -> None:
    """A relative link inside is written through, and stays; the fallback refuses it."""
    (bench.workspace / "real").mkdir()
    (bench.workspace / "real" / "f").write_text("old")
    (bench.workspace / "link").symlink_to("real/f")
    with Workspace.open(bench.workspace, without_openat2=walking) as workspace:
        if walking:
            with pytest.raises(PathEscape):
                workspace.write_bytes("link", b"new")
        else:
            workspace.write_bytes("link", b"new")
            assert "new" == (bench.workspace / "real" / "f").read_text()
    assert (bench.workspace / "link").is_symlink()


def test_a_loop_of_links_ends(bench: Bench, workspace: Workspace) -> None:
    """Links that go round are refused, not followed for ever."""
    (bench.workspace / "a").symlink_to("b")
    (bench.workspace / "b").symlink_to("a")
    for act in (workspace.read_bytes, lambda p: workspace.write_bytes(p, b"")):
        with pytest.raises(PathEscape):
            act("a")


def test_hard_links_are_not_written(bench: Bench, workspace: Workspace) -> None:
    """A second name of an outside file passes every path check; writing is refused."""
    os.link(bench.secret, bench.workspace / "hard")
    with pytest.raises(Denied, match="hard links"):
        workspace.write_bytes("hard", b"x")
    assert "OUTSIDE-SECRET\n" == bench.secret.read_text()


def test_special_files_are_neither_read_nor_written(bench: Bench, workspace: Workspace) -> None:
    """A pipe does not block, and a socket is no file."""
    os.mkfifo(bench.workspace / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(bench.workspace / "sock"))
        for path in ("pipe", "sock"):
            for act in (workspace.read_bytes, lambda p: workspace.write_bytes(p, b"x")):
                with pytest.raises(Denied, match="not a regular file"):
                    act(path)
    assert stat.S_ISFIFO(os.stat(bench.workspace / "pipe").st_mode)


def test_devices_are_not_read(bench: Bench, workspace: Workspace) -> None:
    """A device node in the workspace is refused."""
    try:
        os.mknod(bench.workspace / "zero", 0o666 | stat.S_IFCHR, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("making a device needs root")
    with pytest.raises(Denied):
        workspace.read_bytes("zero")


def test_directories_are_no_files(workspace: Workspace, bench: Bench) -> None:
    """Reading or writing a directory is invalid input."""
    (bench.workspace / "d").mkdir()
    for path in ("d", ".", "d/", "d/.", "d/.."):
        for act in (workspace.read_bytes, lambda p: workspace.write_bytes(p, b"x")):
            with pytest.raises(InvalidInput):
                act(path)


def test_a_file_is_no_parent(workspace: Workspace) -> None:
    """A file in the middle of a path is refused and kept."""
    workspace.write_bytes("f", b"1")
    with pytest.raises((NotFound, Denied, InvalidInput)):
        workspace.write_bytes("f/x", b"2")
    assert b"1" == workspace.read_bytes("f")


def test_modes_are_kept(workspace: Workspace, bench: Bench) -> None:
    """Replacing a file keeps its permission bits but not set-user-id."""
    file = bench.workspace / "tool.sh"
    file.write_text("old")
    file.chmod(0o4755)
    workspace.write_bytes("tool.sh", b"new")
    assert 0o755 == stat.S_IMODE(file.stat().st_mode)
    assert "new" == file.read_text()


def test_too_large_files_are_refused(workspace: Workspace) -> None:
    """A limit on what is read holds."""
    workspace.write_bytes("f", b"12345")
    assert b"12345" == workspace.read_bytes("f", 5)
    with pytest.raises(TooLarge):
        workspace.read_bytes("f", 4)


def test_walking_does_not_follow_links(trap: Bench, walking: bool) -> None:
    """Links are listed, never entered."""
    with Workspace.open(trap.workspace, without_openat2=walking) as workspace:
        found = {entry.path: entry.kind for entry in workspace.walk()}
    assert "link" == found["dir-link"]
    assert "dir" == found["sub"]
    assert not [path for path in found if path.startswith("dir-link/")]


def test_walking_has_limits(workspace: Workspace) -> None:
    """Depth is cut, the number of entries is an error, skipped names are not entered."""
    workspace.write_bytes("a/b/c/d", b"")
    workspace.write_bytes("skip/x", b"")
    assert ["a", "skip", "a/b"] == [e.path for e in workspace.walk(depth_max=1, skip={"skip"})]
    with pytest.raises(TooLarge):
        list(workspace.walk(entries_max=2))


def test_lists_are_sorted_and_cut(workspace: Workspace) -> None:
    """A directory's entries come by name, with a note when there are more."""
    for name in ("c", "a", "b"):
        workspace.write_bytes(f"d/{name}", b"12")
    assert ["d/a", "d/b", "d/c"] == [entry.path for entry in workspace.list("d").entries]
    assert not workspace.list("d", 3).cut
    assert workspace.list("d", 2).cut


def test_an_attempt_that_took_effect_is_known(workspace: Workspace, bench: Bench) -> None:
    """The mark names the effect that wrote a file; others and no file prove nothing."""
    workspace.write_bytes("f", b"1", effect_id="one")
    try:
        os.getxattr(bench.workspace / "f", "user.holdfast.effect")
    except OSError:
        pytest.skip("this file system keeps no user attributes")
    assert workspace.written_by("f", "one") is True
    assert workspace.written_by("f", "two") is None
    assert workspace.written_by("none", "one") is None
    workspace.write_bytes("f", b"2", effect_id="two")
    assert workspace.written_by("f", "one") is None


def test_an_attempt_that_was_cut_off_is_known_and_cleaned_up(
    workspace: Workspace, bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A temporary file that was not renamed proves that nothing happened."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        patch.setattr(os, "unlink", lambda *_, **__: None)  # a killed process cleans nothing
        with pytest.raises(Killed):
            workspace.write_bytes("f", b"1", effect_id="one")
    assert 1 == len(os.listdir(bench.workspace))
    assert workspace.written_by("f", "one") is False
    workspace.write_bytes("f", b"1", effect_id="one")
    assert ["f"] == os.listdir(bench.workspace)


def test_a_workspace_that_is_not_there() -> None:
    """Opening a directory that does not exist is NotFound."""
    with pytest.raises(NotFound):
        Workspace.open("/no/such/directory")


_SWAPPER = """
    import ctypes, os, sys, time
    os.chdir(sys.argv[1])
    exchange = ctypes.CDLL(None).renameat2
    print("ready", flush=True)
    until = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < until:
        exchange(-100, b"sub", -100, b"link", 2)
"""


@pytest.mark.slow
def test_a_race_of_renames_never_leads_outside(bench: Bench, walking: bool) -> None:
    """While another process swaps a directory for a link out, no open ever follows it."""
    (bench.workspace / "sub").mkdir()
    (bench.workspace / "sub" / "secret.txt").write_text("inside")
    (bench.workspace / "link").symlink_to("../outside")
    script = textwrap.dedent(_SWAPPER)
    command = [sys.executable, "-I", "-c", script, str(bench.workspace), "1.0"]
    seen, refused = 0, 0
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as swapper,
        Workspace.open(bench.workspace, without_openat2=walking) as workspace,
    ):
        assert swapper.stdout is not None
        swapper.stdout.readline()
        until = time.monotonic() + 0.9
        while time.monotonic() < until:
            try:
                assert b"OUTSIDE-SECRET\n" != workspace.read_bytes("sub/secret.txt")
                seen += 1
            except (PathEscape, NotFound):
                refused += 1
            if (seen + refused) % 50 == 0:
                try:
                    workspace.write_bytes("sub/new", b"x")
                except (PathEscape, NotFound, Denied):
                    refused += 1
    assert seen > 50
    assert refused > 0
    assert ["secret.txt"] == os.listdir(bench.outside)
    assert "OUTSIDE-SECRET\n" == bench.secret.read_text()


def test_a_closed_workspace_opens_nothing(bench: Bench) -> None:
    """Using it after closing is a mistake of the caller, and closing twice is not."""
    workspace = Workspace.open(Path(bench.workspace))
    workspace.close()
    workspace.close()
    with pytest.raises(AssertionError):
        workspace.read_bytes("x")


@pytest.mark.slow
def test_a_path_of_very_many_folders(workspace: Workspace, bench: Bench) -> None:
    """Making what is missing does not depend on how deep a program may call itself."""
    path = "a/" * 1_200 + "f"
    workspace.write_bytes(path, b"deep")
    assert b"deep" == workspace.read_bytes(path)
    workspace.remove(path)
    for depth in range(1_200, 0, -1):  # what cleans up after the tests calls itself
        os.rmdir(f"{bench.workspace}/{'a/' * depth}")
