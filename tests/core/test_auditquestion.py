"""The question that an export answers."""

from __future__ import annotations

import hashlib

import pytest

from holdfast.core.auditquestion import NONCE_BYTES, AuditQuestion
from holdfast.core.errors import InvalidInput

NONCE = bytes(range(NONCE_BYTES))


def test_a_question_s_digest_is_of_all_its_parts() -> None:
    """None of them can take from another: each stands behind its length."""
    asked = [
        AuditQuestion(nonce=NONCE),
        AuditQuestion(nonce=NONCE[::-1]),
        AuditQuestion(nonce=NONCE, session_id="ab"),
        AuditQuestion(nonce=NONCE, session_id="a", workspace="b"),
        AuditQuestion(nonce=NONCE, workspace="ab"),
        AuditQuestion(nonce=NONCE, session_id="\0"),
    ]
    assert len(asked) == len({one.digest() for one in asked})
    parts = (b"holdfast/audit-question/1", NONCE, b"one", "wörk".encode())
    data = b"".join(len(one).to_bytes(8, "big") + one for one in parts)
    question = AuditQuestion(nonce=NONCE, session_id="one", workspace="wörk")
    assert hashlib.sha256(data).hexdigest() == question.digest()


@pytest.mark.parametrize("nonce", [b"", NONCE[1:], NONCE + b"x", "0" * 32, bytearray(32), None])
def test_a_nonce_is_of_one_length(nonce: bytes) -> None:
    """A short one could be tried out beforehand."""
    with pytest.raises(InvalidInput):
        AuditQuestion(nonce=nonce)


def test_what_is_no_text_is_refused() -> None:
    """Half a character has no bytes."""
    with pytest.raises(InvalidInput):
        AuditQuestion(nonce=NONCE, session_id="\ud800").digest()
