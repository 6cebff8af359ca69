"""The text of tokens, their limits, and what is handed out."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from holdfast.core.errors import InvalidInput
from holdfast.core.tokens import (
    IssuedToken,
    TokenSettings,
    check_agent,
    check_workspace,
    digest_of,
    moment,
    token_text,
)


def test_a_text_is_the_prefix_and_all_of_the_secret() -> None:
    """43 letters of 62 hold 256 bits, and different secrets are different texts."""
    texts = [token_text(bytes(32)), token_text(b"\xff" * 32), token_text(bytes(31) + b"\1")]
    assert "hf_st_" + "0" * 43 == texts[0] and "hf_st_" + "0" * 42 + "1" == texts[2]
    assert all(re.fullmatch(r"hf_st_[0-9A-Za-z]{43}", text) for text in texts)
    assert 3 == len(set(texts))


def test_only_a_possible_text_has_a_digest() -> None:
    """What is too long, not text or not ASCII is looked up nowhere."""
    assert hashlib.sha256(b"hf_st_x").digest() == digest_of("hf_st_x")
    assert [b""] * 4 == [digest_of(one) for one in ("x" * 4097, None, b"hf", "\u00e9")]


@pytest.mark.parametrize(
    ("given", "principal"),
    [
        ("ann", "agent:ann"),
        ("user:ann", "user:ann"),
        ("agent:7", "agent:7"),
        ("x:y", "agent:x:y"),
        ("ann/7", "agent:ann/7"),
        ("user:ann/a-b/c.d", "user:ann/a-b/c.d"),
        ("ann/user:bob", "agent:ann/user:bob"),
        ("user:", "agent:user:"),
        ("a/" * 63 + "a", "agent:" + "a/" * 63 + "a"),
    ],
)
def test_an_agent_is_named(given: str, principal: str) -> None:
    """A person says so, and what is below a name as well."""
    assert principal == check_agent(given)


NO_NAMES = [
    *("", "../x", "a b", "x" * 129, "-x", None, 7, "a\n", "\u00e9", b"a", ["a"]),
    *("/", "/a", "a/", "a//b", "a/../b", "a/./b", "a/.b", "a/-b", "a/b\n", "a/ b", "a\\b"),
    *("user:/a", "agent:/a", "user:ann/", "a%2fb", "a\uff0fb", "a\u2215b", "a/\u0430", "a/b\0"),
    "a/" * 64 + "a",
]


@pytest.mark.parametrize("given", NO_NAMES)
def test_what_is_no_name_is_refused(given: Any) -> None:
    """Neither of an agent nor of a workspace: no empty part, no dots, no look-alikes."""
    with pytest.raises(InvalidInput):
        check_agent(given)
    with pytest.raises(InvalidInput):
        check_workspace(given)


def test_workspaces_are_names_or_all_of_them() -> None:
    """The star is the administrator's."""
    assert ("*", "team-1") == (check_workspace("*"), check_workspace("team-1"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"expires_in_s": 0.5},
        {"expires_in_s": 100, "expires_in_s_max": 50},
        {"life_s": 10},
        {"life_s": 10**10},
        {"expires_in_s": float("nan")},
        {"expires_in_s": True},
        {"expires_in_s": "3600"},
    ],
)
def test_settings_that_do_not_fit_are_refused(wrong: dict[str, Any]) -> None:
    """How long tokens live is checked when it is said."""
    with pytest.raises(InvalidInput):
        TokenSettings(**wrong)


def test_a_wished_for_lifetime_is_within_the_limits() -> None:
    """1 second to 24 hours (rulings, 002)."""
    found = TokenSettings()
    assert (1.0, 86_400.0) == (found.checked(1), found.checked(86_400))
    for wrong in (0.99, 86_401, float("inf"), float("nan"), "60", None, True, -(2**63)):
        with pytest.raises(InvalidInput):
            found.checked(wrong)


def test_an_issued_token_hides_its_text() -> None:
    """It is in the context, and in no `repr`; validity is strict."""
    now = [5_000]
    made = IssuedToken(
        id="0" * 32,
        session_id="s",
        agent_id="ann",
        workspace_id="default",
        role="agent",
        scopes=("sessions:read",),
        task_type="default",
        guard_token="hf_st_secret",
        created_at=moment(1_000),
        expires_at=moment(6_000),
        metadata={},
        generation=1,
        now_ms=lambda: now[0],
    )
    context = made.as_context()
    assert ("hf_st_secret", "", 6) == (context.token, context.task_type, context.expires_at)
    assert "hf_st_secret" not in repr(made) + repr(context)
    assert made.is_valid
    now[0] = 6_000
    assert not made.is_valid
