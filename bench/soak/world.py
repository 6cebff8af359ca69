"""What all rounds share: the warm processes that fork lives, and small helpers.

The lives, the person who answers and the invariants are those of the crash tests.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crashhelp import Zygote, check

KILLED = 137
LIFE_S = 60.0
KILLS_MAX = 4  # a model call is repeated four times, then given up


@dataclass
class World:
    """What a round is given.

    Args:
        one, two: warm processes.
        chance: the round's own dice.
        folder: the round's own directory.
    """

    one: Zygote
    two: Zygote
    chance: random.Random
    folder: Path
    kills: int = 0
    facts: list[str] = field(default_factory=list)

    def order(self, **rest: Any) -> dict[str, Any]:
        """An order for a life in this folder."""
        return {"folder": str(self.folder), **rest}

    def live(self, order: dict[str, Any], kill_after_s: float | None = None) -> int:
        """Let a life run, maybe killed; counts the kill."""
        status = self.one.live(order, kill_after_s=kill_after_s)
        self.kills += status == KILLED
        return status

    def finish(self, jobs: int, *, bash: bool = False) -> None:
        """Let the work be finished, and check everything."""
        order = self.order(jobs=jobs, bash=bash)
        status = self.one.live(order)
        assert status == 0, f"the last life ended with {status}"
        check(self.folder, jobs, bash=bash)


@contextmanager
def later(seconds: float, do: Callable[[], object]) -> Iterator[None]:
    """Do something after some time, unless the block is over before."""
    timer = threading.Timer(seconds, do)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


@contextmanager
def stderr_to(path: Path) -> Iterator[None]:
    """Send this process's stderr to a file: lives that are meant to fail say so there."""
    kept = os.dup(2)
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(file, 2)
    os.close(file)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
