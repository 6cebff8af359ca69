"""Examining: where the arguments of a call come from, and what they carry.

A call that has consequences is examined before it is judged, off the decision, and
once for each state of what was said: the guards `flow` and `egress` deny what was
not. What is looked through is the visible window, and what was said before it where
that does not say a value; what was rewound grounds nothing.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from holdfast.core.commands import Command, ModelEnded, Tick
from holdfast.core.context import Entry
from holdfast.core.errors import HoldfastError
from holdfast.core.events import PlanFixed, PlanStep
from holdfast.core.flows import UNDECLARED, Flow, Role
from holdfast.core.ids import EffectRef
from holdfast.core.labels import Integrity, Sensitivity
from holdfast.core.messages import Role as Speaker
from holdfast.core.messages import ToolUse
from holdfast.core.provenance import USES_MAX, Examined, Source, Use, to_be_examined
from holdfast.core.security import Security
from holdfast.core.view import SessionView
from holdfast.ports.registry import Registry
from holdfast.runtime.extracted import For, extracted
from holdfast.runtime.grounding import (
    TEXT_CHARS_MAX,
    Said,
    Value,
    embedded,
    leaves,
    switch,
    value_of,
)
from holdfast.runtime.heard import Heard, grounds, text_of
from holdfast.runtime.journal import Journal
from holdfast.runtime.normalise import Prepared
from holdfast.runtime.recalling import NOTHING_BEFORE, Before, Recalling, source_of
from holdfast.runtime.tainting import Taints
from holdfast.runtime.window import Bodies

PREVIEW_CHARS_MAX = 80
ARGUMENTS_CHARS_MAX = 400_000
LEAVES_MAX = 2_000
_log = logging.getLogger("holdfast")

NOBODYS = Value("text", "\0")
"""A value that nobody can have said: it stands for what cannot be looked through."""

Stamp = tuple[int, ...]


class _Seen(Protocol):
    """A session as far as it is looked through."""

    @property
    def view(self) -> SessionView:
        """The fold."""

    @property
    def bodies(self) -> Bodies:
        """The visible window."""

    @property
    def journal(self) -> Journal:
        """The log."""


class _Led(_Seen, Protocol):
    """What is needed of the engine."""

    def report(self, command: Command) -> None:
        """Take a report."""


class _Calls(Protocol):
    """Makes calls in their normalised form."""

    def prepared_at(self, ref: EffectRef) -> Prepared | None:
        """The call that a reference of the running turn names."""

    def prepare(self, use: ToolUse) -> Prepared:
        """Normalise a call."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A session that nobody leads here, as it was read."""

    view: SessionView
    bodies: Bodies
    journal: Journal


class Examiner:
    """Looks up where the arguments of a session's calls come from."""

    def __init__(self, seen: _Seen, registry: Registry, taints: Taints) -> None:
        self._seen = seen
        self._taints = taints
        self._said: dict[int, tuple[Entry, Said]] = {}
        self._registry = registry
        self._heard = Heard(seen, registry)
        self._recalling = Recalling(seen, grounds, text_of)
        self._plan: tuple[int, tuple[PlanStep, ...]] = (0, ())

    async def examine(self, prepared: Prepared, label: Sensitivity) -> Examined:
        """Look up one call.

        Args:
            label: how sensitive what the model was sent was when it wrote the call.
        """
        flow = prepared.action.flow or UNDECLARED
        step, fixed = await self._step(prepared)
        trusted = self._heard.trusted()
        values = [one for one in self._values(prepared, flow) if one[0] not in fixed]
        before = NOTHING_BEFORE
        if not all(trusted.says(value) for _, _, value, _ in values):
            before = await self._recalling.before()
            if before is not NOTHING_BEFORE:
                trusted = Said(under=trusted)
                trusted.join(before.given)
        closed = await self._closed(prepared)
        uses: list[Use] = []
        grounded = 0
        for argument, role, value, written in self._values(prepared, flow):
            if argument in fixed or trusted.says(value):
                grounded += 1
                continue
            read = any(one.is_given(role, value, written) for one in closed.get(argument, ()))
            if sum(use.closed is read for use in uses) < USES_MAX:
                use = self._use(argument, role, value, written, before)
                uses.append(replace(use, closed=read))
        return Examined(
            digest=prepared.action.digest,
            uses=tuple(dict.fromkeys(sorted(uses, key=lambda use: use.closed)))[:USES_MAX],
            grounded=grounded,
            taints=await self._carried(prepared, flow, trusted),
            label=self._written(prepared, flow, fixed, label),
            step=step,
        )

    def _written(
        self, prepared: Prepared, flow: Flow, fixed: frozenset[str], label: Sensitivity
    ) -> Sensitivity:
        """How sensitive what the model wrote into a call may be.

        Where all of it is what the user said or the plan fixes, in their words, it
        carries nothing of what the model was told besides.
        """
        if label <= flow.accepts:
            return label
        plain = self._heard.trusted(up_to=flow.accepts)
        free = (value for name, value in prepared.arguments.items() if name not in fixed)
        said = all(plain.says(value_of(leaf)) for value in free for leaf in leaves(value))
        return flow.accepts if said else label

    async def _carried(
        self, prepared: Prepared, flow: Flow, trusted: Said
    ) -> tuple[tuple[str, Sensitivity], ...]:
        """Registered values in the arguments; what cannot be told counts as the worst.

        A target that the user named is where it goes, not what is carried there.
        """
        named = {
            str(leaf)
            for argument, value in prepared.arguments.items()
            if flow.role(argument) is Role.TARGET
            for leaf in leaves(value)
            if trusted.says(value_of(leaf))
        }
        carried = [
            str(leaf)
            for value in prepared.arguments.values()
            for leaf in leaves(value)
            if str(leaf) not in named
        ]
        vault = self._taints.vault
        # What the tool is given: a value behind a pseudonym may hold a more secret one.
        meant = "\n".join(map(vault.restore, carried))
        try:
            matches = await self._taints.scan(meant[:ARGUMENTS_CHARS_MAX])
        except HoldfastError as error:
            _log.warning("the registered values could not be looked for: %s", error.message)
            return (("anything", Sensitivity.CRITICAL),)
        named_here = vault.named("\n".join(carried))
        if len(meant) > ARGUMENTS_CHARS_MAX and self._taints.ids:
            return (("more than can be looked through", Sensitivity.CRITICAL),)
        found = {(one.kind, one.level) for one in matches}
        found |= {(kind, level) for _, kind, level in named_here}
        return tuple(sorted(found, key=lambda one: (-one[1], one[0])))[:USES_MAX]

    def _values(self, prepared: Prepared, flow: Flow) -> Iterator[tuple[str, Role, Value, str]]:
        """The values of a call that must be somebody's, each with its argument and role.

        What a pseudonym stands for is looked for as itself, and shown as it is written.
        """
        count = 0
        for argument, given in prepared.arguments.items():
            role = flow.role(argument)
            for leaf in leaves(given, switches=role is not Role.PAYLOAD):
                count += 1
                if count > LEAVES_MAX or len(str(leaf)) > TEXT_CHARS_MAX:
                    yield argument, role, NOBODYS, "more than can be looked through"
                    return
                if isinstance(leaf, bool):
                    yield argument, role, switch(argument), str(leaf).lower()
                    continue
                meant = self._taints.vault.restore(leaf) if isinstance(leaf, str) else leaf
                if role is not Role.PAYLOAD:
                    yield argument, role, value_of(meant, as_id=role is Role.ID), str(leaf)
                elif isinstance(meant, str):
                    for value, written in embedded(meant):
                        yield argument, role, value, written if meant == leaf else str(leaf)

    def _use(self, argument: str, role: Role, value: Value, written: str, before: Before) -> Use:
        shown = written if len(written) <= PREVIEW_CHARS_MAX else f"{written[:PREVIEW_CHARS_MAX]}…"
        origin = self._origin(value) or before.origin(value)
        return Use(
            argument=argument,
            role=role,
            kind=value.kind,
            preview="".join(char if char.isprintable() else " " for char in shown),
            source=Source.UNTRUSTED if origin else Source.MODEL,
            origin=origin,
        )

    async def _closed(self, prepared: Prepared) -> Mapping[str, list[For]]:
        """What the plan had read for the arguments of a call."""
        found: defaultdict[str, list[For]] = defaultdict(list)
        view = self._seen.view
        if view.plan_at:
            steps = await self._steps(view.plan_at)
            entries = self._seen.bodies.entries
            for one in extracted(entries, steps, view.plan_at, self._registry):
                if one.tool == prepared.action.name.casefold():
                    found[one.argument].append(one)
        return found

    def given(self, prepared: Prepared) -> bool:
        """Whether a trusted source gave every value of a call: its echo is trusted as well."""
        trusted = self._heard.trusted()
        return all(
            trusted.says(value_of(leaf))
            for value in prepared.arguments.values()
            for leaf in leaves(value)
        )

    # --- what was said -------------------------------------------------------------------

    def _origin(self, value: Value) -> str:
        """Where strangers said it: the newest such place."""
        for entry in reversed(self._seen.bodies.entries):
            message = entry.message
            if message.label.integrity is Integrity.TRUSTED or message.role is Speaker.ASSISTANT:
                continue
            if self._of(entry).says(value):
                return f"{source_of(message)} (event {entry.version})"
        return ""

    def _of(self, entry: Entry) -> Said:
        """What one stranger's message says; it is taken apart once a turn."""
        known = self._said.get(id(entry))
        if known is not None and known[0] is entry:
            return known[1]
        found = Said()
        found.add(text_of(entry.message))
        self._said[id(entry)] = (entry, found)
        return found

    def forget(self) -> None:
        """Hold nothing that was said."""
        self._heard.forget()
        self._recalling.forget()
        self._said.clear()

    # --- the plan --------------------------------------------------------------------------

    async def _step(self, prepared: Prepared) -> tuple[int, frozenset[str]]:
        """The step that a call fits, and the arguments that the plan fixes for it."""
        view = self._seen.view
        if not view.plan_at:
            return 0, frozenset()
        best, fixed = 0, frozenset[str]()
        for place, step in enumerate(await self._steps(view.plan_at), start=1):
            left = view.plan_left[place - 1] if place <= len(view.plan_left) else 0
            if not left or step.tool.casefold() != prepared.action.name.casefold():
                continue
            wanted = json.loads(step.arguments)
            if any(prepared.arguments.get(name) != value for name, value in wanted.items()):
                continue
            if not best or len(wanted) > len(fixed):
                best, fixed = place, frozenset(wanted)
        return best, fixed

    async def _steps(self, at: int) -> tuple[PlanStep, ...]:
        if self._plan[0] != at:
            event = (await self._seen.journal.event_at(at)).event
            assert isinstance(event, PlanFixed), "the fold says that the plan is there"
            self._plan = (at, event.steps)
        return self._plan[1]


class Examining(Examiner):
    """Examines the calls of one session for its engine.

    Args:
        spawn: runs side work.
    """

    def __init__(
        self,
        engine: _Led,
        registry: Registry,
        taints: Taints,
        make: _Calls,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        super().__init__(engine, registry, taints)
        self._engine = engine
        self._make = make
        self._spawn = spawn
        self._found: dict[str, tuple[Stamp, Examined]] = {}
        self._asking: set[tuple[str, Stamp]] = set()

    def current(self, view: SessionView) -> Mapping[str, Examined]:
        """What was found, as far as it is still true."""
        if not self._found:
            return {}
        stamp = self._stamp(view)
        return {digest: found for digest, (at, found) in self._found.items() if at == stamp}

    def _stamp(self, view: SessionView) -> Stamp:
        heard = self._heard.speaking
        endorsed = view.endorsed[0] if view.endorsed else 0
        start = view.window.start
        return (len(self._taints.ids), heard, start, view.plan_at, endorsed, *view.plan_left)

    def look(self, start: tuple[EffectRef, ...], security: Security) -> None:
        """Examine the calls that are owed and have not been."""
        view = self._engine.view
        if view.turn is None:
            self._found.clear()
            self._said.clear()
            self._recalling.forget()
        for ref in start:
            prepared = self._make.prepared_at(ref) if ref.ordinal else None
            if prepared is None or not self.needed(prepared, security):
                continue
            stamp = self._stamp(view)
            key = (prepared.action.digest, stamp)
            known = self._found.get(key[0])
            if key not in self._asking and (known is None or known[0] != stamp):
                self._asking.add(key)
                self._spawn(self._examine(ref, prepared, key))

    async def ahead(self, ended: ModelEnded, security: Security) -> None:
        """Examine the calls of an answer before it is decided, so that they can start with it.

        What cannot be examined now is looked at once it is owed.
        """
        view, message = self._engine.view, ended.message
        if message is None:
            return
        for use, action in zip(message.tool_uses, ended.actions, strict=False):
            if not to_be_examined(security, view.label, action):
                continue
            prepared, stamp = self._make.prepare(use), self._stamp(view)
            try:
                found = await self.examine(prepared, message.label.sensitivity)
            except HoldfastError:
                return
            self._found[prepared.action.digest] = (stamp, found)

    def needed(self, prepared: Prepared, security: Security) -> bool:
        """Whether a call must be examined."""
        return to_be_examined(security, self._engine.view.label, prepared.action)

    async def _examine(self, ref: EffectRef, prepared: Prepared, key: tuple[str, Stamp]) -> None:
        try:
            written = self._engine.bodies.message_at(ref.cause)
            label = written.label.sensitivity if written else Sensitivity.CRITICAL
            self._found[key[0]] = (key[1], await self.examine(prepared, label))
        finally:
            self._asking.discard(key)
        self._engine.report(Tick())
