"""`make bench-crash`: two scenarios over each peer's public API and over Holdfast.

Race: two processes send one message each to one session at the same time, with a model that
takes a moment. Crash: a tool writes its effect to a ledger and the process is killed with
SIGKILL right there; then a new process goes on, in the documented way and by sending the next
message. Every step is a process of its own; what is judged is what is on the disk, what the
model was shown and what the callers were told.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from common import machine_lines, report, scratch
from crashtable import Crash, Entries, Race, judge_crash, judge_race, table

HERE = Path(__file__).parent
CHARGE, NEXT = "charge 42", "what happened?"
MODEL_S = "0.3"
TIMEOUT_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One row of the tables.

    Args:
        ways: how one goes on after the crash: "resume" or "next message".
        effects: how often the effect is to happen.
    """

    name: str
    script: str
    ours: bool = False
    ways: tuple[str, ...] = ("next message",)
    races: bool = True
    effects: int = 1
    environment: dict[str, str] = field(default_factory=dict)


BOTH = ("resume", "next message")
SIDES = (
    Side(name="OpenAI Agents SDK", script="openai_agents.py"),
    Side(name="LangGraph", script="langgraph_peer.py", ways=BOTH),
    Side(name="Google ADK", script="google_adk.py"),
    Side(
        name="Google ADK, resumable",
        script="google_adk.py",
        ways=BOTH,
        environment={"RESUMABLE": "1"},
    ),
    Side(name="pydantic-ai", script="pydantic_ai_peer.py"),
    *(
        Side(
            name=f"Holdfast, {nature} tool",
            script="holdfast_peer.py",
            ours=True,
            ways=BOTH,
            races=nature == "once",
            effects=0 if nature == "read_only" else 1,
            environment={"NATURE": nature},
        )
        for nature in ("once", "idempotent", "read_only", "reconcilable")
    ),
)


class NotRun(Exception):
    """A side could not be run; the message says why."""


class Bench:
    """Runs the steps of one side in one directory."""

    def __init__(self, side: Side, directory: Path) -> None:
        self.side = side
        self.directory = directory
        directory.mkdir(parents=True)

    def start(self, do: str, text: str = "", **environment: str) -> subprocess.Popen[str]:
        """Begin a step."""
        venv = Path(os.environ.get("BENCH_VENV", ".bench-venv"))
        python = sys.executable if self.side.ours else str(venv / "bin" / "python")
        if not Path(python).exists():
            raise NotRun(f"{python} is missing; `make bench-crash` makes it")
        quiet = {"LANGSMITH_TRACING": "false", "OTEL_SDK_DISABLED": "true"}
        quiet["PYTHONWARNINGS"] = "ignore"  # the peers' own deprecations
        return subprocess.Popen(
            [python, str(HERE / "peers" / self.side.script), do, str(self.directory), text],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **quiet, **self.side.environment, **environment},
        )

    def end(self, child: subprocess.Popen[str], word: str) -> object:
        """Wait for a step and read its line."""
        try:
            out, errors = child.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()
            raise NotRun(f"a step was not done after {TIMEOUT_S} s") from None
        for line in out.splitlines():
            if line.startswith(f"{word} "):
                return json.loads(line.removeprefix(f"{word} "))
        last = (errors.strip() or out.strip() or "no output").splitlines()[-1]
        raise NotRun(f"exit {child.returncode}: {last[:200]}")

    def facts(self) -> str:
        """Versions and store."""
        found = self.end(self.start("facts"), "FACTS")
        assert isinstance(found, dict), "the protocol says so"
        return f"{found['versions']}; {found['store']}"

    def setup(self) -> None:
        """Make the session."""
        child = self.start("setup")
        _, errors = child.communicate(timeout=TIMEOUT_S)
        if child.returncode:
            raise NotRun((errors.strip() or "no output").splitlines()[-1][:200])

    def outcome(self, child: subprocess.Popen[str]) -> str:
        """The error a caller was told, or ""."""
        found = self.end(child, "OUTCOME")
        assert isinstance(found, dict), "the protocol says so"
        return str(found["error"])

    def history(self) -> Entries:
        """What is stored, read by a fresh process."""
        found = self.end(self.start("read"), "HISTORY")
        assert isinstance(found, list), "the protocol says so"
        return [(role, text) for role, text in found]

    def lines(self, name: str) -> list[str]:
        """The lines of a file of the run."""
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []

    def requests(self) -> list[Entries]:
        """What the model was shown."""
        found = [json.loads(line) for line in self.lines("requests.jsonl")]
        return [[(role, text) for role, text in request] for request in found]


def race(bench: Bench) -> Race:
    """Two senders at once."""
    bench.setup()
    senders = [bench.start("send", name, BARRIER=name, MODEL_S=MODEL_S) for name in ("A", "B")]
    deadline = time.monotonic() + TIMEOUT_S
    while not all((bench.directory / f"ready-{name}").exists() for name in ("A", "B")):
        if time.monotonic() > deadline or any(one.poll() is not None for one in senders):
            for one in senders:
                one.kill()
            raise NotRun("; ".join(str(bench.end(one, "OUTCOME")) for one in senders))
        time.sleep(0.01)
    (bench.directory / "go").touch()
    errors = [bench.outcome(one) for one in senders]
    return judge_race(bench.history(), bench.requests(), errors)


def crash(bench: Bench, way: str) -> Crash:
    """Killed right after the effect; then go on."""
    bench.setup()
    child = bench.start("send", CHARGE, CRASH="1")
    _, errors = child.communicate(timeout=TIMEOUT_S)
    if child.returncode != -signal.SIGKILL:
        raise NotRun(f"it was not killed: {errors.strip()[-200:]}")
    before = len(bench.requests())
    going_on = bench.start("resume") if way == "resume" else bench.start("send", NEXT)
    error = bench.outcome(going_on)
    return judge_crash(
        bench.history(),
        bench.requests()[before:],
        effects=len(bench.lines("ledger")),
        wanted=bench.side.effects,
        error=error,
        asked=bool(bench.lines("asked.log")),
    )


def take(side: Side, directory: Path) -> tuple[list[tuple[str, str, str]], str]:
    """Run everything of one side; its table rows and its versions."""
    jobs: list[tuple[str, Callable[[Bench], Race | Crash]]] = []
    if side.races:
        jobs.append(("race", race))
    jobs += [(f"crash, {way}", lambda bench, way=way: crash(bench, way)) for way in side.ways]
    rows, facts = [], ""
    for number, (what, job) in enumerate(jobs):
        name = f"{what}: {side.name}"
        try:
            bench = Bench(side, directory / str(number))
            facts = facts or bench.facts()
            found = job(bench)
        except NotRun as why:
            rows.append((side.name, what, f"NOT RUN: {why}"))
            bar, ok = ("nothing wrong", False) if side.ours else ("", None)
            report(name, None, "faults", bar=bar, ok=ok, note=str(why))
            continue
        rows.append((side.name, what, found.words()))
        if side.ours:
            report(name, found.faults, "faults", at_most=0, against=facts)
        else:
            report(name, found.faults, "faults", against=facts, note=found.words())
    return rows, facts


def main() -> int:
    """Run all sides, or those whose names contain an argument."""
    print("\n".join(machine_lines(("holdfast", "apsw-sqlite3mc"))), flush=True)
    rows, versions = [], []
    wanted = sys.argv[1:]
    with scratch() as directory:
        for number, side in enumerate(SIDES):
            if wanted and not any(word.casefold() in side.name.casefold() for word in wanted):
                continue
            found, facts = take(side, directory / str(number))
            rows += found
            versions.append(f"{side.name}: {facts or 'not run'}")
    print()
    print("\n".join(versions))
    for title, start in (("Two writers, one session", "race"), ("SIGKILL in a tool", "crash")):
        print(f"\n{title}\n{table([row for row in rows if row[1].startswith(start)])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
