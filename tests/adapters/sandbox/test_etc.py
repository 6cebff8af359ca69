"""The copy of the host's configuration: what stands in it, and that it stays what it was."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.adapters.sandbox import etc
from holdfast.adapters.sandbox.etc import PREFIX, Copied

NAMES = ("passwd", "ssl/certs", "zone", "none", "ssl/openssl.cnf")


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host's configuration, and a place for copies of it."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    found = tmp_path / "etc"
    (found / "ssl" / "certs" / "java").mkdir(parents=True)
    (found / "passwd").write_text("root:x:0:0\n")
    (found / "shadow").write_text("root:secret\n")
    (found / "ssl" / "certs" / "one.pem").write_text("one")
    (found / "ssl" / "certs" / "hash.0").symlink_to("one.pem")
    (found / "ssl" / "certs" / "two.pem").symlink_to("/usr/share/two.pem")
    (found / "ssl" / "certs" / "java" / "cacerts").write_text("java")
    (found / "ssl" / "real.cnf").write_text("cnf")
    (found / "ssl" / "openssl.cnf").symlink_to("real.cnf")
    (found / "zone").symlink_to("/usr/bin/env")
    return found


@pytest.fixture
def copied(host: Path) -> Iterator[Copied]:
    """Copies of it."""
    found = Copied(NAMES, str(host))
    yield found
    found.clear()


def directory(copied: Copied) -> Path:
    """Where the copy is."""
    found = copied.directory()
    assert found is not None
    return Path(found)


def test_what_is_named_is_copied(copied: Copied) -> None:
    """Files, directories with their links, and links; and nothing else."""
    found = directory(copied)
    assert "root:x:0:0\n" == (found / "passwd").read_text()
    certs = found / "ssl" / "certs"
    assert "one" == (certs / "hash.0").read_text() and (certs / "hash.0").is_symlink()
    assert "/usr/share/two.pem" == os.readlink(certs / "two.pem")
    assert "java" == (certs / "java" / "cacerts").read_text()
    assert "/usr/bin/env" == os.readlink(found / "zone")
    assert "cnf" == (found / "ssl" / "openssl.cnf").read_text()
    assert not (found / "ssl" / "openssl.cnf").is_symlink()
    assert {"passwd", "ssl", "zone"} == {one.name for one in found.iterdir()}
    assert 0o755 == found.stat().st_mode & 0o777


def test_it_is_made_once(copied: Copied) -> None:
    """And is the same until something changes."""
    assert directory(copied) == directory(copied)


@pytest.mark.parametrize("name", ["passwd", "ssl/certs/three.pem", "none", "ssl/real.cnf"])
def test_a_change_of_the_host_is_followed(copied: Copied, host: Path, name: str) -> None:
    """The next command sees it."""
    before = directory(copied)
    (host / name).write_text("changed")
    after = directory(copied)
    shown = {"ssl/real.cnf": "ssl/openssl.cnf"}.get(name, name)
    assert before != after and "changed" == (after / shown).read_text()
    assert not before.exists()


@pytest.mark.parametrize("name", ["passwd", "new", "ssl/certs/new", "ssl/certs/java/cacerts"])
def test_a_copy_that_was_touched_is_not_shown_again(copied: Copied, name: str) -> None:
    """Whoever changes one, even with its time put back, changes nothing for the next command."""
    before = directory(copied)
    path = before / name
    old = path.stat() if path.exists() else before.stat()
    path.write_text("x" * old.st_size if path.exists() else "")
    os.utime(path, ns=(old.st_atime_ns, old.st_mtime_ns))
    os.utime(path.parent, ns=(old.st_atime_ns, old.st_mtime_ns))
    after = directory(copied)
    assert before != after and not before.exists()
    assert "root:x:0:0\n" == (after / "passwd").read_text()
    assert not (after / "new").exists() and not (after / "ssl" / "certs" / "new").exists()


def test_a_link_put_in_its_place_is_not_followed(copied: Copied, tmp_path: Path) -> None:
    """Nor is a copy that was moved away."""
    before = directory(copied)
    before.rename(tmp_path / "away")
    before.symlink_to(tmp_path / "away")
    assert before != directory(copied)
    assert (tmp_path / "away" / "passwd").exists()


def test_what_cannot_be_copied_is_said(
    copied: Copied, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files without end and too many of them: there is no copy, and nothing of it is left."""
    monkeypatch.setattr(etc, "FILE_BYTES_MAX", 5)
    assert copied.directory() is None
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(host.parent / "tmp"))
    monkeypatch.setattr(etc, "ENTRIES_MAX", 2)
    assert copied.directory() is None
    assert [] == list((host.parent / "tmp").iterdir())
    monkeypatch.setattr(etc, "ENTRIES_MAX", 100)
    assert copied.directory()
    (host / "zone").unlink()
    os.mkfifo(host / "zone")
    assert copied.directory() is None


def test_nowhere_to_copy_to(copied: Copied, host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no copy then."""
    monkeypatch.setattr(tempfile, "tempdir", str(host / "nowhere"))
    assert copied.directory() is None


def test_what_a_killed_process_left_is_cleared_away(copied: Copied, host: Path) -> None:
    """And what a living one uses is not."""
    text = (
        "import sys, tempfile, time\n"
        "from holdfast.adapters.sandbox.etc import Copied\n"
        f"tempfile.tempdir = {tempfile.gettempdir()!r}\n"
        f"print(Copied({NAMES!r}, {str(host)!r}).directory(), flush=True)\n"
        "time.sleep(60)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", text], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    with other.stdout:
        theirs = Path(other.stdout.readline().strip())
        assert theirs.name.startswith(PREFIX) and theirs != directory(copied)
        assert theirs.exists()
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert theirs.exists()
    (host / "passwd").write_text("changed")
    directory(copied)
    assert not theirs.exists()


def test_a_process_takes_its_copy_with_it(host: Path) -> None:
    """One that ends in good order leaves none; one that was forked leaves its parent's."""
    text = (
        "import os, tempfile\n"
        "from holdfast.adapters.sandbox.etc import Copied\n"
        f"tempfile.tempdir = {tempfile.gettempdir()!r}\n"
        f"copied = Copied({NAMES!r}, {str(host)!r})\n"
        "mine = copied.directory()\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    own = copied.directory()\n"
        "    copied.clear()\n"
        "    os._exit(0 if own and own != mine and not os.path.exists(own) else 1)\n"
        "ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])\n"
        "print(ended, mine == copied.directory(), mine)\n"
    )
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    ended, same, mine = done.stdout.split()
    assert ("0", "True") == (ended, same)
    assert PREFIX in mine and not Path(mine).exists()


def test_a_change_within_a_directory_is_followed(copied: Copied, host: Path) -> None:
    """A certificate that is written over, and what is new further below."""
    certs = host / "ssl" / "certs"
    directory(copied)
    with (certs / "one.pem").open("a") as file:
        file.write(" more")
    assert "one more" == (directory(copied) / "ssl" / "certs" / "one.pem").read_text()
    (certs / "java" / "new").write_text("new")
    assert "new" == (directory(copied) / "ssl" / "certs" / "java" / "new").read_text()
    (certs / "java" / "new").unlink()
    assert not (directory(copied) / "ssl" / "certs" / "java" / "new").exists()


def test_another_tidies_up_what_is_not_yet_locked(
    copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not made again without its lock: there is none this time."""
    lock = fcntl.flock

    def late(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", lock)
        etc._sweep()
        lock(fd, how)

    monkeypatch.setattr(fcntl, "flock", late)
    assert copied.directory() is None
    assert [] == os.listdir(tempfile.gettempdir())
    assert directory(copied).exists()


def test_what_is_too_deep_to_be_cleared_away(copied: Copied) -> None:
    """It is left, and hinders nobody."""
    before = directory(copied)
    left = Path(tempfile.gettempdir(), f"{PREFIX}deep")
    nested = "/".join(["a"] * 500)
    try:
        for top in (left, before):
            (top / nested).mkdir(parents=True)
            for _ in range(3):
                os.rename(top / "a", top.parent / "moved")
                (top / nested).mkdir(parents=True)
                os.rename(top.parent / "moved", top / nested / "a")
        after = directory(copied)
        assert before != after and (after / "passwd").exists()
    finally:
        subprocess.run(["rm", "-rf", left, before], check=True)


def test_what_is_shown_stays_until_all_are_over(copied: Copied, host: Path) -> None:
    """Then it goes; to say so twice is harmless."""
    one, two = copied.show(), copied.show()
    assert one is not None and two is not None and one.directory == two.directory
    before = Path(one.directory)
    (host / "passwd").write_text("changed")
    assert before != directory(copied)
    one.close()
    one.close()
    assert "root:x:0:0\n" == (before / "passwd").read_text()
    two.close()
    assert not before.exists()


def test_all_go_with_the_process(copied: Copied, host: Path) -> None:
    """Also what a command is still shown."""
    showing = copied.show()
    assert showing is not None
    (host / "passwd").write_text("changed")
    directory(copied)
    copied.clear()
    assert [] == os.listdir(tempfile.gettempdir())
    showing.close()


def test_no_copies_where_commands_may_write(copied: Copied, host: Path) -> None:
    """Once it was so."""
    before = copied.directory()
    assert () == copied.within(str(host))
    assert before == copied.directory()
    assert (before,) == copied.within(str(host.parent))
    assert copied.directory() is None and copied.show() is None
    assert (before,) == copied.within(str(host.parent))
