"""A golden log of calls beside the turn."""

from __future__ import annotations

from holdfast.core.events import EffectEnded, EffectStarted, Event, Outcome
from holdfast.core.principals import Bearer


def asides(born: Event) -> list[tuple[int, Event]]:
    """A call of the program, for a token.

    Args:
        born: the session's first event.
    """
    call = EffectStarted(
        cause=2,
        ordinal=1,
        effect="host_tool",
        name="n",
        digest="d",
        engine="e" * 16,
        bearer=Bearer(token="0a" * 16, role="agent", task_type="review"),
    )
    ended = EffectEnded(cause=2, ordinal=1, effect="host_tool", outcome=Outcome.DONE)
    return [(1_000 + place, event) for place, event in enumerate((born, call, ended))]
