"""Running the command line in this process or in one of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from holdfast.cli.main import main

WAIT_S = 90.0


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> object:
        """The only line of its output."""
        return json.loads(self.out)

    def lines(self) -> list[dict[str, object]]:
        """Its output, an object a line."""
        return [json.loads(line) for line in self.out.splitlines()]


class Place:
    """A store, a key, a workspace and scripts of one test."""

    def __init__(self, root: Path, capture: pytest.CaptureFixture[str] | None = None) -> None:
        self.root = root
        self.store = root / "data" / "sessions.db"
        self.key = root / "config" / "installation.key"
        self.workspace = root / "workspace"
        self.workspace.mkdir()
        self._capture = capture

    def options(self) -> list[str]:
        """The global options that lead here."""
        return ["--store", str(self.store), "--installation-key", str(self.key)]

    def script(self, *turns: dict[str, object]) -> str:
        """Write a script; returns its path."""
        path = self.root / f"script-{len(list(self.root.glob('script-*')))}.json"
        path.write_text(json.dumps({"turns": list(turns)}), encoding="utf-8")
        return str(path)

    def cli(self, *args: str) -> Ran:
        """Run a command in this process."""
        assert self._capture is not None
        self._capture.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*self.options(), *args])
        found = self._capture.readouterr()
        code = ended.value.code
        assert isinstance(code, int)
        return Ran(code, found.out, found.err)

    def say(self, id: str, text: str = "done", *more: str) -> Ran:
        """Have a session answer once; it is made if it is not there."""
        script = self.script({"text": text})
        where = [] if self.store.exists() else ["-w", str(self.workspace)]
        return self.cli("run", "go", "-s", id, "--script", script, *where, *more)

    def start(self, *args: str) -> Running:
        """Start a command in a process of its own."""
        return Running([*self.options(), *args])


class Running:
    """A command that runs in its own process; its output is read while it runs."""

    def __init__(self, args: list[str]) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HOLDFAST_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "holdfast", *args],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=environment,
        )
        self._changed = threading.Condition()
        self.texts = {"out": "", "err": ""}
        streams = {"out": self.process.stdout, "err": self.process.stderr}
        self._readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in streams.items()
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: object) -> None:
        while piece := stream.read(1):
            with self._changed:
                self.texts[name] += piece
                self._changed.notify_all()

    def until(self, holds: Callable[[dict[str, str]], bool]) -> None:
        """Wait until its output is as wanted."""
        with self._changed:
            assert self._changed.wait_for(lambda: holds(self.texts), WAIT_S), self.texts

    def until_said(self, text: str, where: str = "out") -> None:
        """Wait until it has written a text."""
        self.until(lambda texts: text in texts[where])

    def ended(self) -> Ran:
        """Wait for its end."""
        code = self.process.wait(WAIT_S)
        for reader in self._readers:
            reader.join(WAIT_S)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return Ran(code, self.texts["out"], self.texts["err"])

    def kill(self) -> Ran:
        """Kill it as kill -9 does."""
        self.process.kill()
        return self.ended()
