"""Reading and controlling a session through its handle; `session` adds the talking."""

from __future__ import annotations

import copy
import secrets
from collections.abc import Mapping, Sequence
from typing import Self

from holdfast.client.decode import member, read, read_list, written
from holdfast.client.told import label_of, level_name, message_of
from holdfast.client.values import (
    ContextUsage,
    CostSummary,
    PlanStep,
    RiskReport,
    SessionInfo,
    Trifecta,
)
from holdfast.client.wire import Ask, Wire, part
from holdfast.core.errors import BadAnswer, InvalidInput
from holdfast.core.labels import Label, Sensitivity
from holdfast.core.lifecycle import WORKING, SessionState, decode_state
from holdfast.core.messages import Message, Role, user
from holdfast.core.quantities import Usage
from holdfast.core.settings import ModelSettings, QueuePolicy

API = "/api/v1"
PAGE = 1000


def new_key(command_id: bytes | None = None) -> str:
    """The `Idempotency-Key` of a command: its id, or a fresh one.

    Raises:
        InvalidInput: the id does not have 16 bytes.
    """
    if command_id is None:
        return secrets.token_hex(16)
    if not isinstance(command_id, bytes) or len(command_id) != 16:
        raise InvalidInput("a command id has 16 bytes")
    return command_id.hex()


def condition_of(version: int | None) -> Mapping[str, str]:
    """The headers of a request that is only for one version of a session.

    Raises:
        InvalidInput: it is no version.
    """
    if version is None:
        return {}
    if isinstance(version, bool) or not isinstance(version, int) or version < 0:
        raise InvalidInput("a version is a whole number")
    return {"If-Match": f'"{version}"'}


class Controls:
    """What a handle can read and change; see `RemoteSession`."""

    def __init__(self, wire: Wire, id: str) -> None:
        self._wire = wire
        self._path = f"{API}/sessions/{part(id)}"
        self._condition: Mapping[str, str] = {}
        self.id = id

    def __str__(self) -> str:
        return self.id

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id!r})"

    def if_version(self, version: int | None) -> Self:
        """A handle whose changes are carried out only if the session still has a version.

        Of many who hold the same version one is the first, and the others raise
        `VersionMismatch`. It is for `change` and what else replaces something: settings,
        policies, budgets, plans.

        Args:
            version: of the last event that was seen; None is any.
        """
        found = copy.copy(self)
        found._condition = condition_of(version)
        return found

    async def _get(self, path: str = "", **query: str | int | None) -> object:
        ask = Ask(method="GET", path=f"{self._path}{path}", query=query)
        return (await self._wire.ask(ask)).json()

    async def _post(self, path: str, body: object = None) -> object:
        ask = Ask(method="POST", path=f"{self._path}{path}", body=body, key=new_key())
        return (await self._wire.ask(ask)).json()

    async def _put(self, path: str, body: object) -> object:
        ask = Ask(method="PUT", path=f"{self._path}{path}", body=body, headers=self._condition)
        return (await self._wire.ask(ask)).json()

    async def _change(self, **changes: object) -> None:
        ask = Ask(method="PATCH", path=self._path, body=written(changes), headers=self._condition)
        read(SessionInfo, (await self._wire.ask(ask)).json())

    async def _changed(self, path: str, body: object = None) -> bool:
        return read(bool, member(await self._post(path, body), "changed"))

    # --- reading -------------------------------------------------------------------

    async def info(self) -> SessionInfo:
        """All facts of the session in one consistent read."""
        return read(SessionInfo, await self._get())

    async def version(self) -> int:
        """Version of the last event."""
        return (await self.info()).version

    async def state(self) -> SessionState:
        """The lifecycle state."""
        return decode_state((await self.info()).state)

    async def is_active(self) -> bool:
        """Whether the session is active or processing."""
        return await self.state() in WORKING

    async def history(self) -> list[Message]:
        """The conversation as the model sees it."""
        found: list[Message] = []
        before: int | None = None
        while before != 0:
            page, before = await self._window(before, PAGE)
            found = page + found
        return found

    async def last_messages(self, count: int) -> list[Message]:
        """The last messages of the history."""
        if count <= 0:
            return []
        if count <= PAGE:
            return (await self._window(None, count))[0]
        return (await self.history())[-count:]

    async def _window(self, before: int | None, limit: int) -> tuple[list[Message], int]:
        """The last messages before a place, and the place of the first of them."""
        found = await self._get("/messages", before=before, limit=limit)
        messages, first = member(found, "messages"), read(int, member(found, "first"))
        if not isinstance(messages, list) or first < 0 or (before is not None and first >= before):
            raise BadAnswer("the server's answer is no window of the history")
        return [message_of(one) for one in messages], first

    async def context_usage(self) -> ContextUsage:
        """How full the context is."""
        return read(ContextUsage, await self._get("/context"))

    async def cost_summary(self) -> CostSummary:
        """Calls, tokens and cost by model and by day."""
        return read(CostSummary, await self._get("/cost"))

    async def total_usage(self) -> Usage:
        """Tokens and cost of all model calls."""
        return (await self.cost_summary()).total.usage

    async def total_cost(self) -> int:
        """Price of all model calls in micro-USD."""
        return (await self.total_usage()).cost_micros

    async def waiting_for(self) -> list[str]:
        """Why the session does not go on by itself, in words; empty if it does."""
        return read_list(str, member(await self._get("/waiting"), "reasons"))

    async def metadata(self) -> Mapping[str, object]:
        """The free metadata."""
        return (await self.info()).metadata

    async def label(self) -> Label:
        """The most restrictive label of all that the session has seen."""
        return label_of(await self._get("/label"))

    async def uses_tee(self) -> bool:
        """Whether the session has used an enclave, by a call or a mark; it stays so.

        A mark is the server's program's to make: a token's holder cannot show evidence of one.
        """
        return (await self.info()).tee_active

    async def risk(self) -> RiskReport:
        """How much about a person the session was told."""
        return read(RiskReport, await self._get("/risk"))

    async def trifecta(self) -> Trifecta:
        """The session's tools that together could let text steal data."""
        return read(Trifecta, await self._get("/trifecta"))

    async def plan(self) -> list[PlanStep]:
        """The steps of the plan, and how often each may still be taken."""
        return read_list(PlanStep, await self._get("/plan"))

    # --- control -------------------------------------------------------------------

    async def pause(self, reason: str = "") -> bool:
        """Pause; True if that changed something."""
        return await self._changed("/pause", {"reason": reason})

    async def resume(self) -> bool:
        """Resume; True only from paused."""
        return await self._changed("/resume")

    async def cancel(self) -> bool:
        """End the running turn; True if there was one to end."""
        return await self._changed("/cancel")

    async def end(self) -> None:
        """Complete the session: what it granted for the session only is dropped."""
        await self._post("/end")

    async def reopen(self) -> None:
        """Make a completed or failed session active again."""
        await self._post("/reopen")

    async def clear(self) -> None:
        """Clear what the model sees; nothing else changes."""
        await self._post("/clear")

    async def rewind(self, to_version: int) -> None:
        """Show the model only what was there at a version."""
        await self._post("/rewind", {"to_version": to_version})

    async def add_message(self, message: Message | str) -> None:
        """Take a message into the history, labelled imported and untrusted."""
        found = user(message) if isinstance(message, str) else message
        body = {"role": Role(found.role).value, "text": found.text}
        await self._changed("/history", body)

    async def configure(
        self,
        thinking: bool | None = None,
        budget: int | None = None,
        model_config: ModelSettings | None = None,
    ) -> None:
        """Change thinking, its budget in tokens, or the model; None leaves it."""
        given = {"thinking": thinking, "thinking_budget": budget, "model": model_config}
        await self._change(**{name: one for name, one in given.items() if one is not None})

    async def change(
        self,
        *,
        title: str | None = None,
        tags: Sequence[str] | None = None,
        custom: Mapping[str, object] | None = None,
        system_prompt: str | None = None,
        queue_policy: QueuePolicy | str | None = None,
        thinking: bool | None = None,
        thinking_budget: int | None = None,
        model: ModelSettings | None = None,
        sensitivity_level: Sensitivity | str | None = None,
    ) -> None:
        """Change what is named, all of it or none; None leaves a thing as it is.

        Args:
            custom: entries of the free metadata; None as a value removes one.
            thinking_budget: in tokens.
            sensitivity_level: the session is at least so sensitive from now on.
        """
        if isinstance(tags, str):
            raise InvalidInput("tags are a list of texts")
        given = {
            "title": title,
            "tags": None if tags is None else list(tags),
            "custom": custom,
            "system_prompt": system_prompt,
            "queue_policy": queue_policy,
            "thinking": thinking,
            "thinking_budget": thinking_budget,
            "model": model,
        }
        if sensitivity_level is not None:
            given["sensitivity_level"] = level_name(sensitivity_level)
        await self._change(**{name: one for name, one in given.items() if one is not None})

    async def set_queue_policy(self, policy: QueuePolicy | str) -> None:
        """Change what happens to messages that arrive during a turn."""
        await self._change(queue_policy=policy)

    async def set_system_prompt(self, prompt: str) -> None:
        """Change the system prompt; "" removes it."""
        await self._change(system_prompt=prompt)

    async def set_title(self, title: str) -> None:
        """Change the title."""
        await self._change(title=title)

    async def set_tags(self, tags: Sequence[str]) -> None:
        """Replace the tags."""
        if isinstance(tags, str):
            raise InvalidInput("tags are a list of texts")
        await self._change(tags=list(tags))

    async def set_custom(self, key: str, value: object) -> None:
        """Set one entry of the free metadata; None removes it."""
        await self._change(custom={key: value})

    set_metadata = set_custom

    async def update_sensitivity(self, level: Sensitivity | str) -> bool:
        """Raise the session's level; it never sinks by this. True if it rose."""
        before = await self.label()
        await self._change(sensitivity_level=level_name(level))
        return (await self.label()).sensitivity > before.sensitivity

    async def relabel(
        self, *, why: str, sensitivity: Sensitivity | str | None = None, trusted: bool = False
    ) -> None:
        """Lower the session's label for everything so far; it is on record who and why."""
        level = None if sensitivity is None else level_name(sensitivity)
        body = {"why": why, "sensitivity": level, "trusted": trusted}
        label_of(await self._post("/label", body))

    async def reset_risk(self, *, why: str) -> None:
        """Begin the session's cumulative risk anew; it is on record who and why."""
        await self._changed("/risk/reset", {"why": why})

    async def fix_plan(self, steps: Sequence[tuple[str, Mapping[str, object]] | str]) -> None:
        """Fix which consequential calls the next turns are to make.

        Args:
            steps: names of tools, or (tool, arguments that are fixed).
        """
        pairs = [(one, {}) if isinstance(one, str) else one for one in steps]
        body = {"steps": [{"tool": name, "arguments": written(args)} for name, args in pairs]}
        await self._put("/plan", body)
