"""Settings of a server: the file, the environment, and what neither may say."""

from __future__ import annotations

import pytest

from holdfast.core.errors import InvalidInput, PolicyFileRefused
from holdfast.runtime.configuration import (
    OPTIONS,
    Option,
    Serving,
    Source,
    check_variables,
    effective,
    section,
)
from holdfast.runtime.policyfile import parse_policy

NOTHING: dict[str, str] = {}


def read(text: str) -> Serving:
    """What a file says of serving."""
    return parse_policy(text, "holdfast.toml").serving


def by_name(file: Serving | None, environ: dict[str, str]) -> dict[str, tuple[object, Source]]:
    """Every setting with its value and source."""
    return {one.option.name: (one.value, one.source) for one in effective(file, environ)}


def test_without_file_and_environment_the_defaults_hold() -> None:
    assert {one.name: (one.default, Source.DEFAULT) for one in OPTIONS} == by_name(None, NOTHING)


def test_the_file_stands_above_the_defaults_and_the_environment_above_the_file() -> None:
    file = read('[server]\nport = 9000\nallowed_hosts = ["a.example"]\n[tokens]\nlife_days = 7\n')
    found = by_name(file, {"HOLDFAST_SERVER_PORT": "9100", "HOLDFAST_SERVER_CORS_ORIGINS": "a, b,"})
    assert (9100, Source.ENVIRONMENT) == found["server.port"]
    assert (("a.example",), Source.FILE) == found["server.allowed_hosts"]
    assert (("a", "b"), Source.ENVIRONMENT) == found["server.cors_origins"]
    assert (7, Source.FILE) == found["tokens.life_days"]
    found_tokens = section(effective(file, NOTHING), "tokens")
    assert (3600, 7, "opaque") == tuple(
        found_tokens[key] for key in ("expires_in_s", "life_days", "format")
    )


@pytest.mark.parametrize("option", OPTIONS, ids=lambda one: one.variable)
def test_every_setting_has_a_variable(option: Option) -> None:
    usual = option.choices[-1] if option.choices else "x"
    text = {"whole number": str(option.least), "true or false": "yes"}.get(option.kind, usual)
    found = {one.option.name: one for one in effective(None, {option.variable: text})}
    assert Source.ENVIRONMENT is found[option.name].source
    assert option.secret is (found[option.name].shown == "(set)")


def test_an_empty_variable_is_none() -> None:
    assert (18790, Source.DEFAULT) == by_name(None, {"HOLDFAST_SERVER_PORT": ""})["server.port"]


@pytest.mark.parametrize(
    "text", ["-1", "1.5", "1e3", "٣", " 80", "65536", "9" * 40, "0x10", "true", "\n"]
)
def test_a_number_out_of_bounds_or_none_at_all_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"HOLDFAST_SERVER_PORT|server\.port"):
        effective(None, {"HOLDFAST_SERVER_PORT": text})


def test_a_misspelt_variable_is_refused_and_the_right_one_named() -> None:
    with pytest.raises(InvalidInput, match="did you mean HOLDFAST_SERVER_PORT"):
        check_variables({"HOLDFAST_SERVER_PROT": "1"})
    with pytest.raises(InvalidInput, match=r"there is no variable HOLDFAST_QQQQQQ$"):
        effective(None, {"HOLDFAST_QQQQQQ": "1"})
    check_variables({"HOLDFAST_EFFECT": "x", "PATH": "/bin"})


@pytest.mark.parametrize(
    ("text", "key", "line"),
    [
        ("[server]\nprot = 1\n", "server.prot", 2),
        ("\n[server]\nport = '1'\n", "server.port", 3),
        ("[server]\nport = 70000\n", "server.port", 2),
        ("[server]\nheartbeat_s = 0\n", "server.heartbeat_s", 2),
        ("[tokens]\nexpires_in_s = 86401\n", "tokens.expires_in_s", 2),
        ("[tokens]\nexpires_in_s = 0\n", "tokens.expires_in_s", 2),
        ("[roles]\nauditor = ['audit:fly']\n", "roles.auditor", 2),
        ("[roles]\nadmin = ['audit:read']\n", "roles.admin", 2),
        ("[roles]\nAuditor = ['audit:read']\n", "roles.Auditor", 2),
        ("[roles]\nauditor = 'audit:read'\n", "roles.auditor", 2),
        ("[task_types]\nlook = ['everything']\n", "task_types.look", 2),
        ("[[server]]\nport = 1\n", "server", 1),
        ("[sever]\nport = 1\n", "sever", 1),
    ],
)
def test_the_file_is_read_strictly(text: str, key: str, line: int) -> None:
    with pytest.raises(PolicyFileRefused) as refused:
        read(text)
    assert (key, line) == (refused.value.key, refused.value.line)


def test_a_misspelt_key_or_section_is_named() -> None:
    for text, meant in (("[server]\nprot = 1\n", "'port'"), ("[sever]\nport = 1\n", "'server'")):
        with pytest.raises(PolicyFileRefused, match=f"did you mean {meant}"):
            read(text)


def test_an_installation_has_roles_and_task_types_of_its_own() -> None:
    roles = read(
        "[roles]\nauditor = ['audit:read']\n[task_types]\nlook = ['sessions:read', 'messages:*']\n"
    ).roles
    assert frozenset({"audit:read"}) == roles.scopes("auditor")
    assert {"sessions:read"} == roles.left_by("look", frozenset({"sessions:*"}))


def test_a_text_of_a_few_is_one_of_them() -> None:
    """In the file with its line, and in the environment."""
    assert ("tokens", "format") in read('[tokens]\nformat = "jwt"\n').values
    with pytest.raises(PolicyFileRefused, match=r"tokens\.format is opaque or jwt"):
        read('[tokens]\nformat = "paseto"\n')
    with pytest.raises(InvalidInput, match=r"tokens\.format is opaque or jwt"):
        effective(None, {"HOLDFAST_TOKENS_FORMAT": "JWT"})
