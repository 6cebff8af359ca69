"""`holdfast agent-config show|set`: the model that turns go to by default.

A key is read from an environment variable or from stdin, and never from the command
line, which every user of the machine can read. It is never shown.
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.output import note, print_json, table
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.agentconfig import KEEP, SECRET_CHARS_MAX, AgentConfig, CallSettings, Keep
from holdfast.core.errors import InvalidInput
from holdfast.core.ids import validate_id
from holdfast.core.security import Zone

if TYPE_CHECKING:
    from holdfast.core.settings import ModelSettings

WorkspaceOption = Annotated[
    str, typer.Option("--workspace", help="The workspace whose configuration is meant.")
]


def show(context: typer.Context, *, workspace: WorkspaceOption = "default") -> None:
    """Show the model that turns go to by default; of its key only whether it is set."""
    # lazy: help needs no event loop.
    import asyncio

    options = options_of(context, served=True)
    _check_workspace(options, workspace)
    _print(options, asyncio.run(_get(options, workspace)))


def set_(
    context: typer.Context,
    model: Annotated[
        str | None, typer.Argument(metavar="MODEL", help="provider:name, such as openai:gpt-4o.")
    ] = None,
    *,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Another address; goes with --zone.")
    ] = None,
    zone: Annotated[
        str | None, typer.Option("--zone", help="Where it runs: public, private or local.")
    ] = None,
    sees: Annotated[
        str | None, typer.Option("--sees", help="The most sensitive content it may see in clear.")
    ] = None,
    input_usd: Annotated[
        str | None, typer.Option("--input-usd", help="Price of a million tokens of input.")
    ] = None,
    output_usd: Annotated[
        str | None, typer.Option("--output-usd", help="Price of a million tokens of output.")
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", help="Where its key is found: env:NAME or file:/path.")
    ] = None,
    key_env: Annotated[
        str | None, typer.Option("--key-env", help="Store the key that this variable holds.")
    ] = None,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Store the key that stdin holds.")
    ] = False,
    no_key: Annotated[
        bool, typer.Option("--no-key", help="Remove the key that is stored.")
    ] = False,
    idle_s: Annotated[
        float | None, typer.Option("--idle-s", help="Seconds that a model may be silent.")
    ] = None,
    total_s: Annotated[
        float | None, typer.Option("--total-s", help="Seconds that a call may take.")
    ] = None,
    attempts: Annotated[
        int | None, typer.Option("--attempts", help="How often a request is sent at most.")
    ] = None,
    expected: Annotated[
        int | None, typer.Option("--expected", help="The version that it is to replace.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Remove what is stored.")] = False,
    workspace: WorkspaceOption = "default",
) -> None:
    """Replace the model that turns go to by default, in every process on the store.

    The key that is stored stays as long as provider and address do.
    """
    # lazy: help needs no event loop.
    import asyncio

    options = options_of(context, served=True)
    _check_workspace(options, workspace)
    if clear == (model is not None):
        raise InvalidInput("give a model, or --clear")
    parts = {"input_usd": input_usd, "output_usd": output_usd, "base_url": base_url, "key": key}
    given = {"idle_s": idle_s, "total_s": total_s, "attempts": attempts}
    if clear and any((zone, sees, *parts.values(), *given.values())):
        raise InvalidInput("--clear goes with nothing else")
    asked = _Asked(
        model=None if model is None else _settings(model, parts, zone, sees),
        api_key=_secret(key_env, stdin=key_stdin, none=no_key),
        calls=_calls(given),
        expected=expected,
    )
    _print(options, asyncio.run(_put(options, workspace, asked)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What is to be put in place."""

    model: ModelSettings | None
    api_key: str | Keep | None = field(repr=False)
    calls: CallSettings | None
    expected: int | None


async def _get(options: Options, workspace: str) -> AgentConfig:
    if options.server:
        # lazy: only commands for a server need its client.
        from holdfast.cli.remote import connected

        async with connected(options) as client:
            return await client.agent_config()
    async with opened(options) as manager:
        manager.tenant = workspace
        return await manager.agent_config()


async def _put(options: Options, workspace: str, asked: _Asked) -> AgentConfig:
    more = {"api_key": asked.api_key, "calls": asked.calls, "expected": asked.expected}
    if options.server:
        # lazy: only commands for a server need its client.
        from holdfast.cli.remote import connected

        async with connected(options) as client:
            return await client.set_agent_config(asked.model, **more)  # type: ignore[arg-type]  # as named
    async with opened(options) as manager:
        manager.tenant = workspace
        return await manager.set_agent_config(asked.model, **more)  # type: ignore[arg-type]  # as named


def _calls(given: dict[str, Any]) -> CallSettings | None:
    limits = {name: value for name, value in given.items() if value is not None}
    return CallSettings(**limits) if limits else None


def _check_workspace(options: Options, workspace: str) -> None:
    if options.server and workspace != "default":
        raise InvalidInput("a server knows the workspace by the token")
    validate_id(workspace, "Workspace")


def _settings(
    model: str, parts: dict[str, str | None], zone: str | None, sees: str | None
) -> ModelSettings:
    # lazy: only who names a model needs the factory, and levels are the runtime's.
    from holdfast.adapters.models.factory import parse_model
    from holdfast.runtime.securing import level_of

    chosen = parse_model(model, **parts)
    try:
        where = None if zone is None else Zone(zone)
    except ValueError:
        raise InvalidInput("--zone is public, private or local") from None
    return replace(chosen, zone=where, sees=None if sees is None else level_of("--sees", sees))


def _secret(variable: str | None, *, stdin: bool, none: bool) -> str | Keep | None:
    """The key that is meant: read here, None to remove it, or the one that is stored.

    Raises:
        InvalidInput: there is none where it is said to be, or several are meant.
    """
    if (variable is not None) + stdin + none > 1:
        raise InvalidInput("--key-env, --key-stdin and --no-key exclude each other")
    if none:
        return None
    if variable is None and not stdin:
        return KEEP
    text = os.environ.get(variable, "") if variable else sys.stdin.read(SECRET_CHARS_MAX + 2)
    if not text.strip():
        where = f"the variable {variable}" if variable else "stdin"
        raise InvalidInput(f"there is no key in {where}")
    return text.strip()


def _print(options: Options, found: AgentConfig) -> None:
    if options.json:
        print_json(asdict(found))
        return
    note(f"version {found.version}, from: {found.source}")
    key = "set" if found.key.set else "not set"
    shown = {
        "provider": found.provider,
        "model": found.model,
        "base_url": found.base_url,
        "zone": found.zone,
        "sees": found.sees,
        "key": f"({key}; {found.key.source}) {found.key.reference}".strip(),
        "input_usd": found.input_usd,
        "output_usd": found.output_usd,
        **asdict(found.calls),
    }
    rows = [(name, "" if value is None else value) for name, value in shown.items()]
    table(("setting", "value"), rows, flexible=1)
