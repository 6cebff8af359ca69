"""The system clock and its entropy."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from holdfast.ports.clock import SystemClock


def test_random_bytes_have_the_asked_length() -> None:
    """Any number of bytes can be drawn, from none to a key's and more."""
    clock = SystemClock()
    assert [0, 1, 12, 16, 17, 32, 5000] == [
        len(clock.random_bytes(count)) for count in (0, 1, 12, 16, 17, 32, 5000)
    ]


def test_random_bytes_never_repeat() -> None:
    """No two draws are the same, in one thread or in many."""
    clock = SystemClock()
    with ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda _: clock.random_bytes(12), range(20_000)))
    assert 20_000 == len(set(drawn))


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # the child only writes and ends
@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_draws_other_bytes_than_its_parent() -> None:
    """A fork repeats none of the bytes that were drawn ahead."""
    clock = SystemClock()
    clock.random_bytes(12)
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write_end, clock.random_bytes(12))
        finally:
            os._exit(0)
    os.close(write_end)
    theirs = os.read(read_end, 12)
    os.close(read_end)
    os.waitpid(child, 0)
    assert 12 == len(theirs)
    assert theirs != clock.random_bytes(12)
