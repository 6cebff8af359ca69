"""Importing: our own export and the seeds' session files, each into a new session.

The form is told by the file's own names (`seedfiles.detect`). Nothing is
invented and nothing acts: see `takeover`. A file that is malformed, altered or
cut off is refused with the line or the field, and no session is made.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from holdfast.core.errors import HoldfastError, ImportRefused, SessionExists
from holdfast.core.events import ContextSet, Event, Imported, Opened
from holdfast.core.lifecycle import ENDED, SessionState
from holdfast.core.messages import Message
from holdfast.core.session import evolve
from holdfast.core.view import Recorded, SessionView
from holdfast.runtime.codec import decode_event, dump
from holdfast.runtime.endings import totals_of
from holdfast.runtime.escapestate import granted_in, state_of
from holdfast.runtime.jsonl import ExportedEvent, ExportFile, at_line, object_of, read_export
from holdfast.runtime.manager import Core
from holdfast.runtime.repeats import made_before, name_of
from holdfast.runtime.seeddata import SessionData
from holdfast.runtime.seedfiles import detect, ignored_keys
from holdfast.runtime.seedjson import FILE_CHARS_MAX, Json, JsonObject
from holdfast.runtime.seedmessages import IMPORTED
from holdfast.runtime.seedplans import SEED_KEYS, plan_of_data, plan_of_serializable
from holdfast.runtime.seeds import records_of
from holdfast.runtime.seedserial import SerializableSession
from holdfast.runtime.takeover import ImportedSession, Plan, Run, take_over, taken_over
from holdfast.runtime.window import Bodies, messages_of

FILE_BYTES_MAX = 1024 * 1024 * 1024
_BODIES = ("message", "messages", "tokens")


async def import_session(
    core: Core, path: str | os.PathLike[str], new_id: str | None = None
) -> ImportedSession:
    """Take in an export of ours; everything it holds is kept (contract 2.10).

    The conversation, counts, cost records, times, labels, title, tags, metadata
    and prompt are the new session's; messages the model no longer saw stay out
    of its sight; all else is inert JSON. A taken id gives way to a fresh one.

    Raises:
        ImportRefused: the line is named; no session is made.
        SessionExists: `new_id` is taken.
    """
    await core.ready()
    data = read_file(path)
    return await _once(core, plan_of_export(data), new_id)


async def import_file(
    core: Core, path: str | os.PathLike[str], new_id: str | None = None
) -> ImportedSession:
    """Take in a session file of any known form.

    Raises:
        ImportRefused: the line or the field is named; no session is made.
        SessionExists: `new_id` is taken.
    """
    await core.ready()
    return await _once(core, plan_of_file(read_file(path)), new_id)


async def _once(core: Core, plan: Plan, new_id: str | None) -> ImportedSession:
    """Take over; a request that is repeated finds the session that it made.

    Raises:
        CommandMismatch: its key was used with another file.
    """
    if core.commands is None:
        return await take_over(core, plan, new_id=new_id)
    names = (new_id or plan.session_id, name_of(core.commands))
    before = await made_before(core, names)
    if before is None:
        try:
            return await take_over(core, plan, new_id=new_id)
        except SessionExists:  # the request may be under way twice
            before = await made_before(core, names)
            if before is None:
                raise
    renamed = new_id is None and before.row.name == name_of(core.commands)
    return await taken_over(core, plan, before, renamed=renamed)


async def restore_from_data(core: Core, data: SessionData) -> ImportedSession:
    """Make a session from seed D15's record, under its own id.

    Raises:
        ImportRefused: no session may be made from it.
        SessionExists: there is a session with that id.
    """
    await core.ready()
    return await take_over(core, plan_of_data(data), rename=False)


def read_file(path: str | os.PathLike[str]) -> bytes:
    """Read a session file: a regular one, not a link to somewhere else.

    Raises:
        ImportRefused: it cannot be read, is no file, or is too large.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            facts = os.fstat(file.fileno())
            if not stat.S_ISREG(facts.st_mode):
                raise ImportRefused("not a regular file")
            if facts.st_size > FILE_BYTES_MAX:
                raise ImportRefused(f"larger than {FILE_BYTES_MAX} bytes")
            return file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ImportRefused(f"the file cannot be read: {error.strerror}") from None


def plan_of_file(data: bytes) -> Plan:
    """Plan a session from a file's bytes, whatever its form.

    Raises:
        ImportRefused: it has none of the forms, or is malformed.
    """
    first = data[: 64 * 1024].decode("utf-8", "replace")
    if detect(first.split("\n", 1)[0]) == "holdfast_jsonl":
        return plan_of_export(data)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise at_line(line, "not UTF-8 text") from None
    if len(text) > FILE_CHARS_MAX:
        raise ImportRefused(f"more than {FILE_CHARS_MAX} characters")
    match detect(text):
        case "session_data":
            return plan_of_data(SessionData.from_json(text), _ignored(text))
        case "serializable_session":
            return plan_of_serializable(SerializableSession.from_json(text), _ignored(text))
        case "holdfast_jsonl":
            return plan_of_export(data)
        case _:
            raise ImportRefused("line 1: none of the forms a session file has")


def _ignored(text: str) -> tuple[str, ...]:
    names = ignored_keys(text)
    return (f"not taken over: {', '.join(names)}",) if names else ()


# --- our own export -------------------------------------------------------------


def plan_of_export(data: bytes) -> Plan:
    """Plan a session from the bytes of an export of ours.

    Raises:
        ImportRefused: a line is malformed, altered, missing or of a newer program.
    """
    file = read_export(io.BytesIO(data))
    source = _Source()
    for line in file.events:
        try:
            source.take(line, decode_event(line.kind, line.payload.encode()))
        except HoldfastError as error:
            raise at_line(line.line, error.message) from None
    source.check(file)
    return _plan(file, source)


@dataclass(slots=True)
class _Source:
    """The exported session, folded."""

    view: SessionView = field(default_factory=SessionView)
    bodies: Bodies = field(default_factory=Bodies)
    said: list[tuple[int, tuple[Message, ...]]] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    kept: list[Json] = field(default_factory=list)
    inert: JsonObject = field(default_factory=dict)

    def take(self, line: ExportedEvent, event: Event) -> None:
        """Fold one event and keep what is not a message of it."""
        if isinstance(event, Opened) != (line.version == 1):
            raise ImportRefused("the first event, and only it, is a session's birth")
        recorded = Recorded(
            version=line.version,
            time_ms=line.time_ms,
            event=event,
            actor=line.actor,
            epoch=line.epoch,
        )
        self.view = evolve(self.view, recorded)
        self.bodies.take(recorded, self.view.window)
        self.recorded.append(recorded)
        messages = messages_of(event)
        if messages:
            self.said.append((line.version, messages))
        self.kept.append(self._rest(line, event))

    def _rest(self, line: ExportedEvent, event: Event) -> Json:
        payload = object_of(line.payload, "payload")
        if isinstance(event, Imported):
            inner = object_of(event.inert, "payload.inert")
            self.inert.update({name: inner.pop(name) for name in SEED_KEYS if name in inner})
            payload["inert"] = inner
        if not isinstance(event, ContextSet):
            payload = {name: value for name, value in payload.items() if name not in _BODIES}
        return {
            "version": line.version,
            "kind": line.kind,
            "name": line.name,
            "time_ms": line.time_ms,
            "actor": line.actor,
            "epoch": line.epoch,
            "hash": line.hash,
            "payload": payload,
        }

    def check(self, file: ExportFile) -> None:
        """Compare the first line with the first event.

        Raises:
            ImportRefused: they tell of two sessions, or of an ended one.
        """
        opened = self.recorded[0].event
        assert isinstance(opened, Opened), "it was taken as the first"
        head = file.head
        said = (head.session_id.casefold(), head.installation, head.commitment)
        if said != (opened.session_id.casefold(), opened.installation, opened.commitment):
            raise at_line(1, "it tells of another session than the first event")
        if self.view.wiping or self.view.state in ENDED:
            raise ImportRefused("the session had been terminated")

    def escapes(self) -> JsonObject:
        """What was granted there, as the inert state that a person may accept here."""
        before = self.inert.get("escape_state")
        state = state_of(
            granted_in(recorded.event for recorded in self.recorded),
            before if isinstance(before, dict) else {},
        )
        return {"escape_state": state} if state else {}

    def runs(self) -> tuple[Run, ...]:
        """The messages, cut where what is shown begins and ends."""
        runs: list[tuple[bool, list[Message]]] = []
        for version, messages in self.said:
            shown = self.view.window.shows(version)
            if not runs or runs[-1][0] is not shown:
                runs.append((shown, []))
            runs[-1][1].extend(_untrusted(message) for message in messages)
        return tuple(Run(tuple(messages), shown) for shown, messages in runs)


def _untrusted(message: Message) -> Message:
    return Message(message.role, message.parts, message.label.join(IMPORTED))


def _plan(file: ExportFile, source: _Source) -> Plan:
    view, head = source.view, file.head
    inert: JsonObject = {
        **source.inert,
        **source.escapes(),
        "holdfast": {
            **head.to_dict(),
            "user_id": view.user_id,
            "tenant": view.tenant,
            "state": view.state.title,
            "state_reason": view.state_reason,
            "settings": object_of(dump(view.settings).decode(), "settings"),
            "events": source.kept,
        },
    }
    summary = source.bodies.summary
    busy = view.state is SessionState.PROCESSING or view.turn is not None
    return Plan(
        session_id=head.session_id,
        source="holdfast_jsonl",
        head=head.head,
        user_id=view.user_id,
        channel_id=view.channel_id,
        chat_id=view.chat_id,
        runs=source.runs(),
        summary=_untrusted(summary) if summary else None,
        totals=totals_of(view),
        records=tuple(records_of(source.recorded)),
        created_ms=view.created_ms,
        activity_ms=view.last_activity_ms,
        settings=view.settings,
        workspace=view.settings.workspace,
        prompt=source.bodies.prompt,
        details=view.details,
        git=view.git,
        label=view.label,
        state=view.state,
        state_reason=view.state_reason[:1000],
        inert=inert,
        spills=file.spills,
        notes=tuple(_notes(file, view, busy)),
    )


def _notes(file: ExportFile, view: SessionView, busy: bool) -> Iterable[str]:
    yield from _setting_notes(view)
    if busy:
        yield "a turn was running; here it is not, and calls without a result say so"
    if view.questions:
        yield "its open questions did not come along"
    if file.missing:
        yield f"{file.missing} large outputs were gone already; their handles lead nowhere"


def _setting_notes(view: SessionView) -> Iterator[str]:
    if view.settings.model is not None:
        name = view.settings.model.model
        yield f"its model {name!r} is kept but not used; the default model answers until you say"
    if view.settings.unsafe_auto_approve:
        yield "it ran tools unasked; here it does not"
