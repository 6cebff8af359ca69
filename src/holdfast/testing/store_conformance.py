"""The store port's contract as runnable cases, for every adapter.

An adapter passes when every case of `conformance_cases` passes with a harness
that opens it. Cases are independent: each wants a harness with empty data.

    for case in conformance_cases():
        asyncio.run(case.run(MyHarness(fresh_directory())))
"""

from __future__ import annotations

from holdfast.testing.store_cases_accounts import account_cases
from holdfast.testing.store_cases_append import append_cases
from holdfast.testing.store_cases_rest import other_cases
from holdfast.testing.store_cases_tokens import token_cases
from holdfast.testing.store_kit import Case, Harness

__all__ = ["Case", "Harness", "conformance_cases"]


def conformance_cases() -> list[Case]:
    """Return every case, in a fixed order."""
    return [*append_cases(), *account_cases(), *other_cases(), *token_cases()]
