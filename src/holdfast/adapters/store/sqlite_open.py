"""Putting the parts of an open SQLite store together, and taking them apart."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import apsw

from holdfast.adapters.store.sqlite_files import (
    Ballast,
    NodeLease,
    WriterLock,
    create_private,
    make_directories,
    mount_table,
    refuse_network,
    typed_errors,
)
from holdfast.adapters.store.sqlite_read import Readers
from holdfast.adapters.store.sqlite_schema import connect, migrate
from holdfast.adapters.store.sqlite_write import Transaction
from holdfast.adapters.store.sqlite_writer import Writer
from holdfast.core.errors import StoreBusy
from holdfast.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a store is opened.

    Args:
        path: the database file.
        passphrase: for an encrypted file.
        busy_s: how long to wait for other processes' locks, in seconds.
        vfs: SQLite file layer of the writer, or None for the default.
    """

    path: Path
    passphrase: str | None
    busy_s: float
    vfs: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Everything an open store holds on to."""

    file_system: str
    connection: apsw.Connection
    lock: WriterLock
    lease: NodeLease
    ballast: Ballast
    readers: Readers
    writer: Writer

    def close(self, *, keep_node_file: bool = False) -> None:
        """Close all but the writer's thread, which has ended before.

        Args:
            keep_node_file: leave the node's lock file, as a killed process does.
        """
        with typed_errors():
            self.readers.close()
            self.connection.close()
            self.lease.close(keep_file=keep_node_file)
            self.lock.close()


def open_parts(settings: Settings, clock: Clock) -> Parts:
    """Open or create a store and start its writer; blocks.

    Raises:
        HoldfastError: as `SqliteStore.open` says.
    """
    path = settings.path.absolute().resolve()
    file_system = refuse_network(path, mount_table())
    with typed_errors(), ExitStack() as undo:
        make_directories(path.parent)
        lock = WriterLock(path)
        undo.callback(lock.close)
        if not lock.acquire_within(settings.busy_s):
            raise StoreBusy()
        # The lock is also held while node files come and go; see NodeLease.
        create_private(path)
        connection = connect(path, settings.passphrase, busy_s=settings.busy_s, vfs=settings.vfs)
        undo.callback(connection.close, True)
        migrate(connection)
        lease = NodeLease(path, clock.random_bytes(8).hex())
        undo.callback(lease.close)
        lease.clean()
        ballast = Ballast(path)
        ballast.restore()
        lock.release()
        undo.pop_all()
    writer = Writer(connection, Transaction(connection, lease, clock), lock, ballast)
    writer.start()
    return Parts(
        file_system=file_system,
        connection=connection,
        lock=lock,
        lease=lease,
        ballast=ballast,
        readers=Readers(path, settings.passphrase, settings.busy_s),
        writer=writer,
    )
