"""`holdfast run`."""

from __future__ import annotations

import asyncio
import io
import json
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from clihelp import Place

from holdfast.cli.printer import TextPrinter
from holdfast.cli.talk import Wanted, _chosen_model, ask_person, describe, read_prompt
from holdfast.core.errors import InvalidInput
from holdfast.core.labels import Sensitivity
from holdfast.core.security import Zone
from holdfast.runtime.approvals import Approval
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import call, say

QUESTION = Approval(
    id="one:7", session_id="one", question=7, about="in_doubt", tool="bash", text="",
    choices=("happened", "run_again", "skip"), asked_ms=0,
)  # fmt: skip


def test_a_run_makes_a_session_and_answers(place: Place) -> None:
    """The answer is on stdout, everything else on stderr."""
    ran = place.say("one", "hello")
    assert (0, "hello\n", "new session one\n") == (ran.code, ran.out, ran.err)


def test_json_has_every_event_and_a_result(place: Place) -> None:
    """One object per line; the last one is the result."""
    script = place.script({"text": ["a", "b"]})
    ran = place.cli("run", "go", "--script", script, "-w", str(place.workspace), "--json")
    lines = ran.lines()
    kinds = ["agent_start", "turn_start", "text_delta", "text_delta", "turn_end", "agent_end"]
    assert [*kinds, "result"] == [line["type"] for line in lines]
    assert ("ab", 0) == (lines[-1]["text"], lines[-1]["exit_code"])


def test_unsafe_is_said_aloud_and_works(place: Place) -> None:
    """With the flag a file is written; without it a person is asked."""
    write = {"name": "write", "arguments": {"file_path": "f", "content": "x"}}
    script = place.script({"tool_calls": [write]}, {"text": "ok"})
    args = ("run", "go", "--script", script, "-w", str(place.workspace))
    refused = place.cli(*args)
    assert (10, False, True) == (
        refused.code, (place.workspace / "f").exists(), "approvals approve" in refused.err
    )  # fmt: skip
    allowed = place.cli(*args, "--unsafe-auto-approve")
    assert ("x", True) == ((place.workspace / "f").read_text(), "UNSAFE" in allowed.err)


def test_no_model_makes_no_session(place: Place) -> None:
    """It is said before anything is made."""
    ran = place.cli("run", "go", "-w", str(place.workspace))
    assert (8, True) == (ran.code, "HOLDFAST_MODEL" in ran.err)
    assert [] == place.cli("sessions", "list", "--json").json()


def test_a_failed_model_has_its_code(place: Place) -> None:
    """A provider's failure is said once and ends with 9."""
    script = place.script({"error": {"message": "bad key"}})
    ran = place.cli("run", "go", "--script", script, "-w", str(place.workspace))
    assert (9, True) == (ran.code, "failed: bad key" in ran.err)


@pytest.mark.parametrize(
    "options",
    [
        ("--key", "env:X"),
        ("--model", "openai:x", "--key", "sk-secret"),
        ("--model", "nonsense"),
        ("--workspace", "/does/not/exist"),
        ("--system", "@/does/not/exist"),
        ("--script", "/does/not/exist"),
    ],
)
def test_wrong_options_are_refused(place: Place, options: tuple[str, ...]) -> None:
    """Each is one line and code 2, and a literal key is never repeated."""
    script = () if {"--model", "--key", "--script"} & set(options) else ("--script", place.script())
    ran = place.cli("run", "go", *options, *script)
    assert (2, 1, False) == (ran.code, ran.err.count("\n"), "sk-secret" in ran.err)


def test_what_is_settled_stays(place: Place) -> None:
    """A session's workspace, limits and approval are not changed by a later run."""
    place.say("one")
    for option in (("--unsafe-auto-approve",), ("--max-rounds", "3"), ("-w", str(place.root))):
        ran = place.say("one", "x", *option)
        assert (2, True) == (ran.code, "settled when a session is made" in ran.err)
    assert 0 == place.say("one", "x", "--max-rounds", "50", "-w", str(place.workspace)).code


def test_the_system_prompt_comes_from_a_file(place: Place) -> None:
    """A new session takes it, an existing one changes to it."""
    (place.root / "system.txt").write_text("be brief")
    place.say("one", "x", "--system", f"@{place.root / 'system.txt'}")
    place.say("one", "x", "--system", "be long")
    events = place.cli("sessions", "show", "one", "--events", "--json").json()
    kinds = [event["type"] for event in events["events"]]
    assert 1 == kinds.count("session_configured")


def test_the_prompt_can_be_piped(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads standard input; an empty prompt is refused."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("grüße\n".encode())))
    assert ("grüße\n", "x") == (read_prompt("-"), read_prompt("x"))
    with pytest.raises(InvalidInput):
        read_prompt("  ")


def answers(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    """Have a person type these lines, then the end of input."""
    waiting = list(lines)

    def read(_: str = "") -> str:
        if not waiting:
            raise EOFError
        return waiting.pop(0)

    monkeypatch.setattr("builtins.input", read)


def test_a_person_answers_by_number_or_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is none of the choices is asked again; a note may follow."""
    printer = TextPrinter(colour=False)
    answers(monkeypatch, "what?", "9", "2", "skip it was me")
    assert ("run_again", "") == ask_person(printer, QUESTION)
    assert ("skip", "it was me") == ask_person(printer, QUESTION)
    assert ask_person(printer, QUESTION) is None
    assert "has not been repeated" in describe(QUESTION)
    told = replace(QUESTION, about="consent", tool="gpt", text="may it be told?")
    assert "may it be told?\n  (the model is gpt)" == describe(told)


def test_yes_and_no_are_understood_and_quit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """What people type first; where the choices have no such word they are shown again."""
    printer = TextPrinter(colour=False)
    call = replace(QUESTION, about="approval", choices=("once", "session", "deny"))
    answers(monkeypatch, "y", "no it is late", "/quit", "yes", "/exit")
    assert ("once", "") == ask_person(printer, call)
    assert ("deny", "it is late") == ask_person(printer, call)
    assert ask_person(printer, call) is None
    assert ask_person(printer, QUESTION) is None


def serve(script: list[object], work: Callable[[str], None]) -> list[str]:
    """Serve a provider's protocol while something is done; returns its complaints."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = ProviderServer(script)
    try:
        asyncio.run_coroutine_threadsafe(server.__aenter__(), loop).result(10)
        work(server.base_url)
    finally:
        asyncio.run_coroutine_threadsafe(server.__aexit__(None, None, None), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
    return server.problems


def test_where_a_model_runs_can_be_said(place: Place) -> None:
    """`--zone` and `--sees` go with a model; what is no zone or level is refused."""
    for args, text in [
        (["--zone", "local"], "go with --model"),
        (["--sees", "normal"], "go with --model"),
        (["--model", "openai:x", "--zone", "moon"], "public, private, local, tee"),
        (["--model", "openai:x", "--sees", "moon"], "no level of sensitivity"),
    ]:
        ran = place.cli("run", "hello", "-s", "two", *args)
        assert (2, True) == (ran.code, text in ran.err)
    nothing: dict[str, None] = dict.fromkeys(Wanted.__dataclass_fields__)
    chosen = _chosen_model(
        replace(Wanted(**nothing), model="openai:x", zone="private", sees="HighlySensitive")
    )
    assert chosen is not None
    assert (Zone.PRIVATE, Sensitivity.HIGHLY_SENSITIVE) == (chosen.zone, chosen.sees)


def test_prices_are_given_with_the_model(place: Place) -> None:
    """`--input-usd` and `--output-usd` are kept; alone or wrong they are refused."""
    pytest.importorskip("pydantic_ai")
    free = ("--input-usd", "0", "--output-usd", "0")

    def work(base_url: str) -> None:
        model = ("-m", "local:m", "--base-url", base_url, "-w", str(place.workspace))
        ran = place.cli("run", "hello", "-s", "one", *model, *free)
        assert 0 == ran.code and "fine" in ran.out
        ran = place.cli("run", "hello", "-s", "two", *model, "--input-usd", "NaN")
        assert 2 == ran.code and "input_usd: a price is a decimal text" in ran.err
        ran = place.cli("run", "hello", "-s", "two", *free)
        assert 2 == ran.code and "go with --model" in ran.err

    assert [] == serve([say("fine")], work)
    text = place.cli("sessions", "export", "one", "--format", "session_data").out
    assert ("0", "0") == tuple(
        json.loads(text)["llm_config"][name] for name in ("input_usd", "output_usd")
    )


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_real_work_over_a_providers_protocol(place: Place, provider: str) -> None:
    """A program is mended over HTTP, by its own process, with the key in the environment."""
    pytest.importorskip("pydantic_ai")
    (place.workspace / "add.py").write_text("def add(a, b):\n    return a - b\n")
    edit = {"file_path": "add.py", "old_string": "a - b", "new_string": "a + b"}
    test = "from add import add; assert add(2, 2) == 4; print('fine')"
    script = [
        call("read", {"file_path": "add.py"}, text="Let me look."),
        call("edit", edit),
        call("bash", {"command": f'python3 -c "{test}"'}),
        say("mended"),
    ]

    def work(base_url: str) -> None:
        running = place.start(
            "run", "mend add.py", "-s", "one", "-w", str(place.workspace),
            "--model", f"{provider}:m", "--base-url", base_url, "--key", f"file:{key}",
            "--unsafe-auto-approve", "--unsandboxed", "--json",
        )  # fmt: skip
        ran = running.ended()
        assert 0 == ran.code, ran.err
        ends = [line for line in ran.lines() if line["type"] == "tool_end"]
        assert [0, 0, 0] == [end["exit_code"] for end in ends]
        assert "fine" in str(ends[-1]["output"])
        assert "mended" == ran.lines()[-1]["text"]

    key = Path(place.root / "key.txt")
    key.write_text("test-key")
    key.chmod(0o600)
    assert [] == serve(list(script), work)
    assert "a + b" in (place.workspace / "add.py").read_text()
    shown = place.cli("sessions", "show", "one", "--json").json()
    assert "m" == shown["model"]
    assert "test-key" not in json.dumps(shown)
