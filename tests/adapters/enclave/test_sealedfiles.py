"""Sealed files are opened by their enclave only, and only in their newest version."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.enclave.counting import FileCounter, write_private
from holdfast.adapters.enclave.sealedfiles import (
    CONTENT_BYTES_MAX,
    LEAP_MAX,
    SealedFiles,
    derive,
)
from holdfast.core.errors import HoldfastError, InvalidInput, SealRefused, StoreReadOnly, TooLarge
from holdfast.ports.counting import Count

ROOT, MEASURED = bytes(range(32)), "ab" * 32
STEPS = ("file-written", "counter-written", "counter-renamed", "counter-advanced", "file-renamed")
NOTHING = (Count(), b"")


class Killed(Exception):
    """Stands for the end of the process."""


def files(
    folder: Path,
    *,
    root: bytes = ROOT,
    measured: str = MEASURED,
    renew: bool = False,
    fail_point: Callable[[str], None] = lambda name: None,
) -> SealedFiles:
    """The sealed files of a folder, with a counter beside it."""
    counter = FileCounter(
        folder / "counts", derive(root, "counter"), renew=renew, fail_point=fail_point
    )
    return SealedFiles(
        folder / "sealed", root, measured, counter, renew=renew, fail_point=fail_point
    )


def only(folder: Path) -> Path:
    """The one sealed file there is."""
    (found,) = [path for path in (folder / "sealed").iterdir() if path.name != "lock"]
    return found


def code_of(sealed: SealedFiles, name: str = "key") -> str:
    """Why a name is refused."""
    with pytest.raises(SealRefused) as caught:
        sealed.read(name)
    return caught.value.code


def killed_at(step: str) -> Callable[[str], None]:
    """Ends a writing at a step."""

    def fail_point(name: str) -> None:
        if name == step:
            raise Killed

    return fail_point


def test_the_newest_content_is_read_again(tmp_path: Path) -> None:
    """By another run; files are private, and nothing of the content is in them."""
    assert NOTHING == files(tmp_path).read("key")
    for number in (1, 2, 3):
        count = files(tmp_path).write("key", b"secret %d" % number)
        assert (number, 64) == (count.version, len(count.digest))
        assert (count, b"secret %d" % number) == files(tmp_path).read("key")
    assert NOTHING == files(tmp_path).read("other")
    assert 0o600 == stat.S_IMODE(only(tmp_path).stat().st_mode)
    assert 0o700 == stat.S_IMODE((tmp_path / "sealed").stat().st_mode)
    assert b"secret" not in only(tmp_path).read_bytes()
    assert "key" not in only(tmp_path).name


def test_keys_are_of_one_purpose() -> None:
    """Root, purpose and program each make another."""
    made = {derive(root, text) for root in (ROOT, bytes(32)) for text in ("a", "key a", "mark a")}
    assert 6 == len(made)


def test_every_changed_byte_is_refused(tmp_path: Path) -> None:
    """And every cut; what is added as well."""
    sealed = files(tmp_path)
    sealed.write("key", b"secret")
    path = only(tmp_path)
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        assert code_of(sealed) in ("altered", "foreign", "truncated")
    codes = set()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        codes.add(code_of(sealed))
    assert {"truncated"} == codes
    path.write_bytes(whole + b"\0")
    assert "altered" == code_of(sealed)
    path.write_bytes(whole)
    assert b"secret" == sealed.read("key")[1]


@pytest.fixture(name="lived", scope="module")
def _lived(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[tuple[str, bytes]]]:
    """A folder in which two writings were made, and every file that ever lay there."""
    folder = tmp_path_factory.mktemp("lived")
    pool = []
    for number in range(2):
        files(folder).write("key", b"secret %d" % number)
        pool.append((only(folder).name, only(folder).read_bytes()))
    return folder, pool


@settings(max_examples=40)
@given(st.data())
def test_whatever_lies_there_the_newest_or_nothing_is_read(
    lived: tuple[Path, list[tuple[str, bytes]]], data: st.DataObject
) -> None:
    """Spliced from pieces of every file that was ever there, under any name of its form."""
    before, pool = lived
    pieces = [one[at : at + 8] for _, one in pool for at in range(0, len(one), 8)]
    content = data.draw(
        st.sampled_from([one for _, one in pool])
        | st.lists(st.sampled_from(pieces), max_size=20).map(b"".join)
        | st.binary(max_size=120)
    )
    stem = pool[0][0].split(".")[0]
    kind = data.draw(st.sampled_from(["sealed", "new"]))
    name = f"{stem}.{data.draw(st.integers(1, 4))}.{kind}"
    with TemporaryDirectory() as place:
        folder = Path(place) / "folder"
        shutil.copytree(before, folder)
        newest = files(folder).read("key")
        if data.draw(st.booleans()):
            only(folder).unlink()
        (folder / "sealed" / name).write_bytes(content)
        try:
            assert newest == files(folder).read("key")
        except SealRefused:
            assert files(folder, renew=True).read("key") == NOTHING
        files(folder, renew=True).write("key", b"anew")
        assert b"anew" == files(folder).read("key")[1]


def test_an_older_file_is_refused_wherever_it_is_put(tmp_path: Path) -> None:
    """Under its own name or the newest one's, alone or beside."""
    sealed = files(tmp_path)
    sealed.write("key", b"old")
    old_path, old = only(tmp_path), only(tmp_path).read_bytes()
    sealed.write("key", b"new")
    path, new = only(tmp_path), only(tmp_path).read_bytes()
    path.write_bytes(old)
    assert "rollback" == code_of(sealed)
    path.unlink()
    assert "missing" == code_of(sealed)
    old_path.write_bytes(old)
    assert "rollback" == code_of(sealed)
    path.write_bytes(new)
    assert b"new" == sealed.read("key")[1]


def test_another_writing_of_the_same_version_is_refused(tmp_path: Path) -> None:
    """One that a crash left before it counted, put in the place of the one that did."""
    with pytest.raises(Killed):
        files(tmp_path, fail_point=killed_at("file-written")).write("key", b"never counted")
    never = only(tmp_path).read_bytes()
    sealed = files(tmp_path)
    sealed.write("key", b"counted")
    only(tmp_path).write_bytes(never)
    assert "rollback" == code_of(sealed)


def test_a_counter_that_stands_behind_is_refused(tmp_path: Path) -> None:
    """Put back, or gone: what is sealed is newer than it knows."""
    sealed, counts = files(tmp_path), tmp_path / "counts"
    sealed.write("key", b"one")
    behind = counts.read_bytes()
    sealed.write("key", b"two")
    counts.write_bytes(behind)
    assert "rollback" == code_of(sealed)
    counts.unlink()
    assert "rollback" == code_of(sealed)
    write_private(counts, b"no counts\n")
    assert "counter" == code_of(sealed)


def test_another_enclave_opens_nothing(tmp_path: Path) -> None:
    """Another program on this machine, this program on another machine."""
    files(tmp_path).write("key", b"secret")
    assert "foreign" == code_of(files(tmp_path, measured="cd" * 32))
    keys = {bytes(files(tmp_path, measured=text * 32)._page.buffer) for text in ("ab", "cd")}
    assert 2 == len(keys)
    assert "counter" == code_of(files(tmp_path, root=bytes(32)))
    (tmp_path / "counts").unlink()
    assert NOTHING == files(tmp_path, root=bytes(32), renew=True).read("key")


def test_files_of_two_names_do_not_change_places(tmp_path: Path) -> None:
    """The name is authenticated, whatever the counter says."""
    sealed = files(tmp_path)
    sealed.write("a", b"of a")
    path_a = only(tmp_path)
    sealed.write("b", b"of b")
    path_b = next(p for p in path_a.parent.iterdir() if p not in (path_a, path_a.parent / "lock"))
    of_a, of_b = path_a.read_bytes(), path_b.read_bytes()
    path_a.write_bytes(of_b)
    path_b.write_bytes(of_a)
    assert ("altered", "altered") == (code_of(sealed, "a"), code_of(sealed, "b"))


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    """A link, a pipe and a directory in its place."""
    sealed = files(tmp_path)
    sealed.write("key", b"secret")
    path = only(tmp_path)
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    assert "altered" == code_of(sealed)
    path.unlink()
    os.mkfifo(path)
    assert "truncated" == code_of(sealed)
    path.unlink()
    path.mkdir()
    assert "altered" == code_of(sealed)


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "a" * 64, "-a", "a\n"])
def test_a_name_is_plain(name: str, tmp_path: Path) -> None:
    """For reading as for writing."""
    with pytest.raises(InvalidInput):
        files(tmp_path).write(name, b"")
    with pytest.raises(InvalidInput):
        files(tmp_path).read(name)


def test_there_are_limits(tmp_path: Path) -> None:
    """Of the content, and of how far a version leaps; nothing is written then."""
    sealed = files(tmp_path)
    with pytest.raises(TooLarge):
        sealed.write("key", bytes(CONTENT_BYTES_MAX + 1))
    for above in (-1, LEAP_MAX + 1, 2**63 - 1, 2**200):
        with pytest.raises(InvalidInput):
            sealed.write("key", b"", above=above)
    assert NOTHING == sealed.read("key")
    assert LEAP_MAX + 1 == sealed.write("key", bytes(CONTENT_BYTES_MAX), above=LEAP_MAX).version
    assert LEAP_MAX + 2 == sealed.write("key", b"", above=3).version


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """What was there is there."""
    sealed = files(tmp_path)
    sealed.write("key", b"one")
    blocked = only(tmp_path).with_name(only(tmp_path).name.replace(".1.sealed", ".2.new"))
    blocked.mkdir()
    with pytest.raises(StoreReadOnly):
        sealed.write("key", b"two")
    assert b"one" == sealed.read("key")[1]


def test_a_closed_one_has_no_key_any_more(tmp_path: Path) -> None:
    """It is overwritten; nothing is sealed with what is left."""
    sealed = files(tmp_path)
    sealed.write("key", b"secret")
    sealed.close()
    assert bytes(32) == bytes(sealed._page.buffer)
    with pytest.raises((AssertionError, HoldfastError)):
        sealed.write("key", b"with zeros")
    assert b"secret" == files(tmp_path).read("key")[1]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("before", [0, 1, 3])
def test_a_crash_leaves_the_former_content_or_the_new_one(
    before: int, step: str, tmp_path: Path
) -> None:
    """Never neither; the next writing goes on and clears away what was left."""
    for number in range(before):
        files(tmp_path).write("key", b"former %d" % number)
    former = files(tmp_path).read("key")
    with pytest.raises(Killed):
        files(tmp_path, fail_point=killed_at(step)).write("key", b"new")
    counted = STEPS.index(step) >= STEPS.index("counter-renamed")
    found = files(tmp_path).read("key")
    assert (before + 1, b"new") == (found[0].version, found[1]) if counted else former == found
    count = files(tmp_path).write("key", b"next")
    assert before + (2 if counted else 1) == count.version
    assert (count, b"next") == files(tmp_path).read("key")
    assert f".{count.version}.sealed" in only(tmp_path).name


CHILD = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[2:]
from test_sealedfiles import STEPS, files
for step in STEPS:
    folder = Path(sys.argv[1]) / step
    folder.mkdir()
    files(folder).write("key", b"former")
    def fail_point(name):
        if name == step:
            os.kill(os.getpid(), signal.SIGKILL)
    child = os.fork()
    if not child:
        files(folder, fail_point=fail_point).write("key", b"new")
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status))
"""


def test_a_killed_process_locks_nobody_out(tmp_path: Path) -> None:
    """Real processes, killed at each step; their locks went with them."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), *sys.path],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert [str(int(signal.SIGKILL))] * len(STEPS) == done.stdout.split(), done.stderr
    contents = [files(tmp_path / step).read("key")[1] for step in STEPS]
    assert [b"former", b"former", b"new", b"new", b"new"] == contents
    for step in STEPS:
        files(tmp_path / step).write("key", b"next")
        assert b"next" == files(tmp_path / step).read("key")[1]


def _every(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in (folder / "sealed").iterdir():
        if path.name != "lock":
            yield path.name, path.read_bytes()


def test_nothing_that_ever_lay_there_passes_for_the_newest(tmp_path: Path) -> None:
    """Crashes at every step, everything saved by somebody, and put under every name."""
    seen: set[tuple[str, bytes]] = set()
    for number, step in enumerate([*STEPS, "", *STEPS]):
        try:
            sealed = files(tmp_path, fail_point=killed_at(step))
            sealed.write("key", b"content %d" % number)
        except Killed:
            pass
        seen |= set(_every(tmp_path))
    sealed = files(tmp_path)
    newest = sealed.write("key", b"newest")
    (path,) = [tmp_path / "sealed" / name for name, _ in _every(tmp_path)]
    whole = path.read_bytes()
    assert len(seen) > 9
    for name, content in seen:
        for target in (path.name, path.name.replace(".sealed", ".new"), name):
            path.unlink(missing_ok=True)
            (path.parent / target).write_bytes(content)
            assert code_of(sealed) in ("rollback", "missing")
            (path.parent / target).unlink()
    path.write_bytes(whole)
    assert (newest, b"newest") == sealed.read("key")


def test_what_is_refused_is_given_up_when_that_is_said(tmp_path: Path) -> None:
    """Versions go on; what is in order is not given up; once written it counts again."""
    assert b"one" == _renewed(tmp_path, b"one", lambda path: None)
    assert b"" == _renewed(tmp_path, b"two", Path.unlink)
    assert b"" == _renewed(tmp_path, b"three", lambda path: os.truncate(path, 9))
    sealed = files(tmp_path, renew=True)
    assert 7 == sealed.write("key", b"four").version
    only(tmp_path).unlink()
    assert "missing" == code_of(sealed)


def _renewed(folder: Path, content: bytes, harm: Callable[[Path], object]) -> bytes:
    """What is read with the word to renew after something was done to a sealed file."""
    files(folder, renew=True).write("key", b"before")
    files(folder, renew=True).write("key", content)
    harm(only(folder))
    return files(folder, renew=True).read("key")[1]
