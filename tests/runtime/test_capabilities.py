"""Capability tokens: whom they are from and for, until when, and how often."""

from __future__ import annotations

import base64
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from grantshelp import Bell, config, folder, opened, ringer, ringing, rings
from holdfast.adapters.keys.memory import MemoryKeys
from holdfast.core.errors import CapabilityRefused, InvalidInput, MalformedRule
from holdfast.core.events import Granted
from holdfast.core.grants import GrantKind
from holdfast.core.tools import Operation
from holdfast.core.view import SessionView
from holdfast.runtime.capabilities import (
    SKEW_MS,
    Capability,
    grant_of,
    issue,
    public_key,
    verify,
)
from sessionhelp import HandClock, memory, run

NOW = 1_000_000


def token_of(keys: MemoryKeys, **changes: object) -> tuple[str, frozenset[str]]:
    """A token of these keys, and their public key."""
    mine = keys.audit_public_key.hex()
    said = Capability(
        id="0" * 32,
        issuer=mine,
        tenant="t",
        rule="ring",
        created_ms=NOW,
        expires_ms=NOW + 60_000,
    )
    return issue(replace(said, **changes), keys.sign), frozenset({mine})  # type: ignore[arg-type]  # any field of the class


def code_of(token: str, trusted: frozenset[str], now_ms: int = NOW) -> str:
    """Why a token is refused."""
    with pytest.raises(CapabilityRefused) as caught:
        verify(token, trusted, now_ms)
    assert not token or token not in str(caught.value)
    return caught.value.code


def test_a_token_says_what_was_issued() -> None:
    """All fields come back from a token that verifies (astrid#T-26)."""
    token, trusted = token_of(MemoryKeys(), permissions=(Operation.READ,), uses_max=None)
    said = verify(token, trusted, NOW)
    assert ("ring", (Operation.READ,), None) == (said.rule, said.permissions, said.uses_max)
    assert "hfcap1" == token.split(".")[0] and 3 == len(token.split("."))
    assert "id" not in repr(said) or said.id not in repr(said)


def test_no_character_of_a_token_may_change() -> None:
    """Each one altered, left out or doubled makes it no token (astrid#T-26)."""
    token, trusted = token_of(MemoryKeys())
    for at in range(len(token)):
        other = "A" if token[at] != "A" else "B"
        for text in (token[:at] + other + token[at + 1 :], token[:at] + token[at + 1 :]):
            assert code_of(text, trusted) in ("malformed", "untrusted_issuer", "bad_signature")


def test_the_tokens_own_issuer_proves_nothing() -> None:
    """It is verified against what is trusted here, not against the key it names (AW-12)."""
    token, _ = token_of(MemoryKeys())
    assert "untrusted_issuer" == code_of(token, frozenset({MemoryKeys().audit_public_key.hex()}))
    mine, trusted = MemoryKeys(), MemoryKeys().audit_public_key.hex()
    forged, _ = token_of(mine, issuer=trusted)
    assert "bad_signature" == code_of(forged, frozenset({trusted}))


def test_a_token_holds_in_its_time() -> None:
    """From its making to its end, with clocks that may be 30 s apart (astrid#T-26)."""
    token, trusted = token_of(MemoryKeys())
    end = NOW + 60_000
    assert verify(token, trusted, NOW - SKEW_MS) == verify(token, trusted, end + SKEW_MS - 1)
    assert "expired" == code_of(token, trusted, end + SKEW_MS)
    assert "not_yet_valid" == code_of(token, trusted, NOW - SKEW_MS - 1)


@pytest.mark.parametrize(
    "text",
    ["", "x", "hfcap1", "hfcap1.a", "hfcap1.=.=", "hfcap2.e30.e30", "hfcap1.é.é", 9000 * "a"],
)
def test_what_is_no_token_is_refused(text: str) -> None:
    """Odd text is malformed, never an exception of a library."""
    assert "malformed" == code_of(text, frozenset())


def test_a_payload_of_another_shape_is_refused() -> None:
    """A signed text that is no capability is none."""
    keys = MemoryKeys()
    body = base64.urlsafe_b64encode(b'{"id":1}').rstrip(b"=").decode()
    assert "malformed" == code_of(f"hfcap1.{body}.AAAA", frozenset({keys.audit_public_key.hex()}))


def test_a_token_is_for_whom_it_names() -> None:
    """Tenant, user, session and workspace have to be those of the session."""
    view = SessionView(tenant="t", user_id="ann", session_id="one")
    keys = MemoryKeys()
    for wrong in ({"tenant": "u"}, {"user": "bob"}, {"session": "two"}, {"workspace": "/x"}):
        token, trusted = token_of(keys, **wrong)
        with pytest.raises(CapabilityRefused) as caught:
            grant_of(verify(token, trusted, NOW), view)
        assert "wrong_holder" == caught.value.code
    token, trusted = token_of(keys, user="ann", session="one")
    grant = grant_of(verify(token, trusted, NOW), view)
    assert (GrantKind.CAPABILITY, 1) == (grant.kind, grant.uses_max)
    assert grant.id not in token and f"cap:{grant.id}" == grant.counter


def test_public_keys_are_checked() -> None:
    """Only 64 hexadecimal characters are one."""
    key = MemoryKeys().audit_public_key.hex()
    assert key == public_key(key.upper())
    for text in ("", "ab", "zz" * 32, key + "00"):
        with pytest.raises(CapabilityRefused):
            public_key(text)


# --- in sessions ------------------------------------------------------------------------


def test_a_token_lets_a_call_run_once() -> None:
    """Issued in one session, used in another, and by none a second time (astrid#AW-12, 13)."""

    async def work() -> None:
        bell = Bell()
        async with memory(ringing(), bell.tool()) as sessions:
            one = await sessions.create_session("one", config())
            two = await sessions.create_session("two", config())
            token = await one.issue_capability("ring", expires_in_s=60)
            assert not await rings(one, bell)  # to issue is not to have
            await two.add_capability(token)
            await one.add_capability(token)
            assert await rings(two, bell)
            assert not await rings(two, bell)
            assert not await rings(one, bell)
            three = await sessions.create_session("three", config())
            with pytest.raises(CapabilityRefused) as caught:
                await three.add_capability(token)
            assert "used_up" == caught.value.code

    run(work())


def test_a_wipe_gives_no_use_back() -> None:
    """What was used in a session that is wiped stays used."""

    async def work() -> None:
        bell = Bell()
        async with memory(ringing(), bell.tool()) as sessions:
            one = await sessions.create_session("one", config())
            two = await sessions.create_session("two", config())
            token = await one.issue_capability("ring", expires_in_s=60)
            await two.add_capability(token)
            assert await rings(two, bell)
            await sessions.terminate_session("two")
            with pytest.raises(CapabilityRefused):
                await one.add_capability(token)
            assert not await rings(one, bell)

    run(work())


def test_a_token_survives_restarts_and_ends_in_time(tmp_path: Path) -> None:
    """What it grants is kept with the session, until its end."""

    async def work() -> None:
        bell, clock = Bell(), HandClock()
        options = {"clock": clock, "idle_s": 10_000}
        async with opened(tmp_path, bell, **options) as sessions:
            one = await sessions.create_session("one", config())
            token = await one.issue_capability("ring", expires_in_s=600, max_uses=None)
            await one.add_capability(token)
        async with opened(tmp_path, bell, **options) as sessions:
            one = await sessions.get_session("one")
            assert await rings(one, bell)
            (shown,) = await one.allowances()
            await sessions.revoke_allowance("one", shown.id)
            assert not await rings(one, bell)
            clock.advance(640)
            with pytest.raises(CapabilityRefused) as caught:
                await one.add_capability(token)
            assert "expired" == caught.value.code

    run(work())


def test_another_installations_token_needs_its_key_listed(tmp_path: Path) -> None:
    """Its issuer is refused until an operator trusts it (astrid#T-29)."""

    async def work() -> None:
        bell = Bell()
        (tmp_path / "a").mkdir()
        async with opened(tmp_path / "a", bell) as theirs, ringer(bell) as (ours, session):
            issuer = await theirs.create_session("one", config())
            token = await issuer.issue_capability("ring", expires_in_s=60)
            with pytest.raises(CapabilityRefused) as caught:
                await session.add_capability(token)
            assert "untrusted_issuer" == caught.value.code
            ours.trust_issuers(issuer.where.backend.keys.audit_public_key.hex())
            await session.add_capability(token)
            assert await rings(session, bell)

    run(work())


def test_a_token_names_what_authorised_it(caplog: pytest.LogCaptureFixture) -> None:
    """The event is in the issuing session's log; the token itself is nowhere (AW-43)."""

    async def work() -> None:
        async with ringer(Bell()) as (_, session):
            token = await session.issue_capability("ring", expires_in_s=60)
            keys = session.where.backend.keys
            said = verify(token, frozenset({keys.audit_public_key.hex()}), session_now(session))
            journal = session.where.backend.journal(session.where.row)
            event = (await journal.event_at(said.audit_version)).event
            assert isinstance(event, Granted)
            assert ("one", said.rule) == (said.audit_session, event.grant.rule.text)
            await session.add_capability(token)
            log = [str(recorded.event) async for recorded in journal.replay()]
            assert not any(token.split(".")[2] in text for text in (*log, caplog.text))
            assert not any(said.id in text for text in log)

    with caplog.at_level(logging.DEBUG):
        run(work())


def session_now(session: object) -> int:
    """The manager's time."""
    now: int = session._core.clock.now_ms()  # type: ignore[attr-defined]  # a look inside
    return now


def test_bad_terms_of_a_token_are_refused(tmp_path: Path) -> None:
    """No end, none in the future, no rule, no uses."""

    async def work() -> None:
        async with ringer(Bell(), folder(tmp_path)) as (_, session):
            for seconds in (0, -5, 367 * 24 * 3600):
                with pytest.raises(InvalidInput):
                    await session.issue_capability("ring", expires_in_s=seconds)
            with pytest.raises(MalformedRule):
                await session.issue_capability("ring(", expires_in_s=5)
            with pytest.raises(InvalidInput):
                await session.issue_capability("ring", expires_in_s=5, max_uses=0)

    run(work())
