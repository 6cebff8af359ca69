"""What confinement is found."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.adapters.sandbox import launcher, status
from holdfast.adapters.sandbox.status import SandboxKind, detect


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """Nothing found under these tests' conditions is remembered."""
    detect.cache_clear()
    yield
    detect.cache_clear()


def _fake_bwrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    program = tmp_path / "bwrap"
    program.write_text(
        f"#!/bin/sh\ncase $1 in --help|--version) echo bubblewrap 9.9;; *) {body};; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")


def test_it_is_found_once() -> None:
    """The same answer is given again, by both names."""
    assert detect() is detect()
    assert detect() is status.status()
    assert "" != detect().reason


def test_a_tier_can_be_asked_for() -> None:
    """Switched off is none, which confines nothing; another tier is never pretended."""
    assert SandboxKind.NONE is detect(SandboxKind.NONE).kind
    assert not detect(SandboxKind.NONE).confined
    for kind in SandboxKind:
        found = detect(kind)
        assert found.kind in {kind, SandboxKind.LANDLOCK, SandboxKind.NONE}


def test_bubblewrap_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Present but failing counts as absent, and the reason says what it said."""
    _fake_bwrap(tmp_path, monkeypatch, "echo No permission >&2; exit 1")
    found = detect()
    assert SandboxKind.BUBBLEWRAP is not found.kind
    assert "No permission" in found.reason


def test_bubblewrap_without_a_newer_feature(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A feature it does not list, or that fails, is not used."""
    _fake_bwrap(tmp_path, monkeypatch, "exit 0")
    found = detect()
    assert (SandboxKind.BUBBLEWRAP, "9.9") == (found.kind, found.version)
    assert frozenset() == found.features
    assert "--disable-userns" not in status.bubblewrap_flags(found.features)


def test_nothing_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without bubblewrap and Landlock it is none, with both reasons."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(launcher, "landlock_abi", lambda: 0)
    found = detect()
    assert SandboxKind.NONE is found.kind
    assert "bubblewrap is not installed; this kernel has no Landlock" == found.reason


def test_a_machine_without_a_call_filter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Landlock alone is said to be weaker."""
    monkeypatch.setattr(launcher, "landlock_abi", lambda: 4)
    monkeypatch.setattr(launcher, "seccomp_supported", lambda: False)
    found = detect(SandboxKind.LANDLOCK)
    assert (SandboxKind.LANDLOCK, 4, False) == (found.kind, found.abi, found.seccomp)
    assert "no call filter" in found.reason


def test_a_temporary_directory_behind_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried by its own name, as workspaces are, since bubblewrap does not follow links."""
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
    _fake_bwrap(tmp_path, monkeypatch, f'echo "$@" >> {tmp_path}/asked')
    assert SandboxKind.BUBBLEWRAP is detect().kind
    asked = (tmp_path / "asked").read_text()
    assert f"--bind {tmp_path}/there/holdfast-probe-" in asked and "/link/" not in asked
