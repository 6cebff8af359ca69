"""Compliance packs: rules of a regulation as data, and what it asks for.

- A pack is a TOML file; the packs of this package are `PACKS`.
- What a pack demands (a trusted environment, a least level) it demands only of a
  text in which one of its rules found something.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files

from holdfast.adapters.detectors import checks
from holdfast.adapters.detectors.custom import compile_pattern, read_level
from holdfast.adapters.detectors.rulesets import Candidate, Check, Rule
from holdfast.core.errors import InvalidInput
from holdfast.core.findings import Classification
from holdfast.core.labels import Sensitivity

PACKS = ("gdpr", "hipaa", "pci-dss")
_FIELDS = {"name", "title", "tee_mandatory", "min_level", "rules"}
_RULE_FIELDS = {"id", "kind", "level", "pattern", "check", "keywords", "near"}


def _whole(check: Mapping[str, object], name: str) -> Check:
    valid = check[name]
    assert callable(valid), f"{name} is a check"
    return lambda candidate: len(candidate.value) if valid(candidate.value) else 0


def _card(candidate: Candidate) -> int:
    return checks.card_length(candidate.value)


def _iban(candidate: Candidate) -> int:
    return checks.iban_length(candidate.value)


_WHOLE = {
    "aba": checks.aba,
    "chinese_id": checks.chinese_id,
    "dea": checks.dea,
    "ip": checks.ip_address,
    "npi": checks.npi,
    "ssn": checks.us_ssn,
}
CHECKS: Mapping[str, Check] = {
    "card": _card,
    "iban": _iban,
    **{name: _whole(_WHOLE, name) for name in _WHOLE},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """A regulation's rules.

    Args:
        name: as "pci-dss"; the ids of its rules begin with it.
        tee_mandatory: matched text is to be worked on in a trusted environment.
        min_level: the least level of a matched text.
    """

    name: str
    title: str
    tee_mandatory: bool
    min_level: Sensitivity
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """What packs ask for one text; nothing where none of their rules matched.

    Args:
        packs: the names of those that matched.
    """

    packs: tuple[str, ...] = ()
    tee_mandatory: bool = False
    min_level: Sensitivity = Sensitivity.PUBLIC


def load_pack(name: str) -> Pack:
    """Load one of the packs of this package.

    Raises:
        InvalidInput: there is none of that name.
    """
    if name not in PACKS:
        raise InvalidInput(f"no compliance pack {name!r}; there are {', '.join(PACKS)}")
    path = files("holdfast.adapters.detectors") / "packs" / f"{name}.toml"
    return read_pack(path.read_text("utf-8"))


def read_pack(text: str) -> Pack:
    """Read and validate a pack.

    Raises:
        InvalidInput: it is no TOML, or a field or a rule of it cannot be used.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"compliance pack: no TOML: {error}") from None
    name = data.get("name")
    if not isinstance(name, str) or not name:
        raise InvalidInput("compliance pack: it has no name")
    where = f"compliance pack {name}"
    _refuse_unknown(data, _FIELDS, where)
    rules = data.get("rules")
    if not isinstance(rules, list) or not rules:
        raise InvalidInput(f"{where}: it has no rules")
    if not isinstance(data.get("tee_mandatory", False), bool):
        raise InvalidInput(f"{where}: tee_mandatory is not true or false")
    return Pack(
        name=name,
        title=str(data.get("title", name)),
        tee_mandatory=data.get("tee_mandatory", False),
        min_level=read_level(data.get("min_level", "normal"), where),
        rules=tuple(_read_rule(name, rule) for rule in rules),
    )


def _refuse_unknown(data: Mapping[str, object], known: set[str], where: str) -> None:
    for key in data:
        if key not in known:
            raise InvalidInput(f"{where}: there is no field {key!r}")


def _read_rule(pack: str, data: object) -> Rule:
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        raise InvalidInput(f"compliance pack {pack}: a rule has no id")
    where = f"compliance pack {pack}, rule {data['id']}"
    _refuse_unknown(data, _RULE_FIELDS, where)
    check = data.get("check", "")
    if check and check not in CHECKS:
        raise InvalidInput(f"{where}: there is no check {check!r}")
    kind = data.get("kind")
    if not isinstance(kind, str) or not kind:
        raise InvalidInput(f"{where}: it has no kind")
    pattern = data.get("pattern", "")
    compile_pattern(pattern, where)
    return Rule(
        id=f"{pack}.{data['id']}",
        kind=kind,
        level=read_level(data.get("level", "sensitive"), where),
        pattern=pattern,
        keywords=_words(data, "keywords", where),
        near=_words(data, "near", where),
        check=CHECKS[check] if check else None,
        validator=str(check),
    )


def _words(data: Mapping[str, object], key: str, where: str) -> tuple[str, ...]:
    found = data.get(key, [])
    if not isinstance(found, list) or not all(
        isinstance(word, str) and word and word == word.lower() for word in found
    ):
        raise InvalidInput(f"{where}: {key} are texts in lower case")
    return tuple(found)


def demands_of(classification: Classification, packs: Iterable[Pack]) -> Demands:
    """What packs ask for a text, by what was found in it."""
    found = {finding.rule.partition(".")[0] for finding in classification.findings}
    matched = [pack for pack in packs if pack.name in found]
    return Demands(
        packs=tuple(pack.name for pack in matched),
        tee_mandatory=any(pack.tee_mandatory for pack in matched),
        min_level=max((pack.min_level for pack in matched), default=Sensitivity.PUBLIC),
    )


def lift(classification: Classification, packs: Sequence[Pack]) -> Classification:
    """Lift the level of a text to the least one of the packs that matched."""
    level = max(classification.level, demands_of(classification, packs).min_level)
    if level == classification.level:
        return classification
    return replace(classification, level=level)
