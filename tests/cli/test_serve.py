"""`holdfast serve` in a process of its own: what it refuses, and how it stops."""

from __future__ import annotations

import json
import signal

import httpx2
import pytest
from clihelp import Place


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--host", "0.0.0.0"], "TLS"),
        (["--tls-cert", "c.pem"], "key"),
        (["--port", "70000"], "port"),
        (["--cors-origin", "*"], "origin"),
    ],
)
def test_what_is_refused(place: Place, options: list[str], said: str) -> None:
    """Before anything listens, or a store is opened."""
    ran = place.cli("serve", *options)
    assert (2, True) == (ran.code, said in ran.err)


def test_the_file_and_the_environment_say_what_no_option_says(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An option stands above a variable, and that above the file."""
    place.store.parent.mkdir(parents=True, exist_ok=True)
    file = place.store.parent / "holdfast.toml"
    file.write_text('[server]\nhost = "0.0.0.0"\n', encoding="utf-8")
    file.chmod(0o600)
    assert "0.0.0.0 can be reached" in place.cli("serve").err
    monkeypatch.setenv("HOLDFAST_SERVER_HOST", "192.0.2.1")
    assert "192.0.2.1 can be reached" in place.cli("serve").err
    assert "192.0.2.2 can be reached" in place.cli("serve", "--host", "192.0.2.2").err
    monkeypatch.setenv("HOLDFAST_SERVER_HOSTS", "x")
    assert "did you mean HOLDFAST_SERVER_HOST" in place.cli("serve").err


def test_nobody_serves_what_nobody_can_use(place: Place) -> None:
    """Without a store, and without an administrator, it says what to do."""
    assert 3 == place.cli("serve").code
    place.say("one")
    ran = place.cli("serve", "--port", "0")
    assert (8, True) == (ran.code, "holdfast init" in ran.err)


@pytest.mark.slow
def test_serving_and_stopping(place: Place) -> None:
    """It tells its address, answers its administrator, and ends by a signal; nothing is lost."""
    place.say("one")
    made = json.loads(place.cli("init", "--json").out)
    told = {"Authorization": f"Bearer {made['token']}"}
    running = place.start("serve", "--port", "0")
    running.until_said("listening on ", "err")
    running.until_said("\n", "err")
    url = running.texts["err"].partition("listening on ")[2].split()[0]
    with httpx2.Client(base_url=url, headers=told) as http:
        assert 200 == http.get("/ready").status_code
        listed = http.get("/api/v1/sessions").json()["sessions"]
        assert ["one"] == [one["id"] for one in listed]
        assert 201 == http.post("/api/v1/sessions", json={"id": "two"}).status_code
        running.process.send_signal(signal.SIGTERM)
        ended = running.ended()
    assert 0 == ended.code, ended.err
    assert made["token"] not in ended.out + ended.err
    assert "two" in place.cli("sessions", "list").out
