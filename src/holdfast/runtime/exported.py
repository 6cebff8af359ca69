"""What left a session in plain form: put on record before, told by a wipe's receipt after.

Rules
- An export is on record, or waits durably to be, before anything is written.
- Noting one starts nothing: a session in which something is left to do is not taken up
  for it; whoever leads it next records what waits.
- Kind, time and actor of the record are in clear for ever, so it outlasts the wipe.
"""

from __future__ import annotations

from holdfast.core.commands import NoteExport
from holdfast.core.endings import Exported
from holdfast.core.errors import LeaseHeld, NotNow
from holdfast.core.events import KIND_OF
from holdfast.core.lifecycle import ENDED, SessionState, decode_state
from holdfast.ports.store import Store
from holdfast.runtime.config import ExportNote
from holdfast.runtime.located import Located
from holdfast.runtime.manager import Core

AT_REST = frozenset(
    int(state)
    for state in (
        SessionState.ACTIVE,
        SessionState.PAUSED,
        SessionState.COMPLETED,
        SessionState.ERROR,
    )
)
PAGE = 1000


async def note_export(core: Core, session_id: str, form: str) -> None:
    """Put on record that a session is about to be given out in plain form.

    Args:
        form: the file form.

    Raises:
        SessionNotFound: there is no such session.
        KeyDestroyed, NotNow: it was wiped, or is being wiped.
        SessionSealed: only its own process has its content.
        ChainBroken, Unreadable: it is damaged.
    """
    where = await core.locate(session_id)
    where.backend.keys.session_key(where.stream).wipe()  # it says why not
    if decode_state(where.row.index.state) in ENDED:
        raise NotNow("the session is being wiped; it is not exported any more")
    command = NoteExport(form=form)
    if core.live(where.stream) is not None or await _rests(where):
        try:
            await core.engine(where)
        except LeaseHeld:  # by somebody else just now, or this manager leads nothing
            await core.queue(where, command)
        else:
            await core.submit(where, command)
    else:
        await core.queue(where, command)


async def _rests(where: Located) -> bool:
    """Whether nobody leads the session, and leading it would start nothing."""
    row = where.row
    if row.node is not None or row.index.state not in AT_REST:
        return False
    return not await where.backend.store.pending(where.stream, limit=1)


async def exports_of(store: Store, stream: int) -> tuple[ExportNote, ...]:
    """The exports a session's log tells of, the oldest first; a wiped one's too."""
    found: list[ExportNote] = []
    after = 0
    while rows := await store.read(stream, after, PAGE):
        found += [
            ExportNote(version=row.version, time_ms=row.time_ms)
            for row in rows
            if row.kind == KIND_OF[Exported]
        ]
        after = rows[-1].version
    return tuple(found)
