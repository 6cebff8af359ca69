"""Command lines for a confined program."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.adapters.sandbox import command
from holdfast.adapters.sandbox.command import CommandLine, Limits, command_line
from holdfast.adapters.sandbox.etc import Copied
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


@pytest.fixture
def bubblewrap() -> SandboxStatus:
    """The best tier."""
    found = detect(SandboxKind.BUBBLEWRAP)
    if found.kind is not SandboxKind.BUBBLEWRAP:
        pytest.skip(f"no bubblewrap here: {found.reason}")
    return found


SHOW = ("sh", "-c", "ls /etc; cat /etc/passwd; touch /etc/new /etc/passwd")


def _etc_mounts(line: CommandLine) -> list[str]:
    places = [two for one, two in zip(line.argv, line.argv[2:], strict=False) if "bind" in one]
    return [place for place in places if place == "/etc" or place.startswith("/etc/")]


def test_the_configuration_is_one_mount(tmp_path: Path, bubblewrap: SandboxStatus) -> None:
    """It is there, and none of it can be written to."""
    line = command_line(SHOW, str(tmp_path), bubblewrap, effect_id="e")
    assert ["/etc"] == _etc_mounts(line)
    done = _run(line)
    assert Path("/etc/passwd").read_bytes() in done.stdout
    assert b"shadow" not in done.stdout and 2 == done.stderr.count(b"Read-only")


def test_the_configuration_is_many_where_it_has_to_be(
    tmp_path: Path, bubblewrap: SandboxStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where more of it is asked for, and where no copy can be made, each is mounted."""
    more = command_line(
        ("cat", "/etc/hostname"), str(tmp_path), bubblewrap, effect_id="e",
        extra_read=("/etc/hostname",),
    )  # fmt: skip
    assert {"/etc/hostname", "/etc/passwd"} < set(_etc_mounts(more))
    assert Path("/etc/hostname").read_bytes() == _run(more).stdout
    monkeypatch.setattr(command._copied, "show", lambda: None)
    line = command_line(SHOW, str(tmp_path), bubblewrap, effect_id="e")
    assert "/etc/passwd" in _etc_mounts(line) and "/etc" not in _etc_mounts(line)
    done = _run(line)
    assert Path("/etc/passwd").read_bytes() in done.stdout and b"shadow" not in done.stdout


def test_a_workspace_that_holds_the_copy_does_not_hold_it(
    tmp_path: Path, bubblewrap: SandboxStatus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command cannot change what the next one of any session is shown."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    copied = Copied(("passwd",))
    monkeypatch.setattr(command, "_copied", copied)
    try:
        copy = copied.directory()
        assert copy and Path(copy).parent == tmp_path
        harm = f"touch mine; echo x >> {copy}/passwd; rm -rf {copy}; mv {copy} away; ls {copy}"
        line = command_line(("sh", "-c", harm), str(tmp_path), bubblewrap, effect_id="e")
        assert b"passwd\n" == _run(line).stdout
        assert Path("/etc/passwd").read_bytes() == Path(copy, "passwd").read_bytes()
        assert copied.directory() is None and (tmp_path / "mine").exists()
    finally:
        copied.clear()


@pytest.fixture
def copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Copied]:
    """Copies of the configuration that are made in a workspace of these tests."""
    (tmp_path / "workspace" / "tmp").mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "workspace" / "tmp"))
    found = Copied(("passwd", "group"))
    monkeypatch.setattr(command, "_copied", found)
    yield found
    found.clear()


def test_a_link_to_where_copies_are_made(
    tmp_path: Path, bubblewrap: SandboxStatus, copied: Copied, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found in the workspace all the same, and cannot be written to."""
    (tmp_path / "link").symlink_to("workspace/tmp")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "link"))
    harm = "for one in tmp/*/passwd; do echo evil >> $one; done; cat /etc/passwd"
    argv = ("sh", "-c", harm)
    line = command_line(argv, str(tmp_path / "workspace"), bubblewrap, effect_id="e")
    done = _run(line)
    assert Path("/etc/passwd").read_bytes() == done.stdout
    assert b"Read-only" in done.stderr


def test_where_copies_are_made_was_in_a_workspace(
    tmp_path: Path, bubblewrap: SandboxStatus, copied: Copied
) -> None:
    """A command may still run there, so others are shown the files themselves."""
    (tmp_path / "other").mkdir()
    first = command_line(SHOW, str(tmp_path / "other"), bubblewrap, effect_id="e")
    assert ["/etc"] == _etc_mounts(first) and first.shown is not None
    shown = first.shown.directory
    here = str(tmp_path / "workspace")
    reading = command_line(SHOW, here, bubblewrap, effect_id="e", read_only=True)
    assert ["/etc"] == _etc_mounts(reading)
    for line in (
        command_line(SHOW, here, bubblewrap, effect_id="e"),
        command_line(SHOW, here, bubblewrap, effect_id="e", extra_read=("/etc/hostname",)),
    ):
        at = line.argv.index("--ro-bind-try", line.argv.index(here))
        assert ("--ro-bind-try", shown, shown) == line.argv[at : at + 3]
    after = command_line(SHOW, str(tmp_path / "other"), bubblewrap, effect_id="e")
    assert after.shown is None and "/etc/passwd" in _etc_mounts(after)


def test_what_a_command_is_shown_stays(
    tmp_path: Path, bubblewrap: SandboxStatus, copied: Copied
) -> None:
    """Until it is over, also when the configuration changes before it has begun."""
    (tmp_path / "other").mkdir()
    line = command_line(SHOW, str(tmp_path / "other"), bubblewrap, effect_id="e")
    assert line.shown is not None
    os.utime(f"{line.shown.directory}/group")
    assert line.shown.directory != copied.directory()
    assert Path("/etc/passwd").read_bytes() in _run(line).stdout
    assert not os.path.exists(line.shown.directory)
    line.close()


def test_a_workspace_among_the_configuration(bubblewrap: SandboxStatus) -> None:
    """It is the workspace, not a copy."""
    line = command_line(("true",), "/etc/alternatives", bubblewrap, effect_id="e", read_only=True)
    assert "/etc/alternatives" in _etc_mounts(line) and "/etc" not in _etc_mounts(line)
