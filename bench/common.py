"""What all measurements share: result lines, the machine's facts, statistics, scratch space.

A measurement is a script. Each figure it takes ends as one line

    RESULT {"name": …, "value": …, "unit": …, "bar": …, "ok": …, "against": …}

`bar` is "" where none is set and `ok` is then null; `ok` is null too where the
bar needs a figure that could not be taken, and `note` says which.

Environment
- QUICK=1: the same lines from shorter runs.
- BENCH_DIR: where scratch files go; it must be on the disk to be measured, not
  in memory. Default: `.bench-data` in the current directory.
- BENCH_FACTS: a JSON file in which scripts of one run find each other's figures.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

QUICK = os.environ.get("QUICK", "") not in ("", "0")


def pick(full: int, quick: int) -> int:
    """Choose a size: the full one, or the one of a quick run."""
    return quick if QUICK else full


def median(values: Sequence[float]) -> float:
    """The median."""
    return statistics.median(values)


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A directory on the disk to be measured; removed afterwards."""
    base = Path(os.environ.get("BENCH_DIR", ".bench-data"))
    base.mkdir(parents=True, exist_ok=True)
    path = Path(tempfile.mkdtemp(dir=base))
    try:
        yield path.resolve()
    finally:
        shutil.rmtree(path, ignore_errors=True)


# --- results ---------------------------------------------------------------------


def facts() -> dict[str, float]:
    """The figures taken so far in this run, by name."""
    path = os.environ.get("BENCH_FACTS")
    if not path or not Path(path).exists():
        return {}
    found: dict[str, float] = json.loads(Path(path).read_text())
    return found


def remember(name: str, value: float) -> None:
    """Keep a figure for the scripts that come later in this run."""
    path = os.environ.get("BENCH_FACTS")
    if path:
        known = facts()
        known[name] = value
        Path(path).write_text(json.dumps(known))


def result_line(
    name: str,
    value: float | None,
    unit: str,
    *,
    at_most: float | None = None,
    at_least: float | None = None,
    ok: bool | None = None,
    bar: str = "",
    against: str = "",
    note: str = "",
) -> str:
    """Make a RESULT line.

    Args:
        value: None where it could not be taken; `note` says why.
        at_most, at_least: the bar; or give `bar` and `ok` for one of another form.
        against: what a ratio was taken against, or what the bar comes from.
    """
    if at_most is not None:
        bar = bar or f"<= {at_most:g}"
        ok = None if value is None else value <= at_most
    elif at_least is not None:
        bar = bar or f">= {at_least:g}"
        ok = None if value is None else value >= at_least
    shown = None if value is None else float(f"{value:.6g}")
    row: dict[str, object] = {
        "name": name,
        "value": shown,
        "unit": unit,
        "bar": bar,
        "ok": ok,
        "against": against,
    }
    if note:
        row["note"] = note
    return "RESULT " + json.dumps(row, ensure_ascii=False)


def report(name: str, value: float | None, unit: str, **rest: object) -> None:
    """Print a RESULT line and keep the figure for later scripts; see `result_line`."""
    print(result_line(name, value, unit, **rest), flush=True)
    if value is not None:
        remember(name, value)


def parse_line(line: str) -> dict[str, object] | None:
    """Read a RESULT line back; None if it is another line."""
    if not line.startswith("RESULT "):
        return None
    found: dict[str, object] = json.loads(line.removeprefix("RESULT "))
    return found


# --- the machine -------------------------------------------------------------------


def cpu_name() -> str:
    """The processor's name as the system gives it."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def machine_lines(packages: Sequence[str]) -> list[str]:
    """What the run ran on: processor, memory, system, versions, load."""
    from importlib.metadata import PackageNotFoundError, version

    found = []
    for name in packages:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} (not installed)")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    return [
        f"machine: {os.cpu_count()} x {cpu_name()}, {memory:.0f} GiB",
        f"system: {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"packages: {', '.join(found)}",
        f"load average before the run: {load}",
    ]


def rss_mb() -> float:
    """Resident memory of this process in MB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def fdatasync_p50_ms(directory: Path, times: int) -> float:
    """The machine's own limit: append 4 KB to a file and sync it, p50 in ms."""
    block = os.urandom(4096)
    spent = []
    handle = os.open(directory / "sync", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    try:
        for _ in range(times):
            started = time.perf_counter()
            os.write(handle, block)
            os.fdatasync(handle)
            spent.append((time.perf_counter() - started) * 1000)
    finally:
        os.close(handle)
    return median(spent)


def timed_ms(work: Callable[[], object]) -> float:
    """How long a call takes, in ms."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1000
