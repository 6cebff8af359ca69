"""Phone numbers: by their form, by words beside them, and by the numbering plans.

- With the extra `pii`, a number that begins with + must be possible in its
  country's plan (libphonenumber).
- A number in a national form is taken when the form itself is one of phones
  (area code in parentheses, 3-3-4, a leading 0 and groups) or words say so.
- Dates, amounts and addresses in number form are not phones.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from importlib import import_module
from types import ModuleType

from holdfast.adapters.detectors.checks import digits_of
from holdfast.adapters.detectors.rulesets import CANDIDATES_CHEAP_MAX, Candidate, Rule

_DIGITS_MIN, _DIGITS_MAX = 7, 15
_NATIONAL_MAX = 12
_DATE = re.compile(
    r"(?:19|20)\d\d[ .\-/](?:0?[1-9]|1[0-2])[ .\-/](?:0?[1-9]|[12]\d|3[01])(?:\D|$)"
    r"|(?:0?[1-9]|[12]\d|3[01])[.\-/ ](?:0?[1-9]|[12]\d|3[01])[.\-/ ](?:19|20)\d\d(?:\D|$)"
)
_EXTENSION = r"(?: ?(?:x|ext\.?|extension) ?\d{1,6})?"
_NUMBER = r"\+?\(?\d{1,6}\)?(?:[ .\-/]{0,2}\(?\d{1,8}\)?){0,6}" + _EXTENSION
_WORDS = (
    r"(?:tele)?phones?|tel|mob(?:ile)?|cell(?:phone)?|fax|desk|hotline|landline|whatsapp|sms"
    r"|(?:my|his|her|their|our|new|contact|work|home|direct|office) (?:number|line)"
    r"|call(?:s|ed|ing)?|(?:text|reach|contact|ring|phone) (?:me|us|him"
    r"|her|them)|dial|registered"
)
_KEYWORDS = (
    "phone", "tel ", "tel.", "tel:", "mobile", "mob ", "mob:", "mob.", "cell", "fax", "desk",
    "hotline", "whatsapp", "sms", "call ", "calls ", "called ",
    "calling ", "text ", "reach ", "contact", "ring ", "dial", "registered", " number", " line",
    "landline",
)  # fmt: skip
_AFTER = r"office|fax|mobile|cell|desk"
_AFTER_KEYWORDS = ("office", "fax", "mobile", "cell", "desk")

Plausible = Callable[[str], bool]


def _length(candidate: Candidate, least: int = _DIGITS_MIN) -> int:
    value = candidate.value
    count = len(digits_of(re.split("(?i)x|e", value, maxsplit=1)[0]))
    if not least <= count <= _DIGITS_MAX + 3 or _DATE.match(value):
        return 0
    before, after = candidate.before(2), candidate.after(2)
    # A stretch of a decimal, an address or a longer code is no phone.
    if before[-1:] in (b".", b"-", b"/", b"_", b"$", b"=") and before[:1].isalnum():
        return 0
    if before[-1:].isalnum() or before[-1:] == b"+":
        return 0
    # Nor are groups of a longer number, such as an account's.
    if value[0] == "0" and before[-1:] == b" " and before[:1].isdigit():
        return 0
    if after[:1].isalnum() or (after[:1] in (b"-", b".", b"/", b":") and after[1:2].isdigit()):
        return 0
    return len(value.rstrip(" .-/(")) if value else 0


def _national(candidate: Candidate) -> int:
    value = re.split("(?i)x|e", candidate.value, maxsplit=1)[0]
    return _length(candidate, 9) if len(digits_of(value)) <= _NATIONAL_MAX else 0


def _said(candidate: Candidate) -> int:
    return _length(candidate)


def _international(plausible: Plausible) -> Callable[[Candidate], int]:
    def check(candidate: Candidate) -> int:
        kept = _length(candidate, 8)
        return kept if kept and plausible(candidate.value[:kept]) else 0

    return check


@cache
def _plans() -> ModuleType:
    # The numbering plans take a fifth of a second to load: not before they are asked.
    return import_module("phonenumbers")


def _in_plan(value: str) -> bool:
    """Whether a number with a country code is possible in that country's plan."""
    plans = _plans()
    number = "+" + value[2:] if value.startswith("00") else value
    try:
        parsed = plans.parse(number.replace("(0)", ""), None)
    except plans.NumberParseException:
        return False
    return bool(plans.is_possible_number(parsed))


def _any_plan(value: str) -> bool:
    return True


def phone_rules(extra: bool) -> tuple[Rule, ...]:
    """The rules for phone numbers.

    Args:
        extra: whether libphonenumber is there to be asked.
    """
    plausible = _in_plan if extra else _any_plan
    validator = "libphonenumber" if extra else ""
    return (
        Rule(
            id="pii.phone_international",
            kind="phone",
            pattern=r"(?:\+|\b00)[1-9]\d{0,2}(?:[ .\-/]{0,2}\(?\d{1,10}\)?){1,6}" + _EXTENSION,
            check=_international(plausible),
            validator=validator,
        ),
        Rule(
            id="pii.phone_area",
            kind="phone",
            pattern=(
                r"(?:\(\d{3}\) ?\d{3}[ .\-]?\d{4}"
                r"|\b\d{3}(?:-\d{3}-|\.\d{3}\.| \d{3} |-\d{3} | \d{3}-)\d{4}"
                r"|\b1[ .\-]\(?\d{3}\)?[ .\-]\d{3}[ .\-]\d{4})" + _EXTENSION
            ),
            check=_national,
            candidates_max=CANDIDATES_CHEAP_MAX,
            confidence=0.75,
        ),
        Rule(
            id="pii.phone_trunk",
            kind="phone",
            pattern=r"(?:\(0[1-9]\d{0,3}\)|\b0[1-9]\d{0,3})(?:[ .\-/]\d{2,8}){1,4}\b",
            check=_national,
            candidates_max=CANDIDATES_CHEAP_MAX,
            confidence=0.7,
        ),
        Rule(
            id="pii.phone_china",
            kind="phone",
            pattern=r"\b1[3-9]\d[ \-]?\d{4}[ \-]?\d{4}\b",
            check=_national,
            candidates_max=CANDIDATES_CHEAP_MAX,
            confidence=0.7,
        ),
        Rule(
            id="pii.phone_said",
            kind="phone",
            keywords=_KEYWORDS,
            pattern=r"(?i)\b(?:" + _WORDS + r")\b[^\d\n+(]{0,30}(" + _NUMBER + r")",
            check=_said,
            confidence=0.8,
        ),
        Rule(
            id="pii.phone_named",
            kind="phone",
            keywords=_AFTER_KEYWORDS,
            pattern=r"(?i)(" + _NUMBER + r")[ ,\-]{1,3}(?:" + _AFTER + r")\b",
            check=_said,
            confidence=0.7,
        ),
    )
