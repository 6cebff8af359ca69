"""Guard: commands that no rule, grant or mode permits.

Looks at every simple command of a line, also at those of a line that is not
clear: in a substitution, behind a wrapper, in a branch. What it forbids is in
`core.forbidden` and, for people, in docs/reference/commands.md (seed E5,
astrid#AW-4, AW-5, T-7). A file that a command is redirected from or to is judged
as the path of a tool is, by `boundary`.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass

from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.facts import Facts
from holdfast.core.forbidden import SAFE_DEVICES, Scene, base, entries_for
from holdfast.core.guards.boundary import judged
from holdfast.core.tools import Operation
from holdfast.core.verdicts import ALLOW, Deny, Verdict, join_all
from holdfast.core.view import SessionView

NAME = "commands"


def check(view: SessionView, facts: Facts, action: Action) -> Verdict:
    """Judge an action by the commands it would run."""
    line = action.command
    if line is None or action.kind is not ActionKind.TOOL:
        return ALLOW
    found = _charges(line, view.settings.workspace, facts.private)
    if found.denial is not None:
        return found.denial
    if not found.uses:
        return ALLOW
    return join_all(judged(view, facts, action, use) for use in found.uses)


@dataclass(frozen=True, slots=True)
class _Charges:
    """What a line's words come to in a workspace, whoever permitted what.

    Args:
        denial: of the first command that nothing permits.
        uses: files that commands are redirected from and to, to be judged as paths.
    """

    denial: Deny | None
    uses: tuple[PathUse, ...] = ()


def _charges(line: CommandLine, workspace: str, private: tuple[str, ...]) -> _Charges:
    key = (_Charges, workspace, private)
    known = line.kept(key)
    if not isinstance(known, _Charges):
        known = _charged(line, workspace, private)
        line.keep(key, known)
    return known


def _charged(line: CommandLine, workspace: str, private: tuple[str, ...]) -> _Charges:
    for scene in _scenes(line, workspace, private):
        for code, found, told in entries_for(scene.name):
            if found(scene):
                text = " ".join(scene.segment.argv)[:200]
                return _Charges(Deny(NAME, code, f"{text!r} is never permitted: it {told}"))
    uses = tuple(
        _use(path, operation, workspace)
        for segment in line.segments
        for paths, operation in (
            (segment.reads, Operation.READ),
            (segment.writes, Operation.WRITE),
        )
        for path in paths
        if not path.startswith(SAFE_DEVICES)
    )
    return _Charges(None, uses)


def _use(path: str, operation: Operation, workspace: str) -> PathUse:
    """A file that a command is redirected from or to, placed by its words alone."""
    if path.startswith("~"):
        return PathUse(path, None, operation, posixpath.normpath(path))
    root = posixpath.normpath(workspace) if workspace else ""
    real = posixpath.normpath(posixpath.join(root, path))
    if root and (real == root or real.startswith(root.rstrip("/") + "/")):
        return PathUse(path, real[len(root.rstrip("/")) + 1 :] or ".", operation, real)
    return PathUse(path, None, operation, real)


def _scenes(line: CommandLine, workspace: str, private: tuple[str, ...]) -> list[Scene]:
    scenes: list[Scene] = []
    folder = ""
    rooted: list[str] = []
    for at, segment in enumerate(line.segments):
        name, args = base(segment), segment.argv[1:]
        folders = tuple(dict.fromkeys((folder, *rooted))) if rooted else (folder,)
        scenes.append(
            Scene(
                name,
                args,
                segment,
                folders,
                _near(line.segments, at, forks=name == "function"),
                private,
                workspace,
                _operands(args),
            )
        )
        if name in ("cd", "pushd"):
            folder = _entered(folder, _operands(args), workspace)
            if folder[:1] in ("/", "~"):
                rooted.append(folder)
    return scenes


def _near(segments: tuple[Segment, ...], at: int, *, forks: bool) -> tuple[Segment, ...]:
    """What feeds a command; of a function, what stands in and behind it."""
    if forks:
        return segments[at + 1 :]
    pipe = segments[at].pipe
    return tuple(one for one in segments[:at] if one.pipe == pipe) if pipe else ()


def _entered(folder: str, operands: tuple[str, ...], workspace: str) -> str:
    target = operands[0] if operands else "~"
    entered = posixpath.normpath(posixpath.join(folder, target))
    root = workspace.rstrip("/")
    if root and (entered == root or entered.startswith(root + "/")):
        return entered[len(root) + 1 :]
    return "" if entered == "." else entered


def _operands(args: tuple[str, ...]) -> tuple[str, ...]:
    if not args:
        return ()
    if "--" in args:
        end = args.index("--")
        return (*(arg for arg in args[:end] if not arg.startswith("-")), *args[end + 1 :])
    return tuple(arg for arg in args if not arg.startswith("-"))
