"""Quantities: tokens and money. Money is integer micro-USD; never a float."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal, InvalidOperation

MICROS_PER_USD = 1_000_000
USD_DIGITS_MAX = 30
PRICE_MAX = 1_000_000
PRICE_DECIMALS_MAX = 9
"""Of a price for a million tokens; so sums of prices stay exact in 28 digits."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call as the provider reported them.

    `input_tokens` includes what was read from and written to a cache;
    `output_tokens` includes `reasoning_tokens`.

    Args:
        cost_micros: price in micro-USD, rounded up.
        estimated: the model's price or the usage was not known, so the worst
            case was taken.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    cost_micros: int = 0
    estimated: bool = False

    @property
    def total_tokens(self) -> int:
        """Input and output together."""
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost_micros=self.cost_micros + other.cost_micros,
            estimated=self.estimated or other.estimated,
        )


def usd_to_micros(text: str) -> int:
    """Read a decimal dollar amount such as "2.00" as micro-USD, rounded up.

    Raises:
        ValueError: the text is not a finite decimal number ≥ 0, in ASCII digits and
            under 10^30.
    """
    try:
        amount = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not a dollar amount: {text!r}") from None
    plain = text.isascii() and "_" not in text  # Decimal reads more than people mean
    if not plain or not amount.is_finite() or amount < 0:
        raise ValueError(f"not a dollar amount: {text!r}")
    if amount.adjusted() >= USD_DIGITS_MAX:  # before any arithmetic, which overflows
        raise ValueError(f"not a dollar amount: {text!r}")
    return int((amount * MICROS_PER_USD).to_integral_value(rounding=ROUND_CEILING))


def price_per_million(text: object) -> Decimal:
    """Read a price in USD per million tokens, which is micro-USD per token.

    Only plain decimal text such as "0.15" is one; "0" is the price of a local model.
    A float would not be the number that was written.

    Raises:
        ValueError: the text is something else, is over 1,000,000 or has more than
            nine decimals.
    """
    if not isinstance(text, str):
        raise ValueError("a price is a decimal text")
    whole, dot, rest = text.partition(".")
    digits = whole + rest
    if not (digits.isascii() and digits.isdecimal() and whole) or bool(dot) != bool(rest):
        raise ValueError("a price is a decimal text such as 0.15")
    if len(whole) > len(str(PRICE_MAX)) or len(rest) > PRICE_DECIMALS_MAX:
        raise ValueError("a price has at most nine decimals")
    price = Decimal(text)
    if price > PRICE_MAX:
        raise ValueError("a price is at most a million dollars")
    return price


def micros_to_usd(micros: int) -> str:
    """Write micro-USD as dollars with six decimals."""
    sign = "-" if micros < 0 else ""
    whole, rest = divmod(abs(micros), MICROS_PER_USD)
    return f"{sign}{whole}.{rest:06d}"
