"""Verifying exports: whatever is done to a file is found; only the public key is needed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.checkpoints.directory import CheckpointDirectory
from holdfast.core.auditquestion import AuditQuestion
from holdfast.core.checkpoints import read_note
from holdfast.core.errors import InvalidInput
from holdfast.runtime.audit_export import Line, encode, export_audit, signed_message
from holdfast.runtime.audit_file import (
    ANSWERED,
    ANSWERED_BOUND,
    ANSWERED_UNNAMED,
    FINDINGS_MAX,
    LINE_BYTES_MAX,
    FileReport,
    public_key_of,
    verify_answer,
    verify_file,
)
from holdfast.runtime.checkpointing import Signer
from holdfast.runtime.envelope import GENESIS, Header, chain_hash
from holdfast.testing.script import say
from moving_kit import World

ROUNDS = 100


def verified(data: bytes, key: bytes, where: Path | None = None) -> FileReport:
    """Verify an export, with the checkpoints of a directory or without."""
    place = None if where is None else CheckpointDirectory(where)
    return asyncio.run(verify_file(io.BytesIO(data), key, place))


@dataclass(frozen=True)
class Made:
    """A real export, its key and the checkpoints made before it."""

    lines: list[bytes]
    key: bytes
    checkpoints: Path

    def verify(self, lines: list[bytes], *, checkpoints: bool = False) -> FileReport:
        """Verify such lines."""
        where = self.checkpoints if checkpoints else None
        return verified(b"".join(lines), self.key, where)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Three sessions, one of them wiped; two checkpoints."""
    where = tmp_path_factory.mktemp("checkpoints")
    out = io.BytesIO()

    async def main() -> bytes:
        async with World().manager(say("a secret answer")) as manager:
            backend = manager.distinct_backends()[0][1]
            one = await manager.create_session("one")
            await one.generate("a secret question")
            await manager.create_session("two")
            await manager.tokens.create("ann", session="two")
            await Signer(backend, CheckpointDirectory(where)).make()
            await manager.create_session("three")
            await manager.terminate_session("two")
            await Signer(backend, CheckpointDirectory(where)).make()
            await export_audit(manager, out)
            return backend.keys.audit_public_key

    key = asyncio.run(main())
    return Made(out.getvalue().splitlines(keepends=True), key, where)


def test_an_export_verifies_and_holds_no_content(made: Made) -> None:
    """Nothing is found, with and without checkpoints; nothing that was said stands in it."""
    report = made.verify(made.lines, checkpoints=True)
    assert ([], 3, 2) == (report.findings, report.sessions, report.checkpoints)
    assert report.ok and made.verify(made.lines).ok
    text = b"".join(made.lines)
    assert b"secret" not in text and b'"one"' not in text
    bodies = [base64.b64decode(json.loads(line)["body"]) for line in made.lines[1:-1]]
    assert all(b"secret" not in body for body in bodies)


def parsed(lines: list[bytes]) -> list[Line]:
    """The objects of an export."""
    return [json.loads(line) for line in lines]


def modify(lines: list[bytes], dice: random.Random) -> list[bytes]:
    """Flip one bit of any line."""
    place = dice.randrange(len(lines))
    data = bytearray(lines[place])
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    return [*lines[:place], bytes(data), *lines[place + 1 :]]


def delete(lines: list[bytes], dice: random.Random) -> list[bytes]:
    """Leave one line out."""
    place = dice.randrange(len(lines))
    return [*lines[:place], *lines[place + 1 :]]


def insert(lines: list[bytes], dice: random.Random) -> list[bytes]:
    """Repeat an event somewhere."""
    place = dice.randrange(len(lines) + 1)
    return [*lines[:place], lines[dice.randrange(1, len(lines) - 1)], *lines[place:]]


def swap(lines: list[bytes], dice: random.Random) -> list[bytes]:
    """Exchange two events."""
    a, b = dice.sample(range(1, len(lines) - 1), 2)
    changed = list(lines)
    changed[a], changed[b] = lines[b], lines[a]
    return changed


def reorder(lines: list[bytes], dice: random.Random) -> list[bytes]:
    """Put the events in another order."""
    events = lines[1:-1]
    while events == lines[1:-1]:
        dice.shuffle(events)
    return [lines[0], *events, lines[-1]]


def truncate(lines: list[bytes], dice: random.Random) -> list[bytes]:
    """Cut the file, mostly in the middle of a line."""
    whole = b"".join(lines)
    return [whole[: dice.randrange(len(whole) - 1)]]


def rewrite(lines: list[bytes], dice: random.Random) -> list[bytes]:
    """Change a body and hash and sign everything after it anew, with a key of one's own."""
    objects = parsed(lines)
    events = objects[1:-1]
    body = bytearray(base64.b64decode(str((chosen := dice.choice(events))["body"])))
    body[dice.randrange(len(body))] ^= 1
    chosen["body"] = base64.b64encode(body).decode()
    rehash(events)
    return resign(objects, Ed25519PrivateKey.from_private_bytes(dice.randbytes(32)))


def rehash(events: list[Line]) -> None:
    """Compute the chains of events anew."""
    stream, last = "", GENESIS
    for event in events:
        last = GENESIS if event["stream"] != stream else last
        stream = str(event["stream"])
        names = ("version", "kind", "time_ms", "actor", "key_id", "epoch")
        numbers = {name: int(str(event[name])) for name in names}
        header = Header(stream=int(stream, 16), **numbers)
        last = chain_hash(last, header, base64.b64decode(str(event["body"])))
        event["hash"] = last.hex()


def resign(objects: list[Line], key: Ed25519PrivateKey) -> list[bytes]:
    """Write objects with an end that fits them."""
    lines = [encode(one) for one in objects[:-1]]
    digest = hashlib.sha256(b"".join(lines)).digest()
    end = {
        "type": "end",
        "events": len(lines) - 1,
        "sessions": len({one["stream"] for one in objects[1:-1]}),
        "digest": digest.hex(),
        "signature": base64.b64encode(key.sign(signed_message(digest))).decode(),
    }
    return [*lines, encode(end)]


@pytest.mark.parametrize(
    "tamper", [modify, delete, insert, swap, reorder, truncate, rewrite], ids=lambda f: f.__name__
)
def test_every_tampering_is_found(
    made: Made, tamper: Callable[[list[bytes], random.Random], list[bytes]]
) -> None:
    """Of a hundred, a hundred; without any checkpoint."""
    dice = random.Random(6)
    found = [not made.verify(tamper(made.lines, dice)).ok for _ in range(ROUNDS)]
    assert ROUNDS == sum(found)


def test_the_line_is_named(made: Made) -> None:
    """An altered event, and what follows a missing one."""
    objects = parsed(made.lines)
    objects[2]["epoch"] = 99
    changed = [*made.lines[:2], encode(objects[2]), *made.lines[3:]]
    assert 3 == made.verify(changed).findings[0].line
    found = made.verify([*made.lines[:2], *made.lines[3:]]).findings[0]
    assert (3, True) == (found.line, "is due" in found.text)


def test_hostile_lines_are_findings_and_nothing_else(made: Made) -> None:
    """No line makes the verifier fail, or passes."""
    event = parsed(made.lines)[1]
    bad: list[object] = [None, 1, [], {}, {"type": "event"}, {"specversion": "1.0", "data": 3}]
    bad += [{**event, name: value} for name in event for value in
            (None, -1, 1.5, True, 2**70, "", "\x00", "é", [], {}, "A" * 16)]  # fmt: skip
    for one in bad:
        line = json.dumps(one).encode() + b"\n"
        assert not made.verify([made.lines[0], line, *made.lines[2:]]).ok
        assert not made.verify([line, *made.lines[1:]]).ok
    for raw in (b"\xff\n", b"[" * 100_000 + b"\n", b'{"version":' + b"9" * 10_000 + b"}\n", b""):
        assert not made.verify([made.lines[0], raw, *made.lines[2:]]).ok
    assert not made.verify([]).ok
    assert not made.verify([*made.lines, b"{}\n"]).ok


def test_another_key_verifies_nothing(made: Made) -> None:
    """The signature is that of one key; a key is written in one way."""
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    report = verified(b"".join(made.lines), other, made.checkpoints)
    assert not report.ok
    assert made.key == public_key_of(made.key.hex())
    for bad in ("", "ab", "g" * 64, made.key.hex() + "00"):
        with pytest.raises(InvalidInput):
            public_key_of(bad)


def test_checkpoints_bind_an_export_of_a_store_that_was_cut(tmp_path: Path) -> None:
    """An honest signature over a cut or rewritten log verifies alone, and not with checkpoints."""
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    place = CheckpointDirectory(tmp_path)

    async def main() -> tuple[list[bytes], bytes]:
        out = io.BytesIO()
        async with World().manager() as manager:
            backend = manager.distinct_backends()[0][1]
            session = await manager.create_session("one")
            await session.add_message("first")
            await session.add_message("second")
            await Signer(backend, CheckpointDirectory(tmp_path)).make()
            await export_audit(manager, out, ["one"], form="jsonl")
            lines = out.getvalue().splitlines(keepends=True)
            objects = parsed(lines)

            def signed(changed: list[Line]) -> list[bytes]:
                made = resign(changed, key)
                end = json.loads(made[-1])
                message = signed_message(bytes.fromhex(end["digest"]))
                end["signature"] = base64.b64encode(backend.keys.sign(message)).decode()
                return [*made[:-1], encode(end)]

            public = backend.keys.audit_public_key
            body = bytearray(base64.b64decode(str(objects[2]["body"])))
            body[-1] ^= 1
            objects[2]["body"] = base64.b64encode(body).decode()
            rehash(objects[1:-1])
            cut = signed([*parsed(lines)[:-2], objects[-1]])
            for altered, word in ((cut, "gone"), (signed(objects), "not what checkpoint")):
                data = b"".join(altered)
                assert (await verify_file(io.BytesIO(data), public)).ok
                report = await verify_file(io.BytesIO(data), public, place)
                assert [True] == [word in found.text for found in report.findings]
            early = parsed(lines)
            early[0]["time_ms"] = 1
            report = await verify_file(io.BytesIO(b"".join(signed(early))), public, place)
            assert ["every checkpoint is younger than the export: nothing binds it"] == [
                found.text for found in report.findings
            ]
            return lines, public

    lines, public = asyncio.run(main())
    assert verified(b"".join(lines), public, tmp_path).ok
    report = verified(b"".join(lines), public, tmp_path / "none")
    assert not report.ok


# --- what is answered to a question -------------------------------------------------------


@dataclass(frozen=True)
class Answered:
    """Answers to questions, of one installation, and checkpoints made on the way.

    Args:
        before: to an earlier question about the same session, before it grew.
        other: to a question with the same nonce, about another session.
        sign: signs with the audit key, as a thief of it does.
    """

    question: AuditQuestion
    lines: list[bytes]
    before: list[bytes]
    other: list[bytes]
    everything: list[bytes]
    public: bytes
    sign: Callable[[bytes], bytes]
    checkpoints: Path

    def verify(
        self, lines: list[bytes], question: AuditQuestion | None = None, *, checkpoints: bool = True
    ) -> FileReport:
        """Verify such lines as the answer, cut anywhere."""
        place = CheckpointDirectory(self.checkpoints) if checkpoints else None
        asked = question or self.question
        return asyncio.run(verify_answer(cut(b"".join(lines)), self.public, asked, place))


async def cut(data: bytes) -> AsyncIterator[bytes]:
    """Pieces of data of all sizes."""
    dice = random.Random(len(data))
    while data:
        size = dice.choice((1, 7, 100, 5000))
        yield data[:size]
        data = data[size:]


NONCE = bytes(range(32))
ONE = AuditQuestion(nonce=NONCE, session_id="one")
ALL = AuditQuestion(nonce=NONCE)


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory) -> Answered:
    """Two sessions; one grows between two checkpoints."""
    where = tmp_path_factory.mktemp("checkpoints")

    async def main() -> Answered:
        world = World()
        async with world.manager() as manager:
            backend = manager.distinct_backends()[0][1]

            async def ask(question: AuditQuestion) -> list[bytes]:
                return [line async for line in manager.audit_export(question)]

            session = await manager.create_session("one")
            await session.add_message("first")
            await manager.create_session("two")
            before = await ask(AuditQuestion(nonce=bytes(32), session_id="one"))
            await session.add_message("second")
            await session.add_message("third")
            signer = Signer(backend, CheckpointDirectory(where))
            await signer.make()
            return Answered(
                question=ONE,
                lines=await ask(ONE),
                before=before,
                other=await ask(AuditQuestion(nonce=NONCE, session_id="two")),
                everything=await ask(ALL),
                public=backend.keys.audit_public_key,
                sign=lambda message: world.keys.reopen().sign(message),
                checkpoints=where,
            )

    return asyncio.run(main())


def by_thief(answered: Answered, objects: list[Line]) -> list[bytes]:
    """Objects with an end that the audit key itself signed."""
    made = resign(objects, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    end = json.loads(made[-1])
    message = signed_message(bytes.fromhex(end["digest"]))
    end["signature"] = base64.b64encode(answered.sign(message)).decode()
    return [*made[:-1], encode(end)]


def test_an_answer_verifies_and_says_what_binds_it(answered: Answered) -> None:
    """Of one session and of all of them, with checkpoints and without."""
    report = answered.verify(answered.lines)
    assert ([], 1, 4, 1) == (report.findings, report.sessions, report.events, report.checkpoints)
    assert ANSWERED_BOUND == report.limits
    alone = answered.verify(answered.lines, checkpoints=False)
    assert (True, ANSWERED) == (alone.ok, alone.limits)
    whole = answered.verify(answered.everything, ALL)
    assert ([], 2, 1) == (whole.findings, whole.sessions, whole.checkpoints)
    assert b'"one"' not in b"".join(answered.lines)
    assert verified(b"".join(answered.lines), answered.public, answered.checkpoints).ok


@pytest.mark.parametrize(
    "tamper", [modify, delete, insert, swap, reorder, truncate, rewrite], ids=lambda f: f.__name__
)
def test_a_server_without_the_key_cannot_lie(
    answered: Answered, tamper: Callable[[list[bytes], random.Random], list[bytes]]
) -> None:
    """Whatever it does to an answer; no checkpoint is needed."""
    dice = random.Random(7)
    lies = [tamper(answered.lines, dice) for _ in range(ROUNDS // 2)]
    assert [] == [lie for lie in lies if answered.verify(lie, checkpoints=False).ok]


def test_an_answer_to_another_question_is_none(answered: Answered) -> None:
    """An earlier one, another session's, all sessions' for one's, and one made for nobody."""
    for lie in (answered.before, answered.other, answered.everything, [*answered.lines] * 2):
        assert not answered.verify(lie, checkpoints=False).ok
    head, *rest = parsed(answered.before)
    for line in ({**head, "answers": ONE.digest()}, {**head, "answers": None}):
        assert not answered.verify([encode(line), *map(encode, rest)], checkpoints=False).ok
    for asked in (
        ALL,
        AuditQuestion(nonce=NONCE, session_id="One"),
        AuditQuestion(nonce=NONCE, session_id="one", workspace="other"),
        AuditQuestion(nonce=NONCE[::-1], session_id="one"),
    ):
        assert not answered.verify(answered.lines, asked, checkpoints=False).ok
    unasked = parsed(answered.lines)
    del unasked[0]["answers"]
    assert not answered.verify(by_thief(answered, unasked), checkpoints=False).ok


def test_with_the_key_it_lies_only_about_what_no_checkpoint_names(answered: Answered) -> None:
    """A log that is cut, set back or written anew, also one that says it is old."""
    objects = parsed(answered.lines)
    cut_off = by_thief(answered, [*objects[:-2], objects[-1]])
    older = parsed(answered.before)
    set_back = by_thief(answered, [objects[0], *older[1:]])
    aged = by_thief(answered, [{**objects[0], "time_ms": 1}, *older[1:]])
    body = bytearray(base64.b64decode(str(objects[2]["body"])))
    body[-1] ^= 1
    objects[2]["body"] = base64.b64encode(body).decode()
    rehash(objects[1:-1])
    anew = by_thief(answered, objects)
    for lie in (cut_off, set_back, aged, anew):
        assert answered.verify(lie, checkpoints=False).ok
        report = answered.verify(lie)
        assert not report.ok
        assert all("checkpoint 1 names" in one.text for one in report.findings)


def test_a_log_that_no_checkpoint_names_is_said_to_be_one(answered: Answered) -> None:
    """Whoever has the key could pass another log for the session's."""
    objects = parsed(answered.lines)
    stream = "0123456789abcdef"
    moved = [{**one, "stream": stream} for one in objects[1:-1]]
    rehash(moved)
    head = {**objects[0], "sessions": [stream]}
    report = answered.verify(by_thief(answered, [head, *moved, objects[-1]]))
    assert (True, ANSWERED_UNNAMED) == (report.ok, report.limits)


def test_checkpoints_are_counted_before_the_question_is_sent(
    answered: Answered, tmp_path: Path
) -> None:
    """One that is signed meanwhile may name what the answer had not come to, and does not bind."""
    place = CheckpointDirectory(tmp_path)
    there = CheckpointDirectory(answered.checkpoints)

    async def pieces() -> AsyncIterator[bytes]:
        note = await there.note(1)
        assert note is not None
        root = read_note(note, answered.public)[0].root
        leaves = await there.leaves(1, root)
        assert leaves is not None and await place.put(1, root, note, leaves)
        yield b"".join(answered.lines)

    async def main() -> FileReport:
        return await verify_answer(pieces(), answered.public, ONE, place)

    report = asyncio.run(main())
    assert ["there are no checkpoints in that place"] == [one.text for one in report.findings]
    assert answered.verify(answered.lines).ok


def test_an_answer_without_end_is_not_read_without_end(answered: Answered) -> None:
    """Neither lines that are none, nor a line that does not end."""
    sent = 0

    async def endless(piece: bytes) -> AsyncIterator[bytes]:
        nonlocal sent
        yield answered.lines[0]
        while True:
            sent += len(piece)
            yield piece

    async def main(piece: bytes) -> FileReport:
        return await verify_answer(endless(piece), answered.public, ONE)

    report = asyncio.run(main(b"x\n" * 100))
    assert (FINDINGS_MAX, True) == (len(report.findings), sent < 1_000_000)
    sent = 0
    report = asyncio.run(main(b"[" * 1_000_000))
    assert (False, True) == (report.ok, sent < LINE_BYTES_MAX + 3_000_000)


def test_hostile_first_lines_are_findings(answered: Answered) -> None:
    """Whatever stands there instead of what was asked for."""
    head = parsed(answered.lines)[0]
    for name, values in {
        "sessions": (None, [], ["0" * 16] * 3, [None], "one", 7, {}),
        "answers": (None, "", 7, [], ONE.digest().upper(), ONE.digest()[:-1]),
        "time_ms": (-1, None, "1", 2**64),
        "format": (0, 2, "1"),
    }.items():
        for value in values:
            line = encode({**head, name: value})
            assert not answered.verify([line, *answered.lines[1:]]).ok, (name, value)
