"""Keys in a file of their own, apart from the store and its backups (contract 1.1).

Rules
- The key store is its own SQLite file (mode 0600, rollback journal, full
  synchronisation, secure deletion). It opens nothing without the installation
  key, which is kept in another place (`installation`).
- Writers of all processes take turns on `<path>.lock`.
- A key store is made complete under another name and then put in its place. An
  empty or damaged one is never begun anew in silence, and neither is a missing
  installation key.
- No descriptor of the database file is opened beside SQLite's own: closing one
  would drop the locks that SQLite holds.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import apsw

from holdfast.adapters.keys.hierarchy import (
    FailPoint,
    HierarchyKeys,
    found,
    no_fail_point,
    stream_scope,
)
from holdfast.adapters.keys.installation import (
    ID_BYTES,
    FileVault,
    check_private,
    default_installation_key_path,
    ensure_installation,
    flush_directory,
    private_directory,
)
from holdfast.adapters.keys.locks import file_lock
from holdfast.adapters.keys.wraps import DATA, Kind, Random, Wrap
from holdfast.core.errors import (
    CorruptStore,
    HoldfastError,
    NewerProgram,
    NotFound,
    StoreBusy,
    StoreFull,
    StoreReadOnly,
    Unavailable,
    WrongKey,
)
from holdfast.ports.keys import DestroyReceipt

__all__ = ["FileKeys", "SqliteShelf", "default_installation_key_path"]

SCHEMA_VERSION = 1
APPLICATION_ID = 0x484B4559  # "HKEY"
_BUSY_MS = 10_000

_SCHEMA = f"""
CREATE TABLE meta (
  name TEXT PRIMARY KEY,
  value ANY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE wraps (
  kind TEXT NOT NULL,
  scope BLOB NOT NULL,
  key_id INTEGER NOT NULL CHECK (key_id > 0),
  parent BLOB NOT NULL,
  parent_id INTEGER NOT NULL CHECK (parent_id >= 0),
  epoch INTEGER NOT NULL CHECK (epoch > 0),
  body BLOB NOT NULL,
  PRIMARY KEY (kind, scope, key_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX wraps_below ON wraps (kind, parent);
CREATE TABLE receipts (
  stream BLOB PRIMARY KEY,
  destroyed_at_ms INTEGER NOT NULL,
  epoch INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE retired (
  epoch INTEGER PRIMARY KEY,
  retired_ms INTEGER NOT NULL
) STRICT;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""

_SELECT = "SELECT kind, scope, key_id, parent, parent_id, epoch, body FROM wraps WHERE kind = ?"
_FIND = _SELECT + " AND scope = ? AND key_id = ?"
_FIND_NEWEST = _SELECT + " AND scope = ? ORDER BY key_id DESC LIMIT 1"
_UNDER = _SELECT + " AND parent = ?"
_PUT = (
    "INSERT INTO wraps VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
    " parent = excluded.parent, parent_id = excluded.parent_id,"
    " epoch = excluded.epoch, body = excluded.body"
)
_OVERWRITE = "UPDATE wraps SET body = zeroblob(length(body)) WHERE kind = ? AND scope = ?"
_DELETE = "DELETE FROM wraps WHERE kind = ? AND scope = ?"

_ERRORS: tuple[tuple[type[apsw.Error], type[HoldfastError], str], ...] = (
    (apsw.FullError, StoreFull, "the disk is full; the key store was not changed"),
    (apsw.ReadOnlyError, StoreReadOnly, "the key store cannot be written"),
    (apsw.CantOpenError, StoreReadOnly, "the key store cannot be opened"),
    (apsw.PermissionsError, StoreReadOnly, "the key store cannot be opened"),
    (apsw.BusyError, StoreBusy, "another process holds the key store for too long"),
    (apsw.CorruptError, CorruptStore, "the key store is damaged"),
    (apsw.NotADBError, CorruptStore, "the key store is damaged"),
    (apsw.Error, Unavailable, "the key store is out of order"),
)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        for kind, ours, text in _ERRORS:
            if isinstance(error, kind):
                raise ours(text) from error
        raise


class SqliteShelf:
    """Wraps and receipts in a SQLite file.

    Args:
        path: the file; it exists.
        lock: gives the lock that writers of all processes take turns on.
    """

    def __init__(self, path: Path, lock: Callable[[], AbstractContextManager[None]]) -> None:
        self._lock = lock
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_NOFOLLOW
        with _translated():
            self._db = apsw.Connection(str(path), flags=flags)
            self._db.set_busy_timeout(_BUSY_MS)
            for pragma in (
                "trusted_schema = OFF",
                "cell_size_check = ON",
                "temp_store = MEMORY",
                "journal_mode = DELETE",
                "synchronous = EXTRA",
                "secure_delete = ON",
            ):
                self._db.execute(f"PRAGMA {pragma}").fetchall()

    # --- the file

    def lay_out(self, installation: bytes, store: bytes) -> None:
        """Make the tables of a new key store, inside `writing`."""
        self._db.execute(_SCHEMA).fetchall()
        for name, value in (("installation", installation), ("store", store), ("epoch", 0)):
            self._db.execute("INSERT INTO meta VALUES (?, ?)", (name, value)).fetchall()

    def identity(self) -> tuple[bytes, bytes]:
        """The ids of the installation and of this key store.

        Raises:
            CorruptStore: this is no key store.
            NewerProgram: its layout is newer than this program.
        """
        with self.reading():
            application = self._db.pragma("application_id")
            version = self._db.pragma("user_version")
            if application != APPLICATION_ID or not isinstance(version, int):
                raise CorruptStore("this file is not a key store")
            if version > SCHEMA_VERSION:
                raise NewerProgram("the key store was written by a newer program")
            installation, store = self._meta("installation"), self._meta("store")
        if not isinstance(installation, bytes) or not isinstance(store, bytes):
            raise CorruptStore("the key store has lost its identity")
        return installation, store

    def _meta(self, name: str) -> object:
        return self._db.execute("SELECT value FROM meta WHERE name = ?", (name,)).get

    def close(self) -> None:
        """Close the file."""
        with _translated():
            self._db.close()

    # --- transactions

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Hold one consistent view."""
        with _translated():
            self._db.execute("BEGIN").fetchall()
            try:
                yield
            finally:
                self._roll_back()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the only writer's transaction; durable at its end, or undone."""
        with self._lock(), _translated():
            self._db.execute("BEGIN IMMEDIATE").fetchall()
            try:
                yield
                self._db.execute("COMMIT").fetchall()
            finally:
                self._roll_back()

    def _roll_back(self) -> None:
        # A commit and some failures have ended the transaction already.
        if self._db.in_transaction:
            self._db.execute("ROLLBACK").fetchall()

    # --- rows

    def find(self, kind: Kind, scope: bytes, key_id: int | None = None) -> Wrap | None:
        """Read one wrap; without a key id the newest."""
        if key_id is None:
            rows = self._wraps(_FIND_NEWEST, (kind.value, scope))
        else:
            rows = self._wraps(_FIND, (kind.value, scope, key_id))
        return rows[0] if rows else None

    def under(self, kind: Kind, parent: bytes) -> list[Wrap]:
        """Read all wraps of a kind below a parent's scope."""
        return self._wraps(_UNDER, (kind.value, parent))

    def _wraps(self, sql: str, values: tuple[str | bytes | int, ...]) -> list[Wrap]:
        return [
            Wrap(
                kind=Kind(kind),
                scope=scope,
                key_id=key_id,
                parent=parent,
                parent_id=parent_id,
                epoch=epoch,
                body=body,
            )
            for kind, scope, key_id, parent, parent_id, epoch, body in self._db.execute(sql, values)
        ]

    def put(self, wrap: Wrap) -> None:
        """Keep a wrap, in place of one with the same kind, scope and key id."""
        values = (
            wrap.kind.value,
            wrap.scope,
            wrap.key_id,
            wrap.parent,
            wrap.parent_id,
            wrap.epoch,
            wrap.body,
        )
        self._db.execute(_PUT, values).fetchall()

    def erase(self, kind: Kind, scope: bytes) -> None:
        """Overwrite and remove all wraps of a scope."""
        for sql in (_OVERWRITE, _DELETE):
            self._db.execute(sql, (kind.value, scope)).fetchall()

    def receipt(self, stream: int) -> DestroyReceipt | None:
        """Read a receipt."""
        sql = "SELECT destroyed_at_ms, epoch FROM receipts WHERE stream = ?"
        row = self._db.execute(sql, (stream_scope(stream),)).fetchone()
        if row is None:
            return None
        destroyed_at_ms, epoch = row
        assert isinstance(destroyed_at_ms, int) and isinstance(epoch, int), "the table is strict"
        return DestroyReceipt(stream=stream, destroyed_at_ms=destroyed_at_ms, epoch=epoch)

    def put_receipt(self, receipt: DestroyReceipt) -> None:
        """Keep a receipt."""
        self._db.execute(
            "INSERT INTO receipts VALUES (?, ?, ?)",
            (stream_scope(receipt.stream), receipt.destroyed_at_ms, receipt.epoch),
        ).fetchall()

    def epoch(self) -> int:
        """The installation key's epoch that all wraps stand under."""
        epoch = self._meta("epoch")
        if not isinstance(epoch, int):
            raise CorruptStore("the key store has lost its epoch")
        return epoch

    def set_epoch(self, epoch: int, now_ms: int) -> None:
        """Go over to an epoch; the one before counts as retired from `now_ms`."""
        before = self.epoch()
        self._db.execute("UPDATE meta SET value = ? WHERE name = 'epoch'", (epoch,)).fetchall()
        self._db.execute("INSERT INTO retired VALUES (?, ?)", (before, now_ms)).fetchall()

    def retired_ms(self, epoch: int) -> int | None:
        """When an epoch was retired, or None."""
        sql = "SELECT retired_ms FROM retired WHERE epoch = ?"
        value = self._db.execute(sql, (epoch,)).get
        return value if isinstance(value, int) else None

    def streams(self) -> frozenset[int]:
        """Streams that have a data key."""
        sql = "SELECT DISTINCT scope FROM wraps WHERE kind IN (?, ?)"
        rows = self._db.execute(sql, tuple(kind.value for kind in DATA))
        return frozenset(int.from_bytes(scope, "big") for (scope,) in rows)


class FileKeys(HierarchyKeys):
    """Keys of one installation, in a file. Use `open`."""

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        installation_key: Path,
        create: bool = True,
        random: Random = secrets.token_bytes,
        monotonic: Callable[[], float] = time.monotonic,
        fail_point: FailPoint = no_fail_point,
    ) -> FileKeys:
        """Open a key store; make it, and the installation key, if both may be new.

        Args:
            path: the key store, usually `<store>.keys`.
            installation_key: the installation key, outside the data directory.
            create: make a key store if there is none; pass False where events
                exist already, because new keys would not open them.
            random: source of unpredictable bytes.
            monotonic: a clock that never goes back, in seconds.
            fail_point: called with a name between the steps of a rotation.

        Raises:
            NotFound: there is none and `create` is False.
            WrongKey: the installation key is missing, damaged or another's, or
                the key store is a copy from before a rotation.
            CorruptStore: the key store is damaged or is none.
            Unavailable: a file is a link, or others may open it.
        """
        if create:
            private_directory(path.parent)
        elif not os.path.lexists(path):
            raise NotFound(f"there is no key store {path.name}")
        path = path.parent.resolve() / path.name

        def lock() -> AbstractContextManager[None]:
            return file_lock(path.with_name(path.name + ".lock"))

        if not os.path.lexists(path):
            with lock():
                # Another process may have made it while this one waited.
                if not os.path.lexists(path):
                    _make(path, installation_key, random)
        check_private(path.lstat(), "the key store")
        shelf = SqliteShelf(path, lock)
        try:
            installation, store = shelf.identity()
            vault = FileVault(installation_key, store, random, fail_point)
            if vault.installation != installation:
                raise WrongKey("the installation key file is another installation's")
            return cls(shelf, vault, random=random, monotonic=monotonic, fail_point=fail_point)
        except BaseException:
            shelf.close()
            raise


def _make(path: Path, installation_key: Path, random: Random) -> None:
    """Make a complete key store under another name and put it in its place."""
    temporary = path.with_name(path.name + ".new")
    journal = path.with_name(temporary.name + "-journal")
    # A process that died here left nothing that anybody relies on.
    for left in (temporary, journal):
        left.unlink(missing_ok=True)
    installation = ensure_installation(installation_key, random)
    store = random(ID_BYTES)
    try:
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
        shelf = SqliteShelf(temporary, nullcontext)
        try:
            with shelf.writing():
                shelf.lay_out(installation, store)
                found(shelf, FileVault(installation_key, store, random), random, 0)
        finally:
            shelf.close()
        temporary.rename(path)
        flush_directory(path.parent)
    except OSError as error:
        raise StoreReadOnly("the key store cannot be made") from error
