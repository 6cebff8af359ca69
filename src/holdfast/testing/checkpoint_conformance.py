"""What every place for checkpoints must do; run by each one's own test.

    @pytest.mark.parametrize("check", sink_checks(), ids=lambda check: check.__name__)
    def test_contract(check):
        asyncio.run(check(lambda: MySink(...)))

A check is given a function that opens the same empty place again and again, as a new
process would. It raises `AssertionError` where the contract is broken.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from holdfast.ports.checkpoints import CheckpointSink

OpenSink = Callable[[], CheckpointSink]
SinkCheck = Callable[[OpenSink], Awaitable[None]]

_ROOT = bytes(range(32))
_OTHER = bytes(range(1, 33))


async def check_what_is_kept_comes_back(opened: OpenSink) -> None:
    """Notes and leaves are there byte for byte, for another opening as well."""
    notes = [bytes([number, 0, 255, 10]) * 50 for number in (1, 2, 3)]
    for number, note in enumerate(notes, 1):
        assert number - 1 == await opened().newest()
        assert await opened().note(number) is None
        assert await opened().put(number, _ROOT, note, note * 1000)
    sink = opened()
    assert await sink.newest() == 3
    for number, note in enumerate(notes, 1):
        assert note == await sink.note(number)
        assert note * 1000 == await sink.leaves(number, _ROOT)


async def check_an_empty_place_has_nothing(opened: OpenSink) -> None:
    """Nothing is 0 and None, not an error; leaves may be empty."""
    sink = opened()
    assert (
        await sink.newest(),
        await sink.note(1),
        await sink.leaves(1, _ROOT),
    ) == (0, None, None)
    assert await sink.put(1, _ROOT, b"note", b"")
    assert await sink.leaves(1, _ROOT) == b""
    assert await sink.leaves(1, _OTHER) is None


async def check_a_number_is_taken_once(opened: OpenSink) -> None:
    """Who comes second is told so, and changes nothing."""
    assert await opened().put(1, _ROOT, b"first", b"leaves")
    assert not await opened().put(1, _OTHER, b"second", b"others")
    assert not await opened().put(1, _ROOT, b"third", b"more")
    assert await opened().note(1) == b"first"
    assert await opened().leaves(1, _ROOT) == b"leaves"


async def check_a_race_has_one_winner(opened: OpenSink) -> None:
    """Of many who want a number at once just one gets it, and its note is the one there."""
    roots = [bytes([number]) * 32 for number in range(8)]
    told = await asyncio.gather(*(opened().put(1, root, root[:3], root) for root in roots))
    assert sum(told) == 1
    winner = roots[told.index(True)]
    assert winner[:3] == await opened().note(1)
    assert winner == await opened().leaves(1, winner)


def sink_checks() -> list[SinkCheck]:
    """Return every check, in a fixed order."""
    return [
        check_what_is_kept_comes_back,
        check_an_empty_place_has_nothing,
        check_a_number_is_taken_once,
        check_a_race_has_one_winner,
    ]
