"""What is told in English: the value alone, and what only sounds like it."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import RuleSet, Seen
from holdfast.adapters.detectors.spoken import SCORE_MIN, SPOKEN, score_password

RULES = RuleSet(SPOKEN)


def told(text: str) -> set[tuple[str, str]]:
    """The kinds and values that are found."""
    seen = Seen([], [])
    RULES.find(views_of(text)[0], seen)
    return {(one.kind, text[one.start : one.end]) for one in seen.findings}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("İİİİ my password is hunter2", "password", "hunter2"),
     ("my password is \t     hunter2, ok?", "password", "hunter2"),
     ("Password:\nhunter2", "password", "hunter2"),
     ("my password is sunshine", "password", "sunshine"),
     ("my password is sunshine, thanks", "password", "sunshine"),
     ("The password's \"correct horse\".", "password", "correct horse"),
     ("the wifi password for guests is Sommer2024!", "password", "Sommer2024!"),
     ("the password is pässwörd9密", "password", "pässwörd9密"),
     ("log in as bob password hunter2", "password", "hunter2"),
     ("use 'hunter2' as the password", "password", "hunter2"),
     ("passphrase: correct horse battery staple", "password", "correct horse battery staple"),
     ("passphrase is hunter2", "password", "hunter2"), ("my PIN is 4711", "password", "4711"),
     ("my api key is abcd1234efgh5678", "secret", "abcd1234efgh5678"),
     ("my card number is 1234 5678 9012 3456", "credit_card", "1234 5678 9012 3456"),
     ("seed phrase: " + "apple " * 11 + "pear", "recovery_phrase", "apple " * 11 + "pear"),
     ("I was diagnosed with lupus.", "medical", "lupus"),
     ("My diagnosis is bipolar disorder", "medical", "bipolar disorder"),
     ("my son has type 1 diabetes", "medical", "type 1 diabetes"),
     ("She is HIV-positive", "medical", "HIV-positive"),
     ("I take 50 mg of sertraline", "medical", "50 mg of sertraline"),
     ("my blood type is AB+", "medical", "AB+"), ("MRN: 12345678", "medical_id", "12345678")],
)  # fmt: skip
def test_told(text: str, kind: str, value: str) -> None:
    """The value alone: no phrase, no blanks, no quotes."""
    assert (kind, value) in told(text)


@pytest.mark.parametrize(
    "text",
    ["the password is required for login", "The password is incorrect.",
     "your password is too weak",
     "my password is case-sensitive", "the password was reset yesterday", "password: see below",
     "the password is stored hashed", "reset your password here", "the password is: required",
     "the key is to listen", "the secret is patience", "my pin is lost", "a token is issued",
     "lupus is an illness", "patients diagnosed with it", "diabetes is common", "he is a doctor",
     "pass the salt", "passphrase is required", "the password is generated", "pwd = os.getcwd()",
     "password must be 8 characters", "the password is very long", "cards: 0000 0000 0000 0000"],
)  # fmt: skip
def test_not_told(text: str) -> None:
    """Nothing is said about a value."""
    assert set() == told(text)


def test_a_long_value_is_capped_on_characters() -> None:
    """At most 128 of them, of whatever kind."""
    assert {("password", "密" * 127 + "1")} == told(
        "my password is " + "密" * 127 + "1" + "密" * 90
    )


def test_validators_lower_the_score_below_the_threshold() -> None:
    """A veto is a score, not a switch: the same word in quotes is a password."""
    assert SCORE_MIN > score_password("required", quoted=False, somebody=True, clause_ends=True)
    assert SCORE_MIN > score_password("sunshine", quoted=False, somebody=True, clause_ends=False)
    assert SCORE_MIN > score_password("/etc/pw1", quoted=True, somebody=True, clause_ends=True)
    assert SCORE_MIN < score_password("sunshine", quoted=True, somebody=False, clause_ends=False)
    assert SCORE_MIN < score_password("hunter2", quoted=False, somebody=False, clause_ends=False)


def test_patterns_compile() -> None:
    """Each of them."""
    RULES.check_patterns()
