"""What a tool declares of the flow of information: what it reads and where it sends.

The installation's registry is the only source of these facts, as of all others
about a tool (contract 1.6). A tool that declares nothing is taken for an untrusted
source and for a sink whose every argument is a target.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from holdfast.core.labels import Sensitivity


class Role(StrEnum):
    """What an argument of a tool is to the flow guard."""

    TARGET = "target"
    ID = "id"
    AMOUNT = "amount"
    PAYLOAD = "payload"


class Sink(StrEnum):
    """Where a tool's effect goes."""

    NONE = "none"
    WRITE = "write"
    EGRESS = "egress"


class Reads(StrEnum):
    """Whose words a tool's result is."""

    TRUSTED = "trusted"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """A tool's manifest.

    Args:
        reads: whose words its result is.
        trusted_fields: fields of a JSON result, by name, that the service itself
            issues (ids, dates); their values ground later arguments even if the
            rest of the result is a stranger's.
        sink: NONE changes nothing outside; WRITE changes something of the user's;
            EGRESS sends to others.
        confined: what it writes stays inside the workspace or the sandbox, which
            the boundary guard has judged by itself.
        roles: (argument, role): TARGET says to whom or where (a recipient, an
            address, a file to be shared), ID names an object, AMOUNT is a quantity,
            PAYLOAD is free text. An argument without a role is a target of a sink.
        produces: the least sensitivity its results have.
        accepts: the most sensitive content it may be given without a question.
    """

    reads: Reads = Reads.UNTRUSTED
    trusted_fields: tuple[str, ...] = ()
    sink: Sink = Sink.EGRESS
    confined: bool = False
    roles: tuple[tuple[str, Role], ...] = ()
    produces: Sensitivity = Sensitivity.NORMAL
    accepts: Sensitivity = Sensitivity.SENSITIVE

    def role(self, argument: str) -> Role:
        """The role of an argument; an undeclared one is a target."""
        return next((role for name, role in self.roles if name == argument), Role.TARGET)


UNDECLARED = Flow()
"""What is assumed of a tool that declares nothing."""
