"""What a call costs, and how large a model's context window is.

The table is the one that ships with the optional part `llm`; it is read offline
and never updated over the network. Money is integer micro-USD, rounded up. A
model the table does not know is charged the worst price of the whole table, so
that a budget can be trusted with an unknown model too.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from holdfast.core.errors import MissingExtra
from holdfast.core.quantities import MICROS_PER_USD, Usage
from holdfast.core.settings import DEFAULT_CONTEXT_TOKENS

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, Provider
    from genai_prices.types import Usage as Counts


def price(provider: str, model: str, usage: Usage, at: datetime | None = None) -> tuple[int, bool]:
    """Return the price of `usage` in micro-USD, rounded up, and whether it is estimated.

    Args:
        provider: the provider's name.
        model: the model's name, an alias or a dated name.
        usage: tokens as the provider reported them.
        at: when the call was made, for prices that changed; default now.

    Raises:
        MissingExtra: the optional part `llm` is not installed.
    """
    moment = at or datetime.now(UTC)
    table = _table()
    counts = _counts(usage)
    known = _find(provider, model)
    if known is not None:
        return _micros(_dollars(*known, counts, moment)), False
    worst = max(
        _dollars(owner, info, counts, moment) for owner in table.providers for info in owner.models
    )
    return _micros(worst), True


def context_window(provider: str, model: str) -> int:
    """Return a model's context window in tokens, 200,000 when the table has none.

    Raises:
        MissingExtra: the optional part `llm` is not installed.
    """
    known = _find(provider, model)
    if known is None or not known[1].context_window:
        return DEFAULT_CONTEXT_TOKENS
    return known[1].context_window


def _table() -> DataSnapshot:
    try:
        # lazy: optional and large (the whole table of prices); only a client needs it.
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        raise MissingExtra("the table of prices", "llm") from None
    return get_snapshot()


@lru_cache(maxsize=256)
def _find(provider: str, model: str) -> tuple[Provider, ModelInfo] | None:
    try:
        owner, info = _table().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    prices = info.get_prices(datetime.now(UTC))
    # An entry without prices for tokens is not one with a price of nothing.
    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    return owner, info


def _counts(usage: Usage) -> Counts:
    # lazy: optional, like the table.
    from genai_prices import Usage as Counts

    cached = usage.cache_read_tokens + usage.cache_write_tokens
    return Counts(
        # A provider that reports the input without its cached part would be refused.
        input_tokens=max(usage.input_tokens, cached),
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )


def _dollars(owner: Provider, info: ModelInfo, counts: Counts, at: datetime) -> Decimal:
    return info.calc_price(counts, owner, genai_request_timestamp=at).total_price


def _micros(dollars: Decimal) -> int:
    return int((dollars * MICROS_PER_USD).to_integral_value(rounding=ROUND_CEILING))
