"""What callers hand in is checked before anything happens."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from holdfast.core.decide.content import check_settings
from holdfast.core.errors import InvalidInput, LiteralSecret, NotYetSupported
from holdfast.core.settings import Limits, ModelSettings, QueuePolicy, Settings, StorageType
from holdfast.runtime.codec import dump, load
from holdfast.runtime.config import ContextUsage, SessionConfig, check_model


def test_the_defaults() -> None:
    """The seeds' defaults: 80 percent, file, enqueue, nothing unsafe."""
    settings = SessionConfig().to_settings("")
    assert 0.80 == settings.auto_compact_threshold
    assert (StorageType.FILE, QueuePolicy.ENQUEUE) == (
        settings.storage_type,
        settings.queue_policy,
    )
    assert not settings.unsafe_auto_approve and settings.tools is None
    assert 200_000 == settings.context_tokens
    assert ContextUsage(0, 200_000, 0.0, 0) == ContextUsage()


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_context_length": -1},
        {"auto_compact_threshold": 0.0},
        {"auto_compact_threshold": 1.5},
        {"auto_compact_threshold": float("nan")},
        {"storage_type": "tape"},
        {"queue_policy": "later"},
        {"name": "x" * 501},
        {"tools": tuple("x" for _ in range(513))},
        {"thinking_budget": 0},
        {"limits": Limits(max_rounds=0)},
        {"limits": Limits(turn_s=0)},
        {"limits": Limits(tool_s=0)},
        {"limits": Limits(parallel_tools=0)},
        {"limits": Limits(parallel_tools=65)},
        {"extra": {"x": "y" * 9000}},
        {"extra": {"x": object()}},
        {"model": ModelSettings(provider="", model="m")},
    ],
)
def test_values_out_of_range_are_invalid_input(wrong: dict[str, Any]) -> None:
    """Each limit is kept, by name."""
    with pytest.raises(InvalidInput):
        SessionConfig(**wrong).to_settings("")


def test_unknown_fields_are_kept() -> None:
    """What a later program may need is kept as it is."""
    settings = SessionConfig(extra={"b": 1, "a": [None]}).to_settings("")
    assert '{"a":[null],"b":1}' == settings.extra


@pytest.mark.parametrize("key", ["sk-abc", "", "ENV:X", " env:X"])
def test_a_key_is_a_reference(key: str) -> None:
    """Anything but env:, file: or keyring: is refused as a literal."""
    with pytest.raises(LiteralSecret):
        check_model(ModelSettings(provider="p", model="m", key=key))
    for good in ("env:X", "file:/x", "keyring:a/b", None):
        check_model(ModelSettings(provider="p", model="m", key=good))


def test_what_is_not_there_yet_is_named() -> None:
    """A falsy value of a later field is no reason to ignore it."""
    with pytest.raises(NotYetSupported, match="queue_config"):
        SessionConfig(queue_config={}).to_settings("")


@pytest.mark.parametrize("price", ["NaN", "-0.1", "", "Infinity", "1e9", 0.5])
@pytest.mark.parametrize("field", ["input_usd", "output_usd"])
def test_a_price_is_decimal_text(field: str, price: str) -> None:
    """A model's price that is none is refused by name, wherever settings are checked."""
    model = ModelSettings(provider="p", model="m", **{field: price})
    with pytest.raises(InvalidInput, match=field):
        check_model(model)
    with pytest.raises(InvalidInput, match=field):
        check_settings(Settings(model=model))
    check_model(ModelSettings(provider="p", model="m", **{field: "0"}))


def test_old_settings_are_written_as_ever() -> None:
    """Prices are durable; a model without them is written without a word of them (seed D3)."""
    old = ModelSettings(provider="p", model="m")
    assert b"usd" not in dump(old) and old == load(ModelSettings, dump(old))
    new = ModelSettings(provider="p", model="m", input_usd="0", output_usd="0.60")
    assert new == load(ModelSettings, dump(new))
    names = [one.name for one in fields(ModelSettings)]
    assert ["input_usd", "output_usd", "zone", "sees", "public_only"] == names[-5:]
    assert b"public_only" not in dump(old)
