"""The repository as the checks of `tidy` see it: files, syntax trees, imports."""

from __future__ import annotations

import ast
import io
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

PACKAGE = "holdfast"
Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)

SKIPPED_DIRS = {
    ".bench-data", ".bench-venv", ".git", "__pycache__", "build", "dist", "node_modules",
    "soak-failures",
}  # fmt: skip
TEXT_SUFFIXES = {
    "", ".cfg", ".css", ".html", ".in", ".ini", ".js", ".json", ".jsonl", ".md", ".py",
    ".sh", ".sql", ".toml", ".txt", ".yaml", ".yml",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """One Python file: its text, its syntax tree and its dotted module name."""

    path: Path
    rel: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The file's syntax tree."""
        return ast.parse(self.text, filename=self.rel)

    @cached_property
    def module(self) -> str:
        """The dotted name, such as `holdfast.core.labels`; "" outside src."""
        parts = list(Path(self.rel).with_suffix("").parts)
        if parts[0] != "src":
            return ""
        parts = parts[1:-1] if parts[-1] == "__init__" else parts[1:]
        return ".".join(parts)

    @cached_property
    def package(self) -> str:
        """The package that a relative import of one dot means."""
        if Path(self.rel).name == "__init__.py":
            return self.module
        return self.module.rpartition(".")[0]

    @cached_property
    def layer(self) -> str:
        """The first folder below the package, or the module's own name."""
        return layer_of(self.module)

    @cached_property
    def lines(self) -> list[str]:
        """The text, line by line."""
        return self.text.splitlines()

    @cached_property
    def comments(self) -> list[tuple[int, str]]:
        """Every comment with its line number."""
        tokens = tokenize.generate_tokens(io.StringIO(self.text).readline)
        return [(at.start[0], at.string) for at in tokens if at.type == tokenize.COMMENT]


@dataclass(frozen=True)
class Tree:
    """A repository below `root`."""

    root: Path

    @cached_property
    def files(self) -> list[Path]:
        """Every file a commit could hold; environments and caches left out."""
        return sorted(_walk(self.root))

    @cached_property
    def python(self) -> list[Source]:
        """Every Python file."""
        return [
            Source(path, path.relative_to(self.root).as_posix(), path.read_text("utf-8"))
            for path in self.files
            if path.suffix == ".py"
        ]

    @cached_property
    def src(self) -> list[Source]:
        """The package's own files."""
        return [source for source in self.python if source.rel.startswith(f"src/{PACKAGE}/")]

    @cached_property
    def modules(self) -> dict[str, Source]:
        """The package's files by module name."""
        return {source.module: source for source in self.src}

    @cached_property
    def allow(self) -> dict[str, dict[str, Any]]:
        """The ratchet file."""
        path = self.root / "tests" / "tidy_allow.toml"
        return tomllib.loads(path.read_text("utf-8")) if path.exists() else {}

    def texts(self) -> Iterator[tuple[str, str]]:
        """Yield path and text of every file that is text."""
        for path in self.files:
            if path.suffix not in TEXT_SUFFIXES:
                continue
            try:
                yield path.relative_to(self.root).as_posix(), path.read_text("utf-8")
            except UnicodeDecodeError:
                continue


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_symlink():
            continue
        if path.is_file():
            yield path
        elif not (
            path.name in SKIPPED_DIRS
            or path.name.endswith(("_cache", ".egg-info"))
            or path.name == ".hypothesis"
            or (path / "pyvenv.cfg").exists()
        ):
            yield from _walk(path)


def layer_of(module: str) -> str:
    """Return the layer of a module of the package, "" for the package itself."""
    return [*module.split("."), ""][1]


@dataclass(frozen=True)
class Import:
    """One imported name, as far as the tree can tell what it is."""

    target: str
    line: int
    typing_only: bool
    inside_function: bool


def imports_of(source: Source, modules: Iterable[str]) -> list[Import]:
    """Return everything `source` imports, `from package import module` resolved."""
    known = set(modules)
    found: list[Import] = []

    def visit(node: ast.AST, typing_only: bool, inside: bool) -> None:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                visit(child, True, inside)
            for child in node.orelse:
                visit(child, typing_only, inside)
            return
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            targets = _targets(node, source, known)
            found.extend(Import(name, node.lineno, typing_only, inside) for name in targets)
        inside = inside or isinstance(node, Function)
        for child in ast.iter_child_nodes(node):
            visit(child, typing_only, inside)

    visit(source.tree, False, False)
    return found


def _targets(node: ast.Import | ast.ImportFrom, source: Source, known: set[str]) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parents = source.package.split(".")
        kept = parents[: len(parents) - node.level + 1]
        base = ".".join([*kept, *([base] if base else [])])
    joined = [f"{base}.{alias.name}" for alias in node.names]
    return [name if name in known else base for name in joined]


REASON_CHARS_MIN = 8


def ratchet(found: dict[str, str], allowed: dict[str, Any], section: str) -> list[str]:
    """Keep what is not allowed, and report allowances nothing needs any more."""
    lines = [text for key, text in found.items() if key not in allowed]
    stale = sorted(set(allowed) - set(found))
    lines += [f"tests/tidy_allow.toml [{section}]: {key} is not needed any more" for key in stale]
    unexplained = [key for key, why in allowed.items() if not _reason_of(why)]
    lines += [f"tests/tidy_allow.toml [{section}]: {key} has no reason" for key in unexplained]
    return lines


def _reason_of(entry: Any) -> str:
    reason = entry.get("why", "") if isinstance(entry, dict) else entry
    return reason if isinstance(reason, str) and len(reason) >= REASON_CHARS_MIN else ""
