"""Commands that a server carries out."""

from __future__ import annotations

import itertools
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from clihelp import Place, Ran

from clienthelp import Beside, beside, token_of
from holdfast.cli import remote
from holdfast.cli.main import app
from holdfast.core.errors import InvalidInput
from holdfast.testing.script import call, say
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import memory, tool, until_async


def send(to: str = "") -> str:
    """Send."""
    return f"sent to {to}"


@pytest.fixture
def there(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Beside]:
    """A server whose model wants to send something each time; its token is in the environment."""
    turns = itertools.cycle([call("send", {"to": "a"}), say("Done.")])
    with beside(sessions=memory(ScriptedModel(turns), tool(send, params=("to",)))) as found:
        assert found.served is not None
        monkeypatch.setenv("HOLDFAST_SERVER", found.url)
        monkeypatch.setenv("HOLDFAST_TOKEN", token_of(found.served))
        found.run(found.sessions.create_session("one"))
        yield found


def ask(there: Beside) -> str:
    """Have the session ask a person; the id of what waits."""

    async def work() -> str:
        session = await there.sessions.get_session("one")
        await session.add_ask_rule("send")
        there.sessions.errand(session.generate("go"))

        async def asked() -> bool:
            return bool(await session.approvals())

        await until_async(asked)
        return (await session.approvals())[0].id

    return there.run(work())


def state(there: Beside) -> str:
    """The state of the session, where it is."""

    async def work() -> str:
        return (await (await there.sessions.get_session("one")).info()).state

    return there.run(work())


def test_sessions_are_listed_and_shown(place: Place, there: Beside) -> None:
    """The same words and the same JSON as of a store that is here."""
    ran = place.cli("sessions", "list")
    assert 0 == ran.code, ran.err
    assert "one" in ran.out
    (row,) = place.cli("sessions", "list", "--json", "--state", "Active").json()
    assert ("one", "Active") == (row["id"], row["state"])
    assert [] == place.cli("sessions", "list", "--json", "--tag", "none").json()
    assert 2 == place.cli("sessions", "list", "--state", "Odd").code
    question = ask(there).partition(":")[2]
    found = place.cli("sessions", "show", "one", "--json", "--history", "--events").json()
    assert "Processing" == found["state"]
    assert [int(question)] == [one["id"] for one in found["questions"]]
    assert "go" in json.dumps(found["history"])
    types = [one["type"] for one in found["events"]]
    assert ("session_created", "confirmation_required") == (types[0], types[-1])
    assert found["version"] == found["events"][-1]["version"]
    shown = place.cli("sessions", "show", "one", "--history", "--events").out
    assert "question" in shown and "agent_start" in shown
    assert 3 == place.cli("sessions", "show", "nothing").code


def test_local_and_remote_say_the_same(place: Place, there: Beside, tmp_path: Path) -> None:
    """A script that reads the JSON need not know where the sessions are."""
    far = place.cli("sessions", "show", "one", "--json").json()
    place.say("two", "hello", "--server=")
    near = place.cli("sessions", "show", "two", "--json", "--server=").json()
    assert list(near) == list(far)
    assert list(near["usage"]) == list(far["usage"])
    rows = [place.cli("sessions", "list", "--json", *more).json() for more in ((), ("--server=",))]
    assert list(rows[0][0]) == list(rows[1][0])


def test_sessions_are_controlled(place: Place, there: Beside) -> None:
    """Each command says what it did, and what cannot be done has its exit code."""
    for words, said, left in [
        (("pause", "one", "--reason", "lunch"), "paused", "Paused"),
        (("resume", "one"), "resumed", "Active"),
        (("end", "one"), "ended", "Completed"),
        (("reopen", "one"), "reopened", "Active"),
        (("rewind", "one", "1"), "rewound", "Active"),
    ]:
        ran = place.cli("sessions", *words, "--json")
        assert 0 == ran.code, ran.err
        found = ran.json()
        assert ("one", said) == (found["session"], found["status"])
        assert left == state(there)
    ran = place.cli("sessions", "resume", "one")
    assert (4, "holdfast: nothing changed: the session is Active (not_now)\n") == (
        ran.code,
        ran.err,
    )
    assert "one: paused" in place.cli("sessions", "pause", "one").err
    ran = place.cli("sessions", "resume", "one", "--now")
    assert 2 == ran.code
    assert "--now" in ran.err
    assert "Paused" == state(there)


def test_a_session_is_wiped(place: Place, there: Beside) -> None:
    """Only with a yes; what it took along is named."""
    ran = place.cli("sessions", "wipe", "one")
    assert 2 == ran.code
    assert "Active" == state(there)
    assert 2 == place.cli("sessions", "wipe", "one", "--yes", "--now").code
    found = place.cli("sessions", "wipe", "one", "--yes", "--json").json()
    assert ("one", "wiped") == (found["session"], found["status"])
    assert 3 == place.cli("sessions", "wipe", "one", "--yes").code


def test_questions_are_listed_and_answered(place: Place, there: Beside) -> None:
    """By the person whose token it is; the first answer counts."""
    id = ask(there)
    (one,) = place.cli("approvals", "list", "--json").json()
    assert (id, "send") == (one["id"], one["tool"])
    assert "send" in place.cli("approvals", "list").out
    assert id == place.cli("approvals", "show", id, "--json").json()["id"]
    for words, code in [
        (("show", "one:999"), 3),
        (("show", "nonsense"), 3),
        (("show", "one:" + "9" * 5000), 3),
        (("show", "one:٣"), 3),
        (("approve", id, "--for", "odd"), 2),
        (("approve", id, "--edit", "["), 2),
        (("approve", id, "--edit", "[]"), 2),
        (("approve", id, "--by", "user:eve"), 2),
        (("approve", id, "--now"), 2),
        (("deny", "one:999"), 3),
    ]:
        assert code == place.cli("approvals", *words).code, words
    found = place.cli("approvals", "deny", id, "--note", "Not now.", "--json").json()
    assert ("one", "answered") == (found["session"], found["status"])
    assert 3 == place.cli("approvals", "approve", id).code
    assert [] == place.cli("approvals", "list", "--json").json()
    again = ask(there)
    number = again.partition(":")[2]
    assert 0 == place.cli("sessions", "answer", "one", number, "once", "--note", "Yes.").code
    third = ask(there)
    assert 0 == place.cli("approvals", "approve", third, "--for", "session", "--uses", "2").code


def test_what_is_granted_and_what_may_be_spent(place: Place, there: Beside) -> None:
    """Allowances and budgets: listed, changed, and taken back, as here."""

    async def grant() -> str:
        session = await there.sessions.get_session("one")
        return (await session.grant_allowance("send(*)", max_uses=3)).id

    id = there.run(grant())
    (row,) = place.cli("allowances", "list", "one", "--json").json()
    assert (id, 3) == (row["id"], row["uses_left"])
    assert "3 of 3 left" in place.cli("allowances", "list", "one").out
    assert "revoked" in place.cli("allowances", "revoke", "one", id, "--why", "x").err
    assert [] == place.cli("allowances", "list", "one", "--json").json()
    assert 3 == place.cli("allowances", "revoke", "one", id).code
    ran = place.cli("budget", "set", "usd=2.00", "--session", "one", "--json").json()
    assert ("one", "set") == (ran["session"], ran["status"])
    limits = {one["name"]: one["limit"] for one in _budget(place, "--session", "one")}
    assert 2_000_000 in limits.values()
    assert "set" in place.cli("budget", "set", "tokens=5", "--user", "u").err
    assert [5] == [one["limit"] for one in _budget(place, "--user", "u")]
    ran = place.cli("budget", "show", "--workspace", "/tmp")
    assert 2 == ran.code and "--workspace" in ran.err
    assert 2 == place.cli("budget", "set", "usd=1", "--session", "one", "--now").code


def _budget(place: Place, *whose: str) -> list[dict[str, object]]:
    found = place.cli("budget", "show", "--json", *whose).json()
    assert isinstance(found, list)
    return found


def test_labels_risk_and_plans(place: Place, there: Beside) -> None:
    """The same words as of a store that is here; who lowers is whoever the token names."""

    async def prepare() -> None:
        session = await there.sessions.get_session("one")
        await session.fix_plan(["send"])
        await session.add_message("strange words, from jane@example.com")

    there.run(prepare())
    found = place.cli("sessions", "label", "one", "--json").json()

    async def origins() -> list[str]:
        label = await (await there.sessions.get_session("one")).label()
        return list(label.origins)

    assert ("untrusted", there.run(origins())) == (found["integrity"], found["origins"])
    (step,) = place.cli("sessions", "plan", "one", "--json").json()
    assert ("send", 1, 1) == (step["tool"], step["times"], step["left"])
    risk = place.cli("sessions", "risk", "one", "--json").json()
    assert "allow" == risk["decision"]
    ran = place.cli("sessions", "relabel", "one", "--trusted", "--why", "looked", "--json")
    assert "relabelled" == ran.json()["status"]
    assert "trusted" == place.cli("sessions", "label", "one", "--json").json()["integrity"]
    assert 0 == place.cli("sessions", "risk", "one", "--reset", "--why", "old").code
    assert 2 == place.cli("sessions", "relabel", "one", "--trusted").code
    odd = place.cli("sessions", "relabel", "one", "--trusted", "--why", "x", "--by", "me")
    assert 2 == odd.code and "--by" in odd.err


def test_what_is_followed_is_listed(place: Place, there: Beside) -> None:
    """As of a store that is here: by fingerprint and pseudonym, never the value."""
    assert [] == place.cli("taint", "list", "one", "--json").json()
    assert "nothing is followed\n" == place.cli("taint", "list", "one").err

    async def tell() -> list[list[str]]:
        session = await there.sessions.get_session("one")
        await session.add_message("write to jane@example.com, or call +44 20 7946 0958")
        found = await there.sessions.isolation.registry("one")
        return [[one.fingerprint, one.kind, one.pseudonym] for one in found]

    wanted = there.run(tell())
    rows = place.cli("taint", "list", "one", "--json").json()
    assert wanted == [[row["fingerprint"], row["kind"], row["pseudonym"]] for row in rows]
    assert ["sensitive", "sensitive"] == [row["level"] for row in rows]
    shown = place.cli("taint", "list", "one").out
    assert wanted[0][2] in shown and "jane@example.com" not in shown
    assert 3 == place.cli("taint", "list", "none").code


def test_sessions_are_moved(place: Place, there: Beside) -> None:
    """Out into a private file, in again, and a fork; forms as here."""

    async def talk() -> None:
        await (await there.sessions.get_session("one")).add_message("héllo")

    there.run(talk())
    file = place.root / "one.jsonl"
    assert 0 == place.cli("sessions", "export", "one", "-o", str(file)).code
    assert 0o600 == file.stat().st_mode & 0o777
    taken = place.cli("sessions", "import", str(file), "--id", "two", "--json").json()
    assert ("two", 1) == (taken["id"], taken["messages"])
    assert "héllo" in place.cli("sessions", "show", "two", "--history").out
    printed = place.cli("sessions", "export", "one", "--format", "session_data")
    assert "one" == json.loads(printed.out)["id"]
    assert "three" == place.cli("sessions", "fork", "one", "three").out.strip()
    assert 3 == place.cli("sessions", "export", "none").code
    nowhere = place.cli("sessions", "export", "one", "-o", str(place.root / "no" / "file"))
    assert 2 == nowhere.code and "cannot write" in nowhere.err


def test_tokens_of_a_server(place: Place, there: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made, listed, refreshed and revoked; no more than one's own gives."""
    made = place.cli("tokens", "create", "bot", "--session", "one", "--json").json()
    assert ("one", "agent", "default") == (made["session_id"], made["role"], made["workspace_id"])
    rows = place.cli("tokens", "list", "--agent", "bot", "--json").json()
    assert [made["id"]] == [one["id"] for one in rows]
    assert made["token"] not in json.dumps(rows)
    assert 5 == place.cli("tokens", "create", "x", "--role", "admin").code
    assert 5 == place.cli("tokens", "list", "--workspace", "other").code
    with monkeypatch.context() as bot:
        bot.setenv("HOLDFAST_TOKEN", made["token"])
        again = place.cli("tokens", "refresh", "--json").json()
        assert (made["id"], 2) == (again["id"], again["generation"])
        assert 5 == place.cli("sessions", "list").code  # nobody's any more
    assert 2 == place.cli("tokens", "refresh", "--token-fd", "0").code
    other = place.cli("tokens", "create", "bot", "--session", "one")
    assert 0 == place.cli("tokens", "revoke", other.err.partition(":")[0]).code
    assert [] == place.cli("tokens", "list", "--agent", "bot", "--json").json()
    there.run(there.sessions.tokens.create("cat", session="one"))
    assert 1 == place.cli("tokens", "revoke", "cat", "--agent", "--json").json()["count"]
    assert 3 == place.cli("tokens", "revoke", "none").code


def test_the_audit_log_of_a_server(place: Place, there: Beside) -> None:
    """Events and alerts of one's workspace, by pages, as of a store that is here."""

    async def work() -> None:
        await there.sessions.create_session("two")
        session = await there.sessions.get_session("one")
        await session.add_deny_rule("send")
        for _ in range(11):
            await session.generate("go")

    there.run(work())
    found = place.cli("audit", "list", "--severity", "warning", "--session", "one", "--json").json()
    refused = [one for one in found["events"] if one["kind"] == "tool_refused"]
    assert (11, False) == (len(refused), found["more"])
    part = place.cli("audit", "list", "--limit", "2", "--json").json()
    assert (2, True) == (len(part["events"]), part["more"])
    rest = place.cli("audit", "list", "--after", str(part["cursor"]), "--json").json()
    assert part["events"][-1]["cursor"] < rest["events"][0]["cursor"]
    (alert,) = place.cli("audit", "alerts", "--json").json()["alerts"]
    assert ("rate_exceeded", "one", 11) == (alert["alert"], alert["session"], alert["count"])
    assert [] == place.cli("audit", "alerts", "--session", "two", "--json").json()["alerts"]
    assert 3 == place.cli("audit", "list", "--session", "none").code


def leaves() -> list[str]:
    """Every command as a person types it."""
    found = []

    def walk(command: object, path: list[str]) -> None:
        for name, child in getattr(command, "commands", {}).items():
            walk(child, [*path, name])
        if not hasattr(command, "commands"):
            found.append(" ".join(path))

    walk(typer.main.get_command(app), [])
    return found


SERVED = {
    "sessions list": [],
    "sessions show": ["one"],
    "sessions answer": ["one", "3", "once"],
    "sessions pause": ["one"],
    "sessions resume": ["one"],
    "sessions end": ["one"],
    "sessions reopen": ["one"],
    "sessions rewind": ["one", "1"],
    "sessions wipe": ["one", "--yes"],
    "approvals list": [],
    "approvals show": ["one:3"],
    "approvals approve": ["one:3"],
    "approvals deny": ["one:3"],
    "agent-config show": [],
    "agent-config set": ["--clear"],
    "audit alerts": [],
    "audit list": [],
    "audit verify": ["--key", "3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29"],
    "taint list": ["one"],
    "tokens list": [],
    "tokens refresh": [],
    "tokens revoke": ["x"],
    "tokens create": ["bot"],
    "budget set": ["usd=1", "--tenant"],
    "budget show": ["--tenant"],
    "allowances revoke": ["one", "x"],
    "allowances list": ["one"],
    "sessions plan": ["one"],
    "sessions risk": ["one"],
    "sessions relabel": ["one", "--why", "x", "--trusted"],
    "sessions label": ["one"],
    "sessions import": ["file"],
    "sessions export": ["one"],
    "sessions fork": ["one"],
}
ARGUMENTS = {
    "run": ["hi"],
    "policy explain": ["bash"],
    "policy test": ["file"],
    "privacy classify": ["text"],
    "privacy scan": ["file"],
    "privacy injection": ["text"],
    "enclave verify": ["file", "--measurement", "00", "--binding", "00"],
    "enclave serve": ["--config", "file", "--stdio"],
    "enclave provision": ["env:NAME"],
    "audit checkpoint": ["--to", "dir"],
    "tokens show": ["x"],
}


@pytest.mark.parametrize("command", leaves())
def test_every_command_knows_whether_a_server_does_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Those that a server does ask for its token first; all others say so in one line."""
    monkeypatch.delenv("HOLDFAST_TOKEN", raising=False)
    words = [*command.split(), *SERVED.get(command, ARGUMENTS.get(command, []))]
    ran = place.cli(*words, "--server", "http://127.0.0.1:1")
    assert 2 == ran.code, ran.err
    assert 1 == len(ran.err.splitlines()), ran.err
    wanted = "HOLDFAST_TOKEN" if command in SERVED else f"a server cannot do `holdfast {command}`"
    assert wanted in ran.err
    assert "" == ran.out
    assert not place.store.exists()


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No token in the environment."""
    monkeypatch.delenv("HOLDFAST_TOKEN")


def listing(place: Place, file: Path) -> Ran:
    """List sessions with a token's file."""
    return place.cli("sessions", "list", "--json", "--token-file", str(file))


def test_a_token_comes_from_a_file(place: Place, there: Beside, bare: None, tmp_path: Path) -> None:
    """One that only its owner can read, and that holds the token and nothing else."""
    assert there.served is not None
    token = token_of(there.served)
    file = tmp_path / "token"
    file.write_text(f"{token}\n")
    file.chmod(0o600)
    assert 0 == listing(place, file).code
    for mode in (0o640, 0o604, 0o610):
        file.chmod(mode)
        ran = listing(place, file)
        assert 2 == ran.code
        assert "others can read" in ran.err
    file.chmod(0o600)
    for text in (b"", b"\n", token.encode() + b" more", b"\xff\xfe", b"x" * 10_000):
        file.write_bytes(text)
        ran = listing(place, file)
        assert 2 == ran.code
        assert token not in ran.err
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert 2 == listing(place, pipe).code
    assert 2 == listing(place, tmp_path).code
    assert 2 == listing(place, tmp_path / "gone").code


def test_a_token_is_no_argument(place: Place) -> None:
    """There is no option for it: arguments are everybody's to read."""
    options = [name for one in typer.main.get_command(app).params for name in one.opts]
    assert "--token" not in options
    assert 2 == place.cli("sessions", "list", "--token", "x", "--server", "https://a").code


def test_a_token_is_not_sent_in_clear_nor_to_nobody(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An address beyond this machine needs TLS; a server that is not there is said to be so."""
    monkeypatch.setenv("HOLDFAST_TOKEN", "hf_st_secret")
    ran = place.cli("sessions", "list", "--server", "http://example.com")
    assert 2 == ran.code
    assert "in clear" in ran.err
    ran = place.cli("sessions", "list", "--server", "nonsense")
    assert 2 == ran.code
    monkeypatch.setenv("HOLDFAST_TOKEN", "two words")
    ran = place.cli("sessions", "list", "--server", "http://127.0.0.1:1")
    assert 2 == ran.code
    assert "words" not in ran.err


def test_a_server_that_is_not_there_is_said_to_be_so(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while, in one line and with the code of what is unavailable."""
    monkeypatch.setenv("HOLDFAST_TOKEN", "hf_st_secret")
    monkeypatch.setattr(remote, "PATIENCE_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    ran = place.cli("sessions", "list", "--server", f"http://127.0.0.1:{port}")
    assert (8, 1) == (ran.code, len(ran.err.splitlines()))
    assert "server_unreachable" in ran.err


def test_a_wrong_token_has_its_exit_code(
    place: Place, there: Beside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the library's own errors have theirs."""
    monkeypatch.setenv("HOLDFAST_TOKEN", "hf_st_wrong")
    ran = place.cli("sessions", "list")
    assert (5, True) == (ran.code, "token_invalid" in ran.err)
    ran = place.cli("sessions", "list", "--json")
    assert "token_invalid" == json.loads(ran.err)["type"]
    assert InvalidInput.exit_code == place.cli("sessions", "show", "../x").code
