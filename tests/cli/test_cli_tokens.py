"""`holdfast init` and `holdfast tokens …`."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from clihelp import Place

from holdfast.jwt import verify


def made(place: Place, *args: str) -> dict[str, Any]:
    """A token of `tokens create`."""
    found = place.cli("tokens", "create", *args, "--json")
    assert 0 == found.code, found.err
    value = found.json()
    assert isinstance(value, dict)
    return value


def test_the_administrator_is_made_once(place: Place) -> None:
    """With store and keys; shown on stdout alone, kept as a digest alone."""
    first = place.cli("init")
    text = first.out.strip()
    assert (0, True) == (first.code, text.startswith("hf_st_")) and text not in first.err
    assert place.store.exists() and place.key.exists()
    again = place.cli("init")
    assert (4, "") == (again.code, again.out) and "administrator" in again.err
    other = place.cli("init", "--new-admin", "--json").json()
    assert isinstance(other, dict)
    assert ("*", "admin", ["*"]) == (other["workspace_id"], other["role"], other["scopes"])
    assert text != other["token"]


def test_tokens_are_made_listed_and_revoked(place: Place) -> None:
    """The text is shown once, and never in a list."""
    place.cli("init")
    one = made(place, "ann", "--session", "tour", "--role", "viewer")
    every = made(place, "user:bob", "--role", "operator", "--all-sessions", "--expires-in", "60")
    assert ("tour", "") == (one["session_id"], every["session_id"])
    shown = place.cli("tokens", "list", "--json")
    assert one["token"] not in shown.out and every["token"] not in shown.out
    rows = shown.json()
    assert isinstance(rows, list) and {one["id"], every["id"]} == {row["id"] for row in rows}
    assert "viewer" in place.cli("tokens", "list", "--agent", "ann").out
    assert 0 == place.cli("tokens", "revoke", one["id"]).code
    assert 3 == place.cli("tokens", "revoke", "unknown").code
    gone = place.cli("tokens", "revoke", "user:bob", "--agent", "--json").json()
    assert {"revoked": "user:bob", "count": 1} == gone
    assert "no token is live" in place.cli("tokens", "list").err


def test_a_token_is_refreshed_without_the_command_line(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the environment, from stdin, from a descriptor."""
    place.cli("init")
    text = made(place, "ann", "--all-sessions")["token"]
    monkeypatch.setenv("HOLDFAST_TOKEN", text)
    second = place.cli("tokens", "refresh").out.strip()
    assert second.startswith("hf_st_") and second != text
    monkeypatch.delenv("HOLDFAST_TOKEN")
    monkeypatch.setattr("sys.stdin", io.StringIO(second + "\n"))
    third = place.cli("tokens", "refresh").out.strip()
    reading, writing = os.pipe()
    os.write(writing, third.encode())
    os.close(writing)
    fourth = place.cli("tokens", "refresh", "--token-fd", str(reading), "--json").json()
    os.close(reading)
    assert isinstance(fourth, dict) and 4 == fourth["generation"]
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    nothing = place.cli("tokens", "refresh")
    assert 2 == nothing.code and "HOLDFAST_TOKEN" in nothing.err
    monkeypatch.setattr("sys.stdin", io.StringIO(third))
    reused = place.cli("tokens", "refresh")
    assert 5 == reused.code and third not in reused.err + reused.out


def test_what_does_not_fit_is_refused(place: Place) -> None:
    """Two kinds of session, an unknown role, a store that is not there."""
    assert 3 == place.cli("tokens", "list").code
    place.cli("init")
    both = place.cli("tokens", "create", "ann", "--all-sessions", "--session", "x")
    assert (2, 2) == (both.code, place.cli("tokens", "create", "ann", "--role", "king").code)
    assert 2 == place.cli("tokens", "refresh", "--token-fd", "987").code


def test_signed_tokens_and_their_keys(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the environment says; the keys are printed, and the next one signs."""
    monkeypatch.setenv("HOLDFAST_TOKENS_FORMAT", "jwt")
    monkeypatch.setenv("HOLDFAST_TOKENS_ISSUER", "https://sessions.example")
    assert place.cli("init").out.startswith("hf_st_")
    assert {"keys": []} == place.cli("tokens", "jwks").json()
    text = made(place, "ann", "--all-sessions")["token"]
    keys = place.cli("tokens", "jwks").json()
    assert isinstance(keys, dict)
    claims = verify(text, keys, issuer="https://sessions.example", audience="holdfast")
    assert "agent:ann" == claims.principal
    rotated = place.cli("tokens", "rotate-key", "--json").json()
    both = place.cli("tokens", "jwks").json()
    assert isinstance(rotated, dict) and isinstance(both, dict)
    assert [rotated["kid"], keys["keys"][0]["kid"]] == [one["kid"] for one in both["keys"]]
    at_once = place.cli("tokens", "rotate-key", "--at-once")
    assert "" == at_once.out and "signed with the key" in at_once.err
    monkeypatch.setenv("HOLDFAST_TOKEN", text)
    refused = place.cli("tokens", "refresh")
    assert 5 == refused.code and text not in refused.err + refused.out


def test_a_form_or_a_party_that_is_none_is_refused(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the store is opened, not when somebody asks for a token."""
    place.cli("init")
    for name, value in (("FORMAT", "paseto"), ("AUDIENCE", "two words"), ("ISSUER", "\u00e9")):
        with monkeypatch.context() as patch:
            patch.setenv(f"HOLDFAST_TOKENS_{name}", value)
            found = place.cli("tokens", "list")
            assert 2 == found.code and "tokens" in found.err, name
