"""The inbox: commands that wait durably until the session can take them.

Order of arrival is the order of `seq`. A command of this process that has to
wait is put here too, so that no acknowledged message is lost in a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from holdfast.core.commands import AddMessage, External, Send, SetContext
from holdfast.core.errors import (
    CommandMismatch,
    DuplicateCommand,
    HoldfastError,
    LeaseHeld,
    Unreadable,
)
from holdfast.core.lifecycle import ENDED, SessionState
from holdfast.core.view import SessionView
from holdfast.ports.store import PendingKind, PendingRow
from holdfast.runtime.codec import decode_command, encode_command, expected_by
from holdfast.runtime.host import Handled, Mail
from holdfast.runtime.journal import Journal

WAITS = (Send, AddMessage, SetContext)
"""Commands that wait for the end of a turn; all others are decided at once."""

PAGE = 200


class _Poster(Protocol):
    def post(self, mail: Mail) -> None:
        """Take a letter."""


class Inbox:
    """Waiting commands of one session.

    Args:
        wake: called when there is something to read.
    """

    def __init__(self, journal: Journal, wake: Callable[[], None]) -> None:
        self.dirty = True
        self.waiting: list[Mail] = []
        self._open: dict[bytes, Mail] = {}
        self._passed: set[bytes] = set()
        self._journal = journal
        self._wake = wake

    def look(self) -> None:
        """Something may wait in the store."""
        self.dirty = True
        self._wake()

    def joins(self, mail: Mail) -> bool:
        """Whether the same command is on its way already; then this one shares its outcome."""
        if mail.id is None:
            return False
        first = self._open.get(mail.id)
        if first is mail:
            return False
        if first is None:
            self._note(mail)
            return False
        if mail.digest and first.digest and mail.digest != first.digest:
            mail.fail(CommandMismatch("this command id was used before with another body"))
            return True
        first.future.add_done_callback(lambda done: _share(done, mail))
        return True

    def _note(self, mail: Mail) -> None:
        id = mail.id
        assert id is not None
        self._open[id] = mail
        mail.future.add_done_callback(lambda _: self._over(id, mail))

    def _over(self, id: bytes, mail: Mail) -> None:
        if self._open.get(id) is mail:  # another with this id may have come since
            del self._open[id]
            if id in self._passed:  # its row was passed over meanwhile
                self.look()

    async def read_if_dirty(self, engine: _Poster) -> None:
        """Read what other processes have submitted."""
        if not self.dirty or self._journal.crypto is None:
            return
        self.dirty = False
        rows = await self._journal.store.pending(
            self._journal.stream, PendingKind.COMMAND, limit=PAGE
        )
        known = {mail.seq for mail in self.waiting}
        self._passed = {row.id for row in rows if row.id in self._open}
        for row in rows:
            if row.seq not in known and row.id not in self._open:
                await self._take(row)
        self.waiting.sort(key=lambda mail: mail.seq)
        self.dirty = self.dirty or len(rows) == PAGE

    async def _take(self, row: PendingRow) -> None:
        assert self._journal.crypto is not None
        try:
            payload = open_command(self._journal, row)
            command, expects = decode_command(payload), expected_by(payload)
        except Unreadable:
            await self._journal.store.drop_pending(row.stream, row.kind, row.id)
            return
        future: asyncio.Future[Handled] = asyncio.get_running_loop().create_future()
        mail = Mail(
            command=command,
            future=future,
            id=row.id,
            digest=row.digest,
            actor=row.principal,
            seq=row.seq,
            expects=expects,
        )
        self._note(mail)
        self.waiting.append(mail)

    def ready(self, view: SessionView) -> list[Mail]:
        """Take out what may be decided now, in order."""
        may_talk = view.turn is None and view.state is not SessionState.PAUSED
        chosen: list[Mail] = []
        for mail in tuple(self.waiting):
            waits = isinstance(mail.command, WAITS) and view.state not in ENDED
            if waits and mail.tried and not may_talk:
                continue
            chosen.append(mail)
            self.waiting.remove(mail)
            if isinstance(mail.command, Send):
                may_talk = False
        return chosen

    async def keep(self, mails: list[Mail]) -> None:
        """Keep commands that have to wait; new ones become durable first."""
        for mail in mails:
            mail.tried = True
            if mail.seq == 0:
                await self._make_durable(mail)
            if mail.seq:
                self.waiting.append(mail)
        self.waiting.sort(key=lambda mail: mail.seq)

    def put_back(self, mail: Mail) -> None:
        """Keep a durable command that could not be carried out, in its place."""
        self.waiting.append(mail)
        self.waiting.sort(key=lambda one: one.seq)

    async def _make_durable(self, mail: Mail) -> None:
        if mail.id is None:
            mail.id = self._journal.clock.random_bytes(16)
        row = seal_command(self._journal, mail, self._journal.clock.now_ms())
        try:
            mail.seq = await self._journal.store.submit(row)
        except DuplicateCommand as known:
            mail.succeed(Handled(known.version, known.version, duplicate=True))
        except HoldfastError as error:
            mail.fail(error)
            self.look()  # it may have been kept all the same: only the word of it was lost

    def drop(self) -> list[Mail]:
        """Let go of all; the durable ones stay in the store."""
        dropped, self.waiting = self.waiting, []
        return dropped


def _share(done: asyncio.Future[Handled], mail: Mail) -> None:
    error = None if done.cancelled() else done.exception()
    if done.cancelled():
        mail.fail(LeaseHeld("the command's first sender is gone"))
    elif isinstance(error, HoldfastError):
        mail.fail(error)
    else:
        mail.succeed(replace(done.result(), duplicate=True))


def seal_command(journal: Journal, mail: Mail, now_ms: int) -> PendingRow:
    """Seal a command for the inbox.

    Raises:
        Unreadable: the session's key is destroyed.
    """
    if journal.crypto is None or mail.id is None:
        raise Unreadable("the session's key is destroyed")
    command: External = mail.command  # type: ignore[assignment]  # only external ones wait
    payload = encode_command(command, mail.expects)
    own = journal.crypto.digest(b"command", payload)
    digest = mail.digest = mail.digest or own
    if digest != own:
        payload = encode_command(command, mail.expects, digest)
    sealed = journal.crypto.seal_box("command", (journal.stream, mail.id), payload)
    return PendingRow(
        stream=journal.stream,
        kind=PendingKind.COMMAND,
        id=mail.id,
        payload=sealed,
        digest=digest,
        principal=mail.actor,
        created_ms=now_ms,
    )


def open_command(journal: Journal, row: PendingRow) -> bytes:
    """Open a waiting command.

    Raises:
        Unreadable: it is not what was submitted.
    """
    if journal.crypto is None:
        raise Unreadable("the session's key is destroyed")
    return journal.crypto.open_box("command", (journal.stream, row.id), row.payload)
