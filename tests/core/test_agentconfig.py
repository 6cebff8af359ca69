"""What can be a configuration, what becomes of its key, and what is shown of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.core.agentconfig import (
    KEEP,
    SECRET_CHARS_MAX,
    AgentChange,
    AgentKey,
    AgentRecord,
    CallSettings,
    changed,
    check_change,
    key_of,
    lends_our_keys,
)
from holdfast.core.errors import InvalidInput, LiteralSecret
from holdfast.core.labels import Sensitivity
from holdfast.core.security import Zone
from holdfast.core.settings import ModelSettings

SECRET = "sk-" + "canary-0123456789abcdef"
GPT = ModelSettings(provider="openai", model="gpt-4o")
HERE = replace(GPT, base_url="http://127.0.0.1:1/v1", zone=Zone.LOCAL)


def put(before: AgentRecord | None, change: AgentChange, version: int = 2) -> AgentRecord:
    """Make a change at a second of its own."""
    check_change(change)
    return changed(before, change, version=version, now_ms=version * 1000, by="user:root")


@pytest.mark.parametrize(
    "change",
    [
        AgentChange(),
        AgentChange(api_key=None),
        AgentChange(model=GPT),
        AgentChange(model=GPT, api_key=SECRET),
        AgentChange(model=HERE, api_key=None),
        AgentChange(model=replace(HERE, sees=Sensitivity.NORMAL), calls=CallSettings(attempts=1)),
        AgentChange(model=replace(GPT, key="env:NAME")),
        AgentChange(model=replace(HERE, provider="mistral"), api_key="sk-ant-x"),
        AgentChange(model=replace(GPT, provider="anthropic"), api_key="sk-ant-x"),
        AgentChange(model=GPT, api_key="k" * SECRET_CHARS_MAX),
    ],
)  # fmt: skip
def test_what_can_be_one_is_let_through(change: AgentChange) -> None:
    check_change(change)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (AgentChange(api_key=SECRET), "go with a provider"),
        (AgentChange(calls=CallSettings(attempts=1)), "go with a provider"),
        (AgentChange(model=replace(GPT, provider="")), "provider"),
        (AgentChange(model=replace(GPT, model="m" * 513)), "model"),
        (AgentChange(model=replace(HERE, base_url="")), "base_url"),
        (AgentChange(model=replace(GPT, model="m\n")), "model"),
        (AgentChange(model=replace(GPT, model="\ud800")), "model"),
        (AgentChange(model=replace(GPT, model=7)), "model"),  # type: ignore[arg-type]  # what a caller may do
        (AgentChange(model=replace(HERE, zone=None)), "zone declared"),
        (AgentChange(model=replace(GPT, zone="local")), "a Zone"),  # type: ignore[arg-type]  # what a caller may do
        (AgentChange(model=replace(GPT, sees=1)), "a Sensitivity"),  # type: ignore[arg-type]  # what a caller may do
        (AgentChange(model=replace(GPT, zone=Zone.TEE)), "enclave"),
        (AgentChange(model=replace(GPT, key="env:NAME"), api_key=SECRET), "not both"),
        (AgentChange(model=GPT, api_key="env:OPENAI_API_KEY"), "reference"),
        (AgentChange(model=GPT, api_key=""), "signs of ASCII"),
        (AgentChange(model=GPT, api_key="two words"), "signs of ASCII"),
        (AgentChange(model=GPT, api_key="line\n"), "signs of ASCII"),
        (AgentChange(model=GPT, api_key="schlüssel"), "signs of ASCII"),
        (AgentChange(model=GPT, api_key="k" * (SECRET_CHARS_MAX + 1)), "at most"),
        (AgentChange(model=GPT, api_key=7), "KEEP"),  # type: ignore[arg-type]  # what a caller may do
        (AgentChange(model=GPT, api_key="sk-ant-x"), "a key of openai"),
        (AgentChange(model=replace(GPT, provider="anthropic"), api_key="sk-x"), "of anthropic"),
    ],
)
def test_what_cannot_is_refused_and_never_repeated(change: AgentChange, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_change(change)
    assert told in str(caught.value)
    assert not (isinstance(change.api_key, str) and len(change.api_key) > 3) or (
        change.api_key not in str(caught.value)
    )


def test_a_reference_is_no_key() -> None:
    with pytest.raises(LiteralSecret):
        check_change(AgentChange(model=GPT, api_key="file:/etc/passwd"))


@pytest.mark.parametrize(
    "given",
    [
        {"connect_s": 0},
        {"idle_s": float("nan")},
        {"idle_s": float("inf")},
        {"total_s": 86_401},
        {"total_s": True},
        {"connect_s": "9"},
        {"attempts": 0},
        {"attempts": 11},
        {"attempts": 1.0},
    ],
)
def test_limits_have_bounds(given: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(given))):
        CallSettings(**given)


def test_a_key_is_not_in_any_repr() -> None:
    change = AgentChange(model=GPT, api_key=SECRET)
    assert SECRET not in repr(change)
    assert SECRET not in repr(put(None, change))


def test_a_key_stays_with_its_address() -> None:
    """It is kept while provider and address are, and is not taken elsewhere."""
    first = put(None, AgentChange(model=HERE, api_key=SECRET))
    assert (SECRET, 2000) == (first.secret, first.key_changed_ms)
    other = put(first, AgentChange(model=replace(HERE, model="gpt-5", zone=Zone.PRIVATE)), 3)
    assert (SECRET, 2000, 3000) == (other.secret, other.key_changed_ms, other.changed_ms)
    for away in (
        replace(HERE, base_url="https://evil.example/v1"),
        replace(HERE, provider="mistral"),
        GPT,
    ):
        with pytest.raises(InvalidInput, match="give it again"):
            put(first, AgentChange(model=away))
        assert "" == put(first, AgentChange(model=away, api_key=None)).secret
        assert "new" == put(first, AgentChange(model=away, api_key="new")).secret


def test_a_key_goes_with_what_takes_its_place() -> None:
    """A reference, null, and the end of the configuration leave none behind."""
    first = put(None, AgentChange(model=GPT, api_key=SECRET))
    for change in (
        AgentChange(model=replace(GPT, key="env:NAME")),
        AgentChange(model=GPT, api_key=None),
        AgentChange(),
    ):
        after = put(first, change, 3)
        assert ("", 3000) == (after.secret, after.key_changed_ms)
    plain = put(None, AgentChange(model=GPT))
    assert plain.key_changed_ms is None
    named = put(plain, AgentChange(model=replace(GPT, key="env:NAME")), 4)
    again = put(named, AgentChange(model=replace(GPT, key="env:NAME", model="gpt-5")), 5)
    assert (4000, 4000) == (named.key_changed_ms, again.key_changed_ms)


def test_what_is_shown_of_a_key() -> None:
    assert AgentKey() == key_of(AgentRecord())
    stored = put(None, AgentChange(model=GPT, api_key=SECRET))
    assert AgentKey(set=True, source="stored", changed_at=2) == key_of(stored)
    named = put(None, AgentChange(model=replace(GPT, key="env:NAME")))
    shown = AgentKey(set=True, source="reference", reference="env:NAME", changed_at=2)
    assert shown == key_of(named)
    assert AgentKey(source="variable") == key_of(put(None, AgentChange(model=GPT)))


@pytest.mark.parametrize(
    ("change", "lends"),
    [
        (AgentChange(), False),
        (AgentChange(model=GPT), False),
        (AgentChange(model=GPT, api_key=SECRET), False),
        (AgentChange(model=HERE, api_key=SECRET), False),
        (AgentChange(model=HERE), True),
        (AgentChange(model=HERE, api_key=None), True),
        (AgentChange(model=replace(GPT, key="env:NAME")), True),
    ],
)
def test_whose_key_is_sent(change: AgentChange, lends: bool) -> None:
    """A reference, and the usual variable at an address of one's own, are the installation's."""
    assert lends is lends_our_keys(put(None, change))


def test_nothing_said_of_a_key_is_no_none() -> None:
    assert AgentChange().api_key is KEEP
