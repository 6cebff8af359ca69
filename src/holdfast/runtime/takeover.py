"""Taking content over: a new session, under a new key and chain, from a plan.

Whatever form a file has, it is read into a `Plan` first. Then one append makes
the session: `Opened`, the content as `Imported` events, and at last the state.
So nothing half-imported remains (contract 2.10).

What a file says never acts: messages are untrusted, models, endpoints, key
references, grants and limits are kept as inert JSON, `unsafe_auto_approve` is
off. Permission rules that deny or ask hold at once; those that allow wait until a
person accepts them. A workspace is used only if it is a directory here, and that is noted.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field, replace

from holdfast.core.decide.content import PROMPT_CHARS_MAX, check_details, check_settings
from holdfast.core.errors import (
    HoldfastError,
    ImportRefused,
    InvalidInput,
    InvalidSessionId,
    SessionExists,
)
from holdfast.core.events import (
    ContextSet,
    CostRecord,
    Details,
    Event,
    Imported,
    Opened,
    Paused,
    StateSet,
    Totals,
)
from holdfast.core.gitstate import GitState
from holdfast.core.ids import generated_id, validate_id
from holdfast.core.labels import Label
from holdfast.core.lifecycle import SessionState
from holdfast.core.messages import Message, estimate_tokens
from holdfast.core.quantities import Usage
from holdfast.core.settings import Settings, StorageType, TimeoutAction
from holdfast.core.view import RANGES_MAX
from holdfast.runtime.backend import Backend
from holdfast.runtime.customs import Customs, at_least
from holdfast.runtime.heldrules import HELD_RULES, held_rules, narrowed
from holdfast.runtime.journal import Journal
from holdfast.runtime.listing import resolve_workspace
from holdfast.runtime.located import Located
from holdfast.runtime.manager import Core
from holdfast.runtime.perform import clean
from holdfast.runtime.repeats import birth_of, name_of
from holdfast.runtime.seedjson import JsonObject, write
from holdfast.runtime.seedmessages import IMPORTED

TIME_MS_MAX = 253_402_300_799_999  # the end of the year 9999
COUNT_MAX = 2**53
NAME_CHARS_MAX = 1000


@dataclass(frozen=True, slots=True)
class Run:
    """Messages that follow each other, all shown to the model or all not."""

    messages: tuple[Message, ...]
    shown: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a file comes to, whatever its form.

    Args:
        source: the file's form.
        head: hash of the source's last event, or "".
        user_id: whose session it is; "" for the importing principal.
        workspace: as the file names it.
        label: what the source had seen, beside its messages.
        inert: what is kept and never acted on.
        spills: large outputs by blob id, so that handles still work.
    """

    session_id: str
    source: str
    head: str = ""
    user_id: str = ""
    channel_id: str = ""
    chat_id: str = ""
    runs: tuple[Run, ...] = ()
    summary: Message | None = None
    totals: Totals = field(default_factory=Totals)
    records: tuple[CostRecord, ...] = ()
    created_ms: int = 0
    activity_ms: int = 0
    settings: Settings = field(default_factory=Settings)
    workspace: str = ""
    prompt: str = ""
    details: Details = field(default_factory=Details)
    git: GitState | None = None
    label: Label = IMPORTED
    state: SessionState = SessionState.ACTIVE
    state_reason: str = ""
    inert: JsonObject = field(default_factory=dict)
    spills: dict[bytes, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedSession:
    """What an import came to.

    Args:
        id: the new session's id.
        source: the file's form.
        messages: how many messages it has, hidden ones included.
        inert_keys: names of what is kept and does nothing.
        notes: what a person should know, a line each.
    """

    id: str
    source: str
    messages: int
    inert_keys: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


async def take_over(
    core: Core, plan: Plan, *, new_id: str | None = None, rename: bool = True
) -> ImportedSession:
    """Make the session of a plan; it is not led afterwards.

    Args:
        new_id: its id; default: the plan's.
        rename: if the plan's id is taken, choose another one.

    Raises:
        ImportRefused: something in the plan is over its limit; nothing remains.
        InvalidSessionId: `new_id` is not path-safe.
        SessionExists: the id is taken.
    """
    name, renamed = await _free_name(core, plan, new_id, rename)
    settings, notes = _safe(core, plan)
    plan = replace(plan, inert=held_rules(plan.settings.permission, plan.inert))
    opened = Opened(
        session_id=name,
        tenant=core.tenant,
        user_id=clean(plan.user_id) or core.principal,
        channel_id=clean(plan.channel_id),
        chat_id=clean(plan.chat_id),
        installation="",
        commitment="",
        settings=settings,
        system_prompt=clean(plan.prompt),
        details=plan.details,
        git=plan.git,
        label=plan.label.join(IMPORTED),
    )
    _check(opened, plan)
    backend = core.backend_for(settings.storage_type)
    actor = await backend.actor(core.tenant, core.principal)
    customs = Customs(core.detectors, core.trust.binding(settings.security))
    events = await customs.events(events_of(plan))
    birth = birth_of(core.commands)
    loaded = await backend.create(opened, events, actor=actor, taints=customs.taints, birth=birth)
    try:
        notes += await _keep_spills(loaded.journal, plan)
    finally:
        await _let_go(backend, loaded.journal)
    return _imported(plan, name, notes, renamed=renamed)


async def taken_over(
    core: Core, plan: Plan, where: Located, *, renamed: bool = False
) -> ImportedSession:
    """What became of a plan whose session was made before; what was cut off is done."""
    _, notes = _safe(core, plan)
    plan = replace(plan, inert=held_rules(plan.settings.permission, plan.inert))
    notes += await _keep_spills(where.backend.journal(where.row), plan)
    return _imported(plan, where.row.name or "", notes, renamed=renamed)


def _imported(plan: Plan, name: str, notes: list[str], *, renamed: bool) -> ImportedSession:
    if renamed:
        notes.insert(0, f"the id {plan.session_id!r} is taken; the session is {name!r}")
    return ImportedSession(
        id=name,
        source=plan.source,
        messages=sum(len(run.messages) for run in plan.runs),
        inert_keys=tuple(sorted(name for name, value in plan.inert.items() if value)),
        notes=(*notes, *plan.notes),
    )


async def taken(core: Core, name: str) -> bool:
    """Whether any store has a session of that name."""
    for _, backend in core.distinct_backends():
        if await backend.store.find(core.tenant, name) is not None:
            return True
    return False


async def _free_name(core: Core, plan: Plan, new_id: str | None, rename: bool) -> tuple[str, bool]:
    if new_id is not None:
        name = validate_id(new_id)
    else:
        try:
            name = validate_id(plan.session_id)
        except InvalidSessionId as error:
            raise ImportRefused(f"id: {error.message}") from None
    if not await taken(core, name):
        return name, False
    if new_id is not None or not rename:
        raise SessionExists(f"there is a session {name!r} already")
    if core.commands is not None:
        return name_of(core.commands), True
    return generated_id(core.clock.random_bytes(16)), True


def _storage(core: Core, wanted: StorageType) -> StorageType:
    """Where it is kept: memory only if there is nothing else; a file does not choose it."""
    if wanted is not StorageType.MEMORY and wanted in core.backends:
        return wanted
    return core.distinct_backends()[0][0]


def _safe(core: Core, plan: Plan) -> tuple[Settings, list[str]]:
    notes: list[str] = []
    workspace = ""
    if plan.workspace and os.path.isabs(plan.workspace):
        try:
            workspace = resolve_workspace(plan.workspace)
        except (InvalidInput, ValueError, OSError):
            workspace = ""
    if workspace:
        notes.append(f"it works in {workspace!r}, as the file says")
    elif plan.workspace:
        notes.append("its workspace is not a directory here; the session has none")
    storage = _storage(core, plan.settings.storage_type)
    waiting = held_rules(plan.settings.permission, plan.inert).get(HELD_RULES)
    if isinstance(waiting, list) and waiting:
        rules = ", ".join(str(one["rule"] if isinstance(one, dict) else one) for one in waiting)
        notes.append(
            f"rules that allow are kept and allow nothing until they are accepted: {rules}"
        )
    settings = replace(
        plan.settings,
        workspace=workspace,
        model=None,
        unsafe_auto_approve=False,
        permission=narrowed(plan.settings.permission),
        confirmation=replace(
            plan.settings.confirmation,
            unsafe_auto_approve=(),
            timeout_action=TimeoutAction.REJECT,
        ),
        parent_id=None,
        storage_type=storage,
        security=at_least(plan.settings.security),
    )
    return settings, notes


def _check(opened: Opened, plan: Plan) -> None:
    """Hold a file to the limits that a person's own input has."""
    try:
        check_settings(opened.settings)
        check_details(opened.details)
    except HoldfastError as error:
        raise ImportRefused(error.message) from None
    if not isinstance(_json(opened.settings.extra), dict):
        raise ImportRefused("unknown fields of the settings: not a JSON object")
    if len(opened.system_prompt) > PROMPT_CHARS_MAX:
        raise ImportRefused(f"the system prompt is longer than {PROMPT_CHARS_MAX} characters")
    for name in ("user_id", "channel_id", "chat_id"):
        if len(getattr(opened, name)) > NAME_CHARS_MAX:
            raise ImportRefused(f"{name}: longer than {NAME_CHARS_MAX} characters")
    for name, time_ms in (("created_at", plan.created_ms), ("updated_at", plan.activity_ms)):
        if not 0 <= time_ms <= TIME_MS_MAX:
            raise ImportRefused(f"{name}: not a time from 1970 to 9999")
    for index, record in enumerate(plan.records):
        if not 0 <= record.time_ms <= TIME_MS_MAX:
            raise ImportRefused(f"cost record {index}: not a time from 1970 to 9999")
        _check_counts(_counts_of(record.usage))
    totals = plan.totals
    counts = (totals.messages, totals.turns, totals.rounds, totals.tool_calls, totals.approvals)
    _check_counts((*counts, totals.last_prompt_tokens, *_counts_of(totals.usage)))


def _counts_of(usage: Usage) -> tuple[int, ...]:
    return (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.cost_micros,
    )


def _check_counts(counts: tuple[int, ...]) -> None:
    if not all(0 <= number <= COUNT_MAX for number in counts):
        raise ImportRefused("a count is negative or over 2**53")


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def events_of(plan: Plan) -> list[Event]:
    """The events that follow `Opened`.

    Messages the source did not show any more come along and are not shown here
    either: a `ContextSet` behind them says which are.
    """
    state = _state_events(plan)
    visible = [run for run in plan.runs if run.shown]
    plain = plan.summary is None and len(visible) == len(plan.runs) <= 1
    contents: list[Event] = []
    if not plain:
        contents = [_content(plan, run) for run in plan.runs]
        contents.append(_window(plan, visible))
    last = 2 + len(contents) + len(state)
    final = Imported(
        source=plan.source,
        head=plan.head,
        messages=plan.runs[0].messages if plain and plan.runs else (),
        tokens=_tokens(plan.runs[0]) if plain and plan.runs else 0,
        totals=plan.totals,
        records=plan.records,
        created_ms=plan.created_ms,
        updated_ms=plan.activity_ms,
        inert=write({**plan.inert, "until": last}),
    )
    return [*contents, final, *state]


def _content(plan: Plan, run: Run) -> Imported:
    return Imported(source=plan.source, messages=run.messages, tokens=_tokens(run))


def _window(plan: Plan, visible: list[Run]) -> ContextSet:
    ranges: list[tuple[int, int]] = []
    for version, run in enumerate(plan.runs, start=2):
        if not run.shown:
            continue
        if ranges and ranges[-1][1] == version - 1:
            ranges[-1] = (ranges[-1][0], version)
        else:
            ranges.append((version, version))
    if len(ranges) > RANGES_MAX + 1:
        raise ImportRefused("what the model sees is in too many pieces")
    return ContextSet(
        reason="import",
        window=tuple(ranges),
        tokens=sum(_tokens(run) for run in visible),
        count=sum(len(run.messages) for run in visible),
        summary=plan.summary,
    )


def _tokens(run: Run) -> int:
    return sum(estimate_tokens(message) for message in run.messages)


def _state_events(plan: Plan) -> list[Event]:
    match plan.state:
        case SessionState.PAUSED:
            return [Paused(why=plan.state_reason)]
        case SessionState.COMPLETED | SessionState.ERROR:
            return [StateSet(state=plan.state.title, reason=plan.state_reason)]
        case _:
            return []


async def _keep_spills(journal: Journal, plan: Plan) -> list[str]:
    """Keep large outputs; the session is there already and complete without them."""
    lost = 0
    for id, data in plan.spills.items():
        try:
            await journal.put_blob(data, id)
        except HoldfastError:
            lost += 1
    return [f"{lost} large outputs could not be kept; their handles lead nowhere"] if lost else []


async def _let_go(backend: Backend, journal: Journal) -> None:
    await backend.store.release(journal.stream, journal.epoch)
    if journal.crypto is not None:
        journal.crypto.wipe()
