"""What callers say of content security becomes settings, or is refused by name."""

from __future__ import annotations

import pytest

from holdfast.core.errors import InvalidInput
from holdfast.core.labels import Sensitivity
from holdfast.core.security import (
    CustomRule,
    DataPolicy,
    Fallback,
    FlowMode,
    InjectionDefense,
    RoutingDecision,
    Security,
)
from holdfast.runtime.securing import (
    LEVELS,
    Features,
    SecurityConfig,
    data_policy_of,
    level_of,
    security_of,
)


def test_nothing_said_is_the_default() -> None:
    """None and an empty config mean the same."""
    assert Security() == security_of(None) == security_of(SecurityConfig())


def test_every_field_is_taken_over() -> None:
    """Names may be written as people write them."""
    config = SecurityConfig(
        enabled=False,
        flow="strict",
        injection="all",
        reader="HighlySensitive",
        classification_rules=({"name": "a", "pattern": "b"}, CustomRule(name="c", pattern="d")),
        compliance=("HIPAA", "pci-dss"),
        redaction_strategy="MASK",
        network_whitelist=("B.example", "a.example", "b.example"),
        dangerous_commands=("bash(rm:*)",),
        data_policy={"fallback": "warn", "type_rules": {"ssn": "reject", "email": "process_local"}},
        warn_kinds=1,
        reject_kinds=2,
        half_life_days=3,
        extraction=True,
    )
    assert Security(
        enabled=False,
        flow=FlowMode.STRICT,
        injection=InjectionDefense.ALL,
        reader=Sensitivity.HIGHLY_SENSITIVE,
        rules=(CustomRule(name="a", pattern="b"), CustomRule(name="c", pattern="d")),
        packs=("hipaa", "pci-dss"),
        redaction="mask",
        hosts=("a.example", "b.example"),
        dangerous=("bash(rm:*)",),
        data=DataPolicy(
            fallback=Fallback.WARN,
            type_rules=(
                ("email", RoutingDecision.PROCESS_LOCAL),
                ("ssn", RoutingDecision.REJECT),
            ),
        ),
        warn_kinds=1,
        reject_kinds=2,
        half_life_days=3,
        extraction=True,
    ) == security_of(config)


def test_features_are_switched_off_one_by_one() -> None:
    """Each switch changes its one setting."""
    none = Features(
        output_sanitizer=False,
        taint_tracking=False,
        tool_interceptor=False,
        injection_defense=False,
    )
    assert Security(
        flow=FlowMode.OBSERVE,
        injection=InjectionDefense.OBSERVE,
        reader=Sensitivity.CRITICAL,
        taints=False,
    ) == security_of(SecurityConfig(features=none, flow="strict", injection="all"))
    only = security_of(SecurityConfig(features=Features(taint_tracking=False)))
    assert Security(taints=False) == only


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"flow": "loose"}, "flow"),
        ({"injection": "none"}, "injection"),
        ({"reader": "everyone"}, "reader"),
        ({"reader": 3}, "reader"),
        ({"redaction_strategy": "shred"}, "redaction"),
        ({"warn_kinds": -1}, "warn_kinds"),
        ({"reject_kinds": 1001}, "reject_kinds"),
        ({"half_life_days": 0}, "half_life_days"),
        ({"extraction": "yes"}, "extraction"),
        ({"extraction": 1}, "extraction"),
        ({"compliance": ("hipaa",) * 9}, "packs"),
        ({"classification_rules": ({"name": "a", "pattern": "b"},) * 33}, "rules"),
        ({"classification_rules": ({"name": "a"},)}, "rule"),
        ({"classification_rules": ({"name": "a", "pattern": "b", "colour": "c"},)}, "rule"),
        (
            {"classification_rules": ({"name": "a", "pattern": "b", "level": "huge"},)},
            "classification_rules",
        ),
        ({"data_policy": {"tee": True}}, "data_policy"),
        ({"data_policy": {"type_rules": ["email"]}}, "type_rules"),
        ({"data_policy": {"type_rules": {"email": "burn"}}}, "data_policy"),
        ({"data_policy": {"fallback": "hope"}}, "data_policy"),
        ({"data_policy": {"tee_threshold": "huge"}}, "tee_threshold"),
    ],
)
def test_what_is_wrong_is_named(fields: dict[str, object], named: str) -> None:
    """Nothing unknown is passed over."""
    with pytest.raises(InvalidInput, match=named):
        security_of(SecurityConfig(**fields))  # type: ignore[arg-type]  # its fields


def test_only_a_config_is_one() -> None:
    """A mapping is not guessed at."""
    with pytest.raises(InvalidInput):
        security_of({"enabled": False})  # type: ignore[arg-type]  # what is tested


def test_levels_have_names() -> None:
    """In both spellings, and as themselves."""
    for level in Sensitivity:
        assert level is level_of("x", level) is level_of("x", level.name.casefold())
    assert Sensitivity.HIGHLY_SENSITIVE is LEVELS["HighlySensitive"] is LEVELS["highly_sensitive"]


def test_a_data_policy_may_be_the_seeds_dictionary() -> None:
    """Only the word true allows what is highly sensitive."""
    assert DataPolicy() == data_policy_of({}) == data_policy_of(DataPolicy())
    told = {"name": "n", "tee_threshold": "critical", "allow_highly_sensitive": "yes"}
    assert DataPolicy(
        name="n", tee_threshold=Sensitivity.CRITICAL, allow_highly_sensitive=False
    ) == data_policy_of(told)
