"""Every check of `tidy` holds here, and fails where a violation is planted."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import tidy
import tidy_package
from tidy_tree import Tree

ROOT = Path(__file__).resolve().parent.parent
Check = Callable[[Tree], list[str]]


@cache
def repository() -> Tree:
    """Return the tree of this repository, read once."""
    return Tree(ROOT)


@pytest.mark.parametrize(
    "check", [*tidy.CHECKS, *tidy_package.CHECKS], ids=lambda check: check.__name__
)
def test_repository_is_tidy(check: Check) -> None:
    """The check finds nothing in this repository."""
    assert [] == check(repository())


@pytest.mark.slow
def test_repository_imports_quickly() -> None:
    """`import holdfast` stays within its budget above a bare interpreter."""
    assert [] == tidy_package.check_quick_import(repository())


def plant(root: Path, files: dict[str, str]) -> Tree:
    """Write files below `root` and return the tree; `src` paths are the package's."""
    for rel, text in {"src/holdfast/__init__.py": "", **files}.items():
        path = root / rel
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Tree(root)


def body(lines: int) -> str:
    """Return a function of that many lines."""
    return "def f():\n" + "    x = 1\n" * (lines - 1)


DOC = '"""A module."""\n'
TEN_IFS = "def f(x):\n" + "    if x:\n        x = 1\n" * 10
CASES = "def f(x):\n    match x:\n" + "        case 1:\n            pass\n" * 11
# Put together here, so that this file is tidy itself.
OTHER_SQLITE = "import " + "sqlite3\n"
NO_QA = "# no" + "qa"
IGNORE = "# type: " + "ignore"
PRAGMA = "# prag" + "ma: "
MACHINE = "/" + "root/data\n"
HOME = "/" + "home/alice/data\n"
REGISTRY = "files.python" + "hosted.org\n"
NOTES = "see rul" + "ings.md\n"

PLANTED: list[tuple[str, Check, dict[str, str], str]] = [
    ("core imports runtime", tidy.check_layers,
     {"src/holdfast/core/a.py": "from holdfast.runtime import b\n",
      "src/holdfast/runtime/b.py": ""},
     "core imports holdfast.runtime.b"),
    ("core imports a third party", tidy.check_layers,
     {"src/holdfast/core/a.py": "import pydantic\n"}, "core imports pydantic"),
    ("for its annotations only", tidy.check_layers,
     {"src/holdfast/core/a.py": "from typing import TYPE_CHECKING\n"
      "if TYPE_CHECKING:\n    import holdfast.ports.b\n", "src/holdfast/ports/b.py": ""},
     "core imports holdfast.ports.b"),
    ("ports import adapters", tidy.check_layers,
     {"src/holdfast/ports/a.py": "from holdfast.adapters import b\n"},
     "ports imports holdfast.adapters"),
    ("runtime imports an adapter relatively", tidy.check_layers,
     {"src/holdfast/runtime/a.py": "from ..adapters.store import b\n"},
     "runtime imports holdfast.adapters.store"),
    ("runtime imports another third party", tidy.check_layers,
     {"src/holdfast/runtime/a.py": "import apsw\n"}, "runtime imports apsw"),
    ("an adapter imports runtime late", tidy.check_layers,
     {"src/holdfast/adapters/a.py": "def f():\n    from holdfast.runtime import b\n"},
     "adapters imports holdfast.runtime"),
    ("testing imports the command line", tidy.check_layers,
     {"src/holdfast/testing/a.py": "import holdfast.cli\n"}, "testing imports holdfast.cli"),
    ("server names an adapter in a string", tidy.check_layers,
     {"src/holdfast/server/a.py": 'load("holdfast.adapters.store")\n'},
     "only bootstrap names an adapter"),
    ("an unknown folder", tidy.check_layers, {"src/holdfast/utils/a.py": ""}, "is no layer"),
    ("two modules import each other", tidy.check_cycles,
     {"src/holdfast/core/a.py": "from holdfast.core import b\n",
      "src/holdfast/core/b.py": "from holdfast.core.a import x\n"},
     "import cycle: holdfast.core.a → holdfast.core.b → holdfast.core.a"),
    ("a cycle hidden in a function and in annotations", tidy.check_cycles,
     {"src/holdfast/core/a.py": "def f():\n    import holdfast.core.b\n",
      "src/holdfast/core/b.py": "from typing import TYPE_CHECKING\n"
      "if TYPE_CHECKING:\n    from . import a\n"},
     "import cycle (of annotations or late imports)"),
    ("core reads a clock", tidy.check_pure,
     {"src/holdfast/core/a.py": "import time\n"}, "core imports time"),
    ("core asks for the date", tidy.check_pure,
     {"src/holdfast/core/a.py": "now = datetime.now()\n"}, "core calls datetime.now"),
    ("core is async", tidy.check_pure,
     {"src/holdfast/core/a.py": "async def f():\n    pass\n"}, "core is async"),
    ("runtime sleeps", tidy.check_pure,
     {"src/holdfast/runtime/a.py": "async def f():\n    await asyncio.sleep(1)\n"},
     "runtime calls asyncio.sleep"),
    ("runtime has threads", tidy.check_pure,
     {"src/holdfast/runtime/a.py": "from threading import Thread\n"}, "runtime imports threading"),
    ("a second SQLite", tidy.check_one_sqlite, {"tests/a.py": OTHER_SQLITE}, "imports sqlite3"),
    ("a second SQLite in a document", tidy.check_one_sqlite,
     {"docs/a.md": "```\n" + OTHER_SQLITE + "```\n"}, "docs/a.md:2: imports sqlite3"),
    ("a second SQLite by name", tidy.check_one_sqlite,
     {"bench/a.py": 'importlib.import_module("sqlite3")\n'}, "by name"),
    ("an unexplained late import", tidy.check_late_imports,
     {"src/holdfast/cli/a.py": "def f():\n    import json\n"}, "json is imported in a function"),
    (
        "a late import whose block explains nothing",
        tidy.check_late_imports,
        {"src/holdfast/cli/a.py": "def f():\n    # lazy: far away\n    x = 1\n    import json\n"},
        "json is imported in a function",
    ),
    ("a function of 71 lines", tidy.check_functions,
     {"src/holdfast/core/a.py": body(71)}, "f has 71 lines"),
    ("eleven branches", tidy.check_functions,
     {"src/holdfast/core/a.py": TEN_IFS + "    for y in x:\n        pass\n"}, "f has 11 branches"),
    ("eleven cases", tidy.check_functions, {"src/holdfast/core/a.py": CASES}, "f has 11 branches"),
    ("six positional parameters", tidy.check_functions,
     {"src/holdfast/core/a.py": "def f(a, b, c, d, e, g):\n    pass\n"},
     "f has 6 positional parameters"),
    ("two long functions of three", tidy.check_functions,
     {"src/holdfast/core/a.py": body(41) + body(41) + body(2)}, "2 of 3 functions are long"),
    ("a core module of 401 lines", tidy.check_modules,
     {"src/holdfast/core/a.py": "x = 1\n" * 401}, "401 lines, at most 400"),
    ("a test module of 601 lines", tidy.check_modules,
     {"tests/a.py": "x = 1\n" * 601}, "601 lines, at most 600"),
    ("a module that outgrew its allowance", tidy.check_modules,
     {"src/holdfast/core/a.py": "x = 1\n" * 411,
      "tests/tidy_allow.toml": '[long_modules]\n"src/holdfast/core/a.py" = '
      '{ lines = 410, why = "one table, read at once" }\n'},
     "411 lines, allowed 410"),
    ("an allowance nothing needs", tidy.check_modules,
     {"tests/tidy_allow.toml":
      '[long_modules]\n"src/a.py" = { lines = 9, why = "was long once" }\n'},
     "src/a.py is not needed any more"),
    ("an allowance without a reason", tidy.check_modules,
     {"src/holdfast/core/a.py": "x = 1\n" * 401,
      "tests/tidy_allow.toml": '[long_modules]\n"src/holdfast/core/a.py" = { lines = 401 }\n'},
     "has no reason"),
    ("a module without docstring", tidy.check_docstrings,
     {"src/holdfast/core/a.py": "x = 1\n"}, "module without docstring"),
    ("a method without docstring", tidy.check_docstrings,
     {"src/holdfast/core/a.py": f'{DOC}class A:\n    """A."""\n    def f(self): ...\n'},
     "A.f without docstring"),
    ("Any in core", tidy.check_any,
     {"src/holdfast/core/a.py": "from typing import Any\nx: Any = 1\n"}, "Any in core"),
    ("Any too often", tidy.check_any,
     {"src/holdfast/cli/a.py": "import typing\nx: typing.Any = 1\ny: typing.Any = 2\n"},
     "Any 2 times in 3 lines"),
    ("silenced without a code", tidy.check_suppressions,
     {"tests/a.py": f"x = 1  {NO_QA}\n"}, "noqa without a code"),
    ("silenced without a reason", tidy.check_suppressions,
     {"tests/a.py": f"x = 1  {IGNORE}[arg-type]\n"}, "type: ignore without a reason"),
    ("not covered without a reason", tidy.check_suppressions,
     {"tests/a.py": f"x = 1  {PRAGMA}no cover\n"}, "pragma without a reason"),
    ("silenced too often", tidy.check_suppressions,
     {"tests/a.py": f"x = 1  {NO_QA}: S101 - a good reason\n" * 2}, "noqa 2 times in 2 lines"),
    ("a machine's path", tidy.check_words, {"docs/a.md": MACHINE}, "a machine's path"),
    ("somebody's home", tidy.check_words, {"scripts/a.sh": HOME}, "a machine's path"),
    ("a registry", tidy.check_words, {"requirements/a.txt": REGISTRY}, "a registry's host name"),
    ("design notes", tidy.check_words, {"docs/a.md": NOTES}, "a word about where"),
    ("a file without a test", tidy_package.check_own_tests,
     {"src/holdfast/core/a.py": "x = 1\n"}, "no tests/core/test_a.py"),
    ("two test files of one name", tidy_package.check_own_tests,
     {"tests/a/test_x.py": "", "tests/b/test_x.py": ""}, "has the same base name"),
    ("an allowance for a file that has its test", tidy_package.check_own_tests,
     {"src/holdfast/core/a.py": "x = 1\n", "tests/core/test_a.py": "",
      "tests/tidy_allow.toml": '[untested]\n"core/a.py" = "values only, no behaviour"\n'},
     "core/a.py is not needed any more"),
    ("a name that is not there", tidy_package.check_public_names,
     {"src/holdfast/__init__.py": '__all__ = ["gone"]\n'}, "names gone, which is not there"),
    ("a public name left out", tidy_package.check_public_names,
     {"src/holdfast/__init__.py": "__all__ = []\ndef f(): ...\n"}, "holdfast.f is public but not"),
    ("names out of order", tidy_package.check_public_names,
     {"src/holdfast/__init__.py": '__all__ = ["b", "a"]\na = b = 1\n'}, "is not sorted"),
    ("41 names", tidy_package.check_public_names,
     {"src/holdfast/__init__.py": "__all__ = [f'x{n:02}' for n in range(41)]\n"
      "globals().update(dict.fromkeys(__all__))\n"}, "has 41 names"),
    ("a heavy import", tidy_package.check_light_import,
     {"src/holdfast/__init__.py": "import pydantic\n"}, "import holdfast loads pydantic"),
    ("a broken import", tidy_package.check_light_import,
     {"src/holdfast/__init__.py": "1 / 0\n"}, "ZeroDivisionError"),
    ("a missing page", tidy_package.check_documented,
     {"src/holdfast/core/errors.py": 'class E:\n    reason = "broken"\n'},
     "docs/reference/errors.md: missing"),
    ("an unnamed error", tidy_package.check_documented,
     {"src/holdfast/core/errors.py": 'class E:\n    reason: str = "broken"\n',
      "docs/reference/errors.md": "unbroken\n"},
     "broken is not named"),
    ("an unnamed setting", tidy_package.check_documented,
     {"src/holdfast/core/settings.py": "class S:\n    depth: int = 1\n",
      "docs/reference/settings.md": "max_depth_total\n"},
     "depth is not named"),
    ("an unnamed command", tidy_package.check_documented,
     {"src/holdfast/cli/__init__.py": "",
      "src/holdfast/cli/main.py": "import typer\napp = typer.Typer()\nsub = typer.Typer()\n"
      "app.add_typer(sub, name='sessions')\n@sub.command('list')\ndef f(): ...\n"
      "@sub.command('show')\ndef g(): ...\n",
      "docs/reference/cli.md": "holdfast sessions show\n"},
     "sessions list is not named"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("check", "files", "expected"),
    [case[1:] for case in PLANTED],
    ids=[case[0] for case in PLANTED],
)
def test_planted_violation_is_found(
    check: Check, files: dict[str, str], expected: str, tmp_path: Path
) -> None:
    """One planted violation gives one line, and it says what is wrong."""
    found = check(plant(tmp_path, files))
    assert 1 == len(found), found
    assert expected in found[0]


@pytest.mark.slow
def test_slow_import_is_found(tmp_path: Path) -> None:
    """An import over its budget is reported with its time."""
    spin = "import time\nend = time.perf_counter() + 0.2\nwhile time.perf_counter() < end: pass\n"
    found = tidy_package.check_quick_import(plant(tmp_path, {"src/holdfast/__init__.py": spin}))
    assert 1 == len(found)
    assert "at most 150" in found[0]


def test_every_check_has_a_planted_violation() -> None:
    """No check is trusted that was never seen to fail."""
    planted = {case[1] for case in PLANTED}
    assert set() == {*tidy.CHECKS, *tidy_package.CHECKS} - planted


TIDY = f'''{DOC}
from typing import TYPE_CHECKING, Protocol

from holdfast.core.labels import Label

if TYPE_CHECKING:
    from holdfast.core.other import Other


class Port(Protocol):
    """A port."""

    def f(self, a: int, b: int, c: int, d: int, e: int, *, g: int) -> "Other":
        """{"Explain at length." + chr(10) * 80}"""
        match a:
            case 1:
                return g
            case _:
                return b
'''


@pytest.mark.parametrize("check", tidy.CHECKS, ids=lambda check: check.__name__)
def test_tidy_file_passes(check: Check, tmp_path: Path) -> None:
    """What the rules allow is not reported."""
    files = {
        "src/holdfast/ports/port.py": TIDY,
        "src/holdfast/core/labels.py": f'{DOC}class Label:\n    """A label."""\n',
        "src/holdfast/core/other.py": f'{DOC}class Other:\n    """Another."""\n',
        "src/holdfast/cli/late.py": f"{DOC}def _f() -> None:\n    import apsw  # lazy: 80 ms\n"
        "def _g() -> None:\n    # lazy: takes seconds,\n    # and is rarely used\n"
        "    from apsw import a\n\n    import json\n",
        "docs/a.md": "~/work/x and ./root/y and https://example.org/work/z\n",
    }
    assert [] == check(plant(tmp_path, files))


def test_environment_is_not_read(tmp_path: Path) -> None:
    """A virtual environment inside the repository is not part of it."""
    tree = plant(tmp_path, {"env/pyvenv.cfg": "", "env/a.py": OTHER_SQLITE})
    assert [] == tidy.check_one_sqlite(tree)


def test_nothing_that_is_ignored_is_tracked() -> None:
    """An environment or a build that slipped into a commit would hide a missing set-up step."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--ignored", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "" == listed.stdout
