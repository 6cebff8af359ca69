"""National ids and tax numbers, as python-stdnum checks them.

Rules
- The ids are data (`packs/national-ids.toml`).
- Chinese resident ids and US provider numbers have their checksums here; the others
  need the extra `pii`.
- An id whose digits look like any other number is taken only near words that name it.
- Without the extra the same words are needed for all, and no checksum vetoes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.resources import files

from holdfast.adapters.detectors import checks
from holdfast.adapters.detectors.rulesets import Candidate, Check, Rule

_NINO = (
    r"\b[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z]"
    r" ?\d{2} ?\d{2} ?\d{2} ?[A-Da-d]\b"
)
_NINO_WORDS = ("nino", "national insurance", "ni number", "ni no", "insurance number")
_NINO_REFUSED = ("bg", "gb", "kn", "nk", "nt", "tn", "zz")


def _nino(candidate: Candidate) -> int:
    value = candidate.value
    return 0 if value[:2].lower() in _NINO_REFUSED else len(value)


def _chinese(candidate: Candidate) -> int:
    return len(candidate.value) if checks.chinese_id(candidate.value) else 0


def _npi(candidate: Candidate) -> int:
    return len(candidate.value) if checks.npi(candidate.value) else 0


_OWN = (
    Rule(
        id="pii.id.cn_ric",
        kind="national_id",
        pattern=r"\b[1-9]\d{16}[0-9Xx]\b",
        check=_chinese,
        validator="mod11-2",
        confidence=0.97,
    ),
    Rule(
        id="pii.id.gb_nino",
        kind="national_id",
        pattern=_NINO,
        check=_nino,
        validator="nino",
        keywords=_NINO_WORDS,
        near=_NINO_WORDS,
    ),
    Rule(
        id="pii.id.us_npi",
        kind="provider_id",
        keywords=("npi",),
        pattern=r"(?i)\bNPI[ :#=]{0,3}(?:number|no\.?|is)?[ :#=]{0,3}([12]\d{9})\b",
        check=_npi,
        validator="npi",
    ),
)


@cache
def _validator(module: str) -> Callable[[str], bool]:
    # Each of the modules is loaded when a text first has a candidate for it.
    found: Callable[[str], bool] = import_module(module).is_valid
    return found


def _valid(module: str) -> Check:
    def check(candidate: Candidate) -> int:
        try:
            valid = _validator(module)(candidate.value)
        except Exception:
            # Some of its modules stumble over numbers they have no table for. What
            # could not be checked counts as found.
            valid = True
        return len(candidate.value) if valid else 0

    return check


def _rule(name: str, data: Mapping[str, object], extra: bool) -> Rule:
    found = data["words"]
    assert isinstance(found, list), "the words are a list"
    words = tuple(str(word) for word in found)
    # Words as keywords: a text without them is not searched at all.
    needed = words if data.get("words_needed") or not extra else ()
    return Rule(
        id=f"pii.id.{name}",
        kind=str(data.get("kind", "national_id")),
        pattern=str(data["pattern"]),
        check=_valid(str(data["module"])) if extra else None,
        validator="stdnum" if extra else "",
        confidence=0.9 if extra else 0.5,
        near=needed,
        keywords=needed,
    )


@cache
def _ids() -> Mapping[str, Mapping[str, object]]:
    path = files("holdfast.adapters.detectors") / "packs" / "national-ids.toml"
    return tomllib.loads(path.read_text("utf-8"))


def id_rules(extra: bool) -> tuple[Rule, ...]:
    """The rules for national ids and tax numbers.

    Args:
        extra: whether python-stdnum is there to be asked.
    """
    return (*_OWN, *(_rule(name, data, extra) for name, data in _ids().items()))
