"""Rounds over the command line: `holdfast run`, killed, then `--resume` until it is done."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from crashhelp import leftovers
from world import LIFE_S, World, later

WAITING = 10
ATTEMPTS_MAX = 10


class Terminal:
    """One store, used from the command line."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.shown: set[tuple[int, str]] = set()
        self.started: set[str] = set()
        self.answered: set[str] = set()
        self.job = ""
        for name in ("store", "work"):
            (world.folder / name).mkdir()
        self.ledger = world.folder / "work" / "ledger"

    def run(self, *words: str, kill: bool = False) -> tuple[int, list[Any]]:
        """Run one command, maybe killed; its exit code and what it printed."""
        folder = self.world.folder
        errors = folder / "errors.log"
        with errors.open("w") as file:
            child = subprocess.Popen(
                [
                    *(sys.executable, "-m", "holdfast", "--json"),
                    *("--store", str(folder / "store" / "s.db")),
                    *("--installation-key", str(folder / "installation.key"), *words),
                ],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
            )
        started = time.monotonic()
        with later(LIFE_S, child.kill):
            out = self._killed(child) if kill else list(child.stdout or ())
            code = child.wait()
        self.world.kills += code == -signal.SIGKILL
        self.world.facts.append(f"{words[:2]} -> {code}: {errors.read_text().strip()[-300:]}")
        assert time.monotonic() - started < LIFE_S, f"{words} hangs"
        return code, _objects(out)

    def _killed(self, child: subprocess.Popen[str]) -> list[str]:
        """Read a command's output; kill it while it starts, or soon after its first line."""
        assert child.stdout is not None, "its output is a pipe"
        chance, out = self.world.chance, []
        if chance.random() < 0.2:
            with later(chance.uniform(0.1, 1.5), child.kill):
                return list(child.stdout)
        out.append(child.stdout.readline())
        with later(chance.uniform(0.0, 0.25), child.kill):
            return [*out, *child.stdout]

    def talk(self, *words: str, script: Path, kill: bool = False) -> int:
        """`run`, noting what was shown."""
        work = str(self.world.folder / "work")
        told = ["--script", str(script), "--session", "one", "--unsandboxed"]
        told += ["--workspace", work, "--unsafe-auto-approve"]
        code, events = self.run("run", *words, *told, kill=kill)
        for event in events:
            kind = event["type"]
            if kind == "result":
                self.answered.add(event["text"])
            elif not kind.endswith("_delta"):
                self.shown.add((event["version"], kind))
            if kind == "agent_start":
                self.started.add(event["prompt"])
        return code

    def answer(self) -> None:
        """Answer what is asked by what really happened."""
        _, found = self.run("sessions", "show", "one")
        lines = self.lines()
        for question in found[0]["questions"]:
            decision = "happened" if self.job in lines else "run_again"
            self.run("sessions", "answer", "one", str(question["id"]), decision, "--now")

    def lines(self) -> list[str]:
        """What really happened."""
        return self.ledger.read_text().splitlines() if self.ledger.exists() else []


def _objects(out: list[str]) -> list[Any]:
    """The JSON lines of an output whose last line may be cut off."""
    found = []
    for line in out:
        try:
            found.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return found


def command_line(world: World) -> None:
    """Two tasks in one session; each is killed once, and once more while it is resumed."""
    terminal = Terminal(world)
    after = world.folder / "after.json"
    after.write_text(_script([{"text": "resumed"}] * 4))
    for number in range(2):
        terminal.job = f"job {number}"
        _task(terminal, number, after)
    _check(terminal)


def _task(terminal: Terminal, number: int, after: Path) -> None:
    world = terminal.world
    shell = f"echo '{terminal.job}' >> ledger; sleep 0.05"
    call = {"name": "bash", "arguments": {"command": shell}, "id": f"c{number}"}
    turns = [
        {"text": "Working.", "tool_calls": [call], "delay_s": 0.05},
        {"text": f"done {number}"},
    ]
    script = world.folder / f"task{number}.json"
    script.write_text(_script(turns))
    code = terminal.talk(terminal.job, script=script, kill=True)
    for attempt in range(ATTEMPTS_MAX):
        if code == 0:
            return
        if code == WAITING:
            terminal.answer()
        code = terminal.talk("--resume", script=after, kill=attempt == 0)
    raise AssertionError(f"not finished after {ATTEMPTS_MAX} attempts: exit {code}")


def _script(turns: list[dict[str, Any]]) -> str:
    return json.dumps({"format": "holdfast.script/1", "turns": turns})


def _check(terminal: Terminal) -> None:
    """Nothing shown is gone, nothing was done twice, the log verifies."""
    world = terminal.world
    code, found = terminal.run("audit", "verify")
    assert (code, found[0]["ok"]) == (0, True), found
    assert world.live(world.order(jobs=0)) == 0
    report = json.loads((world.folder / "report.json").read_text())
    assert report["count"] == report["version"]
    gone = terminal.shown - {(version, kind) for version, kind in report["events"]}
    assert not gone, f"shown events are gone: {sorted(gone)}"
    texts, lines = report["texts"], terminal.lines()
    for number in range(2):
        job = f"job {number}"
        assert texts.count(job) <= 1, texts
        assert job not in terminal.started or texts.count(job) == 1, (job, texts)
        assert lines.count(job) <= 1, lines
    # `answer --now` leads only while it runs: a call it began may end as "may have had effects".
    done = [content for _, content in report["results"] if not content.startswith("[not run")]
    unsure = sum(1 for content in done if "may have had effects" in content)
    assert len(done) - unsure <= len(lines) <= len(done), (report["results"], lines)
    assert terminal.answered - {""} <= set(texts), (terminal.answered, texts)
    assert report["calls"] == len(report["results"])
    assert not texts or not report["invalid"], report["invalid"]
    assert (report["open"], report["state"]) == (0, "Active")
    assert not leftovers(world.folder)
