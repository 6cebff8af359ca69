"""Errors of the store, the keys and the providers: what programs rely on."""

from __future__ import annotations

import pytest

from holdfast.core import errors, faults
from holdfast.core.faults import (
    CounterRefused,
    DuplicateCommand,
    HoldfastError,
    MissingExtra,
    ProviderFailed,
    ProviderTimeout,
    Stale,
    Unavailable,
    WriteRefused,
)

# (reason, status, exit code): programs and scripts rely on them, so they do not change.
CODES = {
    "HoldfastError": ("error", 500, 1),
    "WriteRefused": ("write_refused", 409, 6),
    "Fenced": ("fenced", 409, 6),
    "Conflict": ("conflict", 409, 6),
    "Stale": ("stale", 409, 6),
    "CounterRefused": ("counter_refused", 409, 6),
    "DuplicateCommand": ("duplicate_command", 409, 6),
    "CommandMismatch": ("command_mismatch", 422, 6),
    "Damaged": ("damaged", 500, 7),
    "ChainBroken": ("chain_broken", 500, 7),
    "Unreadable": ("unreadable_event", 500, 7),
    "CorruptStore": ("corrupt_store", 500, 7),
    "Unavailable": ("unavailable", 503, 8),
    "NewerProgram": ("newer_program", 503, 8),
    "WrongKey": ("wrong_key", 503, 8),
    "KeyMissing": ("key_missing", 503, 8),
    "KeyDestroyed": ("key_destroyed", 410, 8),
    "StoreFull": ("store_full", 507, 8),
    "StoreReadOnly": ("store_read_only", 503, 8),
    "StoreBusy": ("store_busy", 503, 8),
    "StoreClosed": ("store_closed", 503, 8),
    "UnsupportedFileSystem": ("unsupported_file_system", 503, 8),
    "MissingExtra": ("missing_extra", 503, 8),
    "NoModel": ("no_model", 503, 8),
    "StoreNotRegistered": ("store_not_registered", 503, 8),
    "ProviderFailed": ("provider_failed", 502, 9),
    "ProviderTimeout": ("provider_timeout", 504, 9),
    "AttestationFailed": ("attestation_failed", 503, 8),
    "TeeUnavailable": ("tee_unavailable", 503, 8),
    "ChannelBroken": ("channel_broken", 503, 8),
    "SealRefused": ("seal_refused", 503, 8),
    "TokenInvalid": ("token_invalid", 401, 5),
    "VersionMismatch": ("version_mismatch", 412, 6),
    "ServerUnreachable": ("server_unreachable", 503, 8),
    "BadAnswer": ("bad_answer", 502, 8),
    "NotExtracted": ("not_extracted", 502, 9),
}


def kinds() -> dict[str, type[HoldfastError]]:
    """The errors of the module by name."""
    return {
        name: kind
        for name, kind in vars(faults).items()
        if isinstance(kind, type) and issubclass(kind, HoldfastError)
    }


def test_codes_do_not_change() -> None:
    """Reason, status and exit code of each are what they always were."""
    found = {name: (kind.reason, kind.status, kind.exit_code) for name, kind in kinds().items()}
    assert CODES == found


def test_the_tree_names_each_of_them() -> None:
    """`errors` is the one place to import from, and it has the same classes."""
    for name, kind in kinds().items():
        assert kind is getattr(errors, name)
        assert name in errors.__all__


def test_a_store_that_is_out_of_order_is_no_refusal() -> None:
    """Whoever decides anew after a refused write must not do so on a full disk."""
    assert not issubclass(WriteRefused, Unavailable) and not issubclass(Unavailable, WriteRefused)
    refused = {name for name, kind in kinds().items() if issubclass(kind, WriteRefused)}
    assert {"StoreFull", "StoreBusy", "StoreClosed", "StoreReadOnly"}.isdisjoint(refused)


def test_a_destroyed_key_is_a_missing_key() -> None:
    """Who expects a missing key also meets the destroyed one, which is gone for ever (410)."""
    assert issubclass(faults.KeyDestroyed, faults.KeyMissing)
    assert (503, 410) == (faults.KeyMissing.status, faults.KeyDestroyed.status)


def test_what_was_refused_is_said_in_fields() -> None:
    """The engine decides anew by them and does not read the words."""
    assert "grants:s7" == Stale("grants:s7").scope
    assert "s7.day" == CounterRefused("s7.day").counter
    assert 42 == DuplicateCommand(42).version


@pytest.mark.parametrize("kind", [ProviderFailed, ProviderTimeout])
def test_a_provider_is_tried_again_only_if_it_says_so(kind: type[ProviderFailed]) -> None:
    """The default is that nothing is repeated."""
    assert (False, True) == (kind("x").retryable, kind("x", retryable=True).retryable)
    assert (False, True) == (kind("x").billable, kind("x", billable=True).billable)


def test_a_missing_part_says_how_to_get_it() -> None:
    """The command is in the message."""
    assert "pip install 'holdfast[server]'" in MissingExtra("the server", "server").message


@pytest.mark.parametrize("blank", ["", " ", "\n", " \n\t\n"])
def test_a_message_of_nothing_is_explained(blank: str) -> None:
    """Blank words of a provider are no message: the error explains itself."""
    assert "A model provider failed." == ProviderFailed(blank).message


@pytest.mark.parametrize("text", ["\n\n first \nsecond", "first\u2028second", "first\x1csecond"])
def test_the_message_is_one_line(text: str) -> None:
    """The first line with words in it."""
    assert "first" == ProviderFailed(text).message.strip()
