"""Places that are forbidden or protected, as one table against another reading of it."""

from __future__ import annotations

import pytest

from holdfast.core.places import (
    PROTECTED_NAMES,
    SECRET_NAMES,
    SECRET_PAIRS,
    SYSTEM_PLACES,
    folded,
    forbidden,
    near_private,
    protected,
)
from holdfast.core.tools import Operation


def test_every_entry_covers_itself_and_what_is_beneath() -> None:
    """astrid#AW-6: `/etc/**` style entries cover `/etc` as well."""
    entries = [*SYSTEM_PLACES]
    entries += [f"/any/{name}" for name in SECRET_NAMES]
    entries += [f"/any/{one}/{two}" for one, two in SECRET_PAIRS]
    for entry in entries:
        for path in (entry, f"{entry}/x", f"{entry}/x/y", entry.upper()):
            assert forbidden(path, Operation.READ), path
        assert not forbidden(f"{entry}x", Operation.READ)


def test_protected_names_hold_for_changes() -> None:
    """Every entry, at any depth, for every operation that changes something."""
    for name in PROTECTED_NAMES:
        for path in (name, f"a/{name}", f"{name}/b", name.upper()):
            assert name == protected(path, Operation.WRITE)
            assert "" == protected(path, Operation.READ)


@pytest.mark.parametrize(
    ("one", "other"),
    [("Straße", "STRASSE"), ("e\u0301", "\u00e9"), ("a\u200db", "ab"), ("\uff0e\uff53", ".s")],
)
def test_spellings_of_one_name_are_equal(one: str, other: str) -> None:
    """Case, Unicode forms and characters that do not show make no other place."""
    assert folded(one) == folded(other)


def test_the_installations_files() -> None:
    """A store's companions are as private as the store; its folder is not."""
    private = ("/d/s.db",)
    for path in ("/d/s.db", "/d/s.db-shm", "/d/s.db.writer", "/d/s.db/x"):
        assert forbidden(path, Operation.WRITE, private)
    assert not forbidden("/d", Operation.LIST, private)
    assert not forbidden("/d/other", Operation.WRITE, private)
    assert forbidden("/d", Operation.DELETE, private)


@pytest.mark.parametrize("operation", [Operation.READ, Operation.DELETE])
def test_what_is_not_near_is_never_the_installations_own(operation: Operation) -> None:
    """`near_private` may say yes too often, never no where `forbidden` says own files."""
    private = ("/srv/app/s.db", "/Srv/Keys", "/w/project/.x/key")
    steps = (
        "srv",
        "app",
        "s.db",
        "s.db-wal",
        "keys",
        "KEYS.lock",
        "w",
        "project",
        ".x",
        "key",
        "o",
    )
    paths = ["/", *(f"/{one}" for one in steps)]
    paths += [f"{path}/{one}" for path in paths[1:] for one in steps]
    paths += [f"{path}/{one}" for path in paths[12:] for one in steps]
    own = [p for p in paths if forbidden(p, operation, private) == "the installation's own files"]
    assert len(own) > 10
    assert [] == [path for path in own if not near_private(path, private)]
    assert not near_private("/w/other", private)
