"""Errors of the store, the keys and the providers, and the base of all.

See `errors` for the whole tree.
"""

from __future__ import annotations

from typing import Final


class HoldfastError(Exception):
    """Base of every domain error.

    Args:
        message: one line for a person; it never contains a secret.
    """

    reason: str = "error"
    status: int = 500
    exit_code: int = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(message if message.strip() else self.__doc__ or self.reason)

    @property
    def message(self) -> str:
        """The one-line explanation."""
        return str(self.args[0]).strip().splitlines()[0]


class TokenInvalid(HoldfastError):
    """The token is not valid."""

    reason = "token_invalid"
    status = 401
    exit_code = 5

    def __init__(self) -> None:
        super().__init__()  # whatever is wrong with it, the answer is the same


class WriteRefused(HoldfastError):
    """The store appended nothing."""

    reason = "write_refused"
    status = 409
    exit_code = 6


class Fenced(WriteRefused):
    """The lease epoch is not current any more; stop."""

    reason = "fenced"


class Conflict(WriteRefused):
    """The stream is not at the expected version; the lease is lost, stop."""

    reason = "conflict"


class Stale(WriteRefused):
    """A scope the decision relied on has changed; judge again."""

    reason = "stale"

    def __init__(self, scope: str) -> None:
        super().__init__(f"{scope} has changed since it was read")
        self.scope = scope


class CounterRefused(WriteRefused):
    """A counter has not enough left."""

    reason = "counter_refused"

    def __init__(self, counter: str) -> None:
        super().__init__(f"{counter} has not enough left")
        self.counter = counter


class DuplicateCommand(WriteRefused):
    """The command was carried out before; `version` is where."""

    reason = "duplicate_command"

    def __init__(self, version: int) -> None:
        super().__init__(f"this command was carried out at version {version}")
        self.version = version


class CommandMismatch(WriteRefused):
    """The command id was used before with another body."""

    reason = "command_mismatch"
    status = 422


class VersionMismatch(WriteRefused):
    """What is to be changed has changed since the version that the request was made for."""

    reason = "version_mismatch"
    status = 412


class Damaged(HoldfastError):
    """Stored data is not what was written."""

    reason = "damaged"
    status = 500
    exit_code = 7


class ChainBroken(Damaged):
    """The hash chain of a session does not verify."""

    reason = "chain_broken"


class Unreadable(Damaged):
    """An event cannot be decrypted or decoded; the session is read-only."""

    reason = "unreadable_event"


class CorruptStore(Damaged):
    """The database file is damaged."""

    reason = "corrupt_store"


class Unavailable(HoldfastError):
    """Something that is needed is missing or out of order."""

    reason = "unavailable"
    status = 503
    exit_code = 8


class NewerProgram(Unavailable):
    """Written by a newer program; this one may read but not lead it."""

    reason = "newer_program"


class WrongKey(Unavailable):
    """The key given does not open this store."""

    reason = "wrong_key"


class KeyMissing(Unavailable):
    """The session's data key is not there."""

    reason = "key_missing"


class KeyDestroyed(KeyMissing):
    """The session was wiped: its data key has been destroyed."""

    reason = "key_destroyed"
    status = 410


class StoreFull(Unavailable):
    """The disk is full; nothing was appended."""

    reason = "store_full"
    status = 507


class StoreReadOnly(Unavailable):
    """The store's directory or file cannot be written."""

    reason = "store_read_only"


class StoreBusy(Unavailable):
    """Another process kept the store locked for too long."""

    reason = "store_busy"


class StoreClosed(Unavailable):
    """The store has been closed."""

    reason = "store_closed"


class UnsupportedFileSystem(Unavailable):
    """The store's file system does not keep the promises of a local disk."""

    reason = "unsupported_file_system"


class MissingExtra(Unavailable):
    """An optional part is not installed."""

    reason = "missing_extra"

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs an optional part: pip install 'holdfast[{extra}]'")


class ServerUnreachable(Unavailable):
    """The server does not answer."""

    reason = "server_unreachable"


class BadAnswer(Unavailable):
    """What a server answered is not what it should be."""

    reason = "bad_answer"
    status = 502


class NoModel(Unavailable):
    """Neither the session nor the manager has a model."""

    reason = "no_model"


class StoreNotRegistered(Unavailable):
    """No store is registered for the session's storage type."""

    reason = "store_not_registered"


class ProviderFailed(HoldfastError):
    """A model provider failed.

    Args:
        message: one line, without the response body.
        retryable: whether another attempt may succeed.
        billable: the request may have been carried out, and charged, all the same.
    """

    reason = "provider_failed"
    status = 502
    exit_code = 9

    def __init__(
        self, message: str = "", *, retryable: bool = False, billable: bool = False
    ) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.billable = billable


class ProviderTimeout(ProviderFailed):
    """A model provider did not answer within its time limit."""

    reason = "provider_timeout"
    status = 504


class NotExtracted(ProviderFailed):
    """A quarantined model call did not answer with a value of its schema."""

    reason = "not_extracted"


class AttestationFailed(Unavailable):
    """What an enclave says of itself is not accepted.

    Args:
        code: malformed, too_large, missing, unsupported, signature, chain, expired,
            not_yet_valid, not_bound, debug, measurement, vmpl, tcb or status; and of
            what it keeps sealed: anchor, rollback or replaced.
    """

    reason = "attestation_failed"

    def __init__(self, message: str = "", *, code: str = "malformed") -> None:
        super().__init__(message)
        self.code = code


class TeeUnavailable(Unavailable):
    """An enclave is wanted and there is none that passed its self-test."""

    reason = "tee_unavailable"


class ChannelBroken(Unavailable):
    """The channel to an enclave ended: what came is not what was to come next.

    Args:
        problem: hello, offer, key, wrap, closed, truncated, direction, order, oversized,
            altered or message.
    """

    reason = "channel_broken"

    def __init__(self, message: str = "", *, problem: str = "closed") -> None:
        super().__init__(message)
        self.problem = problem


class SealRefused(Unavailable):
    """What was sealed, or the counter it is held against, is not what was written last.

    Args:
        code: missing, truncated, altered, foreign (of another program or root), rollback
            or counter.
    """

    reason = "seal_refused"

    def __init__(self, message: str = "", *, code: str = "altered") -> None:
        super().__init__(message)
        self.code = code


PASSING: Final = frozenset(
    {
        Unavailable.reason,
        StoreBusy.reason,
        StoreClosed.reason,
        ChannelBroken.reason,
        ServerUnreachable.reason,
        "draining",
    }
)
"""Reason codes of what is unavailable now and may be there in a moment by itself.

All others last until somebody does something about them: no waiting ends them, so that a
server does not send callers back and a client does not ask again. "draining" is a
server's own.
"""
