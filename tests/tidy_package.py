"""Checks of the package as a whole: its tests, its public names, its documents."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tidy_tree import PACKAGE, Source, Tree, ratchet

PUBLIC_NAMES_MAX = 40


def check_own_tests(tree: Tree) -> list[str]:
    """Every file with code has a test file at the mirrored place.

    src/holdfast/a/b.py is tested by tests/a/test_b.py, or by test_a_b.py where
    another folder's file has that name (base names are unique without packages).
    """
    names: dict[str, str] = {}
    doubled = []
    for source in tree.python:
        base = Path(source.rel).name
        if source.rel.startswith("tests/") and base.startswith("test_"):
            if base in names:
                doubled.append(f"{source.rel}: {names[base]} has the same base name")
            names[base] = source.rel
    there = set(names.values())
    found = {}
    for source in tree.src:
        rel = Path(source.rel).relative_to(f"src/{PACKAGE}")
        if not has_code(source):
            continue
        named = rel.parent if rel.stem == "__init__" else rel.with_suffix("")
        folder = Path("tests") / rel.parent
        stem = named.name.strip("_") or PACKAGE
        wanted = [f"test_{stem}.py", f"test_{rel.parent.name}_{stem}.py"]
        if not there & {(folder / name).as_posix() for name in wanted}:
            found[rel.as_posix()] = f"{source.rel}: no {(folder / wanted[0]).as_posix()}"
    return ratchet(found, tree.allow.get("untested", {}), "untested") + doubled


def has_code(source: Source) -> bool:
    """Whether a file holds more than a docstring and imports."""
    return any(
        not isinstance(node, (ast.Import, ast.ImportFrom))
        and not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for node in source.tree.body
    )


def public_order(name: str) -> tuple[int, str]:
    """Sort constants, then classes, then the rest, as the linter does."""
    bare = name.lstrip("_")
    kind = 0 if bare.isupper() and len(bare) > 1 else 1 if bare[:1].isupper() else 2
    return kind, name


def check_public_names(tree: Tree) -> list[str]:
    """`__all__` is the truth: few, sorted names, each of them there."""
    script = (
        f"import json, {PACKAGE} as p\n"
        "names = list(getattr(p, '__all__', []))\n"
        "missing = [n for n in names if not hasattr(p, n)]\n"
        "loose = [n for n in vars(p) if not n.startswith('_') and n not in names\n"
        "    and type(vars(p)[n]).__name__ not in ('module', '_Feature')]\n"
        "print(json.dumps([names, missing, loose]))"
    )
    ran = _python(script, tree.root)
    if ran.returncode:
        return [f"{PACKAGE} cannot be imported: {ran.stderr.strip().splitlines()[-1]}"]
    names, missing, loose = json.loads(ran.stdout)
    found = [f"{PACKAGE}.__all__ names {name}, which is not there" for name in missing]
    found += [f"{PACKAGE}.{name} is public but not in __all__" for name in loose]
    if len(names) > PUBLIC_NAMES_MAX:
        found.append(f"{PACKAGE}.__all__ has {len(names)} names, at most {PUBLIC_NAMES_MAX}")
    if names != sorted(set(names), key=public_order):
        found.append(f"{PACKAGE}.__all__ is not sorted or names one thing twice")
    return found


HEAVY = ("apsw", "cryptography", "jsonschema", "pydantic", "pydantic_ai", "typer")
IMPORT_MS_MAX = 150


def _python(script: str, root: Path) -> subprocess.CompletedProcess[str]:
    """Run a fresh interpreter that finds the package of `root` first."""
    return subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, 'src')\n{script}"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def check_light_import(tree: Tree) -> list[str]:
    """`import holdfast` loads no heavy dependency; they load at `open`."""
    ran = _python(f"import {PACKAGE}\nprint(*sorted(set({HEAVY!r}) & set(sys.modules)))", tree.root)
    if ran.returncode:
        return [f"{PACKAGE} cannot be imported: {ran.stderr.strip().splitlines()[-1]}"]
    return [f"import {PACKAGE} loads {name}" for name in ran.stdout.split()]


def check_quick_import(tree: Tree) -> list[str]:
    """`import holdfast` takes at most 150 ms above a bare interpreter, best of 5.

    A busy machine only ever makes a run slower, so the best counts, and it is
    measured up to three times before it is believed.
    """
    above = 0.0
    for _ in range(3):
        bare, loaded = [], []
        for _ in range(5):
            for script, times in (("pass", bare), (f"import {PACKAGE}", loaded)):
                started = time.perf_counter()
                _python(script, tree.root)
                times.append(time.perf_counter() - started)
        above = (min(loaded) - min(bare)) * 1000
        if above <= IMPORT_MS_MAX:
            return []
    return [f"import {PACKAGE} takes {above:.0f} ms, at most {IMPORT_MS_MAX}"]


# --- documents ------------------------------------------------------------------


def error_reasons(tree: Tree) -> list[str]:
    """Return every `reason` code of core/errors.py."""
    source = tree.modules.get(f"{PACKAGE}.core.errors")
    return sorted(
        statement.value.value
        for node in (ast.walk(source.tree) if source else ())
        if isinstance(node, ast.ClassDef)
        for statement in node.body
        if isinstance(statement, (ast.Assign, ast.AnnAssign))
        and "reason" in ast.unparse(statement).partition("=")[0]
        and isinstance(statement.value, ast.Constant)
    )


def setting_names(tree: Tree) -> list[str]:
    """Return every field of the classes of core/settings.py."""
    source = tree.modules.get(f"{PACKAGE}.core.settings")
    return sorted(
        {
            statement.target.id
            for node in (ast.walk(source.tree) if source else ())
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            for statement in node.body
            if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
        }
    )


def cli_commands(tree: Tree) -> list[str]:
    """Return every command as a person types it, such as `sessions list`."""
    if f"{PACKAGE}.cli.main" not in tree.modules:
        return []
    script = (
        f"import typer.main\nfrom {PACKAGE}.cli.main import app\n"
        "def walk(command, path):\n"
        "    for name, child in getattr(command, 'commands', {}).items():\n"
        "        if not child.hidden: walk(child, [*path, name])\n"
        "    if path and not hasattr(command, 'commands'): print(*path)\n"
        "walk(typer.main.get_command(app), [])"
    )
    ran = _python(script, tree.root)
    return sorted(ran.stdout.splitlines()) if ran.returncode == 0 else ["(cannot be read)"]


DOCUMENTED: dict[str, Callable[[Tree], list[str]]] = {
    "docs/reference/errors.md": error_reasons,
    "docs/reference/settings.md": setting_names,
    "docs/reference/cli.md": cli_commands,
}


def check_documented(tree: Tree) -> list[str]:
    """Every error, setting and command is named in its reference page."""
    allowed = tree.allow.get("missing_pages", {})
    found: dict[str, str] = {}
    unnamed = []
    for page, names_of in DOCUMENTED.items():
        names = names_of(tree)
        path = tree.root / page
        if not path.exists():
            if names or page in allowed:
                found[page] = f"{page}: missing"
            continue
        text = path.read_text("utf-8")
        unnamed += [
            f"{page}: {name} is not named"
            for name in names
            if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)
        ]
    return ratchet(found, allowed, "missing_pages") + unnamed


CHECKS = (
    check_own_tests,
    check_public_names,
    check_light_import,
    check_documented,
)
