"""A sealing root is the machine's, or a simulated enclave's own file."""

from __future__ import annotations

import os
import stat
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.adapters.enclave.roots import ROOT_BYTES, Sealing, open_files
from holdfast.core.errors import InvalidInput, SealRefused, TeeUnavailable, Unavailable

MEASURED = "ab" * 32
PRINTS = (sys.executable, "-c", f"print('{'0b' * ROOT_BYTES}')")


def sealing(folder: Path) -> Sealing:
    """The places of a simulated enclave."""
    return Sealing(
        directory=folder / "sealed", counter=folder / "counts", root=folder / "own" / "root"
    )


def test_a_simulated_enclaves_root_is_drawn_once_and_private(tmp_path: Path) -> None:
    """What it sealed is opened by the next run; another folder's root is another."""
    files = open_files(sealing(tmp_path), MEASURED)
    files.write("key", b"secret")
    root = tmp_path / "own" / "root"
    drawn = root.read_bytes()
    assert (ROOT_BYTES, 0o600) == (len(drawn), stat.S_IMODE(root.stat().st_mode))
    assert b"secret" == open_files(sealing(tmp_path), MEASURED).read("key")[1]
    assert drawn == root.read_bytes()
    open_files(sealing(tmp_path / "other"), MEASURED)
    assert drawn != (tmp_path / "other" / "own" / "root").read_bytes()


def test_a_lost_root_is_drawn_anew_only_when_that_is_said(tmp_path: Path) -> None:
    """As long as anything that it sealed or counted is there."""
    places = sealing(tmp_path)
    open_files(places, MEASURED).write("key", b"secret")
    root = tmp_path / "own" / "root"
    root.unlink()
    for _ in range(2):
        with pytest.raises(SealRefused) as caught:
            open_files(places, MEASURED)
        assert "missing" == caught.value.code
    assert not root.exists()
    files = open_files(replace(places, renew=True), MEASURED)
    assert b"" == files.read("key")[1]
    assert 1 == files.write("key", b"anew").version
    assert b"anew" == open_files(places, MEASURED).read("key")[1]


def test_a_crash_before_there_is_a_root_leaves_none(tmp_path: Path) -> None:
    """Half of one lies beside its place, never in it; nothing sealed is no loss."""
    places = sealing(tmp_path)
    (tmp_path / "own").mkdir(mode=0o700)
    (tmp_path / "own" / "root.new").write_bytes(b"half")
    (tmp_path / "sealed").mkdir(mode=0o700)
    (tmp_path / "sealed" / "lock").touch()
    open_files(places, MEASURED).write("key", b"secret")
    assert ["root", "root.lock"] == sorted(os.listdir(tmp_path / "own"))
    assert b"secret" == open_files(places, MEASURED).read("key")[1]


def test_a_root_that_is_none_is_refused(tmp_path: Path) -> None:
    """Of another size, open to others, a link."""
    places, root = sealing(tmp_path), tmp_path / "own" / "root"
    open_files(places, MEASURED)
    root.write_bytes(bytes(ROOT_BYTES + 1))
    with pytest.raises(InvalidInput):
        open_files(places, MEASURED)
    root.write_bytes(bytes(ROOT_BYTES))
    root.chmod(0o644)
    with pytest.raises(Unavailable):
        open_files(places, MEASURED)
    root.chmod(0o600)
    root.rename(tmp_path / "moved")
    root.symlink_to(tmp_path / "moved")
    with pytest.raises(InvalidInput):
        open_files(places, MEASURED)


@pytest.mark.parametrize("name", ["counter", "root"])
def test_counter_and_root_lie_elsewhere(name: str, tmp_path: Path) -> None:
    """Not within what they are to protect, by whatever path."""
    (tmp_path / "link").symlink_to(tmp_path / "sealed")
    for folder in ("sealed", "sealed/below", "link"):
        with pytest.raises(InvalidInput):
            open_files(replace(sealing(tmp_path), **{name: tmp_path / folder / "f"}), MEASURED)


def test_a_machine_is_asked_for_its_root(tmp_path: Path) -> None:
    """Every time; nothing of it is written."""
    places = replace(sealing(tmp_path), root=None, command=PRINTS)
    open_files(places, MEASURED).write("key", b"secret")
    assert b"secret" == open_files(places, MEASURED).read("key")[1]
    for path in (tmp_path / "sealed").iterdir():
        assert bytes.fromhex("0b" * ROOT_BYTES) not in path.read_bytes()
    assert ["counts", "counts.lock", "sealed"] == sorted(os.listdir(tmp_path))


@pytest.mark.parametrize(
    "command",
    [
        ("/nonexistent/program",),
        (sys.executable, "-c", "print('0b' * 31)"),
        (sys.executable, "-c", "print('00' * 32)"),
        (sys.executable, "-c", "print('no hex')"),
        (sys.executable, "-c", "print('0b' * 32); raise SystemExit(1)"),
    ],
)
def test_a_machine_that_gives_no_root_seals_nothing(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    """Nothing else takes its place, and what was printed is not repeated."""
    places = replace(sealing(tmp_path), root=None, command=command)
    with pytest.raises(TeeUnavailable) as caught:
        open_files(places, MEASURED)
    assert "0b" not in caught.value.message
    assert [] == os.listdir(tmp_path)
