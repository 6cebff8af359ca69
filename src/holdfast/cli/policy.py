"""`holdfast policy check|explain|test`: what the policy file says, and what comes of it.

Nothing runs here: calls are judged in a session that exists in memory only, by the
same gate as everywhere, and the file's hooks are not asked.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.exits import Quit
from holdfast.cli.output import facts, note, print_json, print_line, table
from holdfast.cli.world import Options, opened, options_of
from holdfast.core.errors import InvalidInput, NotFound

if TYPE_CHECKING:
    from holdfast.bootstrap import SessionManager
    from holdfast.cli.trial import Trial
    from holdfast.core.network import NetworkPolicy
    from holdfast.core.rules import Rule
    from holdfast.core.tools import ToolSpec
    from holdfast.runtime.handle import Session
    from holdfast.runtime.permissions import Explanation
    from holdfast.runtime.policyfile import PolicyFile

FAILED = 1
DECISIONS = ("allow", "ask", "deny")
CASE_KEYS = frozenset({"name", "tool", "args", "command", "path", "expect"})

WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="The directory calls work in; default: here."),
]


@dataclass(frozen=True, slots=True)
class Asked:
    """A call to be judged, as somebody wrote it: with arguments, a command or a path."""

    tool: str = ""
    args: Mapping[str, Any] | None = None
    command: str | None = None
    path: str | None = None

    def call(self, spec: ToolSpec | None) -> tuple[str, dict[str, Any]]:
        """The tool's name and its arguments.

        Args:
            spec: what the registry says of the tool.

        Raises:
            InvalidInput: the tool takes no command, or no path.
        """
        found = dict(self.args or {})
        given = ((self.command, "command"), (self.path, "path"))
        for value, what in given:
            if value is None:
                continue
            names = () if spec is None else spec.path_params
            if what == "command":
                names = (spec.command_param,) if spec is not None and spec.command_param else ()
            if not names:
                raise InvalidInput(f"{self.tool} takes no {what}")
            found = {**_fill(spec), **found, names[0]: value}
        return self.tool, found


def check(
    context: typer.Context,
    file: Annotated[Path | None, typer.Argument(help="Default: the one in force.")] = None,
) -> None:
    """Read the policy file and show what it says; exit code 2 if it cannot be used."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)

    async def work() -> tuple[PolicyFile, str, list[str]]:
        async with trial(options, file) as manager:
            if manager.policy is None or manager.policy_place is None:
                raise NotFound("there is no policy file; docs/how-to/policy-file.md begins one")
            names = {spec.name.casefold() for spec in manager.list_tools()}
            rules = manager.policy.permission.rules if manager.policy.permission else ()
            plain = {rule.tool for rule in rules if not rule.tool.startswith("mcp__")}
            other = {one for one in plain if "*" not in one} - names
            return manager.policy, manager.policy_place.origin.value, sorted(other)

    found, origin, unknown = asyncio.run(work())
    if options.json:
        print_json({**form(found), "origin": origin, "not_built_in": unknown})
        return
    _show(found, origin)
    for name in unknown:
        note(f"note: {name} is no built-in tool")


def explain(
    context: typer.Context,
    tool: Annotated[str, typer.Argument(help="The tool; bash with --command.")] = "",
    args: Annotated[str, typer.Argument(help="Its arguments, a JSON object.")] = "",
    *,
    command: Annotated[
        str | None, typer.Option("--command", "-c", help="A command line, for bash.")
    ] = None,
    path: Annotated[str | None, typer.Option("--path", help="A path, for a file tool.")] = None,
    session: Annotated[
        str | None, typer.Option("--session", "-s", help="As this session would be judged.")
    ] = None,
    workspace: WorkspaceOption = None,
) -> None:
    """Say what the gate would decide about a call, and which rules matched. Nothing runs."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)
    name = tool or ("bash" if command is not None else "")
    if not name:
        raise InvalidInput("name a tool, or give a --command")
    asked = Asked(tool=name, args=_object(args), command=command, path=path)

    async def work() -> Explanation:
        if session is not None:
            async with opened(options) as manager:
                return await judged(manager, await manager.get_session(session), asked)
        async with trial(options) as manager:
            return await judged(manager, await manager.open_trial(workspace), asked)

    _say(asyncio.run(work()), as_json=options.json)


def test(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Cases, as TOML or JSON.")],
    *,
    workspace: WorkspaceOption = None,
) -> None:
    """Compare decisions with those that a file of cases expects; exit code 1 if one differs."""
    # lazy: help does not need an event loop.
    import asyncio

    options = options_of(context)
    cases = read_cases(file)

    async def work() -> list[Explanation]:
        async with trial(options) as manager:
            session = await manager.open_trial(workspace)
            return [await judged(manager, session, asked) for _, asked, _ in cases]

    said = asyncio.run(work())
    differ = [
        {"case": name, "expected": wanted, "decision": got.decision, "rule": _rule(got)}
        for (name, _, wanted), got in zip(cases, said, strict=True)
        if got.decision != wanted
    ]
    if options.json:
        print_json({"cases": len(cases), "failed": differ})
    else:
        for one in differ:
            by = f" ({one['rule']})" if one["rule"] else ""
            print_line(f"{one['case']}: expected {one['expected']}, but {one['decision']}{by}")
        print_line(f"{len(cases) - len(differ)} of {len(cases)} cases as expected")
    if differ:
        raise Quit(FAILED)


# --- judging ------------------------------------------------------------------------


@asynccontextmanager
async def trial(options: Options, file: Path | None = None) -> AsyncIterator[Trial]:
    """A manager in memory, under the policy file that would be in force.

    Raises:
        PolicyFileRefused: it cannot be used.
    """
    # lazy: the gate and its parser are not needed for help.
    from holdfast.cli.trial import Trial

    async with Trial(options.store, file or options.policy) as manager:
        yield manager


async def judged(manager: SessionManager, session: Session, asked: Asked) -> Explanation:
    """What the gate says of a call in a session."""
    tool = manager.registry.get(asked.tool)
    name, args = asked.call(None if tool is None else tool.spec)
    return await session.explain(name, args)


def _fill(spec: ToolSpec | None) -> dict[str, Any]:
    """Something for each required argument that is a text: patterns do not look at them."""
    schema = json.loads(spec.parameters) if spec is not None else {}
    kinds = {name: value.get("type") for name, value in schema.get("properties", {}).items()}
    return {name: "x" for name in schema.get("required", ()) if kinds.get(name) == "string"}


def _object(text: str) -> dict[str, Any]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InvalidInput(f"the arguments are not JSON: {error}") from None
    if not isinstance(found, dict):
        raise InvalidInput("the arguments are a JSON object")
    return found


# --- cases --------------------------------------------------------------------------


def read_cases(file: Path) -> list[tuple[str, Asked, str]]:
    """Name, call and expected decision of each case.

    Raises:
        NotFound: there is no such file.
        InvalidInput: naming the case that is malformed.
    """
    # lazy: only this command reads TOML.
    import tomllib

    try:
        text = file.read_text(encoding="utf-8")
        data = tomllib.loads(text) if file.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise NotFound(f"{file} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InvalidInput(f"{file}: {error}") from None
    whole = isinstance(data, dict) and set(data) == {"cases"}
    listed = data["cases"] if whole else data
    if not isinstance(listed, list) or not listed:
        raise InvalidInput(f"{file} is a list of `cases`")
    return [_case(one, f"{file}: case {place}") for place, one in enumerate(listed, start=1)]


def _case(found: object, where: str) -> tuple[str, Asked, str]:
    if not isinstance(found, dict):
        raise InvalidInput(f"{where} is not a table")
    unknown = sorted(str(key) for key in found if key not in CASE_KEYS)
    if unknown:
        raise InvalidInput(f"{where} has no {unknown[0]!r}")
    texts = {key: found.get(key) for key in CASE_KEYS - {"args"}}
    wrong = [key for key, value in texts.items() if not isinstance(value, str | None)]
    args = found.get("args", {})
    if wrong or not isinstance(args, dict):
        raise InvalidInput(f"{where}: {(sorted(wrong) or ['args'])[0]} is of another type")
    if texts["expect"] not in DECISIONS:
        raise InvalidInput(f"{where} expects {' or '.join(DECISIONS)}")
    tool = texts["tool"] or ("bash" if texts["command"] is not None else "")
    if not tool:
        raise InvalidInput(f"{where} names no tool")
    asked = Asked(tool=tool, args=args, command=texts["command"], path=texts["path"])
    shown = texts["command"] or texts["path"] or json.dumps(args)
    return texts["name"] or f"{tool} {shown}", asked, str(texts["expect"])


# --- showing ------------------------------------------------------------------------


def form(found: PolicyFile) -> dict[str, object]:
    """A policy file as plain data; a hook's environment is named, not shown."""
    # lazy: help does not need it.
    from holdfast.runtime.jsonform import write

    policy = found.permission
    return {
        "file": found.path,
        "mode": policy.mode.value if policy is not None else None,
        "rules": [_as_data(rule) for rule in policy.rules] if policy is not None else [],
        "confirmation": json.loads(write(found.confirmation)) if found.confirmation else None,
        "budget": json.loads(write(found.budget)) if found.budget else None,
        "shared": [json.loads(write(one)) for one in found.shared],
        "hooks": [
            {
                "id": one.id,
                "event": one.event.value,
                "command": list(one.command),
                "match": one.match,
                "env": sorted(one.env),
            }
            for one in found.hooks
        ],
        "trusted_keys": list(found.trusted_keys),
        "security": json.loads(write(found.security)) if found.security else None,
        "network": _reached(found.confined.network),
        "model_network": _reached(found.confined.model_network),
        "enclave": _enclave(found),
    }


def _reached(policy: NetworkPolicy | None) -> dict[str, object] | None:
    """What a network policy lets through, as plain data."""
    if policy is None:
        return None
    return {
        "rules": [rule.text for rule in policy.rules],
        "bytes_max": policy.bytes_max,
        "unsafe_addresses": list(policy.unsafe_addresses),
    }


def _hosts(policy: NetworkPolicy | None) -> str:
    """What a network policy lets through, in a line."""
    if policy is None:
        return "as arguments say"
    return "; ".join(rule.text for rule in policy.rules) or "nothing"


def _enclave(found: PolicyFile) -> str:
    """What the file wants of an enclave, in a line."""
    tee = found.confined.tee
    if tee is None:
        return "as arguments say"
    wanted = ["wanted" if tee.enabled else "not wanted", tee.mode]
    wanted += ["required"] if tee.required else []
    return ", ".join([*wanted, *(["may be simulated"] if tee.allow_simulated else [])])


def _content(found: PolicyFile) -> str:
    """What the file says of content security, in a line."""
    security = found.security
    if security is None or not security.enabled:
        return "as sessions say"
    parts = [f"flow {security.flow.value}", f"injection {security.injection.value}"]
    parts += [f"{len(security.rules)} rules"] if security.rules else []
    return ", ".join((*parts, *security.packs))


def _as_data(rule: Rule) -> dict[str, object]:
    return {
        "effect": _effect(rule),
        "rule": rule.text,
        "literal": rule.literal,
        "role": rule.role,
        "task_type": rule.task_type,
    }


def _show(found: PolicyFile, origin: str) -> None:
    data = form(found)
    facts(
        [
            ("file", os.fspath(found.path)),
            ("found by", origin),
            ("mode", str(data["mode"] or "none: it has no rules")),
            ("hooks", ", ".join(f"{one.id} ({one.event.value})" for one in found.hooks) or "none"),
            ("shared limits", len(found.shared)),
            ("trusted keys", len(found.trusted_keys)),
            ("content", _content(found)),
            ("network", _hosts(found.confined.network)),
            ("models reach", _hosts(found.confined.model_network)),
            ("enclave", _enclave(found)),
        ]
    )
    if found.permission is None or not found.permission.rules:
        return
    rules = found.permission.rules
    table(
        ("effect", "rule", "only for"),
        [(_effect(rule), _text(rule), _only(rule)) for rule in rules],
        flexible=1,
    )


def _text(rule: Rule) -> str:
    return f"{rule.text} (literal)" if rule.literal else rule.text


def _only(rule: Rule) -> str:
    return ", ".join(one for one in (rule.role, rule.task_type) if one)


def _rule(said: Explanation) -> str:
    if said.rule is None:
        return ""
    return f"{said.scope}: {_effect(said.rule)} {said.rule.text}"


def _effect(rule: Rule) -> str:
    return "always_ask" if rule.always_ask else rule.effect.value


def _say(said: Explanation, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "decision": said.decision,
                "rule": None if said.rule is None else _as_data(said.rule),
                "scope": said.scope,
                "matched": [{"scope": scope, **_as_data(rule)} for scope, rule in said.matched],
                "codes": list(said.codes),
                "details": list(said.details),
                "grants": list(said.grants),
                "segments": [
                    {
                        "command": one.text,
                        "decision": one.decision,
                        "rule": None if one.rule is None else _as_data(one.rule),
                        "scope": one.scope,
                    }
                    for one in said.segments
                ],
            }
        )
        return
    facts([("decision", said.decision), ("by", _rule(said) or "no rule")])
    for code, detail in zip(said.codes, said.details, strict=True):
        print_line(f"{code}: {detail}", mark=" ")
    if said.segments:
        table(
            ("command", "decision", "by"),
            [
                (one.text, one.decision, f"{one.scope}: {one.rule.text}" if one.rule else "")
                for one in said.segments
            ],
        )
    if said.matched:
        table(
            ("matched", "scope", "effect"),
            [(_text(rule), scope, _effect(rule)) for scope, rule in said.matched],
        )
