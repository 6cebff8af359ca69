"""`make soak`: real kills at random times, two processes on one file, disks that fail.

QUICK=1 takes about two and a half minutes. SIM=N runs N seeds of the simulator instead, on
all cores. Every round has dice of its own, made from the seed and its number: the line that
reports a violation says how to run that round again. What time a kill comes is drawn, what
it meets depends on the machine: repeat the round a few times.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

# What the lives do and how they are checked is the crash tests' own.
sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "crash"))
sys.path.insert(0, str(Path(__file__).parents[2] / "tests" / "adapters" / "store"))

from command import command_line
from common import QUICK, machine_lines, pick, report, scratch
from faults import failing_files, full_disk, may_mount, read_only
from library import one_process, two_processes
from world import World, Zygote, stderr_to

from holdfast.testing.sim.runner import quiet

ROUNDS = {
    "one process": one_process,
    "two processes": two_processes,
    "command line": command_line,
    "disk full": full_disk,
    "read-only disk": read_only,
    "failing writes": failing_files,
}
MOUNTS = ("disk full", "read-only disk")
CYCLE = (
    *("one process", "two processes", "one process", "command line", "one process"),
    *("disk full", "two processes", "one process", "failing writes", "one process"),
    *("two processes", "read-only disk"),
)


class Soak:
    """Runs rounds until the time is over."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.directory = directory
        self.seed = seed
        self.rounds: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()
        self.failed: list[str] = []
        self.mounts = may_mount()
        with stderr_to(directory / "lives.log"):
            self.one, self.two = Zygote(), Zygote()

    def kind_of(self, number: int) -> str:
        """What a round does; without the right to mount, failing writes stand in."""
        kind = CYCLE[number % len(CYCLE)]
        return "failing writes" if kind in MOUNTS and not self.mounts else kind

    def round(self, number: int) -> None:
        """Run one round; a violation is kept and reported."""
        kind = self.kind_of(number)
        folder = self.directory / f"r{number}"
        folder.mkdir()
        chance = random.Random(f"{self.seed}:{number}")  # noqa: S311 - dice, not secrets
        world = World(self.one, self.two, chance, folder)
        try:
            ROUNDS[kind](world)
        except Exception:  # whatever a round raises is a finding
            self._failed(number, kind, world)
        else:
            shutil.rmtree(folder)
        self.rounds[kind] += 1
        self.kills[kind] += world.kills

    def _failed(self, number: int, kind: str, world: World) -> None:
        self.failed.append(f"{number} ({kind})")
        place = Path("soak-failures") / f"{self.seed}-{number}"
        place.parent.mkdir(exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(world.folder, place)
        shutil.copy(self.directory / "lives.log", place)
        print(f"VIOLATION in round {number} ({kind}); its files are in {place}")
        print(f"again: {sys.executable} bench/soak/soakrun.py --seed {self.seed} --round {number}")
        traceback.print_exc(file=sys.stdout)
        print("\n".join(world.facts), flush=True)
        for zygote in (self.one, self.two):
            zygote.close()
        with stderr_to(self.directory / "lives.log"):
            self.one, self.two = Zygote(), Zygote()

    def close(self) -> None:
        """End the warm processes."""
        self.one.close()
        self.two.close()


def keep_bytecode(directory: Path) -> None:
    """Let the processes of this run keep their bytecode, as installed programs do.

    Where the environment says PYTHONDONTWRITEBYTECODE, each of them compiles all modules
    anew, and the soak's time goes there instead of into kills.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    os.environ["PYTHONPYCACHEPREFIX"] = str(directory)


def soak(seed: int, minutes: float) -> int:
    """Run rounds for so long."""
    started = said = time.monotonic()
    with scratch() as directory:
        keep_bytecode(directory / "bytecode")
        running = Soak(directory, seed)
        number = 0
        while time.monotonic() - started < minutes * 60:
            running.round(number)
            number += 1
            if time.monotonic() - said > 60:
                said = time.monotonic()
                total = sum(running.kills.values())
                print(f"{said - started:.0f} s: {number} rounds, {total} kills", flush=True)
        running.close()
    for kind in ROUNDS:
        report(f"soak rounds: {kind}", running.rounds[kind], "rounds")
    kills = sum(running.kills.values())
    report("soak kills over the command line", running.kills["command line"], "kills")
    report("soak kills", kills, "kills", at_least=pick(1000, 60))
    failed = len(running.failed)
    note = "" if running.mounts else "no right to mount: failing writes in place of small disks"
    report("soak rounds with a violation", failed, "rounds", at_most=0, note=note)
    return 1 if failed else 0


def again(seed: int, number: int) -> int:
    """Run one round again."""
    with scratch() as directory:
        keep_bytecode(directory / "bytecode")
        running = Soak(directory, seed)
        running.round(number)
        running.close()
    print(f"round {number} ({running.kind_of(number)}): {'VIOLATION' if running.failed else 'ok'}")
    return 1 if running.failed else 0


def simulate(runs: int, seed: int) -> int:
    """Run the simulator on all cores; it prints a failing seed's history by itself."""
    jobs = os.cpu_count() or 1
    words = ["--runs", str(runs), "--seed", str(seed), "--jobs", str(jobs)]
    started = time.monotonic()
    code = subprocess.run(
        [sys.executable, "-m", "holdfast.testing.sim", *words], check=False
    ).returncode
    against = f"{runs} seeds from {seed}, {time.monotonic() - started:.0f} s, {jobs} processes"
    report("simulation, exit code (0: no violation)", code, "code", at_most=0, against=against)
    return code


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="of all dice; default: the time")
    parser.add_argument("--round", type=int, help="run only this round")
    parser.add_argument("--minutes", type=float, default=2.3 if QUICK else 30.0)
    given = parser.parse_args()
    quiet()
    print("\n".join(machine_lines(("holdfast", "apsw-sqlite3mc"))), flush=True)
    simulated = os.environ.get("SIM")
    if simulated:
        return simulate(int(simulated), given.seed or 0)
    seed = int(time.time()) if given.seed is None else given.seed
    if given.round is not None:
        return again(seed, given.round)
    print(f"soak: seed {seed}, {given.minutes:g} minutes", flush=True)
    return soak(seed, given.minutes)


if __name__ == "__main__":
    sys.exit(main())
