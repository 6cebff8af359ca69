"""The files beside a SQLite store."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest

from holdfast.adapters.store import sqlite_files
from holdfast.adapters.store.sqlite_files import (
    BALLAST_BYTES,
    Ballast,
    NodeLease,
    WriterLock,
    file_system_type,
    refuse_network,
    typed_error,
    typed_errors,
    typed_os_error,
)
from holdfast.core.errors import (
    CorruptStore,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    Unavailable,
    UnsupportedFileSystem,
)

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
40 22 0:36 / /shared/my\\040share rw - nfs4 server:/export rw
41 22 0:37 / /mnt/win rw master:1 - cifs //server/share rw
42 41 0:38 / /mnt/win/local rw - tmpfs tmpfs rw
43 22 0:39 / /mnt/remote rw - fuse.sshfs me@host: rw
44 22 0:40 / /mnt/guest rw - 9p shared rw
45 44 0:41 / /mnt/guest rw - ext4 /dev/vdb rw
broken line
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/shared/my share/deep/store.db", "nfs4"),
        ("/mnt/win/store.db", "cifs"),
        ("/mnt/remote/x/store.db", "fuse.sshfs"),
    ],
)
def test_network_file_systems_are_refused(path: str, kind: str) -> None:
    """Locks and shared memory do not hold between machines."""
    with pytest.raises(UnsupportedFileSystem, match=kind):
        refuse_network(Path(path), MOUNTS)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/shared/my shares/store.db", "ext4"),
        ("/mnt/win/local/store.db", "tmpfs"),
        ("/mnt/guest/store.db", "ext4"),
        ("/mnt/window/store.db", "ext4"),
    ],
)
def test_the_innermost_and_last_mount_counts(path: str, kind: str) -> None:
    """A local disk mounted inside or over a network one is local."""
    assert kind == refuse_network(Path(path), MOUNTS)


def test_an_unknown_mount_table_refuses_nothing() -> None:
    """Where the system does not tell, the type is not known."""
    assert "" == refuse_network(Path("/any"), "")
    table = sqlite_files.mount_table()
    assert not table or file_system_type(Path("/"), table)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (apsw.FullError(), StoreFull),
        (apsw.BusyError(), StoreBusy),
        (apsw.LockedError(), StoreBusy),
        (apsw.ReadOnlyError(), StoreReadOnly),
        (apsw.CantOpenError(), StoreReadOnly),
        (apsw.CorruptError(), CorruptStore),
        (apsw.NotADBError(), CorruptStore),
        (apsw.IOError(), Unavailable),
        (apsw.NoMemError(), Unavailable),
        (apsw.SQLError(), type(None)),
        (apsw.ConstraintError(), type(None)),
    ],
)
def test_database_errors_become_typed_ones(error: apsw.Error, kind: type) -> None:
    """Each error of the world has its own type; a bug has none."""
    assert kind is type(typed_error(error))


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOSPC, StoreFull),
        (errno.EDQUOT, StoreFull),
        (errno.EROFS, StoreReadOnly),
        (errno.EACCES, StoreReadOnly),
        (errno.ENOTDIR, Unavailable),
    ],
)
def test_system_errors_become_typed_ones(number: int, kind: type) -> None:
    """Errors of the operating system get the same types."""
    assert kind is type(typed_os_error(OSError(number, "said so")))
    with pytest.raises(kind), typed_errors():
        raise OSError(number, "said so")


def test_bugs_pass_through() -> None:
    """A wrong statement is not dressed up as bad luck."""
    with pytest.raises(apsw.SQLError), typed_errors():
        raise apsw.SQLError("no such table")


def test_directories_and_files_are_private(tmp_path: Path) -> None:
    """Missing parents get 0700, a new file 0600, and an old file is not touched."""
    directory = tmp_path / "a" / "b"
    sqlite_files.make_directories(directory)
    sqlite_files.make_directories(directory)
    assert [0o700, 0o700] == [
        stat.S_IMODE(entry.stat().st_mode) for entry in (directory, directory.parent)
    ]
    sqlite_files.create_private(directory / "new")
    assert 0o600 == stat.S_IMODE((directory / "new").stat().st_mode)
    (directory / "old").write_text("kept")
    sqlite_files.create_private(directory / "old")
    assert "kept" == (directory / "old").read_text()


def test_the_writer_lock_goes_to_who_waits(tmp_path: Path) -> None:
    """A holder that wants the lock again at once comes after the one that waits."""
    one, two = WriterLock(tmp_path / "db"), WriterLock(tmp_path / "db")
    order: list[str] = []
    one.acquire()
    assert not two.acquire_within(0.01)
    waits = threading.Thread(target=lambda: (two.acquire(), order.append("two"), two.release()))
    waits.start()
    while one_can_take_the_turn(tmp_path):
        pass
    one.release()
    one.acquire()
    order.append("one")
    one.release()
    waits.join()
    assert ["two", "one"] == order
    assert two.acquire_within(1)
    one.close()
    two.close()


def one_can_take_the_turn(directory: Path) -> bool:
    """Tell whether nobody waits in line yet."""
    probe = os.open(directory / "db.turn", os.O_RDWR)
    try:
        return sqlite_files._try_lock(probe)
    finally:
        os.close(probe)


def test_a_node_is_dead_when_its_lock_is_gone(tmp_path: Path) -> None:
    """Closed, killed and unknown nodes are dead; an open one is not, nor am I."""
    database = tmp_path / "db"
    me, other, third = (NodeLease(database, name) for name in ("me", "other", "third"))
    assert [False, False, True] == [me.is_dead(name) for name in ("me", "other", "unknown")]
    other.close(keep_file=True)
    assert me.is_dead("other") and (tmp_path / "db.node-other").exists()
    third.close()
    assert me.is_dead("third") and not (tmp_path / "db.node-third").exists()
    with pytest.raises(FileExistsError):
        NodeLease(database, "other")
    assert 1 == me.clean()
    assert ["db.node-me"] == [entry.name for entry in tmp_path.iterdir()]
    me.close()


def test_the_death_of_a_process_is_seen_at_once(tmp_path: Path) -> None:
    """The kernel gives a killed process's lock back."""
    code = (
        "import sys, pathlib\n"
        "from holdfast.adapters.store.sqlite_files import NodeLease\n"
        "lease = NodeLease(pathlib.Path(sys.argv[1]), 'theirs')\n"
        "print('up', flush=True)\n"
        "sys.stdin.read()\n"
    )
    me = NodeLease(tmp_path / "db", "me")
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "db")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert b"up\n" == process.stdout.readline()
        assert not me.is_dead("theirs") and 0 == me.clean()
        process.kill()
        process.wait()
        assert me.is_dead("theirs")
    me.close()


def test_the_ballast_is_given_up_once_and_comes_back(tmp_path: Path) -> None:
    """It is really written, private, and restored when there is room."""
    ballast = Ballast(tmp_path / "db")
    assert not ballast.kept()
    assert ballast.restore() and ballast.kept() and ballast.restore()
    facts = (tmp_path / "db.ballast").stat()
    assert (BALLAST_BYTES, 0o600) == (facts.st_size, stat.S_IMODE(facts.st_mode))
    assert facts.st_blocks * 512 >= BALLAST_BYTES or facts.st_blocks == 0
    assert [True, False] == [ballast.free(), ballast.free()]
    assert ballast.restore() and 0 < ballast.free_bytes()
