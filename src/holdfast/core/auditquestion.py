"""The question that an export of the audit log answers, so that no other one passes for it.

Whoever asks draws a nonce. The installation puts the question's digest into the export's
first line, and signs it with all the lines. So an export that was made earlier, or of
another session, or for another workspace, is not taken for the answer.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from holdfast.core.errors import InvalidInput

NONCE_BYTES: Final = 32
_DOMAIN: Final = b"holdfast/audit-question/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditQuestion:
    """What an export is asked for.

    Args:
        nonce: 32 random bytes, drawn for this question alone.
        session_id: of this session, or "stream-<16 hex>" of one that was wiped; "" is all
            sessions of the store.
        workspace: which one an administrator of all of them meant; "" if nothing was said.

    Raises:
        InvalidInput: the nonce has another length.
    """

    nonce: bytes
    session_id: str = ""
    workspace: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.nonce, bytes) or len(self.nonce) != NONCE_BYTES:
            raise InvalidInput(f"a question's nonce is {NONCE_BYTES} bytes")

    def digest(self) -> str:
        """What the export's first line says, 64 hexadecimal digits."""
        found = hashlib.sha256()
        try:
            parts = (self.session_id.encode(), self.workspace.encode())
        except UnicodeEncodeError:
            raise InvalidInput("an id is text") from None
        for part in (_DOMAIN, self.nonce, *parts):
            found.update(len(part).to_bytes(8, "big") + part)
        return found.hexdigest()
