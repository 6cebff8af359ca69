"""`holdfast doctor`."""

from __future__ import annotations

import pytest
from clihelp import Place

from holdfast.cli import examine

FACTS = {"kind": "bubblewrap", "reason": "works", "network": "none"}


def test_a_good_installation(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Facts for everything, no complaint, and no key's value."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    monkeypatch.setattr(examine, "sandbox_facts", lambda: FACTS)
    place.say("one")
    ran = place.cli("doctor")
    assert (0, True, False) == (ran.code, "nothing to complain about" in ran.out, "sk-" in ran.out)
    found = place.cli("doctor", "--json").json()
    assert isinstance(found, dict)
    wanted = {"store health", "installation key", "key store", "sandbox", "sqlite", "git",
              "detectors",
              "python", "extra llm", "free disk"}  # fmt: skip
    assert (set(), "set", []) == (
        wanted - set(found["facts"]), found["facts"]["OPENAI_API_KEY"], found["complaints"]
    )  # fmt: skip


def test_a_key_among_the_data_is_complained_about(place: Place) -> None:
    """Whoever copies the data directory would have everything."""
    place.key = place.store.parent / "keys" / "installation.key"
    place.say("one")
    assert "lies in the data directory" in place.cli("doctor").out


def test_open_files_are_complained_about(place: Place) -> None:
    """The store and the keys are for nobody else."""
    place.say("one")
    place.store.chmod(0o644)
    ran = place.cli("doctor")
    assert "chmod 600" in ran.out


def test_a_missing_key_has_its_code(place: Place) -> None:
    """Without the installation key nothing can be read, and that is said."""
    place.say("one")
    place.key.unlink()
    ran = place.cli("doctor")
    assert (8, True) == (ran.code, "is missing: the sessions cannot be read" in ran.out)


def test_no_sandbox_is_complained_about(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """bash would be refused."""
    monkeypatch.setattr(
        examine, "sandbox_facts", lambda: {**FACTS, "kind": "none", "reason": "too old"}
    )
    assert "no sandbox: bash is refused" in place.cli("doctor").out


def test_the_policy_file_is_shown(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is, or why nothing opens with it; with the code of that error."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.root / "xdg"))
    monkeypatch.delenv("HOLDFAST_POLICY", raising=False)
    assert "policy file" in place.cli("doctor").out
    file = place.root / "p.toml"
    file.write_text("[permissions]\nmode = 'strict'\n", encoding="utf-8")
    file.chmod(0o600)
    assert f"{file} (argument)" in place.cli("doctor", "--policy", str(file)).out
    file.write_text("[permissions]\nmode = 'lax'\n", encoding="utf-8")
    ran = place.cli("doctor", "--policy", str(file))
    assert (2, True) == (ran.code, "nothing opens with this policy file" in ran.out)
