"""The tree of domain errors.

Every error a caller can meet is a `HoldfastError` with three facts beside its
message: `reason` (a stable code, also used as the RFC 9457 problem type),
`status` (a hint for HTTP) and `exit_code` (for the command line).

Misuse of the library by its own code is an `AssertionError`; a hostile or
unlucky world is one of these. The two are never mixed.

    HoldfastError
    ├── InvalidInput          what you sent is malformed
    ├── NotFound              no such thing (or not yours)
    ├── AlreadyThere          it exists and is never replaced
    ├── NotNow                legal request, illegal moment
    ├── Denied                the gate said no
    ├── WriteRefused          the store did not append
    ├── Damaged               stored data is not what was written
    ├── Unavailable           something needed is missing or out of order
    └── ProviderFailed        a model provider or tool host failed
"""

from __future__ import annotations


class HoldfastError(Exception):
    """Base of every domain error.

    Args:
        message: one line for a person; it never contains a secret.
    """

    reason: str = "error"
    status: int = 500
    exit_code: int = 1

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__ or self.reason)

    @property
    def message(self) -> str:
        """The one-line explanation."""
        return str(self.args[0]).strip().splitlines()[0]


# --- InvalidInput ---------------------------------------------------------------


class InvalidInput(HoldfastError):
    """What was sent is malformed."""

    reason = "invalid_input"
    status = 422
    exit_code = 2


class InvalidSessionId(InvalidInput):
    """A session id is not path-safe (seed D4)."""

    reason = "invalid_session_id"


class TooLarge(InvalidInput):
    """A value is over its documented limit."""

    reason = "too_large"
    status = 413


class LiteralSecret(InvalidInput):
    """A key was given literally where only a reference is accepted."""

    reason = "literal_secret"


class NotYetSupported(InvalidInput):
    """A field whose feature does not exist yet was set."""

    reason = "not_yet_supported"
    status = 501


class ImportRefused(InvalidInput):
    """A file offered for import cannot be taken over."""

    reason = "import_refused"


# --- NotFound -------------------------------------------------------------------


class NotFound(HoldfastError):
    """There is no such thing."""

    reason = "not_found"
    status = 404
    exit_code = 3


class SessionNotFound(NotFound):
    """There is no session with that id."""

    reason = "session_not_found"


class QuestionNotFound(NotFound):
    """No open question has that id: unknown, already answered or lapsed."""

    reason = "question_not_found"


class BlobNotFound(NotFound):
    """A large payload is missing from the store."""

    reason = "blob_not_found"


# --- AlreadyThere ---------------------------------------------------------------


class AlreadyThere(HoldfastError):
    """It exists already and is never replaced."""

    reason = "already_exists"
    status = 409
    exit_code = 4


class SessionExists(AlreadyThere):
    """A session with that id exists (ids are unique without regard to case)."""

    reason = "session_exists"


# --- NotNow ---------------------------------------------------------------------


class NotNow(HoldfastError):
    """The request is legal, the moment is not."""

    reason = "not_now"
    status = 409
    exit_code = 4


class IllegalTransition(NotNow):
    """The lifecycle table has no such edge."""

    reason = "illegal_transition"


class Busy(NotNow):
    """A turn is running and the queue policy is `reject`."""

    reason = "busy"


class Cancelled(NotNow):
    """The turn was cancelled before it had an answer."""

    reason = "cancelled"


class Interrupted(NotNow):
    """The turn ended without an answer (limit, pause, termination)."""

    reason = "interrupted"


class LeaseHeld(NotNow):
    """Another live process runs this session; submit commands to it."""

    reason = "lease_held"


# --- Denied ---------------------------------------------------------------------


class Denied(HoldfastError):
    """The gate refused the action."""

    reason = "denied"
    status = 403
    exit_code = 5


class PathEscape(Denied):
    """A path leads outside the workspace."""

    reason = "path_escape"


# --- WriteRefused: what an append can answer (contract 4.2) ---------------------


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


# --- Damaged --------------------------------------------------------------------


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


# --- Unavailable ----------------------------------------------------------------


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


class NoModel(Unavailable):
    """Neither the session nor the manager has a model."""

    reason = "no_model"


class StoreNotRegistered(Unavailable):
    """No store is registered for the session's storage type."""

    reason = "store_not_registered"


# --- ProviderFailed -------------------------------------------------------------


class ProviderFailed(HoldfastError):
    """A model provider failed.

    Args:
        message: one line, without the response body.
        retryable: whether another attempt may succeed.
    """

    reason = "provider_failed"
    status = 502
    exit_code = 9

    def __init__(self, message: str = "", *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class ProviderTimeout(ProviderFailed):
    """A model provider did not answer within its time limit."""

    reason = "provider_timeout"
    status = 504
