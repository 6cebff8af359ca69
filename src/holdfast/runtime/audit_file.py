"""Verifying an exported audit log with nothing but the audit key's public half.

Neither a store nor a secret is needed. Whatever is wrong is named with its line,
and the reading goes on; a line that cannot be read is a finding, never skipped.

A file may be as old as it says. What somebody else answers to a question is held to more:
- it is signed for this question, so it is of now, and of what was asked for;
- every checkpoint that was there before the question binds it, whatever time it gives;
- reading ends after too many findings, and no line is read without end.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import IO

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from holdfast.core.auditquestion import AuditQuestion
from holdfast.core.checkpoints import TOKENS, Leaf, canonical_base64
from holdfast.core.errors import ChainBroken, InvalidInput, Unreadable
from holdfast.core.events import TYPE_OF
from holdfast.ports.checkpoints import CheckpointSink
from holdfast.runtime.audit_export import END, EVENT, HEAD, VERSION, Line, signed_message
from holdfast.runtime.checkpointing import leaves_of, newest_of, read_chain
from holdfast.runtime.envelope import GENESIS, Header, chain_hash, open_clear

LINE_BYTES_MAX = 64 * 1024 * 1024
FINDINGS_MAX = 1000
HASH_BYTES = 32

_NUMBERS = ("version", "kind", "time_ms", "actor", "key_id", "epoch")
_STREAM = re.compile(r"[0-9a-f]{16}")
_HASH = re.compile(r"[0-9a-f]{64}")
_KEY = re.compile(r"[0-9a-fA-F]{64}")

UNBOUND = (
    "No checkpoint was given: an export of a store that was cut or written anew before the export "
    "verifies all the same. Compare with the checkpoints that were signed before."
)
BOUND = (
    "What happened after the last checkpoint that is older than the export is bound only by the "
    "export's own signature."
)
ANSWERED = (
    "No checkpoint was given: whoever has the audit key can answer with a log that was cut or "
    "written anew. Compare with the checkpoints that were signed before."
)
ANSWERED_BOUND = (
    "What happened after the last checkpoint, and which log is the session's, is the word of "
    "whoever has the audit key."
)
ANSWERED_UNNAMED = (
    "No checkpoint names this session's log: it is younger than the last one, or it is not the "
    "log that it passes for, which whoever has the audit key could say."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFinding:
    """One thing that is wrong with an export; line 0 is none in particular."""

    line: int
    text: str


@dataclass(slots=True, kw_only=True)
class FileReport:
    """What the verification of an export came to.

    Args:
        events: how many events were read.
        sessions: of how many sessions.
        time_ms: when the export says it was made, milliseconds since 1970; 0 if it does not.
        checkpoints: how many checkpoints it was compared with.
        findings: what is wrong, at most `FINDINGS_MAX`.
        limits: what this verification cannot show.
    """

    events: int = 0
    sessions: int = 0
    time_ms: int = 0
    checkpoints: int = 0
    findings: list[FileFinding] = field(default_factory=list)
    limits: str = UNBOUND

    @property
    def ok(self) -> bool:
        """Nothing was found."""
        return not self.findings


def public_key_of(text: str) -> bytes:
    """Read a public key as `holdfast audit key` prints it.

    Raises:
        InvalidInput: it is none.
    """
    if _KEY.fullmatch(text) is None:
        raise InvalidInput("a public key is 64 hexadecimal digits, as `holdfast audit key` says")
    raw = bytes.fromhex(text)
    try:
        Ed25519PublicKey.from_public_bytes(raw)
    except ValueError:
        raise InvalidInput("that is no Ed25519 public key") from None
    return raw


async def verify_answer(
    pieces: AsyncIterator[bytes],
    public_key: bytes,
    question: AuditQuestion,
    checkpoints: CheckpointSink | None = None,
) -> FileReport:
    """Verify an export while it comes, from somebody who is not trusted.

    Args:
        pieces: the answer, cut anywhere; nothing is asked of it before the checkpoints
            are counted.
        public_key: of the audit key, 32 bytes; never taken from who answers.
        question: what was asked, with its nonce.
        checkpoints: a place of checkpoints to compare with.

    Raises:
        Unavailable: that place is out of order.
    """
    newest = 0 if checkpoints is None else await newest_of(checkpoints)
    reader = _Reader(public_key, question)
    number = 0
    async for line in _lines(pieces):
        number += 1
        if len(line) > LINE_BYTES_MAX:
            reader.find(number, "the line is too long to be one of an export")
            break
        reader.take(number, line)
        if len(reader.report.findings) >= FINDINGS_MAX:
            break
    reader.finish(number)
    if checkpoints is not None:
        await reader.compare(checkpoints, newest)
    return reader.report


async def _lines(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Whole lines, and what is left at the end; one that is too long ends it all."""
    rest = bytearray()
    async for piece in pieces:
        rest += piece
        if b"\n" in piece:
            *whole, last = bytes(rest).split(b"\n")
            for line in whole:
                yield line + b"\n"
            rest = bytearray(last)
        if len(rest) > LINE_BYTES_MAX:
            break
    if rest:
        yield bytes(rest)


async def verify_file(
    file: IO[bytes], public_key: bytes, checkpoints: CheckpointSink | None = None
) -> FileReport:
    """Verify an export, line by line.

    Args:
        file: the export, open for reading.
        public_key: of the audit key, 32 bytes.
        checkpoints: a place of checkpoints to compare with.

    Raises:
        Unavailable: that place is out of order.
    """
    reader = _Reader(public_key)
    number = 0
    while data := file.readline(LINE_BYTES_MAX + 1):
        number += 1
        if len(data) > LINE_BYTES_MAX:
            reader.find(number, "the line is too long to be one of an export")
            break
        reader.take(number, data)
    reader.finish(number)
    if checkpoints is not None:
        await reader.compare(checkpoints)
    return reader.report


class _Reader:
    """An export on the way through its lines."""

    def __init__(self, public_key: bytes, question: AuditQuestion | None = None) -> None:
        self.report = FileReport(limits=UNBOUND if question is None else ANSWERED)
        self._public_key = public_key
        self._question = question
        self._digest = hashlib.sha256()
        self._installation = ""
        self._named: list[str] | None = None
        self._ended = False
        self._stream = -1
        self._version = 0
        self._hash = GENESIS
        self._heads: dict[int, bytearray] = {}
        self._bound = False

    def find(self, line: int, text: str) -> None:
        """Note what is wrong."""
        if len(self.report.findings) < FINDINGS_MAX:
            self.report.findings.append(FileFinding(line=line, text=text))

    def take(self, number: int, data: bytes) -> None:
        """Read one line."""
        line = _read(data)
        kind = line.get("type")
        if self._ended:
            self.find(number, "a line after the end")
        elif number == 1:
            self._head(line)
        elif kind == END:
            self._end(number, line)
        elif kind == EVENT:
            self._event(number, line)
        else:
            self.find(number, "the line is none of an export")
        self._digest.update(data)

    def finish(self, lines: int) -> None:
        """Look at what is missing at the end."""
        self.report.sessions = len(self._heads)
        if not self._ended:
            self.find(lines, "the signed end is missing: the file was cut")
        if self._named is not None and self._named != [f"{one:016x}" for one in self._heads]:
            self.find(0, "the sessions are not those the first line names")

    def _head(self, line: Line) -> None:
        installation, time_ms, named = (
            line.get("installation"), line.get("time_ms"), line.get("sessions", 0)
        )  # fmt: skip
        if line.get("type") != HEAD or line.get("format") != VERSION:
            self.find(1, "the first line is not that of an export this program knows")
        elif not isinstance(installation, str) or not _whole(time_ms):
            self.find(1, "the first line does not say whose export it is, and of when")
        elif named is not None and not isinstance(named, list):
            self.find(1, "the first line does not say of which sessions it is")
        else:
            self._installation = installation
            self.report.time_ms = int(str(time_ms))
            self._named = named
            self._check_answer(line, named)

    def _check_answer(self, line: Line, named: list[str] | None) -> None:
        """Hold the first line to what was asked, if anything was."""
        asked = self._question
        if asked is None:
            return
        if line.get("answers") != asked.digest():
            self.find(1, "it answers another question: it is older, or of other sessions")
        if (None if named is None else len(named)) != (1 if asked.session_id else None):
            self.find(1, "it is not of the sessions that were asked for")
            self._named = []

    def _event(self, number: int, line: Line) -> None:
        self.report.events += 1
        read = _event_of(line)
        if isinstance(read, str):
            self.find(number, read)
            return
        header, body, said = read
        if header.stream != self._stream:
            if header.stream < self._stream or header.stream in self._heads:
                self.find(number, "the session stands out of order")
            self._stream, self._version, self._hash = header.stream, 0, GENESIS
        due = self._version + 1
        if header.version != due:
            self.find(number, f"event {header.version} stands where event {due} is due")
        if chain_hash(self._hash, header, body) != said:
            self.find(number, "it was altered, or does not follow the event before")
        elif not header.key_id:
            self._check_clear(number, header, body)
        known = TYPE_OF.get(header.kind)
        if known is not None and line.get("name") != known.__name__:
            self.find(number, "its name is not that of its kind")
        self._version, self._hash = header.version, said
        self._heads.setdefault(header.stream, bytearray()).extend(said)

    def _check_clear(self, number: int, header: Header, body: bytes) -> None:
        try:
            open_clear(header, body, self._public_key)
        except Unreadable as error:
            self.find(number, str(error))

    def _end(self, number: int, line: Line) -> None:
        self._ended = True
        digest = self._digest.digest()
        if line.get("events") != self.report.events or line.get("sessions") != len(self._heads):
            self.find(number, "the end names other numbers of events or sessions than there are")
        if line.get("digest") != digest.hex():
            self.find(number, "the lines before are not those that were exported")
        signature = _base64(line.get("signature"))
        try:
            key = Ed25519PublicKey.from_public_bytes(self._public_key)
            key.verify(signature or b"", signed_message(digest))
        except InvalidSignature:
            self.find(number, "the signature is not that of this key over these lines")

    async def compare(self, sink: CheckpointSink, until: int | None = None) -> None:
        """Compare with the checkpoints of a place; those younger than a file are not.

        Args:
            until: the newest that was there before the question was asked; all to it bind.
        """
        any_there = False
        try:
            async for signed in read_chain(sink, self._public_key, until):
                any_there = True
                if signed.checkpoint.installation != self._installation:
                    self.find(0, "the checkpoints are those of another installation")
                    return
                self.report.limits = BOUND if until is None else ANSWERED_BOUND
                if until is not None or signed.checkpoint.time_ms <= self.report.time_ms:
                    leaves = await leaves_of(sink, signed.checkpoint)
                    self._compare(signed.checkpoint.number, leaves)
                    self.report.checkpoints += 1
            if not any_there:
                self.find(0, "there are no checkpoints in that place")
        except ChainBroken as error:
            self.find(0, str(error))
        if not self.report.checkpoints and not self.report.findings:
            self.find(0, "every checkpoint is younger than the export: nothing binds it")
        if self._question is not None and self._question.session_id and not self._bound:
            self.report.limits = ANSWERED_UNNAMED

    def _compare(self, number: int, leaves: list[Leaf]) -> None:
        for leaf in leaves:
            if leaf.stream == TOKENS:
                continue  # an export has sessions alone; the store is compared by itself
            if self._named is not None and f"{leaf.stream:016x}" not in self._named:
                continue
            self._bound = True
            heads = self._heads.get(leaf.stream, b"")
            end = leaf.version * HASH_BYTES
            what = f"session {leaf.stream:016x} event {leaf.version}"
            if len(heads) < end:
                self.find(0, f"{what}: checkpoint {number} names it, and it is gone")
            elif heads[end - HASH_BYTES : end] != leaf.head:
                self.find(0, f"{what}: it is not what checkpoint {number} names")


def _read(data: bytes) -> Line:
    """Read a line, out of its envelope if it has one; empty if it cannot be read."""
    try:
        line = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    if isinstance(line, dict) and "specversion" in line:
        line = line.get("data")
    return line if isinstance(line, dict) else {}


def _event_of(line: Line) -> tuple[Header, bytes, bytes] | str:
    """An event's header, body and hash, or what is wrong with it."""
    stream, said, body = line.get("stream"), line.get("hash"), _base64(line.get("body"))
    numbers = [line.get(name) for name in _NUMBERS]
    if not isinstance(stream, str) or _STREAM.fullmatch(stream) is None:
        return "its stream is not as it is written"
    if not isinstance(said, str) or _HASH.fullmatch(said) is None:
        return "its hash is not as it is written"
    if body is None or not all(_whole(one) for one in numbers):
        return "its header or body is not as it is written"
    version, kind, time_ms, actor, key_id, epoch = (int(str(one)) for one in numbers)
    header = Header(
        stream=int(stream, 16),
        version=version,
        kind=kind,
        time_ms=time_ms,
        actor=actor,
        key_id=key_id,
        epoch=epoch,
    )
    try:
        header.encode()
    except Unreadable:
        return "its header has a number that is out of range"
    return header, body, bytes.fromhex(said)


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64


def _base64(value: object) -> bytes | None:
    return canonical_base64(value) if isinstance(value, str) else None
