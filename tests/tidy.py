"""Checks of the source text: layers, sizes, names, words.

Each check takes a `Tree` and returns one line per violation; no line means tidy.
`test_tidy.py` runs every check over the repository and over planted violations.

How things are counted
- Lines of a function: from `def` to its last line, its docstring left out.
- Branches: `if`/`elif`, `for`, `while`, `except` and every `case` but a bare `_`.
  Boolean operators, conditional expressions and comprehensions are not branches.
  A nested function counts for itself.
- Parameters: those a caller may pass by position, without self and cls.
- kloc: a thousand lines of text, blank ones included.

What may not be mended at once stands in `tidy_allow.toml`, with a reason. That
file only shrinks: an entry nothing needs any more is a violation itself.
`tidy_package.py` has the checks of tests, public names, imports and documents.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Callable, Iterator

from tidy_tree import (
    FUNCTIONS,
    PACKAGE,
    REASON_CHARS_MIN,
    Function,
    Source,
    Tree,
    imports_of,
    layer_of,
    ratchet,
)

FUNCTION_LINES_MAX = 70
FUNCTION_LINES_LONG = 40
FUNCTIONS_LONG_SHARE = 0.05
BRANCHES_MAX = 10
POSITIONAL_MAX = 5
MODULE_LINES_MAX = {"core": 400, "runtime": 400}
MODULE_LINES_MAX_ELSEWHERE = 600
ANY_PER_KLOC = 5
SUPPRESSIONS_PER_KLOC = 1

Check = Callable[[Tree], list[str]]

# --- imports --------------------------------------------------------------------

# What a layer may import: layers of the package, then third parties (None: any).
# "" is the package's own `__init__`. The standard library is open to all.
LAYERS: dict[str, tuple[set[str], set[str] | None]] = {
    "core": ({"core"}, set()),
    "ports": ({"core", "ports"}, set()),
    "runtime": ({"core", "ports", "runtime"}, {"cryptography"}),
    "adapters": ({"core", "ports", "adapters"}, None),
    "bootstrap": ({"", "core", "ports", "runtime", "adapters", "bootstrap", "jwt"}, None),
    "server": ({"", "core", "ports", "runtime", "bootstrap", "server"}, None),
    "integrations": ({"", "core", "ports", "runtime", "bootstrap", "integrations"}, None),
    "client": ({"core", "client"}, {"httpx2"}),
    "cli": (
        {
            "",
            "core",
            "ports",
            "runtime",
            "adapters",
            "bootstrap",
            "server",
            "client",
            "testing",
            "cli",
        },
        None,
    ),
    "testing": (
        {"", "core", "ports", "runtime", "adapters", "bootstrap", "server", "testing"},
        None,
    ),
    "": ({"core", "ports", "runtime", "bootstrap"}, set()),
    "gate": ({"core", "ports", "runtime", "bootstrap"}, set()),
    "security": ({"core", "ports", "runtime", "adapters", "bootstrap"}, set()),
    "jwt": ({"core", "adapters"}, set()),
    "__main__": ({"cli"}, set()),
}
ADAPTERS_NAMED_BY = {"adapters", "bootstrap", "cli", "testing"}


def check_layers(tree: Tree) -> list[str]:
    """Imports point down, and only bootstrap knows which adapter there is."""
    found = []
    for source in tree.src:
        if source.layer not in LAYERS:
            found.append(f"{source.rel}: {source.layer} is no layer")
            continue
        layers, thirds = LAYERS[source.layer]
        for item in imports_of(source, tree.modules):
            top = item.target.partition(".")[0]
            where = f"{source.rel}:{item.line}"
            if top == PACKAGE:
                if layer_of(item.target) not in layers:
                    found.append(f"{where}: {source.layer or PACKAGE} imports {item.target}")
            elif top not in sys.stdlib_module_names and thirds is not None and top not in thirds:
                found.append(f"{where}: {source.layer or PACKAGE} imports {top}")
        if source.layer not in ADAPTERS_NAMED_BY:
            found += [
                f"{source.rel}:{line}: only bootstrap names an adapter"
                for line, text in _strings(source)
                if text.startswith(f"{PACKAGE}.adapters")
            ]
    return found


def _strings(source: Source) -> Iterator[tuple[int, str]]:
    """Yield every string that is not a docstring."""
    docs = {
        id(node.value)
        for node in ast.walk(source.tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.lineno, node.value


def check_cycles(tree: Tree) -> list[str]:
    """No module imports itself by way of others, not even for its annotations."""
    running: dict[str, set[str]] = {}
    written: dict[str, set[str]] = {}
    for module, source in tree.modules.items():
        items = [item for item in imports_of(source, tree.modules) if item.target in tree.modules]
        written[module] = {item.target for item in items}
        running[module] = {
            item.target for item in items if not item.typing_only and not item.inside_function
        }
    found = [f"import cycle: {' → '.join(knot)}" for knot in _knots(running)]
    if not found:
        how = "import cycle (of annotations or late imports)"
        found = [f"{how}: {' → '.join(knot)}" for knot in _knots(written)]
    return found


def _knots(graph: dict[str, set[str]]) -> list[list[str]]:
    """Return the cycles a depth-first walk meets, each as a closed path."""
    done: set[str] = set()
    path: list[str] = []
    knots: list[list[str]] = []

    def visit(node: str) -> None:
        if node in path:
            knots.append([*path[path.index(node) :], node])
            return
        if node in done:
            return
        path.append(node)
        for after in sorted(graph.get(node, ())):
            visit(after)
        path.pop()
        done.add(node)

    for node in sorted(graph):
        visit(node)
    return knots


IMPURE_MODULES = {
    "core": {"asyncio", "concurrent", "io", "logging", "multiprocessing", "os", "random",
             "secrets", "shutil", "socket", "subprocess", "tempfile", "threading", "time"},
    "runtime": {"concurrent", "multiprocessing", "random", "threading", "time"},
}  # fmt: skip
IMPURE_CALLS = {
    "core": {"datetime.now", "datetime.utcnow", "date.today", "uuid.uuid4", "uuid4", "open",
             "Path.cwd", "Path.home", "print", "input"},
    "runtime": {"asyncio.sleep", "datetime.now", "datetime.utcnow", "date.today",
                "asyncio.to_thread"},
}  # fmt: skip


def check_pure(tree: Tree) -> list[str]:
    """The core reads no clock and no world; the runtime only through ports (contract 2.24)."""
    found = []
    for source in tree.src:
        modules = IMPURE_MODULES.get(source.layer, set())
        calls = IMPURE_CALLS.get(source.layer, set())
        found += [
            f"{source.rel}:{item.line}: {source.layer} imports {item.target}"
            for item in imports_of(source, tree.modules)
            if item.target.partition(".")[0] in modules
        ]
        for node in ast.walk(source.tree) if calls else ():
            if isinstance(node, ast.Call) and ast.unparse(node.func) in calls:
                name = ast.unparse(node.func)
                found.append(f"{source.rel}:{node.lineno}: {source.layer} calls {name}")
            elif isinstance(node, (ast.AsyncFunctionDef, ast.Await)) and source.layer == "core":
                found.append(f"{source.rel}:{node.lineno}: core is async")
    return found


_OTHER_SQLITE = re.compile(r"^\s*(?:import|from)\s+(sqlite3|aiosqlite)\b", re.MULTILINE)


def check_one_sqlite(tree: Tree) -> list[str]:
    """No second SQLite library in the process: closing its file drops the first one's locks."""
    found = []
    for rel, text in tree.texts():
        for match in _OTHER_SQLITE.finditer(text):
            line = text.count("\n", 0, match.start(1)) + 1
            found.append(f"{rel}:{line}: imports {match[1]}")
    for source in tree.python:
        if "sqlite" not in source.text:
            continue
        found += [
            f"{source.rel}:{node.lineno}: imports another SQLite by name"
            for node in ast.walk(source.tree)
            if isinstance(node, ast.Call) and _imports_other_sqlite(node)
        ]
    return found


def _imports_other_sqlite(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2]
    return name in {"import_module", "__import__"} and any(
        isinstance(arg, ast.Constant) and arg.value in ("sqlite3", "aiosqlite") for arg in call.args
    )


def check_late_imports(tree: Tree) -> list[str]:
    """An import inside a function says why: `# lazy: …` on its line or above its block."""
    found = []
    for source in tree.src:
        for item in imports_of(source, tree.modules):
            if item.inside_function and not _says_why(source.lines, item.line - 1):
                where = f"{source.rel}:{item.line}"
                found.append(f"{where}: {item.target} is imported in a function without `# lazy:`")
    return list(dict.fromkeys(found))


def _says_why(lines: list[str], at: int) -> bool:
    """Look at the import's own line, then at the comment above its block of imports."""
    if "# lazy:" in lines[at]:
        return True
    above = [line.strip() for line in reversed(lines[:at])]
    block = ("import ", "from ")
    start = next((n for n, line in enumerate(above) if line and not line.startswith(block)), 0)
    for line in above[start:]:
        if not line.startswith("#"):
            return False
        if line.startswith("# lazy:"):
            return True
    return False


# --- sizes ----------------------------------------------------------------------


def functions_of(source: Source) -> Iterator[Function]:
    """Yield every function of a file, nested ones too."""
    for node in ast.walk(source.tree):
        if isinstance(node, FUNCTIONS):
            yield node


def lines_of(function: Function) -> int:
    """Count a function's lines without its docstring."""
    first = function.body[0]
    doc = 0
    if ast.get_docstring(function) is not None:
        doc = (first.end_lineno or first.lineno) - first.lineno + 1
    return (function.end_lineno or function.lineno) - function.lineno + 1 - doc


def branches_of(function: Function) -> int:
    """Count a function's branches; those of nested functions are theirs."""
    count = 0
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            continue
        if isinstance(node, ast.match_case):
            count += not (isinstance(node.pattern, ast.MatchAs) and node.pattern.pattern is None)
        elif isinstance(node, (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler)):
            count += 1
        waiting.extend(ast.iter_child_nodes(node))
    return count


def positionals_of(function: Function) -> int:
    """Count the parameters a caller may pass by position, without self and cls."""
    names = [arg.arg for arg in (*function.args.posonlyargs, *function.args.args)]
    return len(names) - (bool(names) and names[0] in ("self", "cls"))


def check_functions(tree: Tree) -> list[str]:
    """Functions fit on a screen: lines, branches, parameters."""
    found, long, total = [], [], 0
    for source in tree.src:
        for function in functions_of(source):
            where = f"{source.rel}:{function.lineno}: {function.name}"
            lines = lines_of(function)
            total += 1
            if lines > FUNCTION_LINES_LONG:
                long.append(f"{where} ({lines})")
            if lines > FUNCTION_LINES_MAX:
                found.append(f"{where} has {lines} lines")
            if (branches := branches_of(function)) > BRANCHES_MAX:
                found.append(f"{where} has {branches} branches")
            if (positionals := positionals_of(function)) > POSITIONAL_MAX:
                found.append(f"{where} has {positionals} positional parameters")
    # Fewer than twenty functions: one long one would already be over the share.
    if len(long) > max(1, total * FUNCTIONS_LONG_SHARE):
        found.append(f"{len(long)} of {total} functions are long: {', '.join(long)}")
    return found


def check_modules(tree: Tree) -> list[str]:
    """Modules have one reason to change: 400 lines in core and runtime, 600 elsewhere.

    An entry in `[long_modules]` is the size the module may not outgrow.
    """
    allowed = tree.allow.get("long_modules", {})
    found: dict[str, str] = {}
    grown = []
    for source in tree.python:
        limit = MODULE_LINES_MAX.get(source.layer, MODULE_LINES_MAX_ELSEWHERE)
        lines = len(source.lines)
        if lines > limit:
            found[source.rel] = f"{source.rel}: {lines} lines, at most {limit}"
            cap = allowed.get(source.rel, {}).get("lines", lines)
            if lines > cap:
                grown.append(f"{source.rel}: {lines} lines, allowed {cap}")
    return ratchet(found, allowed, "long_modules") + grown


# --- names and words ------------------------------------------------------------


def check_docstrings(tree: Tree) -> list[str]:
    """Every public name has a docstring."""
    found = []
    for source in tree.src:
        if source.tree.body and ast.get_docstring(source.tree) is None:
            found.append(f"{source.rel}:1: module without docstring")
        found += [
            f"{source.rel}:{line}: {name} without docstring"
            for line, name in _undocumented(source.tree.body, "")
        ]
    return found


def _undocumented(body: list[ast.stmt], prefix: str) -> Iterator[tuple[int, str]]:
    for node in body:
        if isinstance(node, (ast.If, ast.Try)):
            yield from _undocumented([*node.body, *node.orelse], prefix)
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(item).rpartition(".")[2] for item in node.decorator_list}
        # These say it elsewhere: on the overridden, the implementing or the reading one.
        if ast.get_docstring(node) is None and not decorators & {"override", "overload", "setter"}:
            yield node.lineno, prefix + node.name
        if isinstance(node, ast.ClassDef):
            yield from _undocumented(node.body, f"{prefix}{node.name}.")


def check_any(tree: Tree) -> list[str]:
    """`Any` switches the type checker off: never in core, rarely elsewhere."""
    inside, outside, lines = [], [], 0
    for source in tree.src:
        uses = [
            f"{source.rel}:{node.lineno}"
            for node in ast.walk(source.tree)
            if (isinstance(node, ast.Name) and node.id == "Any")
            or (isinstance(node, ast.Attribute) and node.attr == "Any")
        ]
        if source.layer == "core":
            inside += uses
        else:
            outside += uses
            lines += len(source.lines)
    found = [f"{where}: Any in core" for where in inside]
    if len(outside) > max(1, ANY_PER_KLOC * lines / 1000):
        found.append(f"Any {len(outside)} times in {lines} lines: {', '.join(outside)}")
    return found


_SUPPRESSION = {
    "noqa": re.compile(r"#\s*noqa(?P<code>:\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?(?P<why>.*)"),
    "type: ignore": re.compile(r"#\s*type:\s*ignore(?P<code>\[[a-z0-9, -]+\])?(?P<why>.*)"),
    "pragma": re.compile(r"#\s*pragma:\s*(?P<code>no (?:cover|branch))?(?P<why>.*)"),
}


def check_suppressions(tree: Tree) -> list[str]:
    """A silenced check names its code and its reason, and is rare."""
    found = []
    lines = sum(len(source.lines) for source in tree.python)
    for kind, pattern in _SUPPRESSION.items():
        uses = []
        for source in tree.python:
            for line, comment in source.comments:
                match = pattern.search(comment)
                if match is None:
                    continue
                where = f"{source.rel}:{line}"
                uses.append(where)
                if not match["code"]:
                    found.append(f"{where}: {kind} without a code")
                elif len(match["why"].strip(" -#:,")) < REASON_CHARS_MIN:
                    found.append(f"{where}: {kind} without a reason")
        if len(uses) > max(1, SUPPRESSIONS_PER_KLOC * lines / 1000):
            found.append(f"{kind} {len(uses)} times in {lines} lines: {', '.join(uses)}")
    return found


# Written with brackets, so that this file does not contain what it looks for.
_FORBIDDEN = {
    "a registry's host name": re.compile(
        r"\b(?:pypi[.]org|pythonhosted[.]org|npmjs[.](?:org|com)|crates[.]io|anaconda[.]org)\b"
    ),
    "a machine's path": re.compile(
        r"(?<![\w.~*\]-])/(?:(?:work|root|farm)/|opt/pypi|(?:home|Users)/[a-z][\w.-]*/)"
    ),
    "a word about where it was written": re.compile(
        r"\b(?:work[p]lace|co-?work[e]r|other [e]ngineers|languag[e] model wrote)\b"
        r"|\b(?:rulings|contract|preamble|habits|seed-map)[.]md\b",
        re.IGNORECASE,
    ),
}


def check_words(tree: Tree) -> list[str]:
    """Committed text names no registry, no machine's path and no way of its making."""
    found: dict[str, str] = {}
    for rel, text in tree.texts():
        for what, pattern in _FORBIDDEN.items():
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                found.setdefault(rel, f"{rel}:{line}: {what}: {match[0]}")
    return ratchet(found, tree.allow.get("words", {}), "words")


CHECKS: tuple[Check, ...] = (
    check_layers,
    check_cycles,
    check_pure,
    check_one_sqlite,
    check_late_imports,
    check_functions,
    check_modules,
    check_docstrings,
    check_any,
    check_suppressions,
    check_words,
)
