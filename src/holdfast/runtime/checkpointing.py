"""Making signed checkpoints, reading them back, comparing a store with them (contract 2.9).

A sink keeps the whole chain of checkpoints, away from the store, so whoever makes
the next one reads there how far the last one went.

Rules
- What comes from a sink is believed only once it is verified, and verified once.
- One number is signed once: who comes second reads on and signs what changed since.
- A store that ends before what was signed is refused: it was cut or set back.
- Making one costs as much as sessions changed since the last, however many events
  there were and however many sessions and checkpoints there are.
- Where there are tokens, each one signs where their log stands too, so whoever makes
  the next one reads in the last one's leaves from where that has to go on.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.core.checkpoints import (
    START,
    TOKENS,
    Checkpoint,
    Leaf,
    read_leaves,
    read_note,
    root_of,
    write_leaves,
    write_note,
)
from holdfast.core.errors import Busy, ChainBroken, HoldfastError, Unavailable
from holdfast.ports.checkpoints import CheckpointSink
from holdfast.ports.store import SealedEvent
from holdfast.ports.tokens import TokenEvent
from holdfast.runtime.audit_chain import Finding, Kind
from holdfast.runtime.backend import Backend

HEADS_PAGE = 10_000
TRIES_MAX = 20
TAIL = 1000
"""How many of the newest checkpoints whoever wants to add one looks at first."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """One verified checkpoint.

    Args:
        checkpoint: what it says.
        note: the bytes of its note.
    """

    checkpoint: Checkpoint
    note: bytes

    @property
    def hash(self) -> bytes:
        """What the next checkpoint names as the one before."""
        return hashlib.sha256(self.note).digest()


def verify_note(note: bytes, public_key: bytes) -> Checkpoint:
    """Read a signed checkpoint and verify its signature.

    Args:
        public_key: of the audit key, 32 bytes.

    Raises:
        ChainBroken: it is no checkpoint, or not signed by this key.
    """
    checkpoint, signature = read_note(note, public_key)
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, checkpoint.body())
    except InvalidSignature:
        raise ChainBroken(f"checkpoint {checkpoint.number} has a wrong signature") from None
    return checkpoint


async def _asked(answer: Awaitable[T]) -> T:
    """Await a sink's answer; whatever it fails with, it is out of order."""
    try:
        return await answer
    except HoldfastError:
        raise
    except Exception as error:
        name = type(error).__name__
        raise Unavailable(f"the place of the checkpoints is out of order: {name}") from error


async def _read(sink: CheckpointSink, number: int, public_key: bytes) -> Signed | None:
    note = await _asked(sink.note(number))
    if note is None:
        return None
    checkpoint = verify_note(note, public_key)
    if checkpoint.number != number:
        raise ChainBroken(f"checkpoint {number} is another one")
    return Signed(checkpoint=checkpoint, note=note)


def _check_follows(last: Signed | None, one: Signed) -> None:
    """Check that a checkpoint names the one before it."""
    found, number = one.checkpoint, one.checkpoint.number
    if found.previous != (last.hash if last else START):
        raise ChainBroken(f"checkpoint {number} does not follow the one before")
    if last is not None and (
        found.installation != last.checkpoint.installation or found.feed < last.checkpoint.feed
    ):
        raise ChainBroken(f"checkpoint {number} is of another log than the one before")


async def newest_of(sink: CheckpointSink) -> int:
    """The number of the newest checkpoint there now, or 0 for none.

    Raises:
        Unavailable: the place is out of order.
    """
    return await _asked(sink.newest())


async def read_chain(
    sink: CheckpointSink, public_key: bytes, until: int | None = None
) -> AsyncIterator[Signed]:
    """Read all checkpoints in order, verifying that each signs the one before.

    Args:
        public_key: of the audit key, 32 bytes.
        until: the last one to read; None is the newest there.

    Raises:
        ChainBroken: one is missing, altered, or of another installation.
        Unavailable: the place is out of order.
    """
    last: Signed | None = None
    newest = await newest_of(sink) if until is None else until
    for number in range(1, newest + 1):
        one = await _read(sink, number, public_key)
        if one is None:
            raise ChainBroken(f"checkpoint {number} is missing")
        _check_follows(last, one)
        yield one
        last = one


async def leaves_of(sink: CheckpointSink, checkpoint: Checkpoint) -> list[Leaf]:
    """Read the sessions a checkpoint is over.

    Raises:
        ChainBroken: they are not there, or not what was signed.
        Unavailable: the place is out of order.
    """
    data = await _asked(sink.leaves(checkpoint.number, checkpoint.root))
    if data is None:
        raise ChainBroken(f"the leaves of checkpoint {checkpoint.number} are missing")
    leaves = read_leaves(data)
    if len(leaves) != checkpoint.leaves or root_of(leaves) != checkpoint.root:
        raise ChainBroken(f"the leaves of checkpoint {checkpoint.number} are not what was signed")
    return leaves


class Signer:
    """Makes the checkpoints of one store in one place.

    Args:
        backend: the store and its keys.
        sink: where they are kept.
    """

    def __init__(self, backend: Backend, sink: CheckpointSink) -> None:
        self._backend = backend
        self._sink = sink
        self._last: Signed | None = None
        self._tokens: Leaf | None = None
        self._tokens_of: Signed | None = None
        self._opened = False
        self._turn = asyncio.Lock()

    @property
    def known(self) -> Checkpoint | None:
        """The newest checkpoint that was seen so far; asks nobody."""
        return self._last.checkpoint if self._last else None

    async def last(self) -> Checkpoint | None:
        """The newest checkpoint there, or None for none.

        Raises:
            ChainBroken: what is there does not verify.
            Unavailable: the place is out of order.
        """
        async with self._turn:
            found = await self._read_on()
        return found.checkpoint if found else None

    async def make(self) -> Checkpoint | None:
        """Sign where the sessions stand that changed since the last checkpoint.

        Returns:
            the checkpoint, which is durable; None if nothing changed.

        Raises:
            ChainBroken: the checkpoints there do not verify, or the store ends
                before what they signed.
            Busy: others kept signing in between.
            Unavailable: the place is out of order.
        """
        async with self._turn:
            for _ in range(TRIES_MAX):
                last = await self._read_on()
                after = last.checkpoint.feed if last else 0
                leaves, feed = await changed_since(self._backend, after)
                tokens = await self._tokens_now(last)
                if not leaves and tokens == self._tokens:
                    return None
                leaves = ([tokens] if tokens else []) + leaves
                made = self._sign(last, leaves, feed)
                if await self._kept(made, leaves):
                    self._last, self._tokens, self._tokens_of = made, tokens, made
                    return made.checkpoint
        raise Busy("other checkpoints were signed at the same time; try again")

    async def behind(self) -> int:
        """How many events no checkpoint covers yet; below 0 where the store was set back.

        Raises:
            ChainBroken, Unavailable: as `last`.
        """
        async with self._turn:
            last = self._last or await self._read_on()
            await self._read_tokens(last)
        feed = await self._backend.store.feed_end() - (last.checkpoint.feed if last else 0)
        seq, _ = await self._backend.store.token_head()
        tokens = seq - (self._tokens.version if self._tokens else 0)
        return min(feed, tokens) if min(feed, tokens) < 0 else feed + tokens

    async def _read_tokens(self, last: Signed | None) -> None:
        """Learn where the log of tokens stood in the last checkpoint."""
        if last is not None and self._tokens_of is not last:
            leaves = await leaves_of(self._sink, last.checkpoint)
            self._tokens = leaves[0] if leaves and leaves[0].stream == TOKENS else None
            self._tokens_of = last

    async def _tokens_now(self, last: Signed | None) -> Leaf | None:
        """Where the log of tokens stands; None while there is none.

        Raises:
            ChainBroken: it is not the one that was signed, or ends before that.
        """
        await self._read_tokens(last)
        if self._tokens is not None and (problem := await _lost(self._backend, self._tokens)):
            raise ChainBroken(f"the log of tokens was cut, set back or written anew: {problem}")
        seq, head = await self._backend.store.token_head()
        return Leaf(stream=TOKENS, version=seq, head=head) if seq else None

    async def _kept(self, made: Signed, leaves: list[Leaf]) -> bool:
        data, of = write_leaves(leaves), made.checkpoint
        return await _asked(self._sink.put(of.number, of.root, made.note, data))

    def _sign(self, last: Signed | None, leaves: list[Leaf], feed: int) -> Signed:
        keys = self._backend.keys
        checkpoint = Checkpoint(
            installation=keys.installation.hex(),
            leaves=len(leaves),
            root=root_of(leaves),
            number=last.checkpoint.number + 1 if last else 1,
            previous=last.hash if last else START,
            feed=feed,
            time_ms=self._backend.clock.now_ms(),
        )
        signature = keys.sign(checkpoint.body())
        note = write_note(checkpoint, keys.audit_public_key, signature)
        return Signed(checkpoint=checkpoint, note=note)

    async def _read_on(self) -> Signed | None:
        """Verify what was added since; of what was there before the first time, the tail."""
        if not self._opened:
            await self._read_tail()
            self._opened = True
        while True:
            number = self._last.checkpoint.number + 1 if self._last else 1
            one = await self._verified(number)
            if one is None:
                return self._last
            _check_follows(self._last, one)
            self._last = one

    async def _read_tail(self) -> None:
        newest = await _asked(self._sink.newest())
        first = max(1, newest - TAIL + 1)
        last: Signed | None = None
        for number in range(first, newest + 1):
            one = await self._verified(number)
            if one is None:
                raise ChainBroken(f"checkpoint {number} is missing")
            if number > first or number == 1:
                _check_follows(last, one)
            last = one
        self._last = last

    async def _verified(self, number: int) -> Signed | None:
        keys = self._backend.keys
        one = await _read(self._sink, number, keys.audit_public_key)
        if one is not None and one.checkpoint.installation != keys.installation.hex():
            raise ChainBroken("the place holds the checkpoints of another installation")
        return one


async def changed_since(backend: Backend, after: int) -> tuple[list[Leaf], int]:
    """Where those sessions stand that have events in the feed after a cursor.

    Costs as much as there are such sessions, however many others there are.

    Returns:
        the leaves by stream, and the cursor up to which they hold.

    Raises:
        ChainBroken: the feed ends before the cursor.
    """
    if await backend.store.feed_end() < after:
        raise ChainBroken("the store ends before the last checkpoint: it was cut or set back")
    newest: dict[int, Leaf] = {}
    cursor, more = after, True
    while more:
        heads = await backend.store.heads_since(cursor, HEADS_PAGE)
        for head in heads:  # one that moved on between two pages comes again
            newest[head.stream] = Leaf(stream=head.stream, version=head.version, head=head.hash)
        cursor = heads[-1].cursor if heads else cursor
        more = len(heads) == HEADS_PAGE
    return [newest[stream] for stream in sorted(newest)], cursor


async def compare_checkpoints(backend: Backend, sink: CheckpointSink) -> list[Finding]:
    """Compare a store with the checkpoints that were made of it.

    Returns:
        what is missing or different from what was signed; an empty list is good.

    Raises:
        ChainBroken: there are no checkpoints, or they do not verify.
        Unavailable: the place is out of order.
    """
    findings: list[Finding] = []
    any_there = False
    async for signed in read_chain(sink, backend.keys.audit_public_key):
        any_there = True
        number = signed.checkpoint.number
        if signed.checkpoint.installation != backend.keys.installation.hex():
            raise ChainBroken("the place holds the checkpoints of another installation")
        leaves = await leaves_of(sink, signed.checkpoint)
        lost = [(leaf, await _lost(backend, leaf)) for leaf in leaves]
        findings += [
            _finding(leaf, f"checkpoint {number} names it, and {problem}")
            for leaf, problem in lost
            if problem
        ]
    if not any_there:
        raise ChainBroken("there are no checkpoints in that place")
    return findings


async def _lost(backend: Backend, leaf: Leaf) -> str:
    """What became of an event that was signed; "" if it is there as it was."""
    found: Sequence[TokenEvent | SealedEvent]
    if leaf.stream == TOKENS:
        found = await backend.store.token_events(leaf.version - 1, 1)
        numbers = [one.seq for one in found if isinstance(one, TokenEvent)]
    else:
        found = await backend.store.read(leaf.stream, leaf.version - 1, 1)
        numbers = [one.version for one in found if isinstance(one, SealedEvent)]
    if numbers != [leaf.version]:
        return "it is gone"
    return "" if found[0].hash == leaf.head else "it is another one"


def _finding(leaf: Leaf, text: str) -> Finding:
    return Finding(
        session="tokens" if leaf.stream == TOKENS else f"stream-{leaf.stream:016x}",
        stream=leaf.stream,
        version=leaf.version,
        kind=Kind.CHECKPOINT,
        text=text,
    )
