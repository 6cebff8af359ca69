"""The tools glob and grep."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from adapters.tools.toolhelp import Bench
from holdfast.adapters.tools import find
from holdfast.adapters.tools.find import GlobTool, GrepTool


def _tree(root: Path) -> None:
    for name, text in {
        "a.py": "import os\nprint('é')\n",
        "sub/b.py": "x = 1\n# Import\ny = 2\n",
        "sub/c.txt": "import nothing",
        ".git/config": "import",
        "node_modules/m/index.js": "import",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (root / "binary").write_bytes(b"import\0")


def test_glob_lists_sorted_paths(bench: Bench, walking: bool) -> None:
    """Matches come sorted with their number; known clutter is left out."""
    _tree(bench.workspace)
    outcome = bench.call(GlobTool(without_openat2=walking), {"pattern": "**/*.py"})
    assert "a.py\nsub/b.py\n(2 files)" == outcome.content
    below = bench.call(GlobTool(), {"pattern": "*.py", "path": "sub"})
    assert "sub/b.py\n(1 files)" == below.content
    assert "No files match the pattern." == bench.call(GlobTool(), {"pattern": "*.rs"}).content


def test_glob_finds_clutter_that_is_named(bench: Bench) -> None:
    """A skipped directory is searched when the pattern or path names it."""
    _tree(bench.workspace)
    assert (
        "node_modules/m/index.js" in bench.call(GlobTool(), {"pattern": "node_modules/**"}).content
    )
    assert ".git/config" in bench.call(GlobTool(), {"pattern": "*", "path": ".git"}).content


def test_glob_pages(bench: Bench) -> None:
    """A page ends with the offset of the next."""
    for number in range(5):
        (bench.workspace / f"f{number}").touch()
    outcome = bench.call(GlobTool(), {"pattern": "f*", "limit": 2, "offset": 2})
    assert "f2\nf3\n(3-4 of 5 files; continue with offset 4)" == outcome.content
    assert bench.call(GlobTool(), {"pattern": "f*", "offset": 9}).is_error


def test_grep_prints_path_line_and_text(bench: Bench, walking: bool) -> None:
    """Text files are searched in order; binary ones and clutter are not."""
    _tree(bench.workspace)
    outcome = bench.call(GrepTool(without_openat2=walking), {"pattern": "import"})
    assert "a.py:1:import os\nsub/c.txt:1:import nothing" == outcome.content
    assert {"matches": 2, "files": 2} == outcome.metadata


def test_grep_narrows(bench: Bench) -> None:
    """Case, file pattern, and a path that is a file."""
    _tree(bench.workspace)
    outcome = bench.call(
        GrepTool(), {"pattern": "IMPORT", "ignore_case": True, "glob": "*.py", "context": 1}
    )
    assert (
        "a.py:1:import os\na.py-2-print('é')\n--\nsub/b.py-1-x = 1\nsub/b.py:2:# Import\n"
        "sub/b.py-3-y = 2" == outcome.content
    )
    one = bench.call(GrepTool(), {"pattern": "é", "path": "a.py"})
    assert "a.py:2:print('é')" == one.content
    assert "No matches." == bench.call(GrepTool(), {"pattern": "zzz"}).content


def test_grep_refuses_what_it_cannot_use(bench: Bench) -> None:
    """A broken pattern and a missing path are errors of the call."""
    _tree(bench.workspace)
    assert "cannot be used" in bench.call(GrepTool(), {"pattern": "("}).content
    missing = bench.call(GrepTool(), {"pattern": "x", "path": "none"})
    assert "not_found" == missing.metadata["reason"]


def test_grep_stops_at_a_limit(bench: Bench) -> None:
    """More matches than the limit are not shown, and that is said."""
    (bench.workspace / "f").write_text("x\n" * 5_000)
    outcome = bench.call(GrepTool(), {"pattern": "x"})
    assert find.MATCHES_MAX == outcome.metadata["matches"]
    assert outcome.content.endswith("[stopped at 1000 matches]")


def test_grep_ends_a_pattern_that_runs_wild(bench: Bench) -> None:
    """A pattern that backtracks for ever is ended, and the loop stays alive meanwhile."""
    (bench.workspace / "f").write_text("a" * 5_000 + "!\n")
    ticks = 0

    async def search() -> str:
        nonlocal ticks
        tool, arguments = GrepTool(), {"pattern": "(a+)+$"}
        call = asyncio.ensure_future(tool.run(arguments, bench.context(timeout_s=0.8)))
        while not call.done():
            await asyncio.wait({call}, timeout=0.05)
            ticks += 1
        return call.result().content

    begun = time.perf_counter()
    assert "took longer than" in asyncio.run(search())
    assert 3 > time.perf_counter() - begun
    assert ticks >= 5


def test_grep_reads_many_files(bench: Bench) -> None:
    """Files beyond one batch are searched as well."""
    for number in range(450):
        (bench.workspace / f"f{number:03}").write_text(f"needle {number}\n")
    outcome = bench.call(GrepTool(), {"pattern": "needle (0|449)$"})
    assert "f000:1:needle 0\nf449:1:needle 449" == outcome.content


@pytest.mark.parametrize("tool", [GlobTool, GrepTool])
def test_too_many_files_are_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tool: type[GlobTool | GrepTool]
) -> None:
    """A tree over the limit is an error that says so, not half an answer."""
    _tree(bench.workspace)
    walk = find.Workspace.walk
    monkeypatch.setattr(find.Workspace, "walk", lambda *a, **k: walk(*a, **k, entries_max=3))
    assert "too_large" == bench.call(tool(), {"pattern": "x"}).metadata["reason"]
