"""Normalising: what a model wrote becomes an `Action` the gate can judge.

Arguments are validated against the registry's schema, paths are resolved to
where they lead now (`runtime.paths`), and the digest is taken of that form. What
runs later is that same form, never the raw text (contract 2.2): a path that
leads elsewhere by then makes another digest. A command line is parsed here, and
the shell runs the line itself: where the two could differ it is unclear.
"""

from __future__ import annotations

import json
import logging
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from holdfast.core.actions import Action, ActionKind, Cost
from holdfast.core.commandline import CommandLine
from holdfast.core.errors import InvalidInput
from holdfast.core.flows import Flow, Sink
from holdfast.core.granting import segment_text
from holdfast.core.messages import ToolUse
from holdfast.core.routing import Destination
from holdfast.core.security import Zone
from holdfast.core.tools import Lane, Nature, ToolSpec
from holdfast.ports.model import ModelClient, is_zoned
from holdfast.ports.registry import Registry
from holdfast.ports.shell import NoShell, ShellParser
from holdfast.ports.tool import Json, Tool
from holdfast.runtime.envelope import Crypto
from holdfast.runtime.hosts import hosts_of
from holdfast.runtime.paths import path_uses
from holdfast.runtime.placing import place_of

SUBJECT_BYTES_MAX = 4 * 1024
PREVIEW_BYTES_MAX = 2 * 1024
_NO_SHELL = NoShell()
NOTHING = Cost()
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A call ready to be judged and, if allowed, run."""

    use: ToolUse
    action: Action
    tool: Tool | None
    arguments: Mapping[str, Json]


def prepare(
    use: ToolUse,
    registry: Registry,
    workspace: str,
    crypto: Crypto,
    shell: ShellParser = _NO_SHELL,
    *,
    online: bool = False,
) -> Prepared:
    """Normalise one tool call.

    Args:
        workspace: absolute path, or "" for a session without one.
        shell: parses the command lines of tools that run them.
        online: the session's tools may reach hosts.
    """
    tool = registry.get(use.name)
    if tool is None:
        action = Action(
            kind=ActionKind.TOOL,
            name=use.name,
            digest=crypto.digest(b"tool", use.name.encode(), use.arguments.encode()).hex(),
            known=False,
            preview=_preview(use.arguments),
        )
        return Prepared(use, action, None, {})
    spec = tool.spec
    arguments: Mapping[str, Json] = {}
    problem = ""
    try:
        arguments = registry.validate(spec.name, use.arguments)
    except InvalidInput as error:
        problem = error.message
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    has_workspace = bool(workspace) and os.path.isdir(workspace)
    paths = path_uses(spec, arguments, workspace if has_workspace else "")
    led = [f"{use.operation}:{use.real}".encode("utf-8", "surrogatepass") for use in paths]
    command = _command(spec, arguments, shell)
    action = Action(
        kind=ActionKind.TOOL,
        name=spec.name,
        digest=crypto.digest(
            b"tool", spec.name.encode(), canonical.encode("utf-8", "surrogatepass"), *led
        ).hex(),
        problem=problem,
        nature=spec.nature,
        lane=spec.lane,
        needs_workspace=spec.needs_workspace,
        has_workspace=has_workspace,
        paths=paths,
        command=command,
        subject=_subject(canonical, command),
        preview=_preview(canonical),
        flow=_flow(spec, online),
        hosts=hosts_of(spec, arguments, canonical),
    )
    return Prepared(use, action, tool, arguments)


def _flow(spec: ToolSpec, online: bool) -> Flow:
    """What it declares; a tool that is told hosts sends to them, whatever it says."""
    flow = (spec.online if online else None) or spec.flow
    if spec.host_params and flow.sink is Sink.NONE:
        return replace(flow, sink=Sink.EGRESS)
    return flow


def _command(
    spec: ToolSpec, arguments: Mapping[str, Json], shell: ShellParser
) -> CommandLine | None:
    """The parsed command line of a tool that runs one; what cannot be parsed is unclear."""
    if not spec.command_param:
        return None
    line = arguments.get(spec.command_param)
    if not isinstance(line, str):
        return CommandLine(unclear="has no command")
    try:
        return shell.parse(line)
    except Exception as error:  # the parser is not ours to trust: then it is asked about
        _log.error("the command parser failed: %s", place_of(error))
        return CommandLine(unclear="the command parser failed")


def _subject(canonical: str, command: CommandLine | None) -> str:
    """What literal rules are compared with, or "" if it is too long or not clear."""
    text = canonical
    if command is not None:
        clear = "" if command.unclear else "; ".join(map(segment_text, command.segments))
        text = clear
    return text if len(text.encode("utf-8", "surrogatepass")) <= SUBJECT_BYTES_MAX else ""


def _preview(text: str) -> str:
    """A text as a person is shown it: bounded, and with nothing in it that does not show."""
    left = PREVIEW_BYTES_MAX - len("…".encode())
    if len(text) <= left and text.isascii() and text.isprintable():
        return text  # as nearly all are
    shown: list[str] = []
    for char in text[: PREVIEW_BYTES_MAX + 1]:
        visible = char
        if not char.isprintable() or unicodedata.category(char) == "Cf":
            visible = f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"
        left -= len(visible.encode("utf-8", "surrogatepass"))
        if left < 0:
            return "".join(shown) + "…"
        shown.append(visible)
    return "".join(shown)


@lru_cache(maxsize=64)  # asked for with every decision, and it is always the same
def model_action(
    name: str, *, known: bool, cost: Cost = NOTHING, to: Destination | None = None
) -> Action:
    """The action of calling the session's model.

    Args:
        to: where it runs.
    """
    return Action(
        kind=ActionKind.MODEL,
        name=name,
        known=known,
        nature=Nature.IDEMPOTENT,
        lane=Lane.GENERATE,
        cost=cost,
        to=to,
    )


def destination_of(
    client: ModelClient, *, enclave: ModelClient | None = None, wanted: bool = False
) -> Destination:
    """Where a client's model runs; one that does not say so counts as public.

    Args:
        enclave: the client of the enclave, where one is configured.
        wanted: an enclave is configured, there or not.
    """
    there, wanted = enclave is not None, wanted or enclave is not None
    if is_zoned(client):
        return Destination(zone=client.zone, sees=client.sees, enclave=wanted, enclave_ready=there)
    return Destination(zone=Zone.PUBLIC, enclave=wanted, enclave_ready=there)
