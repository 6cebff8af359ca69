"""Personal data that has a form of its own, or stands behind words that name it.

Rules
- What a checksum or a register of numbers can decide, it decides.
- A number without a form of its own (a bare bank account, a licence, a birthday)
  is found only with words that say what it is.
- Phone numbers are in `pii_phone`, national ids in `pii_ids`.
"""

from __future__ import annotations

import re

from holdfast.adapters.detectors import checks
from holdfast.adapters.detectors.pii_ids import id_rules
from holdfast.adapters.detectors.pii_phone import phone_rules
from holdfast.adapters.detectors.rulesets import CANDIDATES_DEAR_MAX, Candidate, Rule

# Between a word that names a value and the value: "number", "is", ":", "no.", "#".
# Not more than a few words, or the value belongs to something else.
LINK = (
    r"(?:[ \t]{0,3}(?:numbers?|nos?\.?|nr\.?|num|id|is|was|of|are|code|date|on"
    r"|[:#=(\-]|->|=>)){0,5}[ \t\"'`]{0,3}"
)

_CARD_WORDS = (b"card", b"visa", b"maestro", b"amex", b"credit", b"debit")
_SSN_WORDS = (b"ssn", b"social sec", b"social-sec", b"social_sec", b"soc sec", b"tax id")
_FENCE = frozenset(b"0123456789abcdefghijklmnopqrstuvwxyz")
_VERSION = re.compile(rb"(?:\bv|version|release|build|rev)[ .:=-]{0,2}$")
_RUNS_ON = re.compile(rb"[0-9][ .\-]$")
_IN_LINK = re.compile(rb"://[^\s/@]{0,190}$")
_LONG_CARD = 14


def _card(candidate: Candidate) -> int:
    # Part of a decimal, a UUID or a longer code is no card.
    before, after = candidate.before(2), candidate.after(2)
    if before[-1:] == b"." and before[:1].isdigit():
        return 0
    kept = checks.card_length(candidate.value) or _any_issuer(candidate)
    if kept == 0 or (candidate.end - candidate.start == kept and _goes_on(after)):
        return 0
    short = len(checks.digits_of(candidate.value[:kept])) < _LONG_CARD
    # A short number must be said to be one, and be no rest of a longer one.
    if short and (not _says_card(candidate) or _RUNS_ON.search(candidate.before(2))):
        return 0
    return 0 if _in_code(candidate, kept) else kept


def _says_card(candidate: Candidate) -> bool:
    before = candidate.before(60)
    return any(word in before for word in _CARD_WORDS)


def _any_issuer(candidate: Candidate) -> int:
    """A number of no issuer that is known is a card where words say so and Luhn agrees."""
    digits = checks.digits_of(candidate.value)
    plausible = _LONG_CARD < len(digits) <= 19 and len(set(digits)) > 2 and digits[0] in "23456"
    if plausible and _says_card(candidate) and checks.luhn(digits):
        return candidate.end - candidate.start
    return 0


def _goes_on(after: bytes) -> bool:
    return len(after) == 2 and after[:1] in b".,-" and after[1] in _FENCE


def _in_code(candidate: Candidate, kept: int) -> bool:
    """Whether a candidate is a stretch of something longer, such as a UUID."""
    before = candidate.before(2)
    after = candidate.view.lower[candidate.start + kept : candidate.start + kept + 2]
    left = len(before) == 2 and before[1:] in (b"-", b"_") and before[0] in _FENCE
    right = len(after) == 2 and after[:1] in (b"-", b"_") and after[1] in b"abcdef"
    return (left and before[0] in b"abcdef") or right


def _iban(candidate: Candidate) -> int:
    return checks.iban_length(candidate.value)


def _ssn(candidate: Candidate) -> int:
    value = candidate.value
    if not checks.us_ssn(value):
        return 0
    if candidate.after(2)[:1] in (b"-", b".") and candidate.after(2)[1:2].isdigit():
        return 0
    if candidate.before(2)[-1:] in (b"-", b".") and candidate.before(2)[:1].isdigit():
        return 0
    if "-" in value or any(word in candidate.before(60) for word in _SSN_WORDS):
        return len(value)
    return 0


def _email(candidate: Candidate) -> int:
    # user:password@host.example is a connection string, not an address.
    if _IN_LINK.search(candidate.before(200)):
        return 0
    return candidate.end - candidate.start


def _ip(candidate: Candidate) -> int:
    value = candidate.value
    if not checks.ip_address(value):
        return 0
    if ":" not in value and _VERSION.search(candidate.before(10)):
        return 0
    # A fifth part makes it a version or an object identifier.
    after = candidate.after(2)
    if after[:1] in (b".", b":") and len(after) == 2 and after[1] in _FENCE and ":" not in value:
        return len(value) if after[:1] == b":" else 0
    return 0 if candidate.before(1) in (b".", b":") and ":" not in value else len(value)


def _bitcoin(candidate: Candidate) -> int:
    return len(candidate.value) if checks.bitcoin(candidate.value) else 0


def _with_digit(candidate: Candidate) -> int:
    value = candidate.value
    return len(value) if any(char.isdigit() for char in value) else 0


def _aba(candidate: Candidate) -> int:
    return len(candidate.value) if checks.aba(candidate.value) else 0


def _account(candidate: Candidate) -> int:
    return len(candidate.value) if len(checks.digits_of(candidate.value)) >= 6 else 0


def _birthday(candidate: Candidate) -> int:
    digits = checks.digits_of(candidate.value)
    return len(candidate.value) if len(digits) >= 1 else 0


# One group; fours; 4-6-5 and 4-6-4; single digits.
_CARD = (
    r"\b(?:\d{12,19}|\d{4}[ .\-]\d{4}[ .\-]\d{4}(?:[ .\-]?\d{1,4}){0,2}"
    r"|\d{4}[ .\-]\d{6}[ .\-]\d{4,5}|\d(?:[ .\-]\d){11,18})\b"
)

_FORMS = (
    Rule(
        id="pii.credit_card",
        kind="credit_card",
        pattern=_CARD,
        check=_card,
        candidates_max=CANDIDATES_DEAR_MAX,
        validator="luhn",
        confidence=0.95,
    ),
    Rule(
        id="pii.iban",
        kind="iban",
        pattern=r"\b[A-Za-z]{2}\d{2}(?:[ \-]?[A-Za-z0-9]){11,34}",
        check=_iban,
        validator="mod97",
        confidence=0.98,
    ),
    Rule(
        id="pii.ssn",
        kind="ssn",
        pattern=r"\b(?:\d{3}-\d{2}-\d{4}|\d{3} \d{2} \d{4}|\d{3}\.\d{2}\.\d{4})\b",
        check=_ssn,
        validator="ssn",
    ),
    Rule(
        id="pii.ssn_bare",
        kind="ssn",
        keywords=("ssn", "social security", "social-security", "social_security"),
        pattern=r"(?i)\b(?:ssn|social[ _\-]security)" + LINK + r"(\d{9})\b",
        check=_ssn,
        validator="ssn",
    ),
    Rule(
        id="pii.email",
        kind="email",
        pattern=(
            r"[A-Za-z0-9_\x80-\xff](?:[A-Za-z0-9._%+'\x80-\xff\-]{0,98}[A-Za-z0-9_%+\x80-\xff\-])?"
            r"@(?:[A-Za-z0-9\x80-\xff](?:[A-Za-z0-9\x80-\xff\-]{0,62})\.){1,8}[A-Za-z\x80-\xff]{2,24}\b"
        ),
        check=_email,
        confidence=0.95,
    ),
    Rule(
        id="pii.ipv4",
        kind="ip_address",
        pattern=r"\b(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)\b",
        check=_ip,
        validator="ip",
    ),
    Rule(
        id="pii.ipv6",
        kind="ip_address",
        pattern=(
            r"(?:\b[0-9A-Fa-f]{1,4}(?::[0-9A-Fa-f]{1,4}){7}\b"
            r"|\b(?:[0-9A-Fa-f]{1,4}:){1,6}(?::[0-9A-Fa-f]{1,4}){1,6}\b"
            r"|\b(?:[0-9A-Fa-f]{1,4}:){2,7}:"
            r"|::(?:[0-9A-Fa-f]{1,4}:){1,6}[0-9A-Fa-f]{1,4}\b)"
        ),
        check=_ip,
        validator="ip",
    ),
    Rule(
        id="pii.mac",
        kind="mac_address",
        pattern=r"\b[0-9A-Fa-f]{2}(?:(?::[0-9A-Fa-f]{2}){5}|(?:-[0-9A-Fa-f]{2}){5})\b",
    ),
    Rule(
        id="pii.url",
        kind="url",
        keywords=("http://", "https://", "ftp://", "www."),
        pattern=r"(?i)\b(?:(?:https?|ftp)://|www\.)[^\s<>\"'`)\]}\x00-\x20]{3}[^\s<>\"'`)\]}\x00-\x20]*",
        confidence=0.99,
    ),
    Rule(
        id="pii.bitcoin",
        kind="crypto_address",
        pattern=r"\b(?:[13][1-9A-HJ-NP-Za-km-z]{25,34}|(?:bc1|BC1)[A-Za-z0-9]{11,71})\b",
        check=_bitcoin,
        validator="base58check",
    ),
    Rule(
        id="pii.ethereum",
        kind="crypto_address",
        keywords=("0x",),
        pattern=r"\b0x[0-9A-Fa-f]{40}\b",
        confidence=0.8,
    ),
)

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DAY = (
    r"(?:\d{1,4}[/.\-]\d{1,2}[/.\-]\d{1,4}|\d{1,2}(?:st|nd|rd|th)?(?: of)? "
    + _MONTH
    + r",? \d{2,4}"
    r"|" + _MONTH + r" \d{1,2}(?:st|nd|rd|th)?(?:,? \d{2,4})?|(?:19|20)\d{6})"
)
_STREET = (
    r"(?:st(?:reet)?|ave(?:nue)?|r(?:oa)?d|boulevard|blvd|lane|ln|drive|dr|court|ct|place|pl"
    r"|square|sq|terrace|way|parkway|pkwy|circle|cir|highway|hwy)\b\.?"
)

_CONTEXT = (
    Rule(
        id="pii.date_of_birth",
        kind="date_of_birth",
        keywords=("birth", "dob", "d.o.b", "born"),
        pattern=(
            r"(?i)\b(?:date[ _\-]of[ _\-]birth|birth[ _\-]?(?:date|day)|d\.?o\.?b\b\.?|born)"
            + LINK
            + r"(?:the )?("
            + _DAY
            + r")\b"
        ),
        check=_birthday,
    ),
    Rule(
        id="pii.passport",
        kind="passport",
        keywords=("passport",),
        pattern=r"(?i)\bpassport" + LINK + r"([A-Z]{0,3}\d[A-Z0-9]{5,10})\b",
        check=_with_digit,
        confidence=0.85,
    ),
    Rule(
        id="pii.driver_licence",
        kind="driver_licence",
        keywords=("licen",),
        pattern=(
            r"(?i)\b(?:driver'?s?|driving|dl)[ _\-]?licen[cs]e"
            + LINK
            + r"([A-Z0-9](?:[ \-]?[A-Z0-9]){4,18})\b"
        ),
        check=_with_digit,
        confidence=0.85,
    ),
    Rule(
        id="pii.bank_account",
        kind="bank_account",
        keywords=("account", "acct", "a/c"),
        pattern=(
            r"(?i)\b(?:bank (?:account|acct)"
            r"|(?:account|acct|a/c)\b\.?[ \t]{0,2}(?:numbers?|nos?\.?|num|#|is|[:=]))"
            r"(?:[ \t]{0,2}(?:numbers?|nos?\.?|num|#|is|[:=])){0,4}[ \t\"']{0,3}"
            r"(\d(?:[ \-]?\d){5,18})\b"
        ),
        check=_account,
        confidence=0.85,
    ),
    Rule(
        id="pii.routing_number",
        kind="routing_number",
        keywords=("routing", "aba"),
        pattern=r"(?i)\b(?:routing|aba)(?: transit)?" + LINK + r"(\d{9})\b",
        check=_aba,
        validator="aba",
    ),
    Rule(
        id="pii.address",
        kind="address",
        keywords=(
            "address",
            "i live ",
            "m living ",
            "reside",
            "residing",
            "ship to",
            "deliver to",
            "mail to",
        ),
        pattern=(
            r"(?i)\b(?:(?:home|mailing|street|postal|billing|shipping|my|our|his|her)[ _]address"
            r"|address|i(?:'m)? liv(?:e|ing) (?:at|in|on)|resid(?:es?|ing) at"
            r"|(?:ship|deliver|mail) to)"
            + LINK
            + r"((?:apt\.? |flat |unit |suite )?\d{1,6}[A-Za-z]?,? [A-Za-z0-9'.\x80-\xff \-]{3,60}"
            r"(?:, ?[A-Za-z0-9'.\x80-\xff \-]{2,40}){0,4})"
        ),
        confidence=0.8,
    ),
    Rule(
        id="pii.street",
        kind="address",
        keywords=(
            "street",
            "avenue",
            "boulevard",
            " road",
            " lane",
            " drive",
            " st.",
            " st,",
            " st ",
            " ave",
            " rd.",
            " rd,",
            " rd ",
            " blvd",
            " terrace",
            " court",
            " place",
            " parkway",
        ),
        pattern=(
            r"(?:\b)(\d{1,5}[A-Za-z]? (?:[NSEW]\.? )?(?:[A-Z][a-z'\x80-\xff]+ ){1,3}(?i:"
            + _STREET
            + r")"
            r"(?:,? (?:Apt|Suite|Unit|Ste|Flat)\.? #?\w{1,6})?)"
        ),
        confidence=0.7,
    ),
    Rule(
        id="pii.card_code",
        kind="card_code",
        keywords=("cvv", "cvc", "security code"),
        pattern=r"(?i)\b(?:cvv2?|cvc2?|card security code|security code)" + LINK + r"(\d{3,4})\b",
    ),
)


def pii_rules(extra: bool) -> tuple[Rule, ...]:
    """The rules for personal data.

    Args:
        extra: whether the libraries of the extra `pii` may be used.
    """
    return (*_FORMS, *_CONTEXT, *phone_rules(extra), *id_rules(extra))
