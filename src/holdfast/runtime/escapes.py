"""The escape handler of a session (seeds E1, E5, E9): what it may reach outside.

Each escape is for a path, or a folder with all beneath it, and for certain
operations. It is a signed grant like an allowance, so it survives restarts, also
one for the session alone (astrid#AW-32), and also one whose path does not exist
yet (astrid#AW-42).
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from holdfast.core import commands
from holdfast.core.actions import Action, ActionKind, PathUse
from holdfast.core.errors import GrantNotFound, InvalidInput
from holdfast.core.events import Imported
from holdfast.core.facts import Facts
from holdfast.core.grants import Grant, GrantKind, GrantScope
from holdfast.core.guards import boundary
from holdfast.core.places import forbidden
from holdfast.core.rules import Rule, RuleEffect
from holdfast.core.tools import Operation
from holdfast.core.verdicts import Allow
from holdfast.core.view import SessionView
from holdfast.runtime.authority import AuthorityReader
from holdfast.runtime.controls import Controls
from holdfast.runtime.escapestate import WHOLE, EscapeEntry, entries_of, entry_of, state_of
from holdfast.runtime.host import expect
from holdfast.runtime.paths import inside, resolve
from holdfast.runtime.seedjson import JsonObject

ROOT = "/"


class EscapeHandler(Controls):
    """What a handle can say about paths outside the workspace; see `Session`."""

    async def escapes(self) -> tuple[Grant, ...]:
        """The escapes that hold for the session now; sorted, the narrowest first."""
        _, facts = await self._read_authority()
        return tuple(
            grant for grant in facts.authority.grants.escapes() if grant.live(facts.now_ms)
        )

    async def escape_allowed(self, path: str, operation: Operation | str) -> bool:
        """Whether a tool could do this with a path without anybody being asked.

        Raises:
            InvalidInput: there is no such operation.
        """
        expect("path", path, str)
        view, facts = await self._read_authority()
        workspace = view.settings.workspace
        root = resolve(workspace, ROOT) if workspace else ""
        real = resolve(path, root or ROOT)
        use = PathUse(path, inside(real, root), _operation(operation), real)
        action = Action(kind=ActionKind.TOOL, name="*", has_workspace=True, paths=(use,))
        return isinstance(boundary.check(view, facts, action), Allow)

    async def allow_escape(
        self,
        path: str,
        operations: Iterable[Operation | str],
        *,
        scope: GrantScope | str = GrantScope.SESSION,
        subtree: bool = False,
        expires_ms: int | None = None,
        by: str | None = None,
    ) -> Grant:
        """Let the session reach a path outside of its workspace; a person's word.

        Args:
            path: absolute, or `~/…`; it need not exist. Links are resolved now.
            operations: what may be done there; no operation includes another.
            scope: `session`, `workspace` or `always`.
            subtree: all that lies beneath it as well.
            expires_ms: when it ends, milliseconds since 1970.

        Raises:
            InvalidInput: the path is relative, cannot be resolved or is forbidden
                for good, or an operation or the scope is unknown.
            NotNow: the session has ended.
        """
        expect("path", path, str)
        entry = EscapeEntry(
            path=path,
            operations=tuple(sorted({_operation(one) for one in operations})),
            subtree=subtree,
            scope=_scope(scope),
            expires_ms=expires_ms,
        )
        return await self._grant_escape(self._checked(entry), by)

    async def revoke_escape(self, id: str, *, by: str | None = None) -> None:
        """Take an escape back; a call that runs already goes on.

        Raises:
            GrantNotFound: the session has no escape of that id.
        """
        if all(grant.id != id for grant in await self.escapes()):
            raise GrantNotFound(f"no escape here has the id {id!r}")
        await self.submit(commands.Revoke(id=id, holder="", by=by or ""), by=by)

    async def export_escapes(self) -> JsonObject:
        """The `escape_state` of seed E9; what was imported and not confirmed is kept in it."""
        return state_of(await self.escapes(), await self._inert_escapes())

    async def imported_escapes(self) -> tuple[EscapeEntry, ...]:
        """Escapes that came with a file: they permit nothing until they are accepted.

        Their paths are as they resolve here; what is forbidden for good, cannot be
        resolved or holds already is left out.
        """
        found = []
        held = {entry_of(grant) for grant in await self.escapes()}
        for entry in entries_of(await self._inert_escapes()):
            try:
                checked = self._checked(entry, operations_needed=False)
            except InvalidInput:
                continue
            if checked not in held:
                found.append(checked)
        return tuple(found)

    async def accept_imported_escapes(
        self,
        entries: Iterable[EscapeEntry] | None = None,
        *,
        operations: Iterable[Operation | str] = (),
        by: str | None = None,
    ) -> tuple[Grant, ...]:
        """Let escapes that came with a file hold; returns the grants.

        Show a person `imported_escapes` first: who accepts them vouches for the file.

        Args:
            entries: those of `imported_escapes` to accept; None means all.
            operations: for those of which the file does not say what may be done.

        Raises:
            InvalidInput: an entry is not among those that wait, or nothing says
                which operations it is for.
        """
        waiting = await self.imported_escapes()
        chosen = waiting if entries is None else tuple(entries)
        said = tuple(sorted({_operation(one) for one in operations}))
        full = []
        for entry in chosen:
            if entry not in waiting:
                raise InvalidInput(f"no imported escape {entry.path!r} waits to be accepted")
            full.append(
                self._checked(
                    EscapeEntry(
                        path=entry.path,
                        operations=entry.operations or said,
                        subtree=entry.subtree,
                        scope=entry.scope,
                        expires_ms=entry.expires_ms,
                    )
                )
            )
        return tuple([await self._grant_escape(entry, by) for entry in full])

    def _checked(self, entry: EscapeEntry, *, operations_needed: bool = True) -> EscapeEntry:
        """The entry with its path resolved.

        Raises:
            InvalidInput: it cannot be granted.
        """
        if operations_needed and not entry.operations:
            raise InvalidInput(f"say which operations {entry.path!r} is allowed for")
        if not entry.path.startswith(("/", "~")):
            raise InvalidInput(f"{entry.path!r} is not an absolute path")
        real = resolve(entry.path, ROOT)
        if not real or (real == ROOT and entry.subtree):
            raise InvalidInput(f"{entry.path!r} cannot be allowed")
        for operation in entry.operations or Operation:
            if forbidden(real, operation, self._core.private):
                raise InvalidInput(f"{entry.path!r} leads to a place that is forbidden for good")
        if entry.scope is GrantScope.ONCE:
            raise InvalidInput("only an answer to a question allows something once")
        return EscapeEntry(
            path=real,
            operations=entry.operations,
            subtree=entry.subtree,
            scope=entry.scope,
            expires_ms=entry.expires_ms,
        )

    async def _grant_escape(self, entry: EscapeEntry, by: str | None) -> Grant:
        id = self._core.clock.random_bytes(16).hex()
        pattern = entry.path + WHOLE if entry.subtree else entry.path
        rule = Rule(effect=RuleEffect.ALLOW, tool="*", pattern=pattern, literal=not entry.subtree)
        grant = Grant(
            id=id,
            kind=GrantKind.ESCAPE,
            scope=entry.scope,
            holder="",
            rule=rule,
            operations=entry.operations,
            expires_ms=entry.expires_ms,
            by=by or "",
        )
        await self.submit(commands.Grant(grant=grant), by=by)
        return next(one for one in await self.escapes() if one.id == id)

    async def _inert_escapes(self) -> JsonObject:
        view = await self.view()
        if not view.inert_at:
            return {}
        event = (await self._where.backend.journal(self._where.row).event_at(view.inert_at)).event
        state = json.loads(event.inert).get("escape_state") if isinstance(event, Imported) else None
        return state if isinstance(state, dict) else {}

    async def _read_authority(self) -> tuple[SessionView, Facts]:
        """The session and what is granted to it now; nobody has to lead it."""
        engine = self._core.live(self._where.stream)
        if engine is not None:
            view, reader = engine.view, engine.workers.authority
        else:
            loaded = await self._where.backend.load(self._where.row)
            view, reader = loaded.view, AuthorityReader(loaded.journal, self._core.trust)
        await reader.refresh(view)
        now_ms = max(self._core.clock.now_ms(), view.updated_ms)
        return view, Facts(
            now_ms=now_ms, authority=reader.current(view), private=self._core.private
        )


def _operation(name: Operation | str) -> Operation:
    try:
        return Operation(name)
    except ValueError:
        known = ", ".join(Operation)
        raise InvalidInput(f"{name!r} is no operation; there are {known}") from None


def _scope(name: GrantScope | str) -> GrantScope:
    try:
        return GrantScope(name)
    except ValueError:
        raise InvalidInput(f"{name!r} is no scope of a grant") from None
