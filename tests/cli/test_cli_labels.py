"""`holdfast sessions label|relabel|risk|plan` and `holdfast taint list`."""

from __future__ import annotations

import asyncio

from clihelp import Place

from holdfast.bootstrap import SessionManager
from holdfast.core.plans import PlanStep

MAIL = "ann@example.org"


def told(place: Place, text: str = f"Write to {MAIL}, or call +49 30 901820.") -> None:
    """Have a session be told something and answer."""
    script = place.script({"text": "noted"})
    ran = place.cli("run", text, "-s", "one", "--script", script, "-w", str(place.workspace))
    assert 0 == ran.code, ran.err


def read(place: Place) -> None:
    """Have a session read a file, which may be anybody's."""
    (place.workspace / "a.txt").write_text("hello", encoding="utf-8")
    call = {"name": "read", "arguments": {"file_path": "a.txt"}}
    script = place.script({"tool_calls": [call]}, {"text": "ok"})
    ran = place.cli("run", "go", "-s", "one", "--script", script, "-w", str(place.workspace))
    assert 0 == ran.code, ran.err + ran.out


def test_a_label_is_shown_and_lowered(place: Place) -> None:
    """By a person, with a reason, for what was there; JSON says the same."""
    read(place)
    shown = place.cli("sessions", "label", "one")
    assert (0, True) == (
        shown.code,
        "untrusted" in shown.out and "sensitivity  normal" in shown.out,
    )
    label = place.cli("sessions", "label", "one", "--json").json()
    assert isinstance(label, dict)
    assert ("normal", "untrusted") == (label["sensitivity"], label["integrity"])
    why = ("--why", "I read the file")
    ran = place.cli("sessions", "relabel", "one", "--trusted", *why, "--now", "--json")
    assert (0, "relabelled") == (ran.code, ran.json()["status"])  # type: ignore[index]  # JSON is an object
    assert "  trusted" in place.cli("sessions", "label", "one").out
    assert 0 == place.cli("audit", "verify").code


def test_what_lowers_nothing_is_refused(place: Place) -> None:
    """Without an aim, a reason, a level there is, or a person; or nothing would change."""
    told(place, "hello")
    for args, code, text in [
        (["--why", "x"], 2, "say what is lowered"),
        (["--trusted"], 2, "say why"),
        (["--sensitivity", "secret", "--why", "x"], 2, "no level"),
        (["--trusted", "--why", "x", "--by", "agent:a"], 5, "person"),
        (["--trusted", "--why", "x", "--now"], 2, "lower nothing"),
    ]:
        ran = place.cli("sessions", "relabel", "one", *args)
        assert (code, 1) == (ran.code, len(ran.err.splitlines()))
        assert text in ran.err
    assert 3 == place.cli("sessions", "label", "none").code


def test_a_level_is_lowered_when_nobody_leads(place: Place) -> None:
    """It waits for the next runner, and says so."""
    told(place)
    assert "sensitivity  sensitive" in place.cli("sessions", "label", "one").out
    args = ("--sensitivity", "Normal", "--why", "a test")
    ran = place.cli("sessions", "relabel", "one", *args, "--wait", "0")
    assert (0, True) == (ran.code, "nobody runs this session now" in ran.err)
    place.say("one")
    assert "sensitivity  normal" in place.cli("sessions", "label", "one").out


def test_risk_is_shown_and_begun_anew(place: Place) -> None:
    """Kinds and different values of each; a reset needs a reason."""
    told(place)
    shown = place.cli("sessions", "risk", "one")
    assert (0, True) == (shown.code, shown.out.startswith("points  2.00\n"))
    assert {"email": 1, "phone": 1} == place.cli("sessions", "risk", "one", "--json").json()[
        "kinds"
    ]  # type: ignore[index]  # JSON is an object
    assert 2 == place.cli("sessions", "risk", "one", "--reset").code
    assert 2 == place.cli("sessions", "risk", "one", "--why", "x").code
    assert 0 == place.cli("sessions", "risk", "one", "--reset", "--why", "new case", "--now").code
    assert "points  0.00\n" == place.cli("sessions", "risk", "one").out


def test_a_plan_is_shown(place: Place) -> None:
    """What it foresees, and how often each step is left."""
    told(place, "hello")
    assert "no plan is fixed\n" == place.cli("sessions", "plan", "one").err

    async def work() -> None:
        async with SessionManager.open(place.store, installation_key=place.key) as sessions:
            session = await sessions.get_session("one")
            await session.fix_plan([PlanStep(tool="send", times=2), ("pay", {"to": "ann"})])

    asyncio.run(work())
    shown = place.cli("sessions", "plan", "one")
    assert (0, ["1", "send", "2", "of", "2", "{}"]) == (
        shown.code, shown.out.splitlines()[1].split(),
    )  # fmt: skip
    rows = place.cli("sessions", "plan", "one", "--json").json()
    assert isinstance(rows, list)
    assert ("pay", '{"to": "ann"}', 1, 1) == tuple(rows[1].values())


def test_taints_are_listed_without_their_values(place: Place) -> None:
    """By fingerprint, kind, level, and the name that stands for them."""
    told(place, "hello")
    assert "nothing is followed\n" == place.cli("taint", "list", "one").err
    told(place)
    shown = place.cli("taint", "list", "one")
    assert (0, False, True) == (shown.code, MAIL in shown.out, "PRIVATE-EMAIL-" in shown.out)
    rows = place.cli("taint", "list", "one", "--json").json()
    assert isinstance(rows, list)
    assert ["email", "phone"] == [row["kind"] for row in rows]
    assert MAIL not in str(rows)
    assert 3 == place.cli("taint", "list", "none").code
