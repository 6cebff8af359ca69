"""Command lines for a confined program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.adapters.sandbox import command
from holdfast.adapters.sandbox.command import CommandLine, Limits, command_line
from holdfast.adapters.sandbox.status import SandboxKind, SandboxStatus, detect
from holdfast.core.errors import InvalidInput


@pytest.fixture(params=[SandboxKind.BUBBLEWRAP, SandboxKind.LANDLOCK])
def confined(request: pytest.FixtureRequest) -> SandboxStatus:
    """Each tier that confines."""
    found = detect(request.param)
    if found.kind is not request.param:
        pytest.skip(f"no {request.param} here: {found.reason}")
    return found


def _run(line: CommandLine) -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            line.argv,
            env=dict(line.env),
            cwd=line.cwd,
            capture_output=True,
            timeout=10,
            check=False,
        )
    finally:
        line.close()


def test_a_read_only_workspace(tmp_path: Path, confined: SandboxStatus) -> None:
    """It can be read and not written."""
    (tmp_path / "f").write_text("content")
    argv = ("sh", "-c", "cat f; echo x > f; touch g")
    done = _run(command_line(argv, str(tmp_path), confined, effect_id="e", read_only=True))
    assert b"content" == done.stdout
    assert ["f"] == os.listdir(tmp_path)
    assert "content" == (tmp_path / "f").read_text()


def test_more_can_be_made_readable(tmp_path: Path, confined: SandboxStatus) -> None:
    """A further path is readable and not writable; a variable is passed on."""
    for name in ("workspace", "extra"):
        (tmp_path / name).mkdir()
    (tmp_path / "extra" / "f").write_text("extra")
    line = command_line(
        ("sh", "-c", f"cat {tmp_path}/extra/f; echo $NAME; echo x > {tmp_path}/extra/f"),
        str(tmp_path / "workspace"),
        confined,
        effect_id="e",
        extra_env={"NAME": "value"},
        extra_read=(str(tmp_path / "extra"),),
    )
    assert b"extravalue\n" == _run(line).stdout
    assert "extra" == (tmp_path / "extra" / "f").read_text()


def test_a_workspace_through_a_link(tmp_path: Path, confined: SandboxStatus) -> None:
    """The real directory is used."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    _run(command_line(("touch", "made"), str(tmp_path / "link"), confined, effect_id="e"))
    assert ["made"] == os.listdir(tmp_path / "real")


def test_the_interpreter_in_the_workspace_is_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under bubblewrap a command cannot change what runs again outside."""
    found = detect(SandboxKind.BUBBLEWRAP)
    if found.kind is not SandboxKind.BUBBLEWRAP:
        pytest.skip(found.reason)
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "venv"))
    done = _run(
        command_line(
            ("sh", "-c", "touch venv/bin/python || touch made"), str(tmp_path), found, effect_id="e"
        )
    )
    assert b"Read-only" in done.stderr
    assert {"venv", "made"} == set(os.listdir(tmp_path))
    assert [] == os.listdir(tmp_path / "venv" / "bin")


def test_the_home_directory_is_never_a_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter installed right into the home does not open the home."""
    monkeypatch.setenv("HOME", "/srv/u")
    monkeypatch.setattr(sys, "prefix", "/srv/u")
    monkeypatch.setattr(sys, "base_prefix", "/srv")
    monkeypatch.setattr(sys, "executable", "/srv/u/env/bin/python")
    assert ["/srv/u/env"] == command._prefixes()


def test_secrets_are_not_on_the_command_line(tmp_path: Path, confined: SandboxStatus) -> None:
    """Everybody can read a command line, so variables are handed down otherwise."""
    line = command_line(
        ("true",), str(tmp_path), confined, effect_id="e", extra_env={"NAME": "sensitive-value"}
    )
    line.close()
    assert "sensitive-value" not in " ".join(line.argv)
    assert "sensitive-value" == line.env["NAME"]


@pytest.mark.parametrize(("workspace", "effect_id"), [("/", "e"), ("WORKSPACE", "e e")])
def test_what_cannot_be_confined(tmp_path: Path, workspace: str, effect_id: str) -> None:
    """The root directory and an id that cannot mark are refused."""
    workspace = workspace.replace("WORKSPACE", str(tmp_path))
    with pytest.raises(InvalidInput):
        command_line(("true",), workspace, detect(SandboxKind.NONE), effect_id=effect_id)


def test_limits_reach_the_program(tmp_path: Path, confined: SandboxStatus) -> None:
    """What is asked for is what the program sees."""
    limits = Limits(memory_bytes=2**28, file_bytes=2**20, open_files=64)
    argv = ("bash", "-c", "ulimit -d; ulimit -f; ulimit -n")
    done = _run(command_line(argv, str(tmp_path), confined, effect_id="e", limits=limits))
    assert [str(2**18), str(2**10), "64"] == done.stdout.decode().split()
