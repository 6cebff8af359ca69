"""The directory of checkpoints: its contract, and where it may be."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from holdfast.adapters.checkpoints.directory import CheckpointDirectory, check_outside
from holdfast.core.errors import InvalidInput, Unavailable
from holdfast.testing.checkpoint_conformance import SinkCheck, sink_checks


@pytest.mark.parametrize("check", sink_checks(), ids=lambda check: check.__name__)
def test_contract(check: SinkCheck, tmp_path: Path) -> None:
    """The directory keeps the port's contract."""
    asyncio.run(check(lambda: CheckpointDirectory(tmp_path / "a" / "b")))


def test_the_directory_must_be_elsewhere(tmp_path: Path) -> None:
    """The store's own directory is refused, also through a link."""
    store = tmp_path / "data" / "sessions.db"
    store.parent.mkdir()
    (tmp_path / "link").symlink_to(store.parent)
    for bad in (store.parent, store.parent / "a" / "b", tmp_path / "link" / "a"):
        with pytest.raises(InvalidInput):
            check_outside(bad, store)
    check_outside(tmp_path / "out", store)


def test_a_place_that_is_none_is_out_of_order(tmp_path: Path) -> None:
    """A file where the directory should be is Unavailable, not a missing checkpoint."""
    (tmp_path / "file").touch()
    sink = CheckpointDirectory(tmp_path / "file")
    for ask in (sink.newest(), sink.note(1), sink.put(1, bytes(32), b"n", b"l")):
        with pytest.raises(Unavailable):
            asyncio.run(ask)


def test_other_files_do_not_count(tmp_path: Path) -> None:
    """Only whole notes under their own names do; unfinished files and leaves do not."""
    for name in (".000000000009.checkpoint.1.tmp", "000000000008-00.leaves", "7.checkpoint"):
        (tmp_path / name).touch()
    assert 0 == asyncio.run(CheckpointDirectory(tmp_path).newest())
