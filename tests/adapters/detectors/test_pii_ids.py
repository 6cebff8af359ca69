"""National ids, with and without python-stdnum."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.pii_ids import id_rules
from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import RuleSet, Seen

WITH = RuleSet(id_rules(extra=True))
WITHOUT = RuleSet(id_rules(extra=False))


def rules(text: str, by: RuleSet = WITH) -> set[str]:
    """The short ids of the rules that find something."""
    seen = Seen([], [])
    by.find(views_of(text)[0], seen)
    return {one.rule.removeprefix("pii.id.") for one in seen.findings}


@pytest.mark.parametrize(
    ("text", "rule"),
    [("身份证11010519491231002X", "cn_ric"), ("NINO AB 12 34 56 C", "gb_nino"),
     ("NPI: 1234567893", "us_npi"), ("DE136695976", "eu_vat"), ("dni 54362315K", "es_dni"),
     ("cpf 390.533.447-05", "br_cpf"), ("PESEL 44051401359", "pl_pesel"),
     ("Aadhaar 2341 2341 2346", "in_aadhaar"), ("BSN: 111222333", "nl_bsn"),
     ("RCCMNL83S18D969H", "it_codicefiscale"), ("NHS number 943 476 5870", "gb_nhs"),
     ("social insurance 123-456-782", "ca_sin"), ("hetu 131052-308T", "fi_hetu")],
)  # fmt: skip
def test_found(text: str, rule: str) -> None:
    """By form, checksum and words."""
    assert rule in rules(text)


@pytest.mark.parametrize(
    "text",
    ["11010519491231002Y", "110105194912310021", "GB 12 34 56 C", "DE136695977", "54362315A",
     "390.533.447-06", "44051401359", "111222333", "NPI 1234567890", "NINO BG 12 34 56 C"],
)  # fmt: skip
def test_not_found(text: str) -> None:
    """A wrong checksum, or no word that says what it is."""
    assert set() == rules(text)


def test_without_the_extra_words_are_needed_and_nothing_vetoes() -> None:
    """Weaker, and said to be so by the confidence."""
    assert set() == rules("54362315K", WITHOUT)
    assert {"es_dni"} == rules("dni 54362315A", WITHOUT)
    assert {0.5} == {rule.confidence for rule in WITHOUT.rules if rule.id.startswith("pii.id.es")}


def test_patterns_compile() -> None:
    """Each pattern of the data is one."""
    WITH.check_patterns()
    WITHOUT.check_patterns()
