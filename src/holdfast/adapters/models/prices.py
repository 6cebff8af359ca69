"""What a call costs, and how large a model's context window is.

The table is the one that ships with the optional part `llm`; it is read offline
and never updated over the network. Money is integer micro-USD, rounded up. A
model the table does not know is charged the worst price of the whole table, so
that a budget can be trusted with an unknown model too. Prices by configuration
take the place of the table's, and are no estimates.

A price is asked for in every turn: the table is searched once for each model, and
its prices are kept as plain numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import TYPE_CHECKING

from holdfast.core.errors import MissingExtra
from holdfast.core.quantities import Usage, price_per_million
from holdfast.core.settings import DEFAULT_CONTEXT_TOKENS, ModelSettings

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo, ModelPrice, TieredPrices


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in USD per million tokens, that is micro-USD per token.

    Args:
        input: of all input, also read from or written to a cache; None: as in the table.
        output: of all output, also reasoning; None: as in the table.
    """

    input: Decimal | None = None
    output: Decimal | None = None

    @property
    def complete(self) -> bool:
        """Whether the table is not needed."""
        return self.input is not None and self.output is not None


AS_IN_THE_TABLE = Rates()


def rates_of(settings: ModelSettings) -> Rates:
    """Return the prices a model is configured with.

    Raises:
        ValueError: one of them is no price.
    """
    given = (settings.input_usd, settings.output_usd)
    return Rates(*(None if one is None else price_per_million(one) for one in given))


def price(
    provider: str,
    model: str,
    usage: Usage,
    at: datetime | None = None,
    *,
    rates: Rates = AS_IN_THE_TABLE,
) -> tuple[int, bool]:
    """Return the price of `usage` in micro-USD, rounded up, and whether it is estimated.

    Args:
        provider: the provider's name.
        model: the model's name, an alias or a dated name.
        usage: tokens as the provider reported them.
        at: when the call was made, for prices that changed; default now.
        rates: prices by configuration; they take the place of the table's.

    Raises:
        MissingExtra: the optional part `llm` is not installed.
    """
    cached = usage.cache_read_tokens + usage.cache_write_tokens
    # A provider that reports the input without its cached part charges it all the same.
    sent = max(usage.input_tokens, cached)
    if rates.input is not None and rates.output is not None:
        return _up(sent * rates.input + usage.output_tokens * rates.output), False
    sheet = _sheet(provider, model, at)
    if sheet is not None:
        read, written = usage.cache_read_tokens, usage.cache_write_tokens
        found = sheet.bill(sent, read, written, usage.output_tokens, rates)
        return _up(found), False
    return _up(_dearest_bill(sent, usage.output_tokens, rates)), True


def worst_price(
    provider: str,
    model: str,
    input_tokens: int,
    output_tokens: int,
    rates: Rates = AS_IN_THE_TABLE,
) -> int:
    """Return the most so many tokens may cost, in micro-USD, rounded up.

    Input counts at its dearest price: fresh, read from a cache or written to it.

    Raises:
        MissingExtra: the optional part `llm` is not installed.
    """
    sent, output = input_tokens, output_tokens
    if rates.input is not None and rates.output is not None:
        return _up(sent * rates.input + output * rates.output)
    sheet = _sheet(provider, model, None)
    if sheet is None:
        return _up(_dearest_bill(sent, output, rates))
    ways = ((0, 0), (sent, 0), (0, sent))
    return _up(max(sheet.bill(sent, read, written, output, rates) for read, written in ways))


def price_known(provider: str, model: str, rates: Rates = AS_IN_THE_TABLE) -> bool:
    """Whether a model's prices are configured or in the table.

    Raises:
        MissingExtra: the optional part `llm` is not installed.
    """
    return rates.complete or _find(provider, model) is not None


def context_window(provider: str, model: str) -> int:
    """Return a model's context window in tokens, 200,000 when the table has none.

    Raises:
        MissingExtra: the optional part `llm` is not installed.
    """
    known = _find(provider, model)
    if known is None or not known.context_window:
        return DEFAULT_CONTEXT_TOKENS
    return known.context_window


def _table() -> DataSnapshot:
    try:
        # lazy: optional and large (the whole table of prices); only a client needs it.
        from genai_prices.data_snapshot import get_snapshot
    except ImportError:
        raise MissingExtra("the table of prices", "llm") from None
    return get_snapshot()


@lru_cache(maxsize=256)
def _find(provider: str, model: str) -> ModelInfo | None:
    try:
        _, info = _table().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    prices = info.get_prices(datetime.now(UTC))
    # An entry without prices for tokens is not one with a price of nothing.
    if prices.input_mtok is None and prices.output_mtok is None:
        return None
    return info


@dataclass(frozen=True, slots=True)
class _Line:
    """The price of a kind of tokens: micro-USD each, by how much input a call has.

    Args:
        base: up to the first tier.
        tiers: (more input than, price), the largest first.
    """

    base: Decimal
    tiers: tuple[tuple[int, Decimal], ...] = ()

    def at(self, sent: int) -> Decimal:
        """The price of each token of a call with that much input."""
        for start, rate in self.tiers:
            if sent > start:
                return rate
        return self.base

    @property
    def worst(self) -> Decimal:
        return max((self.base, *(rate for _, rate in self.tiers)))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """A model's prices as a call needs them; the table's own sums take far longer.

    Args:
        read, written: of a cache; None means that it is charged like other input.
        call: of each call, in micro-USD.
    """

    input: _Line
    output: _Line
    read: _Line | None
    written: _Line | None
    call: Decimal

    def bill(self, sent: int, read: int, written: int, output: int, rates: Rates) -> Decimal:
        """What a call costs in micro-USD; `sent` is all input, the cache's included."""
        spent = output * (self.output.at(sent) if rates.output is None else rates.output)
        if rates.input is not None:
            return self.call + spent + sent * rates.input
        fresh = sent
        if self.read is not None:
            fresh -= read
            spent += read * self.read.at(sent)
        if self.written is not None:
            fresh -= written
            spent += written * self.written.at(sent)
        return self.call + spent + fresh * self.input.at(sent)

    @property
    def worst(self) -> _Flat:
        lines = (self.input, self.read, self.written)
        return max(one.worst for one in lines if one), self.output.worst, self.call


_Flat = tuple[Decimal, Decimal, Decimal]
"""The dearest price of an input token, of an output token, and of a call."""

_FREE = _Line(Decimal(0))


def _sheet(provider: str, model: str, at: datetime | None) -> _Sheet | None:
    known = _find(provider, model)
    if known is None:
        return None
    prices = known.prices
    if isinstance(prices, list):
        prices = known.get_prices(at or datetime.now(UTC))
    return _sheet_of(_ById(prices))


class _ById:
    """A value that is compared as the thing it is; the table's own cannot be hashed."""

    __slots__ = ("value",)

    def __init__(self, value: ModelPrice) -> None:
        self.value = value

    def __hash__(self) -> int:
        return id(self.value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ById) and self.value is other.value


@lru_cache(maxsize=512)
def _sheet_of(prices: _ById) -> _Sheet:
    return _read_sheet(prices.value)


def _read_sheet(prices: ModelPrice) -> _Sheet:
    # As a mapping: to be asked for a price it lacks takes the table's type far longer.
    given: dict[str, Decimal | TieredPrices | None] = vars(prices)
    call = given.get("requests_kcount")
    return _Sheet(
        input=_line(given.get("input_mtok")) or _FREE,
        output=_line(given.get("output_mtok")) or _FREE,
        read=_line(given.get("cache_read_mtok")),
        written=_line(given.get("cache_write_mtok")),
        # Dollars for a thousand calls are thousandths of a dollar for one.
        call=Decimal(0) if call is None else _worst_of(call) * 1_000,
    )


def _line(given: Decimal | TieredPrices | None) -> _Line | None:
    if given is None:
        return None
    if isinstance(given, Decimal):
        return _Line(given)
    tiers = tuple((tier.start, tier.price) for tier in reversed(given.tiers))
    return _Line(given.base, tiers)


def _worst_of(given: Decimal | TieredPrices) -> Decimal:
    line = _line(given)
    assert line is not None, "something was given"
    return line.worst


@lru_cache(maxsize=1)
def _dearest() -> tuple[_Flat, ...]:
    """The worst prices of the table: those that none is above in everything.

    All dates and hours count, since nothing is known of the model.
    """
    front: list[_Flat] = []
    for owner in _table().providers:
        for info in owner.models:
            given = info.prices
            every = [one.prices for one in given] if isinstance(given, list) else [given]
            for prices in every:
                flat = _read_sheet(prices).worst
                if not any(_covers(other, flat) for other in front):
                    front = [other for other in front if not _covers(flat, other)] + [flat]
    return tuple(front)


def _covers(one: _Flat, other: _Flat) -> bool:
    return all(left >= right for left, right in zip(one, other, strict=True))


def _dearest_bill(sent: int, output: int, rates: Rates) -> Decimal:
    return max(
        call
        + sent * (into if rates.input is None else rates.input)
        + output * (out if rates.output is None else rates.output)
        for into, out, call in _dearest()
    )


def _up(micros: Decimal) -> int:
    return int(micros.to_integral_value(rounding=ROUND_CEILING))
