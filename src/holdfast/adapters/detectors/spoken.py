"""Secrets and personal data told in plain English: a phrase, then the value.

Rules
- A finding is the value alone: never the phrase, the blanks or the quotes around it.
- A value is scored: the phrase gives the base, what the value looks like lowers it.
  Below `SCORE_MIN` nothing is reported, so that "the password is required" is no
  password.
- A value that could be any word needs a phrase that is about somebody ("my password
  is") and the end of the clause after it.
- Medical facts are Critical where somebody is said to have them. The bare name of an
  illness is nothing.
"""

from __future__ import annotations

import re

from holdfast.adapters.detectors import secrets_gates
from holdfast.adapters.detectors.checks import digits_of
from holdfast.adapters.detectors.rulesets import Candidate, Rule
from holdfast.adapters.detectors.secrets_gates import words
from holdfast.core.labels import Sensitivity

SCORE_MIN = 0.3
_BASE = 0.95
VALUE_MAX = 128
_TRIM = ".,;:)]}>?"

# What follows "the password is" without being one.
_NOT_VALUES = words(
    """
    a an the this that these those it its my your our his her their not no never always also
    already still just only very too so quite rather now then here there in on at by for from of
    to with without within via and or but if when while until unless because as than like same
    different required needed necessary optional mandatory missing empty blank wrong right correct
    incorrect invalid valid expired expiring old new weak strong secure insecure safe unsafe long
    short simple complex easy hard hidden visible masked secret private public shared known
    unknown stored saved kept sent given shown displayed asked set unset reset changed updated
    created generated entered typed used reused hashed salted encrypted encoded decoded protected
    checked verified validated compared rejected accepted refused forgotten lost stolen leaked
    compromised exposed cached printed logged passed returned provided supplied specified defined
    chosen selected case sensitive insensitive based being been going getting about after before
    during between under over above below up down out off all any some each every both either
    neither none null nothing something anything what which who where why how one two three four
    five six seven eight nine ten first last next previous current default temporary permanent
    unique important good bad great fine ok okay okey working broken available unavailable enabled
    disabled active inactive locked unlocked matching mismatched identical equal longer shorter
    stronger weaker must should would could can cannot may might will shall is was are were be has
    have had does did do makes made gets got least more less most many few several enough another
    other random plain plaintext text string number word phrase value field key file variable
    parameter argument option input output base64 base64-encoded sha1 sha256 sha512 md5 bcrypt
    scrypt argon2 utf-8 utf8 case-sensitive case-insensitive user-defined auto-generated one-time
    write-only read-only up-to-date well-known
    """
)
_NO_PHRASE = words(
    """
    a an the required needed not never no used stored your for to in on by and or if of that only
    too very what which optional case
    """
)
_WORDY_END = re.compile(r"(?:ed|ing|ly|able|ible|ful|less|ness|tion|ment|ive|ous|ically)$")
_CLAUSE_END = re.compile(
    rb"[\"'`)\]]?(?:$|[.,;!?\n]| (?:and|but|so|or|for|please|thanks|if|can|plz)\b|  )"
)
_OF_SOMEBODY = re.compile(rb"\b(?:my|our|here(?:'s| is)|his|her|their|is)\b")
_STRONG = re.compile(r"\d|[^A-Za-z0-9\-'\x80-\xff]|[a-z][A-Z]")
_WORDS = re.compile(r"[A-Za-z\x80-\xff]+(?:[-'][A-Za-z]+)*")

_LINK = (
    r"(?:[ \t]{1,4}(?:is|was|are)(?:[ \t]{0,3}[:=])?|[ \t]{0,3}:|'s)"
    r"(?:[ \t]{1,4}(?:still|now|just|simply|actually))?"
)
_IS = r"[ \t]{1,4}(?:is|was|are)[ \t]{0,3}[:=]?"
_QUOTE = r"[\s]{0,40}[\"'`\x91-\x94\xab]?"


def score_password(value: str, *, quoted: bool, somebody: bool, clause_ends: bool) -> float:
    """How likely a value is a password that was told.

    Args:
        quoted: it stands in quotes.
        somebody: the phrase is about somebody's password.
        clause_ends: nothing of the clause follows the value.
    """
    low = value.lower()
    if len(value) < secrets_gates.PASSWORD_LENGTH_MIN or low in _NOT_VALUES:
        return _BASE * 0.2
    if secrets_gates.is_path(value) or (secrets_gates.is_placeholder(value) and not quoted):
        return _BASE * 0.2
    if quoted or _STRONG.search(value):
        return _BASE
    if not _WORDS.fullmatch(value):
        return _BASE * 0.8
    last = low.rpartition("-")[2]
    if last in _NOT_VALUES or _WORDY_END.search(low) or not clause_ends:
        return _BASE * 0.25
    return _BASE * (0.7 if somebody else 0.4)


def _trimmed(candidate: Candidate) -> str:
    value = candidate.value
    return value.rstrip(_TRIM) if len(value) > 1 else value


def _password(candidate: Candidate) -> int:
    view = candidate.view
    quote = view.raw[max(0, candidate.start - 1) : candidate.start]
    quoted = quote in (b'"', b"'", b"`", b"\x93", b"\xab")
    value = _trimmed(candidate)
    if quoted and quote in (b'"', b"'", b"`"):
        end = view.raw.find(quote, candidate.start, candidate.start + VALUE_MAX)
        if end > candidate.start:
            value = view.raw[candidate.start : end].decode("latin-1")
        else:
            quoted = False
    if not quoted and ("(" in value or "[" in value):
        return 0  # a call or an index: code
    after = view.lower[candidate.start + len(value) : candidate.start + len(value) + 12]
    score = score_password(
        value,
        quoted=quoted,
        somebody=bool(_OF_SOMEBODY.search(candidate.before(60))),
        clause_ends=bool(_CLAUSE_END.match(after)),
    )
    return len(value) if score >= SCORE_MIN else 0


def _bare_password(candidate: Candidate) -> int:
    """A value with no verb before it must look like a password."""
    value = _trimmed(candidate)
    letters = any(char.isalpha() for char in value)
    digits = any("0" <= char <= "9" for char in value)
    if not (letters and digits and len(value) >= 5) or value.lower() in _NOT_VALUES:
        return 0
    if "(" in value or secrets_gates.is_path(value) or secrets_gates.is_placeholder(value):
        return 0
    return len(value)


def _passphrase(candidate: Candidate) -> int:
    value = _trimmed(candidate).rstrip()
    told = value.split()
    if len(told) == 1:
        return _password(candidate)
    phrase = 3 <= len(told) <= 12 and told[0].lower() not in _NO_PHRASE
    return len(value) if phrase else 0


def _secret(candidate: Candidate) -> int:
    value = _trimmed(candidate)
    if value.lower() in _NOT_VALUES or secrets_gates.is_path(value):
        return 0
    return len(value) if secrets_gates.is_secret(value) or _bare_password(candidate) else 0


def _card(candidate: Candidate) -> int:
    digits = digits_of(candidate.value)
    return len(candidate.value) if 13 <= len(digits) <= 19 and len(set(digits)) > 2 else 0


def _illness(candidate: Candidate) -> int:
    value = candidate.value.rstrip(" ,.;")
    first = value.partition(" ")[0].lower()
    return 0 if first in _NOT_ILL or not value else len(value)


_NOT_ILL = words(
    """
    the this that it what which how or and but whatever something anything
    """
)
_WHO = (
    r"(?:i|i've|he|she|we|they|patient|(?:my|his|her|our|the) [a-z]{2,15}|mr\.? [a-z]+"
    r"|mrs\.? [a-z]+"
    r"|ms\.? [a-z]+)"
)
_ILLNESSES = (
    r"hiv|aids|cancer|leuk[a]?emia|lymphoma|tumou?r|diabetes|diabetic|depression|bipolar"
    r"(?: disorder)?"
    r"|schizophrenia|epilepsy|hepatitis(?: [abc])?|asthma|ptsd|adhd|autism|anorexia|bulimia"
    r"|dementia"
    r"|alzheimer'?s|parkinson'?s|multiple sclerosis|crohn'?s|lupus|tuberculosis|syphilis|gonorrh?ea"
    r"|chlamydia|herpes|a miscarriage|an abortion|an eating disorder|heart disease|heart failure"
    r"|hypertension|high blood pressure|a stroke|kidney disease|cirrhosis|copd|endometriosis"
)

# Every alternative of the pattern above holds one of these.
_ILLNESS_KEYS = (
    "hiv", "aids", "cancer", "leuk", "lymphoma", "tumo", "diabet", "depression", "bipolar",
    "schizophrenia", "epilepsy", "hepatitis", "asthma", "ptsd", "adhd", "autism", "anorexia",
    "bulimia", "dementia", "alzheimer", "parkinson", "sclerosis", "crohn", "lupus", "tubercul",
    "syphilis", "gonorr", "chlamydia", "herpes", "miscarriage", "abortion", "eating disorder",
    "heart disease", "heart failure", "hypertension", "blood pressure", "stroke", "kidney disease",
    "cirrhosis", "copd", "endometriosis",
)  # fmt: skip
_PASSWORD_KEYS = ("password", "passcode", "passwd", "pwd", "pass ")

SPOKEN: tuple[Rule, ...] = (
    Rule(
        id="spoken.password",
        kind="password",
        keywords=_PASSWORD_KEYS,
        pattern=(
            r"(?i)\b(?:password|passcode|passwd|pwd|pass)(?: (?:for|to|of|on) [\w.@'\- ]{1,40}?)?"
            + _LINK
            + _QUOTE
            + r"([^\s\"'`\x91-\x94\xab\xbb]{1,128})"
        ),
        check=_password,
        confidence=0.95,
    ),
    Rule(
        id="spoken.password_bare",
        kind="password",
        keywords=_PASSWORD_KEYS,
        pattern=r"(?i)\b(?:password|passcode|passwd|pwd)[ \t]{1,3}([^\s\"'`:=,;]{4,64})",
        check=_bare_password,
        confidence=0.7,
    ),
    Rule(
        id="spoken.as_password",
        kind="password",
        keywords=_PASSWORD_KEYS,
        pattern=(
            r"(?i)([^\s\"'`]{4,64})[\"'`]? (?:as|is|was) (?:the|my|our|your|his|her|a)"
            r" (?:new |old |admin |root |login |wifi )?(?:password|passcode|passphrase)\b"
        ),
        check=_bare_password,
        confidence=0.8,
    ),
    Rule(
        id="spoken.passphrase",
        kind="password",
        keywords=("passphrase", "pass phrase"),
        pattern=r"(?i)\bpass ?phrase" + _LINK + _QUOTE + r"([^\n\"'`.,;]{4,128})",
        check=_passphrase,
    ),
    Rule(
        id="spoken.pin",
        kind="password",
        keywords=("pin ", "pin:", "otp", "verification code", "one-time code"),
        pattern=(
            r"(?i)\b(?:pin(?: code| number)?|otp|verification code"
            r"|one-time code)" + _LINK + r"[\s\"']{0,4}(\d{4,8})\b"
        ),
        confidence=0.85,
    ),
    Rule(
        id="spoken.secret",
        kind="secret",
        keywords=("key", "token", "secret"),
        pattern=(
            r"(?i)\b(?:api[ _\-]?key|api[ _\-]?token|access[ _\-]?(?:key|token)"
            r"|secret[ _\-]?key|auth[ _\-]?token"
            r"|license key|client secret|token|secret"
            r"|key)" + _IS + _QUOTE + r"([^\s\"'`\x91-\x94]{6,128})"
        ),
        check=_secret,
        confidence=0.9,
    ),
    Rule(
        id="spoken.recovery_phrase",
        kind="recovery_phrase",
        keywords=("seed", "recovery", "mnemonic", "backup phrase", "secret phrase"),
        pattern=(
            r"(?i)\b(?:seed|recovery|mnemonic|backup|secret)(?: (?:phrase"
            r"|words?))?[^\n]{0,24}?[:\s\"']{1,3}"
            r"((?:[a-z]{3,8}[ ,]{1,2}){11,23}[a-z]{3,8})\b"
        ),
        confidence=0.85,
    ),
    Rule(
        id="spoken.card",
        kind="credit_card",
        keywords=("card",),
        pattern=r"(?i)\bcard(?: number| no\.?)?" + _LINK + r"[\s\"']{0,4}(\d(?:[ \-]?\d){12,18})\b",
        check=_card,
        confidence=0.6,
    ),
    Rule(
        id="medical.diagnosed",
        kind="medical",
        keywords=("diagnosed",),
        pattern=(
            r"(?i)\b" + _WHO + r"(?:'s|'ve)? (?:was |were |am |is |are |has |have |had "
                               r"|been |got |just |recently |also"
            r" |being ){0,4}diagnosed (?:with|as(?: having)?) ("
            r"(?:[A-Za-z0-9'\x80-\xff\-]{1,24} ?){1,5})"
        ),
        check=_illness,
        confidence=0.85,
    ),
    Rule(
        id="medical.diagnosis",
        kind="medical",
        keywords=("diagnosis", "prescription", "medical condition"),
        pattern=(
            r"(?i)\b(?:my|his|her|patient'?s?|patient) (?:diagnosis|prescription"
            r"|medical condition)" + _LINK
            + r"[\s\"']{0,4}((?:[A-Za-z0-9'\x80-\xff\-]{1,24} ?){1,5})"
        ),
        check=_illness,
        confidence=0.85,
    ),
    Rule(
        id="medical.has",
        kind="medical",
        keywords=_ILLNESS_KEYS,
        pattern=(
            r"(?i)\b" + _WHO + r" (?:have|has|had|suffers? from|suffered from|tested positive for"
            r"|(?:am|is|are) living with|am|is)(?: (?:been|got|stage \w+|severe"
            r"|chronic|clinical|a|an))?"
            r" ((?:type [12] )?(?:" + _ILLNESSES + r"))\b"
        ),
        confidence=0.8,
    ),
    Rule(
        id="medical.hiv",
        kind="medical",
        keywords=("positive",),
        pattern=r"(?i)\b" + _WHO + r" (?:am|is|are|was|tested) (hiv[ \-]positive"
                                   r"|positive for [a-z0-9\-]{2,24})",
        confidence=0.85,
    ),
    Rule(
        id="medical.dose",
        kind="medical",
        keywords=("mg", "mcg"),
        pattern=(
            r"(?i)\b(?:i|he|she|my [a-z]{2,12})(?:'m| am| is)? (?:take|takes|taking|prescribed|on) "
            r"((?:\d{1,4} ?m?c?g (?:of )?[a-z]{4,24}|[a-z]{4,24} \d{1,4} ?m?c?g))\b"
        ),
        confidence=0.8,
    ),
    Rule(
        id="medical.blood_type",
        kind="medical",
        level=Sensitivity.SENSITIVE,
        keywords=("blood",),
        pattern=r"(?i)\bblood (?:type|group)" + _LINK + r"[\s\"']{0,4}((?:AB|A|B|O)(?:[+\-]"
                                                        r"| ?(?:rh )?(?:positive|negative"
                                                        r"|pos|neg)\b))",
    ),
    Rule(
        id="medical.record_number",
        kind="medical_id",
        keywords=("mrn", "medical record", "patient"),
        pattern=(
            r"(?i)\b(?:mrn|medical record(?: number| no\.?)?|patient (?:id|number|no\.?))"
            r"[\s:#=]{0,4}(?:(?:is|was)[\s:#]{1,3})?([A-Z]{0,3}-?\d[\d\-]{3,11}\d)\b"
        ),
    ),
)  # fmt: skip
