"""What tests of budgets share: a scripted model that costs something, and its sums."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from holdfast.core.quantities import Usage
from holdfast.ports.model import ModelRequest
from holdfast.testing.script import ScriptItem, Turn, say
from holdfast.testing.scripted import ScriptedModel

RESERVE = 10_000


class PricedModel(ScriptedModel):
    """A scripted model whose calls cost at most `most`; each turn's usage says what it did.

    Args:
        most: what is reserved for a call, in micro-USD.
    """

    def __init__(self, script: Iterable[ScriptItem], *, most: int = RESERVE, **more: Any) -> None:
        super().__init__(script, **more)
        self._most = most

    @property
    def max_output_tokens(self) -> int | None:
        """The longest answer, in tokens."""
        return 100

    def worst_cost(self, input_tokens: int, output_tokens: int) -> int:
        """The same for every call; the context is not charged apart."""
        return self._most if output_tokens else 0


def paid(micros: int) -> Usage:
    """A bill."""
    return Usage(input_tokens=10, output_tokens=5, cost_micros=micros)


def answers(micros: int, *, most: int = RESERVE) -> PricedModel:
    """A model that answers for ever, and charges the same each time."""

    def answer(request: ModelRequest) -> Turn:
        return say("fine", usage=paid(micros))

    return PricedModel(itertools.repeat(answer), most=most)
