"""Actions: anything that crosses the session's boundary, normalised by the shell.

The core never parses a path, a command line or a schema: it sees what the shell
found (architecture 3), so that every decision can be replayed from the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.commandline import CommandLine
from holdfast.core.flows import Flow
from holdfast.core.inspection import Inspected
from holdfast.core.routing import Destination
from holdfast.core.tools import Lane, Nature, Operation


class ActionKind(StrEnum):
    """What crosses the boundary."""

    ADMIT = "admit"
    MODEL = "model"
    TOOL = "tool"
    CHILD = "child"
    DESTROY_KEY = "destroy_key"


@dataclass(frozen=True, slots=True)
class PathUse:
    """A path argument as the shell resolved it, links included, against the workspace.

    Args:
        given: as the model wrote it.
        inside: relative to the workspace, or None if it leads outside.
        operation: what the tool does with it; an undeclared one counts as a write.
        real: the absolute path it stands for, or "" if that is not known.
    """

    given: str
    inside: str | None
    operation: Operation = Operation.WRITE
    real: str = ""


@dataclass(frozen=True, slots=True)
class Cost:
    """The most a call may cost: what is reserved before it (contract 1.6).

    Args:
        micros: micro-USD.
        tokens: input and output.
        window: how much of the session's context may be sent besides, in tokens.
        per_1k: what a thousand tokens of it cost, in micro-USD.
        estimated: no price is known of the model, so the dearest there is was taken.
    """

    micros: int = 0
    tokens: int = 0
    window: int = 0
    per_1k: int = 0
    estimated: bool = False

    def with_context(self, tokens: int) -> Cost:
        """The whole cost, with an estimate of the context and a margin on it."""
        if not self.window:
            return self
        sent = min(self.window, tokens * 3 // 2)
        if not sent:
            return self
        priced = -(-sent * self.per_1k // 1000)
        return Cost(
            micros=self.micros + priced, tokens=self.tokens + sent, estimated=self.estimated
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One action.

    Args:
        name: the tool's or model's name.
        digest: keyed hash of the normalised action; what a yes is bound to.
        known: the installation's registry or configuration offers it.
        problem: why its arguments are not valid, or "" if they are.
        nature, lane, needs_workspace: as the registry declares them.
        paths: every path argument.
        command: the parsed command line of a tool that runs one, else None.
        subject: the normalised arguments as text, what a literal rule is compared
            with; "" if they are too long for one.
        preview: the arguments as a person is shown them, bounded.
        cost: the most it may cost.
        has_workspace: the session has a workspace that exists here.
        by_host: the embedding program calls, outside of a turn.
        flow: what a tool declares of the flow of information.
        found: what detectors made of a message; None if none has looked at it.
        to: where a model's call, or the call that a message leads to, goes.
        hosts: the hosts that a tool's arguments name; "?" for one that is not certain.
    """

    kind: ActionKind
    name: str = ""
    digest: str = ""
    known: bool = True
    problem: str = ""
    nature: Nature = Nature.ONCE
    lane: Lane = Lane.EXECUTE
    needs_workspace: bool = False
    has_workspace: bool = False
    by_host: bool = False
    paths: tuple[PathUse, ...] = ()
    command: CommandLine | None = None
    subject: str = ""
    preview: str = ""
    cost: Cost = Cost()
    flow: Flow | None = None
    found: Inspected | None = None
    to: Destination | None = None
    hosts: tuple[str, ...] = ()
