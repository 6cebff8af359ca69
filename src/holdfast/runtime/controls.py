"""Reading and controlling a session through its handle; `handle` adds the talking."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from typing import Self

from holdfast.core.commands import (
    AddMessage,
    Answer,
    Cancel,
    Configure,
    External,
    MoveTo,
    Pause,
    Resume,
    SetContext,
)
from holdfast.core.errors import InvalidInput
from holdfast.core.events import CostRecord, EffectEnded, Imported
from holdfast.core.ids import validate_id
from holdfast.core.lifecycle import WORKING, SessionState
from holdfast.core.messages import Message, Role, Text, user
from holdfast.core.owed import owed
from holdfast.core.quantities import Usage
from holdfast.core.settings import ModelSettings, QueuePolicy
from holdfast.core.view import Question, SessionView
from holdfast.runtime.config import ContextUsage, SessionInfo, check_model
from holdfast.runtime.costs import CostSummary, summarise
from holdfast.runtime.host import Handled, expect
from holdfast.runtime.infos import info_of
from holdfast.runtime.manager import Core, Located
from holdfast.runtime.perform import clean
from holdfast.runtime.readers import Reading
from holdfast.runtime.window import Bodies

NONE = type(None)


class Controls:
    """What a handle can read and change; see `Session`."""

    def __init__(self, core: Core, where: Located, id: str) -> None:
        self._core = core
        self._where = where
        self._expects: int | None = None
        self.id = id

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"Session({self.id!r})"

    @property
    def where(self) -> Located:
        """Where the session is kept."""
        return self._where

    def if_version(self, version: int | None) -> Self:
        """A handle whose changes are carried out only if the session still has a version.

        Whoever leads the session compares and changes in one step, so of many who hold
        the same version, in whatever processes, one is the first and the others raise
        `VersionMismatch`. Messages are not changes.

        Args:
            version: of the last event that was seen; None is any.
        """
        expect("version", version, int, NONE)
        found = copy.copy(self)
        found._expects = version
        return found

    # --- reading -------------------------------------------------------------------

    async def state_of(self) -> tuple[SessionView, Bodies]:
        """The fold and the visible window, as one consistent read."""
        engine = self._core.live(self._where.stream)
        if engine is not None:
            return engine.view, engine.bodies
        follower = await self._core.follow(self._where)
        return follower.view, follower.bodies

    async def view(self) -> SessionView:
        """The fold, as it is: for the program, not to be shown to others than the author."""
        return (await self.state_of())[0]

    async def version(self) -> int:
        """Version of the last event."""
        return (await self.view()).version

    async def state(self) -> SessionState:
        """The lifecycle state (seed A3)."""
        return (await self.view()).state

    async def is_active(self) -> bool:
        """Whether the session is active or processing (seed A3)."""
        return await self.state() in WORKING

    async def info(self, *, by: str | None = None) -> SessionInfo:
        """All facts of the session in one consistent read (seed A1).

        Args:
            by: as of `history`.
        """
        reading = Reading(self._core, self._where, by)
        if self._core.live(self._where.stream) is not None:
            return info_of(await reading.fold(await self.view()))
        follower = await self._core.follow(self._where)
        error = follower.damaged
        damaged = f"{error.reason}: {error.message}" if error else ""
        return info_of(await reading.fold(follower.view), damaged)

    async def history(self, *, by: str | None = None) -> list[Message]:
        """The conversation (seed B9): the author's words as they are to the author.

        Args:
            by: the principal who reads; default: the manager's. Another than the
                session's user sees what the session's `reader` level permits.

        Raises:
            Unavailable: it cannot be told what another than the author may see.
        """
        view, bodies = await self.state_of()
        messages = [entry.message for entry in bodies.visible()]
        return await Reading(self._core, self._where, by).messages(view, messages)

    async def last_messages(self, count: int, *, by: str | None = None) -> list[Message]:
        """The last messages of the history.

        Args:
            by: as of `history`.
        """
        history = await self.history(by=by)
        return history[-count:] if count > 0 else []

    async def context_usage(self) -> ContextUsage:
        """How full the context is (seed D2)."""
        view = await self.view()
        limit = view.settings.context_tokens
        used = view.context_tokens
        return ContextUsage(used, limit, min(1.0, used / limit), view.round_count)

    async def total_usage(self) -> Usage:
        """Tokens and cost of all model calls (seed D11)."""
        return (await self.view()).usage

    async def total_cost(self) -> int:
        """Price of all model calls in micro-USD (seed D11)."""
        return (await self.view()).usage.cost_micros

    async def cost_summary(self) -> CostSummary:
        """Calls, tokens and cost by model and by day, from the log (seed D11)."""
        return summarise(await self.cost_records())

    async def cost_records(self) -> list[CostRecord]:
        """One record per model call, from the log (seed D11)."""
        journal = self._where.backend.journal(self._where.row)
        records: list[CostRecord] = []
        async for recorded in journal.replay():
            match recorded.event:
                case Imported(records=imported):
                    records.extend(imported)
                case EffectEnded(usage=usage, model=model, provider=provider) if usage:
                    records.append(
                        CostRecord(
                            model=model, provider=provider, usage=usage, time_ms=recorded.time_ms
                        )
                    )
        return records

    async def waiting_for(self) -> list[str]:
        """Why the session does not go on by itself, in words; empty if it does."""
        view = await self.view()
        reasons = [f"question {one.id}: {one.about} of {one.name}" for one in view.questions]
        if view.state is SessionState.PAUSED:
            reasons.append("it is paused")
        engine = self._core.live(self._where.stream)
        due = owed(view)
        if (due.start or due.run) and (engine is None or not engine.workers.busy):
            where = "here" if engine else "by any running process"
            reasons.append(
                f"what it needs is not offered {where}: a model, a tool or its hook engine"
            )
        return reasons

    async def system_prompt(self, *, by: str | None = None) -> str:
        """The system prompt, possibly empty.

        Args:
            by: as of `history`.
        """
        view, bodies = await self.state_of()
        return await Reading(self._core, self._where, by).text(view, bodies.prompt)

    async def questions(self, *, by: str | None = None) -> list[Question]:
        """The questions that wait for a person.

        Args:
            by: as of `history`.
        """
        return list((await self.facts(by=by)).questions)

    async def facts(self, *, by: str | None = None) -> SessionView:
        """The fold; its title, tags, metadata and questions as a principal may see them.

        Args:
            by: as of `history`.
        """
        return await Reading(self._core, self._where, by).fold(await self.view())

    # --- control -------------------------------------------------------------------

    async def submit(
        self, command: External, *, id: bytes | None = None, by: str | None = None
    ) -> Handled:
        """Have a command carried out by whoever leads the session."""
        return await self._core.submit(self._where, command, id=id, by=by, expects=self._expects)

    async def cancel(self, *, by: str | None = None) -> bool:
        """End the running turn; True if there was one to end (seed B11)."""
        if (await self.view()).turn is None:
            return False
        return (await self.submit(Cancel(), by=by)).first > 0

    async def pause(self, reason: str = "") -> bool:
        """Pause; True if that changed something (seed B11)."""
        return (await self.submit(Pause(why=clean(reason)))).first > 0

    async def resume(self) -> bool:
        """Resume; True only from paused (seed B11)."""
        if await self.state() is not SessionState.PAUSED:
            return False
        return (await self.submit(Resume())).first > 0

    async def set_state(self, state: SessionState | str, reason: str = "") -> None:
        """Walk one edge of the lifecycle (seed A3).

        Raises:
            IllegalTransition: the table has no such edge.
        """
        expect("state", state, SessionState, str)
        name = state.title if isinstance(state, SessionState) else state
        await self.submit(MoveTo(state=name, reason=clean(reason)))

    async def set_error(self, reason: str = "") -> None:
        """Put the session into error, with the reason on record (seed D1)."""
        await self.set_state(SessionState.ERROR, clean(reason))

    async def set_completed(self) -> None:
        """Complete the session (seed D1); the same as `end`."""
        await self.end()

    async def touch(self) -> None:
        """Note activity now (seed A3)."""
        await self.submit(Configure(touch=True))

    def emit(self, kind: str, data: Mapping[str, object]) -> None:
        """Send an event of the embedding program to this process's subscribers.

        It is live only, is never in the log, and its type is `host.<kind>`, so that
        it cannot be taken for one of the session's own (seed D10).
        """
        self._core.emit(self._where, self.id, validate_id(kind, "Event kind"), data)

    async def end(self) -> None:
        """Complete the session: what it granted for the session only is dropped."""
        if await self.state() is not SessionState.COMPLETED:
            await self.set_state(SessionState.COMPLETED)

    async def reopen(self) -> None:
        """Make a completed or failed session active again."""
        await self.set_state(SessionState.ACTIVE)

    async def answer(
        self, question: int, decision: str, note: str = "", *, by: str | None = None
    ) -> None:
        """Answer an open question.

        Raises:
            QuestionNotFound: unknown, already answered or lapsed.
            InvalidInput: the decision is not one of its choices.
        """
        who = by or self._core.principal
        expect("question", question, int)
        expect("decision", decision, str)
        expect("by", who, str)
        await self.submit(
            Answer(question=question, decision=decision, note=clean(note), by=who), by=who
        )

    async def add_message(self, message: Message | str) -> None:
        """Take a message into the history, labelled imported and untrusted (seed E6).

        Raises:
            InvalidInput: the role is system or tool.
        """
        expect("message", message, Message, str)
        found = user(message) if isinstance(message, str) else message
        parts = tuple(Text(clean(p.text)) if isinstance(p, Text) else p for p in found.parts)
        command = AddMessage(message=Message(Role(found.role), parts, found.label))
        await self.submit(command, id=self._core.command_id())

    async def clear(self) -> None:
        """Clear what the model sees; nothing else changes (seed B9)."""
        await self.submit(SetContext(reason="clear"))

    async def rewind(self, to_version: int) -> None:
        """Show the model only what was there at a version (seed B14)."""
        expect("to_version", to_version, int)
        await self.submit(SetContext(reason="rewind", to_version=to_version))

    async def configure(
        self,
        thinking: bool | None = None,
        budget: int | None = None,
        model_config: ModelSettings | None = None,
    ) -> None:
        """Change thinking, its budget in tokens, or the model; None leaves it (seed B10)."""
        expect("thinking", thinking, bool, NONE)
        expect("budget", budget, int, NONE)
        expect("model_config", model_config, ModelSettings, NONE)
        if model_config is not None:
            check_model(model_config)
        await self.submit(Configure(thinking=thinking, thinking_tokens=budget, model=model_config))

    async def set_queue_policy(self, policy: QueuePolicy | str) -> None:
        """Change what happens to messages that arrive during a turn."""
        try:
            chosen = QueuePolicy(policy)
        except ValueError as error:
            raise InvalidInput(str(error)) from None
        await self.submit(Configure(queue_policy=chosen))

    async def set_system_prompt(self, prompt: str) -> None:
        """Change the system prompt; "" removes it."""
        await self.submit(Configure(system_prompt=clean(prompt)))

    async def set_title(self, title: str) -> None:
        """Change the title (seed E8)."""
        await self.submit(Configure(title=clean(title)))

    async def set_tags(self, tags: Sequence[str]) -> None:
        """Replace the tags (seed E8)."""
        if isinstance(tags, str):
            raise InvalidInput("tags are a list of texts")
        await self.submit(Configure(tags=tuple(clean(tag) for tag in tags)))

    async def set_custom(self, key: str, value: object) -> None:
        """Set one entry of the free metadata; None removes it (seeds A1, E8)."""
        await self.submit(Configure(custom=(custom_of(key, value),)))

    set_metadata = set_custom

    async def metadata(self, *, by: str | None = None) -> Mapping[str, object]:
        """The free metadata (seeds A1, C1, E8).

        Args:
            by: as of `history`.
        """
        found: dict[str, object] = json.loads((await self.facts(by=by)).details.custom)
        return found


def custom_of(key: str, value: object) -> tuple[str, str]:
    """An entry of the free metadata as commands have it; None is no entry.

    Raises:
        InvalidInput: it is not JSON.
    """
    try:
        text = "" if value is None else json.dumps(value, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"metadata must be JSON: {error}") from None
    return clean(key), clean(text)
