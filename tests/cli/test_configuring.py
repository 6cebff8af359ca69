"""`holdfast config show`."""

from __future__ import annotations

from pathlib import Path

import pytest
from clihelp import Place

FILE = "[server]\nport = 9000\n[roles]\nauditor = ['audit:read']\n[task_types]\nlook = ['*']\n"


@pytest.fixture
def file(place: Place) -> Path:
    """A policy file beside the store."""
    path = place.store.parent / "holdfast.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(FILE, encoding="utf-8")
    path.chmod(0o600)
    return path


def test_values_and_sources_are_shown(
    place: Place, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the file, the environment and the defaults; a secret is not shown."""
    monkeypatch.setenv("HOLDFAST_TOKEN", "hf_verysecret")
    monkeypatch.setenv("HOLDFAST_SERVER_HEARTBEAT_S", "3")
    shown = place.cli("config", "show", "--json")
    found = {one["name"]: (one["value"], one["source"]) for one in shown.json()["settings"]}
    assert (9000, "file") == tuple(found["server.port"])
    assert (3, "environment") == tuple(found["server.heartbeat_s"])
    assert ("127.0.0.1", "default") == tuple(found["server.host"])
    assert ("(set)", "environment") == tuple(found["HOLDFAST_TOKEN"])
    assert str(file) == shown.json()["file"]
    assert {"auditor": ["audit:read"]} == shown.json()["roles"]
    text = place.cli("config", "show")
    assert "verysecret" not in text.out + text.err + shown.out
    assert "roles.auditor" in text.out
    assert "task_types.look" in text.out


def test_a_wrong_variable_or_file_is_one_line_and_exit_code_2(
    place: Place, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_SERVER_PROT", "3")
    refused = place.cli("config", "show")
    assert 2 == refused.code
    assert "did you mean HOLDFAST_SERVER_PORT" in refused.err
    assert 1 == len(refused.err.splitlines())
    monkeypatch.delenv("HOLDFAST_SERVER_PROT")
    file.write_text("[server]\nprot = 1\n", encoding="utf-8")
    assert 2 == place.cli("config", "show").code
