"""The installation key file is private, strictly read and durably replaced."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from holdfast.adapters.keys.installation import (
    FILE_BYTES_MAX,
    Content,
    FileVault,
    check_private,
    default_installation_key_path,
    ensure_installation,
    parse,
    read,
    write,
)
from holdfast.core.errors import NewerProgram, StoreReadOnly, Unavailable, WrongKey

STORE = bytes(range(16))
SAMPLE = {
    "format": 1,
    "installation": "aa" * 16,
    "stores": {STORE.hex(): {"1": "bb" * 32}},
}


@pytest.fixture
def key(tmp_path: Path) -> Path:
    """An installation key file with one epoch for one store."""
    path = tmp_path / "config" / "installation.key"
    ensure_installation(path, os.urandom)
    FileVault(path, STORE, os.urandom).add(1)
    return path


def altered(**changes: object) -> bytes:
    """The sample with some fields changed; None removes one."""
    document = {**SAMPLE, **changes}
    return json.dumps({k: v for k, v in document.items() if v is not None}).encode()


def test_default_path_follows_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The variable of our own, then XDG, then ~/.config."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("HOLDFAST_INSTALLATION_KEY", raising=False)
    home = tmp_path / ".config" / "holdfast" / "installation.key"
    assert home == default_installation_key_path()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert tmp_path / "xdg" / "holdfast" / "installation.key" == default_installation_key_path()
    monkeypatch.setenv("HOLDFAST_INSTALLATION_KEY", "~/keys/mine")
    assert tmp_path / "keys" / "mine" == default_installation_key_path()


def test_file_round_trip() -> None:
    """The sample is read as it stands, and encoding it again gives the same."""
    content = parse(json.dumps(SAMPLE).encode())
    assert b"\xaa" * 16 == content.installation
    assert {STORE.hex(): {1: bytearray(b"\xbb" * 32)}} == content.stores
    assert SAMPLE == json.loads(content.encode())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"[" * 100_000,
        altered(format=None),
        altered(format="1"),
        altered(installation=None),
        altered(installation="aa" * 15),
        altered(installation="zz" * 16),
        altered(installation=" " * 32),
        altered(stores=[]),
        altered(stores={"short": {}}),
        altered(stores={STORE.hex(): []}),
        altered(stores={STORE.hex(): {"one": "bb" * 32}}),
        altered(stores={STORE.hex(): {"1": "bb" * 31}}),
        altered(stores={STORE.hex(): {"1": "bb" * 33}}),
        altered(stores={STORE.hex(): {"1": 7}}),
    ],
)
def test_damaged_file_is_wrong_and_not_quoted(data: bytes) -> None:
    """Anything that is not exactly the format is `WrongKey`, without a secret in it."""
    with pytest.raises(WrongKey) as caught:
        parse(data)
    assert "bb" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None or caught.value.__suppress_context__


def test_newer_format_is_refused() -> None:
    """A format of the future is not guessed at."""
    with pytest.raises(NewerProgram):
        parse(altered(format=2))


def test_overlong_file_is_refused(key: Path) -> None:
    """A file that cannot be an installation key is not read as a whole."""
    with key.open("ab") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(WrongKey, match="long"):
        read(key)


def test_file_that_is_not_private_is_refused(key: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions for others, another owner, a link, a directory or a pipe are refused."""
    for mode in (0o640, 0o604, 0o666):
        key.chmod(mode)
        with pytest.raises(Unavailable, match="0600"):
            read(key)
    key.chmod(0o600)
    link = key.with_name("link")
    link.symlink_to(key)
    with pytest.raises(Unavailable, match="link"):
        read(link)
    with pytest.raises(Unavailable, match="link"):
        check_private(link.lstat(), "it")
    with pytest.raises(Unavailable, match="regular"):
        read(key.parent)
    pipe = key.with_name("pipe")
    os.mkfifo(pipe, 0o600)
    with pytest.raises(Unavailable, match="regular"):
        read(pipe)
    monkeypatch.setattr(os, "geteuid", lambda: key.stat().st_uid + 1)
    with pytest.raises(Unavailable, match="another user"):
        read(key)


def test_directory_that_others_may_write_is_refused(tmp_path: Path) -> None:
    """No key is made where others could replace it."""
    loose = tmp_path / "loose"
    loose.mkdir()
    loose.chmod(0o777)
    with pytest.raises(Unavailable, match="0700"):
        ensure_installation(loose / "installation.key", os.urandom)
    assert [] == list(loose.iterdir())


def test_directory_that_cannot_be_made_is_read_only(tmp_path: Path) -> None:
    """A file where the directory should be is a typed error."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreReadOnly):
        ensure_installation(tmp_path / "file" / "sub" / "installation.key", os.urandom)


def test_installation_is_made_once(key: Path) -> None:
    """An existing file is kept."""
    before = key.read_bytes()
    assert parse(before).installation == ensure_installation(key, os.urandom)
    assert before == key.read_bytes()


def test_replaced_file_is_overwritten(key: Path) -> None:
    """What the old file held is overwritten with zeros once it has been replaced."""
    with key.open("rb") as old:
        before = old.read()
        FileVault(key, STORE, os.urandom).add(2)
        old.seek(0)
        assert bytes(len(before)) == old.read()


def test_second_name_of_the_file_is_left_alone(key: Path) -> None:
    """A hard link that somebody made as a backup keeps its content."""
    backup = key.with_name("backup")
    os.link(key, backup)
    before = key.read_bytes()
    FileVault(key, STORE, os.urandom).add(2)
    assert before == backup.read_bytes()
    assert before != key.read_bytes()


def test_failed_write_leaves_the_file_as_it_was(key: Path) -> None:
    """When the file cannot be replaced, it stays, and the error is typed."""
    before = key.read_bytes()
    blocked = key.with_name(key.name + ".new")
    blocked.mkdir()
    with pytest.raises(StoreReadOnly):
        write(key, Content(installation=bytes(16)))
    assert before == key.read_bytes()


def test_vault_follows_other_writers(key: Path) -> None:
    """A vault that was open before sees the epochs that another one added."""
    one, two = FileVault(key, STORE, os.urandom), FileVault(key, STORE, os.urandom)
    two.add(2)
    two.add(2)
    assert two.key(2) == one.key(2)
    one.retire(2)
    assert (False, True) == (two.holds(1), two.holds(2))
    with pytest.raises(WrongKey):
        one.key(1)


def test_vault_keeps_stores_apart(key: Path) -> None:
    """Epochs of one store are neither seen nor retired by another."""
    one, other = FileVault(key, STORE, os.urandom), FileVault(key, bytes(16), os.urandom)
    with pytest.raises(WrongKey):
        other.key(1)
    other.add(1)
    other.add(2)
    other.retire(2)
    assert one.holds(1)
    assert one.key(1) != other.key(2)


def test_vault_notices_another_installation(key: Path) -> None:
    """When the file is swapped for another installation's, nothing is taken from it."""
    vault = FileVault(key, STORE, os.urandom)
    content = read(key)
    assert content is not None
    content.installation = bytes(16)
    write(key, content)
    with pytest.raises(WrongKey):
        vault.key(2)
    with pytest.raises(WrongKey):
        vault.add(2)


def test_missing_file_is_wrong(tmp_path: Path) -> None:
    """A vault never makes the file."""
    with pytest.raises(WrongKey):
        FileVault(tmp_path / "none" / "installation.key", STORE, os.urandom)
    assert [] == list(tmp_path.iterdir())


def test_closed_vault_has_overwritten_its_keys(key: Path) -> None:
    """Closing leaves zeros in the buffers."""
    vault = FileVault(key, STORE, os.urandom)
    held = vault._epochs[1]
    vault.close()
    assert bytes(32) == held
