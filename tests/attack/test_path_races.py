"""Links that appear between judgement and opening: nothing outside is reached."""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdfast.adapters.tools.beneath import kernel_has_openat2
from holdfast.adapters.tools.files import EditTool, ReadTool, WriteTool
from holdfast.adapters.tools.find import GrepTool
from holdfast.adapters.tools.workspace import Workspace
from holdfast.core.actions import PathUse
from holdfast.core.errors import HoldfastError, PathEscape
from holdfast.core.tools import Operation, ToolSpec
from holdfast.ports.tool import Tool, ToolContext
from holdfast.runtime.paths import escapes, judged, path_uses

ROUNDS = 3_000
AT_FDCWD = -100
EXCHANGE = 2
SECRET = b"SECRET"
SPEC = ToolSpec(name="act", description="", parameters="{}", path_params=("p",))


@pytest.fixture(params=["openat2", "walking"])
def walking(request: pytest.FixtureRequest) -> bool:
    """Both ways of opening."""
    if request.param == "openat2" and not kernel_has_openat2():
        pytest.skip("this kernel has no openat2")
    return bool(request.param == "walking")


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A workspace `ws/d/f`, a permitted `ok/d/f`, and what nobody may touch: `no/f`."""
    root = os.path.realpath(tmp_path)
    for folder in ("ws/d", "ok/d", "no"):
        os.makedirs(f"{root}/{folder}")
    for folder in ("ws/d", "ok/d"):
        Path(root, folder, "f").write_bytes(b"fine")
    Path(root, "no", "f").write_bytes(SECRET)
    return root


def opened(base: str, given: str, *, walking: bool) -> Workspace:
    """The workspace as a tool gets it after a person said yes to this path."""
    uses = path_uses(SPEC, {"p": given}, f"{base}/ws")
    return Workspace.open(
        f"{base}/ws", without_openat2=walking, judged=judged(uses), escapes=escapes(uses)
    )


def exchange(one: str, other: str) -> None:
    """Let two names change places in one step."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(AT_FDCWD, one.encode(), AT_FDCWD, other.encode(), EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2", one)


@contextmanager
def swapping(folder: str, target: str) -> Iterator[None]:
    """Have a thread put a link in the place of a folder and back, again and again."""
    stop, swapped = threading.Event(), threading.Event()
    failed: list[OSError] = []
    os.symlink(target, f"{folder}.link")

    def swap() -> None:
        try:
            while not stop.is_set():
                exchange(folder, f"{folder}.link")
                swapped.set()
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        assert swapped.wait(10)
        yield
    finally:
        stop.set()
        thread.join()
    assert not failed, "the race was run to its end"


def outside(base: str) -> dict[str, bytes]:
    """What lies where nobody may go."""
    return {name: Path(base, "no", name).read_bytes() for name in os.listdir(f"{base}/no")}


PLACES = [("d/f", "ws/d"), ("../ok/d/f", "ok/d")]


@pytest.mark.parametrize(("given", "swapped"), PLACES)
def test_a_link_put_there_after_judgement_is_refused(
    base: str, walking: bool, given: str, swapped: str
) -> None:
    """Inside, and outside where a person permitted the path: it must still be that path."""
    with opened(base, given, walking=walking) as workspace:
        assert b"fine" == workspace.read_bytes(given)
        os.rename(f"{base}/{swapped}", f"{base}/away")
        os.symlink(f"{base}/no", f"{base}/{swapped}")
        for act in (workspace.read_bytes, workspace.stat, lambda p: workspace.write_bytes(p, b"")):
            with pytest.raises(PathEscape):
                act(given)
    assert {"f": SECRET} == outside(base)


@pytest.mark.parametrize(("given", "swapped"), PLACES)
def test_a_last_name_that_became_a_link_is_refused(
    base: str, walking: bool, given: str, swapped: str
) -> None:
    """Reading and writing do not follow it; a file that was not there may not be one either."""
    with opened(base, given, walking=walking) as workspace:
        os.unlink(f"{base}/{swapped}/f")
        os.symlink(f"{base}/no/f", f"{base}/{swapped}/f")
        for act in (workspace.read_bytes, lambda p: workspace.write_bytes(p, b"")):
            with pytest.raises(PathEscape):
                act(given)
    assert {"f": SECRET} == outside(base)


@pytest.mark.parametrize(("given", "swapped"), PLACES)
def test_swapped_thousands_of_times(base: str, walking: bool, given: str, swapped: str) -> None:
    """A thread that swaps the folder for a link never gets a read or a write through."""
    seen = {"fine": 0, "refused": 0}
    with (
        opened(base, given, walking=walking) as workspace,
        swapping(f"{base}/{swapped}", f"{base}/no"),
    ):
        for number in range(100 * ROUNDS):
            if number >= ROUNDS and seen["fine"] and seen["refused"]:
                break  # on a busy machine the other thread may come late
            try:
                data = workspace.read_bytes(given)
                assert SECRET != data
                if number % 10 == 0:
                    workspace.write_bytes(given, b"fine", effect_id="e")
                seen["fine"] += 1
            except HoldfastError:
                seen["refused"] += 1
    assert {"f": SECRET} == outside(base)
    assert seen["fine"] and seen["refused"], "both sides of the race were met"


@pytest.mark.parametrize("tool", [ReadTool, WriteTool, EditTool, GrepTool])
@pytest.mark.parametrize(("given", "swapped"), PLACES)
def test_tools_in_the_race(
    base: str, walking: bool, tool: Callable[..., Tool], given: str, swapped: str
) -> None:
    """The tools themselves, judged once and run while the folder is swapped."""
    made = tool(without_openat2=walking)
    arguments: Mapping[str, str] = {
        "read": {"file_path": given},
        "write": {"file_path": given, "content": "fine"},
        "edit": {"file_path": given, "old_string": "fine", "new_string": "fine!"},
        "grep": {"path": os.path.dirname(given), "pattern": "."},
    }[made.spec.name]
    uses = path_uses(made.spec, arguments, f"{base}/ws")
    context = _context(base, uses)

    async def many() -> None:
        for _ in range(5 if made.spec.name == "grep" else 150):
            outcome = await made.run(arguments, context)
            assert SECRET.decode() not in outcome.content

    with swapping(f"{base}/{swapped}", f"{base}/no"):
        asyncio.run(many())
    assert {"f": SECRET} == outside(base)


def _context(base: str, uses: tuple[PathUse, ...]) -> ToolContext:
    async def spill(data: bytes) -> str:
        raise AssertionError("nothing here is long")

    async def read_spill(handle: str) -> bytes:
        raise AssertionError("nothing was spilled")

    return ToolContext(
        session_id="s",
        workspace=f"{base}/ws",
        effect_id="e",
        emit=lambda piece: None,
        spill=spill,
        read_spill=read_spill,
        judged=judged(uses),
        escapes=escapes(uses),
    )


def test_a_walk_does_not_follow_what_became_a_link(base: str, walking: bool) -> None:
    """What a search lists as a file is read as that file or not at all."""
    with opened(base, ".", walking=walking) as workspace:
        entries = [entry.path for entry in workspace.walk(".") if entry.kind == "file"]
        assert ["d/f"] == entries
        os.unlink(f"{base}/ws/d/f")
        os.symlink("../g", f"{base}/ws/d/f")
        Path(base, "ws", "g").write_bytes(b"inside, but never listed as d/f")
        with pytest.raises(PathEscape):
            workspace.read_bytes(entries[0])


def test_a_walk_outside_stays_beneath_what_was_permitted(base: str, walking: bool) -> None:
    """Neither its neighbours nor what lies above may be opened."""
    reading = ToolSpec(
        name="r",
        description="",
        parameters="{}",
        path_params=("p",),
        path_operations=(("p", Operation.READ),),
    )
    uses = path_uses(reading, {"p": "../ok"}, f"{base}/ws")
    with Workspace.open(
        f"{base}/ws", without_openat2=walking, judged=judged(uses), escapes=escapes(uses)
    ) as workspace:
        found = [entry.path for entry in workspace.walk("../ok")]
        assert [f"{base}/ok/d", f"{base}/ok/d/f"] == found
        assert b"fine" == workspace.read_bytes(found[1])
        for path in (f"{base}/no/f", f"{base}/okay", f"{base}/ok/../no/f", base, "/"):
            with pytest.raises(PathEscape):
                workspace.read_bytes(path)


def test_a_walk_passes_over_forbidden_places(base: str, walking: bool) -> None:
    """A search from a home directory reads no key, and none of the installation's files."""
    os.makedirs(f"{base}/ws/.ssh")
    Path(base, "ws", ".ssh", "id").write_bytes(SECRET)
    Path(base, "ws", "s.db-wal").write_bytes(SECRET)
    with Workspace.open(
        f"{base}/ws", without_openat2=walking, judged={}, private=(f"{base}/ws/s.db",)
    ) as workspace:
        assert ["d", "d/f"] == [entry.path for entry in workspace.walk(".")]


def test_a_folder_that_is_made_outside(base: str, walking: bool) -> None:
    """What does not exist yet is made where it was permitted, and only there."""
    with opened(base, "../ok/new/deep/file", walking=walking) as workspace:
        workspace.write_bytes("../ok/new/deep/file", b"made")
        with pytest.raises(PathEscape):
            workspace.write_bytes("../ok/new/deep/other", b"made")
    assert b"made" == Path(base, "ok/new/deep/file").read_bytes()
    assert ["file"] == os.listdir(f"{base}/ok/new/deep")
