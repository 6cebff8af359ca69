"""Compliance packs: their rules, their demands, what is refused."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.compliance import (
    PACKS,
    Demands,
    demands_of,
    lift,
    load_pack,
    read_pack,
)
from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import RuleSet, Seen
from holdfast.core.errors import InvalidInput
from holdfast.core.findings import Classification
from holdfast.core.labels import Sensitivity

ALL = [load_pack(name) for name in PACKS]
RULES = RuleSet([rule for pack in ALL for rule in pack.rules])


def find(text: str) -> Classification:
    """What the packs find in a text."""
    seen = Seen([], [])
    RULES.find(views_of(text)[0], seen)
    level = max((one.level for one in seen.findings), default=Sensitivity.NORMAL)
    return Classification(level=level, findings=tuple(seen.findings))


@pytest.mark.parametrize(
    ("text", "rule", "level"),
    [("MRN 12345678", "hipaa.mrn", "HIGHLY_SENSITIVE"),
     ("member ID: ABC123456789", "hipaa.health_plan_id", "HIGHLY_SENSITIVE"),
     ("code E11.9", "hipaa.icd10", "SENSITIVE"), ("ICD-10: I10", "hipaa.icd10_named", "SENSITIVE"),
     ("DEA AB1234563", "hipaa.dea", "HIGHLY_SENSITIVE"),
     ("NPI 1234567893", "hipaa.npi", "SENSITIVE"),
     ("prescribed metformin 500 mg", "hipaa.prescription", "SENSITIVE"),
     ("4111 1111 1111 1111", "pci-dss.visa", "HIGHLY_SENSITIVE"),
     ("5555555555554444", "pci-dss.mastercard", "HIGHLY_SENSITIVE"),
     ("3782 822463 10005", "pci-dss.amex", "HIGHLY_SENSITIVE"),
     ("6011111111111117", "pci-dss.other_card", "HIGHLY_SENSITIVE"),
     ("cvv: 123", "pci-dss.cvv", "CRITICAL"), ("exp 12/27", "pci-dss.expiry", "HIGHLY_SENSITIVE"),
     ("%B4111111111111111^DOE/JOHN^2512101", "pci-dss.track_data", "CRITICAL"),
     ("national ID: A1234567", "gdpr.national_id", "HIGHLY_SENSITIVE"),
     ("passport no. X1234567", "gdpr.passport", "HIGHLY_SENSITIVE"),
     ("GB82WEST12345698765432", "gdpr.iban", "HIGHLY_SENSITIVE"),
     ("VAT DE136695976", "gdpr.vat", "SENSITIVE"),
     ("from 10.1.2.3", "gdpr.ip_address", "SENSITIVE"),
     ("ethnicity: basque", "gdpr.special_ethnic", "HIGHLY_SENSITIVE"),
     ("her religion is buddhist", "gdpr.special_religion", "HIGHLY_SENSITIVE"),
     ("political party: greens", "gdpr.special_politics", "HIGHLY_SENSITIVE"),
     ("sexual orientation: gay", "gdpr.special_orientation", "HIGHLY_SENSITIVE"),
     ("a fingerprint hash", "gdpr.biometric", "HIGHLY_SENSITIVE")],
)  # fmt: skip
def test_each_rule_finds(text: str, rule: str, level: str) -> None:
    """With the id of its pack and its level."""
    assert (rule, Sensitivity[level]) in {(one.rule, one.level) for one in find(text).findings}


@pytest.mark.parametrize(
    "text",
    ["hello", "4111 1111 1111 1112", "NPI 1234567890", "AB1234560", "exp 12/99", "U11.9",
     "GB82WEST12345698765431", "the race is on", "I lost my passport"],
)  # fmt: skip
def test_nothing_is_demanded_of_what_did_not_match(text: str) -> None:
    """However strict the packs are."""
    found = find(text)
    assert ((), Demands()) == (found.findings, demands_of(found, ALL))
    assert found is lift(found, ALL)


def test_what_matched_is_lifted() -> None:
    """To the least level of its pack; and the pack's demands are told."""
    found = find("NPI 1234567893")
    assert Sensitivity.SENSITIVE == found.level
    assert Sensitivity.HIGHLY_SENSITIVE == lift(found, ALL).level
    demands = demands_of(found, ALL)
    assert (("hipaa",), True) == (demands.packs, demands.tee_mandatory)
    assert not demands_of(find("from 10.1.2.3"), ALL).tee_mandatory


RULE = "[[rules]]\nid = 'a'\nkind = 'email'\npattern = 'a'\n"


def test_a_pack_of_the_operator() -> None:
    """Only a name and a rule are needed."""
    pack = read_pack("name = 'own'\n" + RULE)
    assert ("own", False, Sensitivity.NORMAL, "own.a") == (
        pack.name, pack.tee_mandatory, pack.min_level, pack.rules[0].id
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "says"),
    [("name =", "no TOML"), ("x = 1", "no name"), ("name = 'a'", "no rules"),
     ("name = 'a'\nx = 1\n" + RULE, "no field 'x'"),
     ("name = 'a'\n" + RULE + "x = 1", "no field 'x'"),
     ("name = 'a'\ntee_mandatory = 1\n" + RULE, "tee_mandatory"),
     ("name = 'a'\nmin_level = 'grave'\n" + RULE, "level"),
     ("name = 'a'\n" + RULE + "level = 'grave'", "level"),
     ("name = 'a'\n" + RULE + "check = 'none'", "no check"),
     ("name = 'a'\n" + RULE + "keywords = ['A']", "lower case"),
     ("name = 'a'\n" + RULE + "near = 'a'", "lower case"),
     ("name = 'a'\nrules = [1]", "no id"), ("name = 'a'\nrules = [{id = 'a'}]", "no kind"),
     ("name = 'a'\n[[rules]]\nid = 'a'\nkind = 'k'\npattern = '('", "no RE2")],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(text: str, says: str) -> None:
    """With one line that says why."""
    with pytest.raises(InvalidInput, match=says):
        read_pack(text)


def test_a_pack_that_is_not_there() -> None:
    """The message names those that are."""
    with pytest.raises(InvalidInput, match="gdpr, hipaa, pci-dss"):
        load_pack("../secrets")
