"""`MemoryKeys` keeps the keys contract and is reproducible from a seed."""

from __future__ import annotations

import random

import pytest

from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.core.errors import KeyMissing
from holdfast.testing.keys_conformance import CHECKS, Check


def seeded(seed: int = 1) -> MemoryKeys:
    """Keys whose randomness comes from a seed."""
    return MemoryKeys(random.Random(seed).randbytes)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_contract(check: Check) -> None:
    """The memory keys do what the port says."""
    keys = MemoryKeys()
    check(keys.reopen)


def test_same_seed_gives_the_same_keys() -> None:
    """With a seeded source two installations are equal, with another seed they differ."""

    def run(keys: MemoryKeys) -> list[bytes]:
        made = [bytes(keys.create_session_key(tenant="t", user="u", stream=1).secret)]
        keys.rotate(now_ms=1)
        made.append(keys.create_session_key(tenant="t", user="u", stream=2).secret)
        return [*made, keys.installation, keys.audit_public_key, keys.blind_key("t")]

    assert run(seeded()) == run(seeded())
    assert not set(map(bytes, run(seeded()))) & set(map(bytes, run(seeded(2))))


def test_failed_transaction_leaves_nothing() -> None:
    """When randomness fails in mid-creation, nothing of tenant, user or session stays."""
    for calls in range(1, 9):
        keys = seeded()
        left = [calls]

        def failing(count: int, left: list[int] = left) -> bytes:
            left[0] -= 1
            if left[0] == 0:
                raise OSError("no entropy")
            return random.Random(left[0]).randbytes(count)

        keys._random = failing
        with pytest.raises(OSError, match="no entropy"):
            keys.create_session_key(tenant="t", user="u", stream=1)
        again = keys.reopen()
        with pytest.raises(KeyMissing):
            again.session_key(1)
        made = again.create_session_key(tenant="t", user="u", stream=1)
        assert made.secret == keys.reopen().session_key(1).secret


def test_interrupted_rotation_is_finished_by_the_next() -> None:
    """A rotation that dies at any step leaves every key readable, and the next one works."""
    steps = [
        "rotate-begun",
        "epoch-added",
        "tenant-renewed",
        "before-commit",
        "committed",
        "retired",
    ]
    for step in steps:

        def die(name: str, step: str = step) -> None:
            if name == step:
                raise InterruptedError(name)

        keys = MemoryKeys(random.Random(1).randbytes, fail_point=die)
        secrets = {
            stream: bytes(
                keys.create_session_key(tenant=f"t{stream % 2}", user="u", stream=stream).secret
            )
            for stream in range(1, 5)
        }
        with pytest.raises(InterruptedError):
            keys.rotate(now_ms=1)
        keys._settings = (random.Random(2).randbytes, keys._settings[1], lambda _name: None)
        again = keys.reopen()
        assert secrets == {stream: again.session_key(stream).secret for stream in secrets}
        epoch = again.rotate(now_ms=2)
        assert (3 if step in ("committed", "retired") else 2) == epoch
        assert secrets == {stream: again.reopen().session_key(stream).secret for stream in secrets}
        assert [epoch] == list(again._disk[1]._epochs)
