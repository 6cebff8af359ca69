"""What a session's model is told of, and what its spill handles stand for."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast.core.errors import BlobNotFound
from holdfast.core.policies import compiled
from holdfast.core.tools import ToolSpec
from holdfast.core.view import SessionView
from holdfast.runtime.journal import Journal


def offered(view: SessionView, specs: Sequence[ToolSpec]) -> tuple[ToolSpec, ...]:
    """The tools a session's model is told of: those that may run at all."""
    listed = view.settings.tools
    names = None if listed is None else {name.casefold() for name in listed}
    return tuple(
        spec
        for spec in specs
        if (names is None or spec.name.casefold() in names)
        and not _denied(view, spec.name)
        and (view.settings.workspace or not spec.needs_workspace)
    )


def _denied(view: SessionView, name: str) -> bool:
    """Whether the session's own rules deny a tool whatever its arguments are."""
    policy = view.settings.permission
    if policy is None:
        return False
    rules = compiled(policy).tool(name.casefold()).deny.whole
    return any(not (one.rule.role or one.rule.task_type) for one in rules)


async def read_spill(journal: Journal, handle: str) -> bytes:
    """Return what a `spill:` handle of this session stands for.

    Raises:
        BlobNotFound: it stands for nothing here.
    """
    name, _, parts = handle.removeprefix("spill:").partition("-")
    try:
        return await journal.get_blob(bytes.fromhex(name), int(parts))
    except ValueError:
        raise BlobNotFound(f"{handle!r} is not a handle") from None
