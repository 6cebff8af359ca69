"""The cumulative risk of a user across all of their sessions (seed A7).

One row a kind, under a scope of the user, sealed under a key of the tenant; it is
written in the append of the message that told it and removed by the audited reset.
One more row holds the kinds that the user agreed to have told: a yes is as wide as
what is counted, so that it is asked for once and not in every session.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from holdfast.core.errors import HoldfastError
from holdfast.core.events import Admitted, Answered, Event, Relabelled
from holdfast.core.inspection import KINDS_MAX
from holdfast.core.risk import NO_RISK, Risk
from holdfast.core.view import YES, SessionView
from holdfast.ports.store import GrantChange, counter_of
from holdfast.runtime.boxes import NONCE_BYTES, BoxCipher, derive, keyed_digest
from holdfast.runtime.grants import user_scope
from holdfast.runtime.journal import Journal

_PURPOSE = "risk"
ASKED = "sensitivity.cumulative"
"""What is asked when much was told of a person."""


class UserRisk:
    """What the user of one session was seen to tell anywhere.

    Attributes:
        current: what was told, as it was last read.
        agreed: the kinds that the user said may be told together.
    """

    def __init__(self, journal: Journal) -> None:
        self.current = NO_RISK
        self.agreed: frozenset[str] = frozenset()
        self._journal = journal

    def _scope(self, view: SessionView) -> str:
        return counter_of(user_scope(self._journal.keys, view.tenant, view.user_id), "risk")

    def _box(self, view: SessionView) -> BoxCipher:
        secret = self._journal.keys.tenant_secret(view.tenant)
        return BoxCipher(derive(secret, b"holdfast/risk-box/1"))

    async def read(self, view: SessionView) -> None:
        """Read what was told; a row that cannot be read counts as every kind there is.

        That refuses more rather than less.
        """
        if not view.tenant:
            return
        scope, box = self._scope(view), self._box(view)
        _, rows = await self._journal.store.grants(scope)
        kinds, agreed, yes = [], list[str](), self._yes(view)
        for row in rows:
            try:
                said = json.loads(box.open(_PURPOSE, (view.tenant, scope, row.id), row.body))
                if row.id == yes:
                    agreed = [str(kind) for kind in said]
                else:
                    kinds.append((str(said[0]), int(said[1]), int(said[2])))
            except (HoldfastError, ValueError, LookupError, TypeError):
                if row.id == yes:  # nothing was agreed to: it is asked again
                    continue
                now_ms = self._journal.clock.now_ms()
                kinds += [(f"unreadable {n}", 1, now_ms) for n in range(KINDS_MAX)]
        self.current = Risk(kinds=tuple(sorted(kinds))) if kinds else NO_RISK
        self.agreed = frozenset(agreed)

    def _yes(self, view: SessionView) -> bytes:
        """The id of the row that holds what was agreed to."""
        key = self._journal.keys.blind_key(view.tenant)
        return keyed_digest(key, b"risk agreed", view.user_id.encode("utf-8", "replace"))

    def changes(
        self, before: SessionView, view: SessionView, events: Iterable[Event], now_ms: int
    ) -> tuple[GrantChange, ...]:
        """The rows that these events write and remove.

        Args:
            before: the session before them, which has the questions they answer.
        """
        told: dict[str, int] = {}
        reset = agreed = False
        for event in events:
            if isinstance(event, Relabelled) and event.risk:
                told, reset, agreed = {}, True, False
            elif isinstance(event, Answered) and event.decision in YES:
                question = before.question(event.question)
                agreed = agreed or (question is not None and ASKED in question.codes)
            elif isinstance(event, Admitted) and event.found is not None:
                for kind, count in event.found.kinds:
                    told[kind] = told.get(kind, 0) + count
        if not (told or reset or agreed) or not view.tenant:
            return ()
        scope, box = self._scope(view), self._box(view)
        gone = [GrantChange(scope=scope, id=b"", body=None)] if reset else []
        known = {} if reset else {kind: count for kind, count, _ in self.current.kinds}
        written: list[tuple[bytes, list[object]]] = []
        key, user = self._journal.keys.blind_key(view.tenant), view.user_id
        for kind, count in sorted(told.items()):
            id = keyed_digest(key, b"risk", user.encode("utf-8", "replace"), kind.encode())
            written.append((id, [kind, known.get(kind, 0) + count, now_ms]))
        if agreed:
            self.agreed |= view.risk.names | self.current.names
            written.append((self._yes(view), [*sorted(self.agreed)]))
        rows = []
        for id, said in written:
            nonce = self._journal.clock.random_bytes(NONCE_BYTES)
            text = json.dumps(said).encode()
            body = box.seal(_PURPOSE, (view.tenant, scope, id), text, nonce)
            rows.append(GrantChange(scope=scope, id=id, body=body))
        return (*gone, *rows)
