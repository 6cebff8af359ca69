"""The tables of scopes, roles and settings of tokens are the code's."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re

from docs_pages import page

from holdfast.core.principals import ROLES, VERBS
from holdfast.core.signedtokens import Claims
from holdfast.core.tokens import TokenSettings
from holdfast.runtime.tokens import SessionTokens


def test_scopes_are_listed() -> None:
    """Every resource with all of its verbs, in order."""
    rows = page("docs/reference/tokens.md").rows("Scopes")
    written = {row["resource"]: tuple(re.findall(r"\w+", row["verbs"])) for row in rows}
    assert dict(VERBS) == written


def test_roles_are_listed() -> None:
    """Every built-in role with all of its scopes."""
    rows = page("docs/reference/tokens.md").rows("Roles")
    written = {row["role"]: frozenset(re.findall(r"[\w:*]+", row["scopes"])) for row in rows}
    assert dict(ROLES) == written


def test_settings_of_tokens_are_listed() -> None:
    """Every field with its default."""
    rows = page("docs/reference/tokens.md").rows("TokenSettings")
    written = {row["field"]: row["default"] for row in rows}
    found = TokenSettings()
    names = ("expires_in_s", "expires_in_s_max", "life_s", "format", "issuer", "audience")
    wanted = {name: str(getattr(found, name)) or '""' for name in names} | {"roles": "Roles()"}
    assert wanted == written
    assert {field.name for field in dataclasses.fields(found)} == set(written)


def test_claims_are_listed() -> None:
    """Every claim of a signed token."""
    rows = page("docs/reference/tokens.md").rows("Claims")
    written = {name for row in rows for name in re.findall(r"\w+", row["claim"])}
    claims = Claims(
        issuer="i",
        audience="a",
        token="",
        principal="",
        session="",
        workspace="",
        role="",
        scopes=(),
        task_type="",
        generation=1,
        issued_s=0,
        expires_s=0,
    )
    assert set(json.loads(claims.written())) == written


def test_methods_of_tokens_are_listed() -> None:
    """Every public method stands in the table."""
    rows = page("docs/reference/tokens.md").rows("Methods")
    written = {name for row in rows for name in re.findall(r"`?(\w+)\(", row["method"])}
    public = {
        name
        for name, _ in inspect.getmembers(SessionTokens, inspect.isfunction)
        if not name.startswith("_")
    }
    assert public == written
