"""Programs that run other programs, or code given as an argument.

A wrapper is taken off: what it runs is judged beside it. A program that is given
code of another language, or an option that makes it run something, makes the
line unclear: that code is not read.

The tables are in `programs`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from holdfast.adapters.shell.programs import (
    CODE_LONG,
    CONFIG_OPTIONS,
    GIT_QUIET,
    GIT_RUNNING,
    INTERPRETERS,
    LAUNCHES,
    PLAIN_READERS,
    RUNNING_OPTIONS,
    SHELLS,
    WRAPPERS,
    Wrapper,
    safe_name,
)

_SED = re.compile(
    r"(?:(?:\d+|\$)(?:,(?:\d+|\$|\+\d+))?|/[^/\\]*/)?!?[pdq=]"
    r"|(?:\d+(?:,\d+)?)?s([/|#,:@])[^\n\\{}]*\1[gpiI0-9]*"
)
_AWK_UNSAFE = re.compile(r"system|getline|[|>@`]|\\")


@dataclass(frozen=True, slots=True)
class Inner:
    """What a program runs besides itself.

    Args:
        argv: a command, or empty.
        line: a command line, or "".
        doubt: why it is not known what runs, or "".
        own: the program's own words as they are judged, if others than given.
    """

    argv: tuple[str, ...] = ()
    line: str = ""
    doubt: str = ""
    own: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


def has_option(args: tuple[str, ...], option: str) -> bool:
    """Whether an option is among a program's words, abbreviated or in a cluster, too.

    Args:
        option: `--long`, `-x`, `-word`, or "" for any use of the program.
    """
    if not option:
        return True
    for arg in args:
        name = arg.partition("=")[0]
        if option.startswith("--"):
            if len(name) > 2 and option.startswith(name):
                return True
        elif len(option) == 2:
            if arg.startswith("-") and not arg.startswith("--") and option[1] in arg:
                return True
        elif name.lstrip("-") == option.lstrip("-"):
            return True
    return False


def unwrap(name: str, args: tuple[str, ...]) -> list[Inner]:
    """Say what a program runs besides itself.

    Args:
        name: the program's base name.
        args: its words.
    """
    found: list[Inner] = []
    special = _SPECIAL.get(name)
    if special is not None:
        found += special(args)
    wrapper = WRAPPERS.get(name)
    if wrapper is not None:
        found.append(_wrapped(name, wrapper, args))
    codes = _interpreter(name)
    if codes is not None:
        found += _code(codes, args)
    for option in RUNNING_OPTIONS.get(_unversioned(name), ()):
        if has_option(args, option):
            found.append(Inner(doubt=f"makes {name} run something that is not understood"))
    for option in CONFIG_OPTIONS.get(name, ()):
        if has_option(args, option) and any(_outside(arg) for arg in args):
            found.append(Inner(doubt=f"has {name} use a file outside the workspace"))
    return found


def _outside(arg: str) -> bool:
    values = (arg, arg.partition("=")[2], arg[2:])
    return ".." in arg or any(value.startswith(("/", "~")) for value in values)


def _unversioned(name: str) -> str:
    return name.rstrip("0123456789.") if name.startswith(("python", "pip", "pypy")) else name


def _interpreter(name: str) -> str | None:
    return INTERPRETERS.get(name, INTERPRETERS.get(name.rstrip("0123456789.-")))


def _wrapped(name: str, wrapper: Wrapper, args: tuple[str, ...]) -> Inner:
    at, doubt = _options(name, wrapper, args)
    rest = list(args[at:])
    while wrapper.assigns and rest and "=" in rest[0]:
        assigned = _assigned(rest.pop(0))  # not behind an `or`, which would never take it
        doubt = doubt or assigned
    rest = rest[wrapper.operands :]
    doubt = doubt or wrapper.doubt
    if wrapper.line:
        return Inner(line=" ".join(rest), doubt=doubt)
    if name == "xargs":
        return _xargs(rest, args[:at], doubt)
    if name == "command" and any(arg in ("-v", "-V", "-pv", "-pV") for arg in args[:at]):
        return Inner(doubt=doubt)
    return Inner(tuple(rest), doubt=doubt)


def _assigned(word: str) -> str:
    name = word.partition("=")[0]
    return "" if safe_name(name) else f"sets the variable {name}"


def _options(name: str, wrapper: Wrapper, args: tuple[str, ...]) -> tuple[int, str]:
    """Where a wrapper's own options end, and why that is not certain."""
    at, doubt = 0, ""
    while at < len(args) and args[at].startswith("-") and args[at] != "-":
        arg = args[at]
        at += 1
        if arg == "--":
            break
        if arg.startswith("--"):
            known, value, _ = arg.partition("=")
            if known in wrapper.long_valued:
                at += not value
            elif known not in wrapper.long:
                doubt = doubt or f"has an option of {name} that is not understood"
            continue
        for index, char in enumerate(arg[1:], 2):
            if char in wrapper.valued:
                at += index == len(arg)
                break
            if char not in wrapper.flags:
                doubt = doubt or f"has an option of {name} that is not understood"
    return at, doubt


def _xargs(rest: list[str], own: tuple[str, ...], doubt: str) -> Inner:
    """What `xargs` runs: words of its input stand behind, or in the place of, those given."""
    if not rest:
        return Inner(("echo", "{}"), doubt=doubt)
    replaced = [arg.removeprefix("-I") for arg in own if arg.startswith("-I")]
    replaced = [text or own[own.index("-I") + 1] for text in replaced]
    if any(text in rest[0] for text in replaced):
        doubt = doubt or "takes the name of a program from its input"
    name = rest[0].rpartition("/")[2]
    if name in SHELLS or name in WRAPPERS or _interpreter(name) is not None:
        doubt = doubt or "hands its input to a program that runs it"
    if name not in PLAIN_READERS:
        doubt = doubt or f"may hand {name} options that are not known"
    return Inner((*rest, *(() if replaced else ("{}",))), doubt=doubt)


def _code(options: str, args: tuple[str, ...]) -> list[Inner]:
    """An interpreter: code among its options is not read, and neither is its input."""
    for arg in args:
        if arg.startswith("--"):
            if any(has_option((arg,), option) for option in CODE_LONG):
                return [Inner(doubt="has code in another language")]
        elif arg == "-" or (arg.startswith("-") and any(char in arg for char in options)):
            return [Inner(doubt="has code in another language")]
        elif arg.startswith("-m"):
            rest = args[args.index(arg) + 1 :]
            return [Inner((arg[2:], *rest) if len(arg) > 2 else rest)]
        elif not arg.startswith("-"):
            code = arg in ("eval", "repl", "-")
            return [Inner(doubt="has code in another language")] if code else []
    only_tells = args and all(arg in ("--version", "-V", "-v", "--help", "-h") for arg in args)
    return [] if only_tells else [Inner(doubt="reads code from its input")]


def _shell(args: tuple[str, ...]) -> list[Inner]:
    """A shell: `-c` has a line, a file is named, or it reads its input."""
    line, at, doubt = False, 0, ""
    while at < len(args) and args[at][:1] in ("-", "+") and len(args[at]) > 1:
        arg = args[at]
        at += 1
        if arg == "--":
            break
        if arg.startswith("--"):
            if arg not in ("--login", "--norc", "--noprofile", "--posix", "--version", "--help"):
                doubt = "has an option of the shell that is not understood"
            continue
        line = line or "c" in arg
        if arg.endswith("o"):
            at += 1
        if arg.strip("-+abceilnruvxo"):
            doubt = "has an option of the shell that is not understood"
        if "s" in arg:
            return [Inner(doubt=READS_INPUT)]
    if line:
        return [Inner(line=args[at] if at < len(args) else "", doubt=doubt)]
    if at >= len(args) and "--version" not in args:
        return [Inner(doubt=doubt or READS_INPUT)]
    return [Inner(doubt=doubt)]


READS_INPUT = "lets a shell read commands from its input"


def _foreign_shell(args: tuple[str, ...]) -> list[Inner]:
    return [*_shell(args), Inner(doubt="runs a shell whose language is not read")]


def _su(args: tuple[str, ...]) -> list[Inner]:
    for at, arg in enumerate(args[:-1]):
        if arg in ("-c", "--command"):
            return [Inner(line=args[at + 1], doubt=LAUNCHES)]
    return [Inner(doubt=LAUNCHES)]


def _eval(args: tuple[str, ...]) -> list[Inner]:
    return [Inner(line=" ".join(args))]


def _busybox(args: tuple[str, ...]) -> list[Inner]:
    return [Inner(args)]


_FIND_RUNS = frozenset(("-exec", "-execdir", "-ok", "-okdir"))
_FIND_WRITES = frozenset(("-fprint", "-fprint0", "-fprintf", "-fls"))


def _find(args: tuple[str, ...]) -> list[Inner]:
    found: list[Inner] = []
    starts = []
    for arg in args:
        if arg.startswith(("-", "(", "!")) and arg not in ("-H", "-L", "-P"):
            break
        starts.append(arg)
    for at, arg in enumerate(args):
        if arg in _FIND_RUNS:
            rest = args[at + 1 :]
            ends = [i for i, word in enumerate(rest) if word in (";", "+")]
            inner = rest[: ends[0]] if ends else rest
            doubt = "takes the name of a program from what it finds"
            found.append(Inner(inner, doubt=doubt if inner and "{}" in inner[0] else ""))
            # What it starts at is what the command gets in the place of {}.
            found.append(Inner(tuple(w for x in inner for w in (starts if x == "{}" else [x]))))
        elif arg == "-delete":
            found.append(Inner(("rm", "-r", *(starts or ["."]))))
        elif arg in _FIND_WRITES and at + 1 < len(args):
            found.append(Inner(writes=(args[at + 1],)))
        elif arg == "-files0-from":
            found.append(Inner(doubt="reads where to start from a file"))
    return found


def _container(args: tuple[str, ...]) -> list[Inner]:
    """`docker run|exec …`: what runs stands somewhere behind the image's name."""
    runs = [at for at, arg in enumerate(args) if arg in ("run", "exec", "create")]
    if not runs:
        return []
    rest = [at for at in range(runs[0] + 1, len(args)) if not args[at].startswith("-")]
    doubt = "runs a command in a container"
    return [Inner(args[at + 1 :], doubt=doubt) for at in rest[:3] if at + 1 < len(args)] or [
        Inner(doubt=doubt)
    ]


def _git(args: tuple[str, ...]) -> list[Inner]:
    at = 0
    while at < len(args) and args[at] in GIT_QUIET:
        at += 1
    own = args[at:]
    found = [Inner(own=("git", *own))] if at else []
    if own and own[0] in GIT_RUNNING and own[1:2] not in (("status",), ("init",), ("update",)):
        found.append(Inner(doubt="makes git run something that is not understood"))
    if own[:1] == ("rebase",) and has_option(own[1:], "-x"):
        found.append(Inner(doubt="makes git run something that is not understood"))
    if own[:1] == ("grep",) and has_option(own[1:], "-O"):
        found.append(Inner(doubt="makes git run something that is not understood"))
    if any(arg.startswith(("ext::", "fd::")) for arg in own):
        found.append(Inner(doubt="makes git run something that is not understood"))
    for place, arg in enumerate(own):
        name, equals, value = arg.partition("=")
        if len(name) > 3 and "--output".startswith(name):
            found.append(Inner(writes=(value,) if equals else own[place + 1 : place + 2]))
    return found


def _sed(args: tuple[str, ...]) -> list[Inner]:
    """`sed`: a script of known commands is harmless; `e` and `w` run and write."""
    scripts, at, given = [], 0, False
    operands: list[str] = []
    while at < len(args):
        arg = args[at]
        at += 1
        if arg in ("-e", "--expression") and at < len(args):
            scripts.append(args[at])
            given, at = True, at + 1
        elif arg.startswith("-") and len(arg) > 1:
            if arg.strip("-nErsiz") and arg not in ("--quiet", "--silent", "--in-place", "-i.bak"):
                return [Inner(doubt="has an option of sed that is not understood")]
        else:
            operands.append(arg)
    if not given:
        scripts, operands = operands[:1], operands[1:]
    if all(_SED.fullmatch(part.strip()) for script in scripts for part in script.split(";")):
        return [Inner(writes=tuple(operands))] if _in_place(args) else []
    return [Inner(doubt="has a script of sed that is not understood")]


def _awk(args: tuple[str, ...]) -> list[Inner]:
    operands, at = [], 0
    while at < len(args):
        arg = args[at]
        at += 1
        if arg in ("-F", "-v"):
            at += 1
        elif arg.startswith("-") and not arg.startswith(("-F", "-v")):
            return [Inner(doubt="has an option of awk that is not understood")]
        elif not arg.startswith("-"):
            operands.append(arg)
    if operands and not _AWK_UNSAFE.search(operands[0]):
        return []
    return [Inner(doubt="has a program of awk that is not understood")]


def _in_place(args: tuple[str, ...]) -> bool:
    return any(
        (arg.startswith("-") and not arg.startswith("--") and "i" in arg) or arg == "--in-place"
        for arg in args
    )


_DECLARING = "declares a variable in a way that is not understood"


def _declare(args: tuple[str, ...]) -> list[Inner]:
    for arg in args:
        name = arg.partition("=")[0]
        if arg.startswith(("-", "+")) or "[" in name:
            return [Inner(doubt=_DECLARING)]
        if "=" in arg and not safe_name(name.removesuffix("+")):
            return [Inner(doubt=f"sets the variable {name}")]
    return []


def _test(args: tuple[str, ...]) -> list[Inner]:
    """Subscripts in a test are computed, and may run commands."""
    hidden = any("$" in arg or "`" in arg for arg in args)
    return [Inner(doubt="has a test that is not understood")] if hidden else []


def _set(args: tuple[str, ...]) -> list[Inner]:
    known = ("-e", "-u", "-x", "-eu", "-ex", "-eux", "-euo", "-euxo", "-exuo", "-o", "pipefail")
    bad = [arg for arg in args if arg not in known]
    return [Inner(doubt="changes how the shell reads lines")] if bad else []


def _npx(args: tuple[str, ...]) -> list[Inner]:
    """Programs of a package, run by a wrapper with options of its own."""
    if not args or args[0].startswith("-"):
        return [Inner(doubt=LAUNCHES)]
    return [Inner(args)]


def _runner(*words: str) -> Callable[[tuple[str, ...]], list[Inner]]:
    """Package managers of which one of some subcommands runs a program."""

    def runs(args: tuple[str, ...]) -> list[Inner]:
        return _npx(args[1:]) if args and args[0] in words else []

    return runs


def _make(args: tuple[str, ...]) -> list[Inner]:
    """`make`: a variable in its words may be a program that the rules run."""
    for arg in args:
        name, equals, _ = arg.partition("=")
        if equals and not arg.startswith("-") and not safe_name(name.rstrip(":+?!")):
            return [Inner(doubt=f"sets the variable {name}")]
    return []


def _mvn(args: tuple[str, ...]) -> list[Inner]:
    """Maven: only phases by name; plugins and properties may run anything."""
    for arg in args:
        known = arg.startswith(("-DskipTests", "-Dtest=")) or arg in ("-q", "-B", "-o", "-e", "-X")
        if not known and not arg.isalpha():
            return [Inner(doubt="makes mvn run something that is not understood")]
    return []


def _second(args: tuple[str, ...]) -> list[Inner]:
    """Programs whose second file is written."""
    operands = [arg for arg in args if not arg.startswith("-") or arg == "-"]
    return [Inner(writes=tuple(operands[1:2]))]


def _cd(args: tuple[str, ...]) -> list[Inner]:
    known = all(not arg.startswith(("-", "+")) for arg in args) and len(args) < 2
    return [] if known else [Inner(doubt="goes to a folder that is not known")]


def _tee(args: tuple[str, ...]) -> list[Inner]:
    return [Inner(writes=tuple(arg for arg in args if not arg.startswith("-")))]


def _output(args: tuple[str, ...]) -> list[Inner]:
    """Programs with `-o FILE` or `--output=FILE`."""
    found = []
    for at, arg in enumerate(args):
        if arg in ("-o", "-O", "--output", "--output-document") and at + 1 < len(args):
            found.append(Inner(writes=(args[at + 1],)))
        elif arg.startswith("--output") and "=" in arg:
            found.append(Inner(writes=(arg.partition("=")[2],)))
        elif arg.startswith("-o") and len(arg) > 2:
            found.append(Inner(writes=(arg[2:],)))
    return found


_SPECIAL = {
    **dict.fromkeys(("sh", "bash", "dash", "ash", "rbash"), _shell),
    **dict.fromkeys(("ksh", "mksh", "zsh", "fish", "csh", "tcsh"), _foreign_shell),
    **dict.fromkeys(("declare", "typeset", "local", "export", "readonly"), _declare),
    **dict.fromkeys(("test", "[", "[["), _test),
    **dict.fromkeys(("docker", "podman", "nerdctl", "kubectl", "lxc"), _container),
    **dict.fromkeys(("awk", "gawk", "mawk", "nawk"), _awk),
    **dict.fromkeys(("sort", "curl", "wget", "tree", "time"), _output),
    **dict.fromkeys(("uniq", "xxd"), _second), **dict.fromkeys(("make", "gmake"), _make),
    **dict.fromkeys(("cd", "pushd"), _cd), **dict.fromkeys(("mvn", "mvnw"), _mvn),
    **dict.fromkeys(("uv", "poetry", "pipenv", "pdm", "hatch", "rye"), _runner("run")),
    **dict.fromkeys(("npm", "pnpm", "yarn"), _runner("exec", "x", "dlx")),
    "bundle": _runner("exec"), "npx": _npx, "bunx": _npx, "uvx": _npx, "pipx": _runner("run"),
    "eval": _eval, "su": _su, "busybox": _busybox, "toybox": _busybox, "find": _find,
    "git": _git, "sed": _sed, "gsed": _sed, "set": _set, "tee": _tee,
}  # fmt: skip
