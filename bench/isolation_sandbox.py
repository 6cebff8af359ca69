"""The sandbox: its fences tried with real commands, as two users, and what it costs a command.

`main()` prints the RESULT lines; `tests` and `tests/attack` are to be on the path.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path[:0] = [str(place) for place in (TESTS, TESTS / "attack") if str(place) not in sys.path]

from common import median, pick, report  # noqa: E402 - the tests' folder comes first
from sandboxhelp import CHECKS, Outcome, as_ordinary_user, ordinary_user, taken  # noqa: E402 - as above

from holdfast.adapters.sandbox.command import command_line  # noqa: E402 - as above
from holdfast.adapters.sandbox.status import SandboxKind, detect  # noqa: E402 - as above

OVERHEAD_BAR_MS = 10
WHO = ("the user of this run", "an ordinary user")


def checks(folder: Path) -> None:
    """The table of fences, and how many of them hold for each user."""
    own = taken(folder / "own")
    refused = ordinary_user()
    other: list[Outcome] | None = None
    if not isinstance(refused, str):
        found = as_ordinary_user(folder / "other")
        assert isinstance(found, list)
        other = [Outcome(name=name, held=held, said=said) for name, held, said in found]
    for number, one in enumerate(own):
        both = [one.held, other[number].held if other is not None else None]
        words = ["" if held is None else "held" if held else "OPEN" for held in both]
        print(f"  {words[0]:5} {words[1]:5} {one.name}")
    for who, outcomes in zip(WHO, (own, other), strict=True):
        name = f"sandbox checks that hold, {who}"
        if outcomes is None:
            report(name, None, "%", at_least=100, note=str(refused))
            continue
        share = 100 * sum(one.held for one in outcomes) / len(CHECKS)
        report(name, share, "%", at_least=100, against=f"{len(CHECKS)}, uid {os.geteuid()} here")


def started_ms(argv: Sequence[str], env: Mapping[str, str]) -> float:
    """How long a program takes from its start until it was waited for."""
    began = time.perf_counter()
    pid = os.posix_spawnp(argv[0], argv, env)
    os.waitpid(pid, 0)
    return (time.perf_counter() - began) * 1000


def overhead(folder: Path) -> None:
    """Our sandbox, the least that bubblewrap can do, and no sandbox, by turns."""
    status = detect(SandboxKind.BUBBLEWRAP)
    line = command_line(("true",), str(folder), status, effect_id="e")
    cases = {
        "bare": ("true",),
        "least": (status.program, "--ro-bind", "/", "/", "true"),
        "ours": line.argv,
    }
    spent: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(pick(300, 40)):
        for name, argv in cases.items():
            spent[name].append(started_ms(argv, line.env))
    bare, least, ours = (median(spent[name]) for name in cases)
    report(
        "sandbox overhead of a command by itself, p50", ours - bare, "ms",
        at_most=OVERHEAD_BAR_MS, against=f"{bare:.1f} ms bare fork and exec",
    )  # fmt: skip
    report("sandbox to the least of bubblewrap", ours / least, "x", against=f"{least:.1f} ms")
    report("sandbox to a bare fork and exec", ours / bare, "x", against=f"{bare:.1f} ms")


def main() -> int:
    """Take all figures."""
    status = detect(SandboxKind.BUBBLEWRAP)
    if status.kind is not SandboxKind.BUBBLEWRAP:
        for who in WHO:
            name = f"sandbox checks that hold, {who}"
            report(name, None, "%", at_least=100, note="no bubblewrap here")
        return 0
    # Not in the benches' own folder: another user has to get to it.
    folder = Path(os.path.realpath(tempfile.mkdtemp(prefix="holdfast-checks-")))
    try:
        folder.chmod(0o711)
        for name in ("own", "other", "work"):
            (folder / name).mkdir()
        checks(folder)
        overhead(folder / "work")
    finally:
        shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
