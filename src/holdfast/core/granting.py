"""What a yes may grant: literal rules of an action, and wider ones a person may choose.

A grant is literal: it covers the very command, path or arguments that were
approved, and a `*` in them means itself (astrid#AW-1). A wider pattern is only
ever chosen by a person, out of those listed here, with samples of what it would
match.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.commandline import Segment
from holdfast.core.grants import Grant
from holdfast.core.rules import Rule, RuleEffect

WIDER_MAX = 6
SAMPLES = 3

NEVER_WIDE = frozenset(
    {
        "awk",
        "bash",
        "busybox",
        "chmod",
        "chown",
        "command",
        "curl",
        "dash",
        "dd",
        "doas",
        "docker",
        "env",
        "eval",
        "exec",
        "find",
        "fish",
        "gawk",
        "gdb",
        "ksh",
        "kubectl",
        "lua",
        "make",
        "mkfs",
        "nice",
        "node",
        "nohup",
        "parallel",
        "perl",
        "php",
        "python",
        "python3",
        "rm",
        "ruby",
        "setsid",
        "sh",
        "ssh",
        "stdbuf",
        "strace",
        "su",
        "sudo",
        "tee",
        "time",
        "timeout",
        "watch",
        "wget",
        "xargs",
        "zsh",
    }
)
"""Programs that run or destroy whatever they are told to: no prefix of them is offered."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\Z")
_UNPLAIN = frozenset("*?[]()\\")


def segment_text(segment: Segment) -> str:
    """A simple command as text that no other command has.

    The program as it was written, the words quoted as for a shell, and the files
    it is redirected from and to.
    """
    words = (segment.program or "".join(segment.argv[:1]), *segment.argv[1:])
    text = shlex.join(words) if segment.argv or segment.program else ""
    reads = "".join(f" <{shlex.quote(path)}" for path in segment.reads)
    writes = "".join(f" >{shlex.quote(path)}" for path in segment.writes)
    return f"{text}{reads}{writes}"


def path_text(path: PathUse) -> str:
    """A path as literal rules name it: within the workspace, or absolute."""
    return path.inside if path.inside is not None else path.real or path.given


def subjects(action: Action) -> tuple[str, ...]:
    """What a rule for a tool call is compared with: each has to be covered.

    Empty if nothing literal can stand for the action: the command is not clear,
    or the arguments are too long.
    """
    if action.kind not in (ActionKind.TOOL, ActionKind.CHILD):
        return ()
    if action.command is not None:
        if action.command.unclear:
            return ()
        return tuple(dict.fromkeys(segment_text(one) for one in action.command.segments))
    if action.paths:
        return tuple(dict.fromkeys(path_text(path) for path in action.paths))
    return (action.subject,) if action.subject else ()


def literal_rules(action: Action) -> tuple[Rule, ...]:
    """Allow rules for just this action: one for each command or path."""
    name = action.name.casefold()
    return tuple(_literal(name, subject) for subject in subjects(action))


def _literal(tool: str, subject: str) -> Rule:
    return Rule(effect=RuleEffect.ALLOW, tool=tool, pattern=subject, literal=True)


def literal_grants(action: Action, make: Callable[[int, Rule], Grant]) -> tuple[Grant, ...]:
    """Grants for just this action.

    Args:
        make: makes a grant of its number among them and its rule.
    """
    return tuple(make(number, rule) for number, rule in enumerate(literal_rules(action)))


def chosen_rules(action: Action, pattern: str) -> tuple[Rule, ...]:
    """The rules for an action when a person has chosen one of its wider patterns.

    Commands and paths that the pattern does not cover get literal rules.

    Raises:
        ValueError: the pattern was not one that was offered.
    """
    chosen = next((one for one in wider_rules(action) if one.text == pattern), None)
    if chosen is None:
        raise ValueError("no such pattern was offered")
    prefix = (chosen.pattern or "").removesuffix(":*")
    if action.command is None:
        folder = (chosen.pattern or "").removesuffix("**")
        rest = [one for one in literal_rules(action) if not (one.pattern or "").startswith(folder)]
        return (chosen, *(rest if action.paths else ()))
    rest = [
        _literal(chosen.tool, segment_text(segment))
        for segment in _distinct(action)
        if not _begins_with(segment, prefix)
    ]
    return (chosen, *rest)


def wider_rules(action: Action) -> tuple[Rule, ...]:
    """Rules that cover the action and more, the narrowest first."""
    if not subjects(action):
        return ()
    name = action.name.casefold()
    if action.command is not None:
        patterns = [one for segment in _distinct(action) for one in _prefixes(segment)]
    else:
        patterns = [one for path in action.paths for one in _folders(path)]
    found = [
        Rule(effect=RuleEffect.ALLOW, tool=name, pattern=pattern)
        for pattern in dict.fromkeys(patterns)
    ][: WIDER_MAX - 1]
    if action.command is None:
        found.append(Rule(effect=RuleEffect.ALLOW, tool=name))
    return tuple(found)


def wider_patterns(action: Action) -> tuple[str, ...]:
    """Rules a person may choose instead of the literal one, as text."""
    return tuple(rule.text for rule in wider_rules(action))


def samples(pattern: str, action: Action) -> tuple[str, ...]:
    """Three things that a wider pattern of an action would match besides.

    They are shown before a person chooses it.
    """
    rule = next((one for one in wider_rules(action) if one.text == pattern), None)
    if rule is None:
        return ()
    if rule.pattern is None:
        return (f"{rule.tool} with any arguments", f"{rule.tool} anywhere", f"{rule.tool} again")
    if action.command is not None:
        prefix = rule.pattern.removesuffix(":*")
        return (prefix, f"{prefix} --any-option", f"{prefix} any other words")
    folder = rule.pattern.removesuffix("**")
    return (f"{folder}any-file", f"{folder}any.folder/any.file", f"{folder}.any-hidden-file")


def grant_id(*parts: str | int) -> str:
    """The id of a grant, from what makes it the only one: 32 hexadecimal characters."""
    text = "\0".join(f"{len(str(part))}:{part}" for part in parts)
    return hashlib.sha256(f"holdfast/grant-id/1\0{text}".encode()).hexdigest()[:32]


def _distinct(action: Action) -> tuple[Segment, ...]:
    assert action.command is not None, "it runs a command"
    return tuple({segment_text(one): one for one in action.command.segments}.values())


def _prefixes(segment: Segment) -> list[str]:
    """`git status:*` and `git:*`, if the program's own words say what it will do."""
    program = (segment.program or "".join(segment.argv[:1])) if segment.argv else ""
    if not _PLAIN.match(program) or program in NEVER_WIDE or segment.wrapped:
        return []
    if segment.reads or segment.writes:
        return []
    words = segment.argv[1:2]
    longer = [f"{program} {word}:*" for word in words if _PLAIN.match(word)]
    return [*longer, f"{program}:*"]


def _begins_with(segment: Segment, prefix: str) -> bool:
    words = tuple(prefix.split(" "))
    return f"{' '.join(words)}:*" in _prefixes(segment)


def _folders(path: PathUse) -> list[str]:
    """The folder of a path within the workspace, and the topmost one above it.

    Of one outside only the folder it lies in, never the root.
    """
    if path.inside is None:
        outer = path.real.rpartition("/")[0]
        return [f"{outer}/**"] if outer and not _UNPLAIN & set(outer) else []
    if "/" not in path.inside or _UNPLAIN & set(path.inside):
        return []
    folder = path.inside.rpartition("/")[0]
    top = folder.split("/", 1)[0]
    return [f"{one}/**" for one in dict.fromkeys((folder, top))]
