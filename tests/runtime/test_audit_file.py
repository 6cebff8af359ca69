"""Verifying exports: whatever is done to a file is found; only the public key is needed."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from holdfast.adapters.checkpoints.directory import CheckpointDirectory
from holdfast.core.errors import InvalidInput
from holdfast.runtime.audit_export import Line, encode, export_audit, signed_message
from holdfast.runtime.audit_file import FileReport, public_key_of, verify_file
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
