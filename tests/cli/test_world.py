"""Where the store is."""

from __future__ import annotations

from pathlib import Path

import pytest
from clihelp import Place

from holdfast.cli.world import Options, default_store, require_store, talks_to_a_person
from holdfast.core.errors import NotFound


def test_the_default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is in the data directory of the person."""
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert Path("/data/holdfast/sessions.db") == default_store()
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setenv("HOME", "/my")
    assert Path("/my/.local/share/holdfast/sessions.db") == default_store()


def test_no_store_is_said(tmp_path: Path) -> None:
    """Reading does not make one."""
    with pytest.raises(NotFound, match="there is no store"):
        require_store(Options(store=tmp_path / "none.db"))


def test_the_environment_names_the_store(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """HOLDFAST_STORE and HOLDFAST_INSTALLATION_KEY do what the options do."""
    place.say("one")
    monkeypatch.setenv("HOLDFAST_STORE", str(place.store))
    monkeypatch.setenv("HOLDFAST_INSTALLATION_KEY", str(place.key))
    monkeypatch.setattr(place, "options", list)
    listed = place.cli("sessions", "list", "--json").json()
    assert ["one"] == [row["id"] for row in listed]


def test_a_test_is_no_person() -> None:
    """Captured streams are no terminal."""
    assert not talks_to_a_person()
