"""Commands that change sessions."""

from __future__ import annotations

import pytest
from clihelp import Place

from holdfast.ports.clock import SystemClock

DAY_MS = 24 * 3600 * 1000


def state(place: Place, id: str = "one") -> object:
    """The session's state."""
    found = place.cli("sessions", "show", id, "--json").json()
    assert isinstance(found, dict)
    return found["state"]


def test_a_command_nobody_serves_stays_queued_and_says_so(place: Place) -> None:
    """It is carried out by the next runner."""
    place.say("one")
    ran = place.cli("sessions", "end", "one", "--json")
    assert ("queued", "Active") == (ran.json()["status"], state(place))
    assert "nobody runs this session now" in place.cli("sessions", "pause", "one").err
    script = place.script({"text": "never"})
    place.cli("run", "--resume", "-s", "one", "--script", script)
    assert "Completed" == state(place)


def test_now_carries_it_out_here(place: Place) -> None:
    """Pause, resume, end, reopen; what changes nothing is said to."""
    place.say("one")
    steps = [("pause", "Paused"), ("resume", "Active"), ("end", "Completed"), ("reopen", "Active")]
    for command, there in steps:
        assert (0, there) == (place.cli("sessions", command, "one", "--now").code, state(place))
    for command in ("resume", "reopen"):
        assert 4 == place.cli("sessions", command, "one", "--now").code
    assert 3 == place.cli("sessions", "pause", "none").code
    place.cli("sessions", "end", "one", "--now")
    assert 4 == place.cli("sessions", "pause", "one").code


def test_rewind(place: Place) -> None:
    """The model sees what was there at the version; a version must exist."""
    place.say("one")
    assert 0 == place.cli("sessions", "rewind", "one", "1", "--now").code
    shown = place.cli("sessions", "show", "one", "--history", "--json").json()
    assert [] == shown["history"]
    assert 2 == place.cli("sessions", "rewind", "one", "999", "--now").code


def test_wipe_destroys_the_session_and_its_forks(place: Place) -> None:
    """Forks go with it unless they are kept; without a person --yes is needed."""
    place.say("one")
    for id in ("gone", "kept"):
        assert f"{id}\n" == place.cli("sessions", "fork", "one", id).out
    refused = place.cli("sessions", "wipe", "one")
    assert (2, True) == (refused.code, "--yes" in refused.err)
    ran = place.cli("sessions", "wipe", "one", "--yes", "--now", "--keep", "kept")
    assert (0, True, True) == (ran.code, "gone: wiped\none: wiped" in ran.err, "rotate" in ran.err)
    rows = place.cli("sessions", "list", "--json").json()
    assert ["kept"] == [row["id"] for row in rows]
    assert 0 == place.cli("audit", "verify").code


def test_a_wipe_nobody_serves_is_queued(place: Place) -> None:
    """It says that nothing is destroyed yet."""
    place.say("one")
    ran = place.cli("sessions", "wipe", "one", "--yes")
    assert (0, True, False) == (ran.code, "queued" in ran.err, "rotate" in ran.err)
    assert "Active" == state(place)


@pytest.mark.parametrize(("said", "code"), [("y", 0), ("n", 130), ("", 130)])
def test_a_person_is_asked_before_a_wipe(
    place: Place, monkeypatch: pytest.MonkeyPatch, said: str, code: int
) -> None:
    """Only a yes wipes."""
    place.say("one")
    monkeypatch.setattr("holdfast.cli.control.talks_to_a_person", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: said)
    assert code == place.cli("sessions", "wipe", "one", "--now").code


def test_a_live_wipe_goes_to_the_runner(place: Place) -> None:
    """The process that leads the session destroys the key; it ends by itself."""
    script = place.script({"text": "half", "hang": True, "after": 1})
    args = ("run", "go", "-s", "one", "-w", str(place.workspace), "--script", script)
    running = place.start(*args)
    running.until_said("half")
    ran = place.cli("sessions", "wipe", "one", "--yes", "--wait", "20")
    assert (0, "one: wiped") == (ran.code, ran.err.splitlines()[0])
    assert 4 == running.ended().code
    assert [] == place.cli("sessions", "list", "--json").json()


def test_wiping_all_sessions_has_to_be_said(place: Place) -> None:
    """Nothing is wiped by mistake; then all are, and the chains still verify."""
    place.say("one")
    place.say("two")
    refused = place.cli("sessions", "wipe-all", "--confirm", "yes")
    assert (2, True) == (refused.code, "nothing was wiped" in refused.err)
    found = place.cli("sessions", "wipe-all", "--confirm", "wipe all sessions", "--json").json()
    assert isinstance(found, dict)
    assert ({"one", "two"}, []) == (set(found["wiped"]), found["failed"])
    assert 3 == place.cli("sessions", "show", "one").code
    again = place.cli("sessions", "wipe-all", "--confirm", "wipe all sessions")
    assert (0, True) == (again.code, "0 sessions wiped" in again.err)
    assert 0 == place.cli("audit", "verify").code


def test_what_a_rule_names_is_wiped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a rule it is refused; without a yes nothing happens; then what is idle goes."""
    place.say("one")
    refused = place.cli("sessions", "wipe-idle", "--yes")
    assert (2, True) == (refused.code, "there is no retention rule" in refused.err)
    monkeypatch.setenv("HOLDFAST_RETENTION_IDLE_DAYS", "30")
    assert "0 sessions due, 0 wiped" in place.cli("sessions", "wipe-idle", "--yes").err
    now_ms = SystemClock.now_ms
    monkeypatch.setattr(SystemClock, "now_ms", lambda clock: now_ms(clock) + 31 * DAY_MS)
    said = place.cli("sessions", "wipe-idle", "--dry-run")
    assert (0, "one: nothing happened for 31 days, 30 are kept") == (
        said.code, said.err.splitlines()[0],
    )  # fmt: skip
    assert 2 == place.cli("sessions", "wipe-idle").code  # nobody can be asked
    assert 1 == len(place.cli("sessions", "list", "--json").json())
    found = place.cli("sessions", "wipe-idle", "--yes", "--json").json()
    assert isinstance(found, dict)
    assert (["one"], []) == (found["wiped"], found["failed"])
    assert ["one"] == [one["session"] for one in found["due"]]
    assert [] == place.cli("sessions", "list", "--json").json()
    assert 0 == place.cli("audit", "verify").code
