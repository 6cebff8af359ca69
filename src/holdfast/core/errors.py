"""The tree of domain errors.

Every error a caller can meet is a `HoldfastError` with three facts beside its
message: `reason` (a stable code, also used as the RFC 9457 problem type),
`status` (a hint for HTTP) and `exit_code` (for the command line).

Misuse by the library's own code is an `AssertionError`, and never one of these.

    HoldfastError
    ├── InvalidInput          what you sent is malformed
    ├── TokenInvalid          who you are is not known here
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

from holdfast.core.faults import (
    AttestationFailed,
    BadAnswer,
    ChainBroken,
    ChannelBroken,
    CommandMismatch,
    Conflict,
    CorruptStore,
    CounterRefused,
    Damaged,
    DuplicateCommand,
    Fenced,
    HoldfastError,
    KeyDestroyed,
    KeyMissing,
    MissingExtra,
    NewerProgram,
    NoModel,
    NotExtracted,
    ProviderFailed,
    ProviderTimeout,
    SealRefused,
    ServerUnreachable,
    Stale,
    StoreBusy,
    StoreClosed,
    StoreFull,
    StoreNotRegistered,
    StoreReadOnly,
    TeeUnavailable,
    TokenInvalid,
    Unavailable,
    Unreadable,
    UnsupportedFileSystem,
    VersionMismatch,
    WriteRefused,
    WrongKey,
)

__all__ = [
    "AlreadyAnswered",
    "AlreadyThere",
    "ApprovalExpired",
    "ApprovalStale",
    "ApprovalWithdrawn",
    "ApproverRefused",
    "AttestationFailed",
    "BadAnswer",
    "BlobNotFound",
    "Busy",
    "Cancelled",
    "CapabilityRefused",
    "ChainBroken",
    "ChannelBroken",
    "CommandMismatch",
    "Conflict",
    "CorruptStore",
    "CounterRefused",
    "Damaged",
    "Denied",
    "DuplicateCommand",
    "Fenced",
    "GrantNotFound",
    "HoldfastError",
    "IllegalTransition",
    "ImportRefused",
    "Interrupted",
    "InvalidInput",
    "InvalidSessionId",
    "KeyDestroyed",
    "KeyMissing",
    "LeaseHeld",
    "LiteralSecret",
    "MalformedRule",
    "MissingExtra",
    "NetworkBlocked",
    "NeverMatches",
    "NewerProgram",
    "NoModel",
    "NotExtracted",
    "NotFound",
    "NotNow",
    "NotYetSupported",
    "PathEscape",
    "PolicyFileRefused",
    "ProviderFailed",
    "ProviderTimeout",
    "QuestionNotFound",
    "ScopeDenied",
    "SealRefused",
    "ServerUnreachable",
    "SessionExists",
    "SessionNotFound",
    "SessionSealed",
    "Stale",
    "StoreBusy",
    "StoreClosed",
    "StoreFull",
    "StoreNotRegistered",
    "StoreReadOnly",
    "TeeUnavailable",
    "TokenInvalid",
    "TooLarge",
    "Unavailable",
    "UnknownDecision",
    "Unreadable",
    "UnsupportedFileSystem",
    "VersionMismatch",
    "WriteRefused",
    "WrongKey",
    "WrongSession",
]


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


class UnknownDecision(InvalidInput):
    """The decision is not one of the question's choices."""

    reason = "unknown_decision"


class WrongSession(InvalidInput):
    """An approval of one session was answered in another."""

    reason = "wrong_session"


class ImportRefused(InvalidInput):
    """A file offered for import cannot be taken over."""

    reason = "import_refused"


class MalformedRule(InvalidInput):
    """A permission rule cannot be read (seed D7)."""

    reason = "malformed_rule"


class NeverMatches(MalformedRule):
    """A permission rule can be read, but nothing could ever match it."""

    reason = "rule_never_matches"


class PolicyFileRefused(InvalidInput):
    """The installation's policy file cannot be used; nothing is opened without it.

    Args:
        file: its path.
        problem: what is wrong: missing, unreadable, not_private, in_workspace,
            not_toml, unknown_key, wrong_type, or the reason of another error.
        key: the key it is about, for example "permissions.allow[2]"; or "".
        line: where that stands, from 1; 0 if it is not known.
    """

    reason = "policy_file_refused"

    def __init__(
        self,
        message: str = "",
        *,
        file: str = "",
        problem: str = "unreadable",
        key: str = "",
        line: int = 0,
    ) -> None:
        where = f"{file}:{line}" if line else file
        super().__init__(": ".join(part for part in (where, key, message) if part))
        self.file, self.problem, self.key, self.line = file, problem, key, line


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


class GrantNotFound(NotFound):
    """Nothing that is granted here has that id: unknown, revoked or ended."""

    reason = "grant_not_found"


class AlreadyAnswered(QuestionNotFound):
    """The question has been answered; the first answer counts."""

    reason = "already_answered"
    status = 409


class ApprovalExpired(QuestionNotFound):
    """The question's time had run out before the answer came."""

    reason = "approval_expired"
    status = 410


class ApprovalWithdrawn(QuestionNotFound):
    """What was asked about is over: cancelled, ended or asked anew."""

    reason = "approval_withdrawn"
    status = 410


class BlobNotFound(NotFound):
    """A large payload is missing from the store."""

    reason = "blob_not_found"


class AlreadyThere(HoldfastError):
    """It exists already and is never replaced."""

    reason = "already_exists"
    status = 409
    exit_code = 4


class SessionExists(AlreadyThere):
    """A session with that id exists (ids are unique without regard to case)."""

    reason = "session_exists"


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


class ApprovalStale(NotNow):
    """The action, the policies or what the session has seen changed; it is asked anew."""

    reason = "approval_stale"


class Cancelled(NotNow):
    """The turn was cancelled before it had an answer."""

    reason = "cancelled"


class Interrupted(NotNow):
    """The turn ended without an answer (limit, pause, termination)."""

    reason = "interrupted"


class SessionSealed(NotNow):
    """The session is sealed: only the process that hosts it has its key."""

    reason = "session_sealed"


class LeaseHeld(NotNow):
    """Another live process runs this session; submit commands to it."""

    reason = "lease_held"


class Denied(HoldfastError):
    """The gate refused the action."""

    reason = "denied"
    status = 403
    exit_code = 5


class ScopeDenied(Denied):
    """The token does not permit this."""

    reason = "scope_denied"


class ApproverRefused(Denied):
    """Whoever answered may not: a model, a tool, an agent or the requester."""

    reason = "approver_refused"


class PathEscape(Denied):
    """A path leads outside the workspace."""

    reason = "path_escape"


class NetworkBlocked(Denied):
    """The network policy does not let a request through.

    `verdict` is block_domain, block_protocol, block_address, block_method or block_budget.
    """

    reason = "network_blocked"

    def __init__(self, message: str = "", *, verdict: str = "block_domain") -> None:
        super().__init__(message)
        self.verdict = verdict


class CapabilityRefused(Denied):
    """A capability token does not hold here.

    `code`: malformed, bad_signature, untrusted_issuer, expired, not_yet_valid, wrong_holder
    or used_up.
    """

    reason = "capability_refused"

    def __init__(self, message: str = "", *, code: str = "malformed") -> None:
        super().__init__(message)
        self.code = code
