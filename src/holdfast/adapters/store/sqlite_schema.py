"""Opening a SQLite store: connection settings, tables, numbered migrations."""

from __future__ import annotations

from pathlib import Path

import apsw

from holdfast.adapters.store.sqlite_files import typed_errors
from holdfast.core.errors import (
    CorruptStore,
    NewerProgram,
    StoreReadOnly,
    UnsupportedFileSystem,
    WrongKey,
)

APPLICATION_ID = 0x484F4C44
"""Marks the file as ours: "HOLD"."""

_FIRST = """
CREATE TABLE stream(
    stream INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    owner INTEGER NOT NULL,
    name TEXT,
    folded TEXT,
    version INTEGER NOT NULL,
    head BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    node TEXT,
    state INTEGER NOT NULL,
    sensitivity INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL,
    last_activity_ms INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    turns INTEGER NOT NULL,
    tool_calls INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    tokens BLOB NOT NULL,
    parent INTEGER NOT NULL,
    hidden INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX stream_by_name ON stream(tenant, folded) WHERE folded IS NOT NULL;
CREATE INDEX stream_by_node ON stream(node) WHERE node IS NOT NULL;
CREATE INDEX stream_by_parent ON stream(parent) WHERE parent <> 0;
CREATE INDEX stream_by_tenant ON stream(tenant, hidden, state, updated_ms, stream);
CREATE INDEX stream_by_state ON stream(hidden, state, updated_ms, stream);
CREATE INDEX stream_by_owner ON stream(owner, hidden, updated_ms, stream);

CREATE TABLE event(
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    version INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    time INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    key INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    body BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX event_by_version ON event(stream, version);

CREATE TABLE pending(
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    stream INTEGER NOT NULL,
    kind TEXT NOT NULL,
    id BLOB NOT NULL,
    digest BLOB NOT NULL,
    principal INTEGER NOT NULL,
    due_ms INTEGER,
    claim TEXT,
    payload BLOB NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX pending_by_id ON pending(stream, kind, id);
CREATE INDEX pending_by_due ON pending(due_ms, seq) WHERE due_ms IS NOT NULL;

CREATE TABLE command(
    stream INTEGER NOT NULL,
    id BLOB NOT NULL,
    digest BLOB NOT NULL,
    version INTEGER NOT NULL,
    done_ms INTEGER NOT NULL,
    PRIMARY KEY (stream, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX command_by_time ON command(done_ms);

CREATE TABLE token(
    token BLOB NOT NULL,
    stream INTEGER NOT NULL,
    PRIMARY KEY (token, stream)
) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_stream ON token(stream);

CREATE TABLE trace(
    stream INTEGER NOT NULL,
    hash BLOB NOT NULL,
    source INTEGER NOT NULL,
    PRIMARY KEY (stream, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE blob(
    id INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    blob BLOB NOT NULL,
    part INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX blob_by_part ON blob(stream, blob, part);

CREATE TABLE snapshot(
    stream INTEGER PRIMARY KEY,
    version INTEGER NOT NULL,
    head BLOB NOT NULL,
    fold_id INTEGER NOT NULL,
    body BLOB NOT NULL
) STRICT;

CREATE TABLE counter(
    id TEXT PRIMARY KEY,
    ceiling INTEGER,
    used INTEGER NOT NULL CHECK (used >= 0),
    held INTEGER NOT NULL CHECK (held >= 0),
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE scope(
    scope TEXT PRIMARY KEY,
    revision INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE granted(
    scope TEXT NOT NULL,
    id BLOB NOT NULL,
    body BLOB NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE principal(
    pseudonym INTEGER PRIMARY KEY,
    tenant TEXT NOT NULL,
    digest BLOB NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX principal_by_digest ON principal(tenant, digest);

CREATE TABLE probe(
    id INTEGER PRIMARY KEY CHECK (id = 1),
    checked_ms INTEGER NOT NULL
) STRICT;
"""

_NEWEST = """
ALTER TABLE stream ADD COLUMN newest INTEGER NOT NULL DEFAULT 0;
UPDATE stream SET newest = event.id FROM event
    WHERE event.stream = stream.stream AND event.version = stream.version;
CREATE INDEX stream_by_newest ON stream(newest, version, head);
"""
"""What changed since a checkpoint: read from the index alone, which holds all that is asked."""

_TOKENS = """
CREATE TABLE bearer(
    id BLOB PRIMARY KEY,
    tenant TEXT NOT NULL,
    agent INTEGER NOT NULL,
    digest BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    span_ms INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    stream INTEGER NOT NULL,
    parent BLOB NOT NULL,
    generation INTEGER NOT NULL,
    agent_epoch INTEGER NOT NULL,
    state INTEGER NOT NULL CHECK (state BETWEEN 0 AND 2)
) STRICT, WITHOUT ROWID;
CREATE INDEX bearer_by_agent ON bearer(tenant, agent);
CREATE INDEX bearer_by_stream ON bearer(stream) WHERE stream <> 0;
CREATE INDEX bearer_by_parent ON bearer(parent) WHERE parent <> x'';
CREATE INDEX bearer_by_expiry ON bearer(expires_ms) WHERE state = 0;
CREATE INDEX bearer_by_end ON bearer(ends_ms) WHERE state <> 0;

CREATE TABLE bearer_digest(
    digest BLOB PRIMARY KEY,
    id BLOB NOT NULL,
    generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bearer_digest_by_id ON bearer_digest(id);

CREATE TABLE bearer_agent(
    tenant TEXT NOT NULL,
    agent INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (tenant, agent)
) STRICT, WITHOUT ROWID;

CREATE TABLE bearer_event(
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    generation INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    expires_ms INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    why TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE bearer_epoch(
    one INTEGER PRIMARY KEY CHECK (one = 1),
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO bearer_epoch VALUES (1, 0);
"""

MIGRATIONS: tuple[str, ...] = (_FIRST, _NEWEST, _TOKENS)
"""Step n leads from schema version n to n + 1; a released step never changes."""


def connect(
    path: Path, passphrase: str | None, *, busy_s: float, vfs: str | None = None
) -> apsw.Connection:
    """Open a connection with the store's settings; the file must exist.

    Raises:
        WrongKey: the passphrase does not open the file.
        CorruptStore: the file is not a database.
        StoreReadOnly: the file cannot be written.
        UnsupportedFileSystem: the file system cannot do write-ahead logging.
    """
    with typed_errors():
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE, vfs=vfs)
    try:
        _configure(connection, passphrase, busy_s)
    except BaseException:
        connection.close(True)
        raise
    return connection


def _configure(connection: apsw.Connection, passphrase: str | None, busy_s: float) -> None:
    connection.set_busy_timeout(round(busy_s * 1000))
    if passphrase is not None:
        connection.pragma("cipher", "aegis")
        connection.pragma("key", passphrase)
    with typed_errors(connection):
        try:
            connection.pragma("user_version")
        except apsw.NotADBError as error:
            if passphrase is None:
                raise
            raise WrongKey("the passphrase does not open this store") from error
        if connection.readonly("main"):
            raise StoreReadOnly("the store's file cannot be written")
        mode = connection.pragma("journal_mode", "WAL")
        if mode != "wal":
            raise UnsupportedFileSystem("this file system cannot keep a write-ahead log")
        connection.pragma("synchronous", "FULL")
        # Without this a power loss on macOS may take acknowledged commits along.
        connection.pragma("fullfsync", 1)
        connection.pragma("checkpoint_fullfsync", 1)
        connection.pragma("secure_delete", 1)
        connection.pragma("cache_size", -16_384)
        connection.pragma("temp_store", "MEMORY")


def read_only(connection: apsw.Connection) -> apsw.Connection:
    """Make a connection refuse to write; returns it."""
    connection.pragma("query_only", 1)
    return connection


def migrate(connection: apsw.Connection, steps: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring the schema to this program's version; called with the writer lock held.

    Raises:
        NewerProgram: the file was written by a newer program.
        CorruptStore: the file is a database of something else.
    """
    with typed_errors(connection):
        version = connection.pragma("user_version")
        application = connection.pragma("application_id")
        tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
        if application != APPLICATION_ID and (application or version or tables):
            raise CorruptStore("the file is a database, but not one of ours")
        if version > len(steps):
            raise NewerProgram(f"the store has schema {version}, this program knows {len(steps)}")
        for number, step in enumerate(steps[version:], start=version + 1):
            _apply(connection, number, step)


def _apply(connection: apsw.Connection, number: int, step: str) -> None:
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.execute(step)
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", number)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
