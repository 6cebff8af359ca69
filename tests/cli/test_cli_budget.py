"""`holdfast budget show|set`."""

from __future__ import annotations

import pytest
from clihelp import Place


def test_accounts_of_a_session_are_shown(place: Place) -> None:
    """Plain and as JSON: limit, used, held and left."""
    place.say("one")
    rows = place.cli("budget", "show", "--session", "one", "--json").json()
    assert isinstance(rows, list)
    assert [("session total micros", 100_000_000, 0)] == [
        (row["name"], row["left"], row["held"]) for row in rows
    ]
    shown = place.cli("budget", "show", "--session", "one")
    assert (0, True) == (shown.code, "$100.00" in shown.out)
    assert 3 == place.cli("budget", "show", "--session", "none").code


def test_limits_of_a_session_are_changed(place: Place) -> None:
    """Queued for whoever leads, or at once with --now; a limit can end."""
    place.say("one")
    queued = place.cli("budget", "set", "usd=2.00", "--session", "one", "--wait", "0")
    assert (0, True) == (queued.code, "nobody runs this session now" in queued.err)
    made = place.cli("budget", "set", "calls=5", "--session", "one", "--now", "--json")
    assert (0, "set") == (made.code, made.json()["status"])  # type: ignore[index]  # an object
    rows = place.cli("budget", "show", "--session", "one", "--json").json()
    assert {"session total calls": 5, "session total micros": 2_000_000} == {
        row["name"]: row["limit"] for row in rows
    }
    ended = ["budget", "set", "--drop", "calls", "--session", "one", "--now"]
    assert 0 == place.cli(*ended).code
    rows = place.cli("budget", "show", "--session", "one", "--json").json()
    assert ["session total micros"] == [row["name"] for row in rows]


def test_shared_limits_are_set_and_end(place: Place) -> None:
    """The tenant's, a user's and a workspace's limits are kept in the store."""
    place.say("one")
    assert "no account has a limit" in place.cli("budget", "show", "--tenant").err
    assert 0 == place.cli("budget", "set", "usd=1.00", "day_usd=0.50", "--tenant").code
    rows = place.cli("budget", "show", "--tenant", "--json").json()
    assert [1_000_000, 500_000] == [row["limit"] for row in rows]
    seen = place.cli("budget", "show", "--session", "one", "--json").json()
    assert isinstance(seen, list) and 3 == len(seen)
    assert 0 == place.cli("budget", "set", "--drop", "usd", "--drop", "day_usd", "--tenant").code
    assert [] == place.cli("budget", "show", "--tenant", "--json").json()
    set_ = place.cli("budget", "set", "tokens=9", "--user", "anna", "--json")
    assert {"holder": "user", "who": "anna", "status": "set"} == set_.json()
    folder = str(place.store.parent)
    assert 0 == place.cli("budget", "set", "wall_s=9", "--workspace", folder).code
    assert "9.0 s" in place.cli("budget", "show", "--workspace", folder).out


@pytest.mark.parametrize(
    "words",
    [
        ["set", "usd=2"],
        ["set", "usd=2", "--tenant", "--user", "anna"],
        ["set", "--tenant"],
        ["set", "usd=NaN", "--tenant"],
        ["set", "usd=-1", "--tenant"],
        ["set", "calls=1.5", "--tenant"],
        ["set", "nothing=1", "--tenant"],
        ["set", "run_usd=1", "--tenant"],
        ["set", "--drop", "nothing", "--tenant"],
        ["show"],
    ],
)
def test_what_cannot_be_is_refused(place: Place, words: list[str]) -> None:
    """Malformed limits and holders are said in one line."""
    place.say("one")
    assert 2 == place.cli("budget", *words).code
