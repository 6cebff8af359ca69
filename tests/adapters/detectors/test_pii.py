"""Personal data: what is found, and what only looks like it."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.pii import pii_rules
from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import RuleSet, Seen

RULES = RuleSet(pii_rules(extra=True))


def kinds(text: str) -> set[tuple[str, str]]:
    """The kinds and values that are found in a text."""
    seen = Seen([], [])
    for view in views_of(text):
        RULES.find(view, seen)
    return {(one.kind, text[one.start : one.end]) for one in seen.findings}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("My card is 378282246310005", "credit_card", "378282246310005"),
     ("x 1234 4111 1111 1111 1111 123 y", "credit_card", "4111 1111 1111 1111"),
     ("4111\u200b1111\u200b11111111", "credit_card", "4111\u200b1111\u200b11111111"),
     ("４１１１１１１１１１１１１１１１", "credit_card", "４１１１１１１１１１１１１１１１"),
     ("4111111111111111\u200b123", "credit_card", "4111111111111111"),
     ("my card 503890547220 now", "credit_card", "503890547220"),
     ("my card 3521213764418045", "credit_card", "3521213764418045"),
     ("my iban is gb82 west 1234 5698 7654 32 thanks", "iban", "gb82 west 1234 5698 7654 32"),
     ("ssn 536-90-4399.", "ssn", "536-90-4399"),
     ("my SSN is 536904399", "ssn", "536904399"),
     ("ssn: 536 90 4399", "ssn", "536 90 4399"),
     ("mail josé.x+y@exämple.co.uk now", "email", "josé.x+y@exämple.co.uk"),
     ("host 10.1.2.3:80", "ip_address", "10.1.2.3"),
     ("host 6e40:4041:c617:e898:c11:40d2:c669:2eb4", "ip_address",
      "6e40:4041:c617:e898:c11:40d2:c669:2eb4"),
     ("at fe80::1ff:fe23:4567:890a", "ip_address", "fe80::1ff:fe23:4567:890a"),
     ("nic 00:1b:44:11:3a:b7", "mac_address", "00:1b:44:11:3a:b7"),
     ("see https://example.com/a?b=c#d.", "url", "https://example.com/a?b=c#d."),
     ("to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "crypto_address",
      "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
     ("to 0x52908400098527886E0F7030069857D2E4169EE7", "crypto_address",
      "0x52908400098527886E0F7030069857D2E4169EE7"),
     ("born on 12 March 1980", "date_of_birth", "12 March 1980"),
     ("DOB: 1980-01-02", "date_of_birth", "1980-01-02"),
     ("passport number: X12345678", "passport", "X12345678"),
     ("driver's license no. D1234-5678", "driver_licence", "D1234-5678"),
     ("my account number is 12345678901", "bank_account", "12345678901"),
     ("bank account 000123456789", "bank_account", "000123456789"),
     ("routing number 021000021", "routing_number", "021000021"),
     ("I live at 12 Elm Grove, Springfield", "address", "12 Elm Grove, Springfield"),
     ("ship to 350 Fifth Avenue, New York", "address", "350 Fifth Avenue, New York"),
     ("CVV 123", "card_code", "123")],
)  # fmt: skip
def test_found(text: str, kind: str, value: str) -> None:
    """The kind, and the value exactly."""
    assert (kind, value) in kinds(text)


@pytest.mark.parametrize(
    "text",
    ["0000 0000 0000 0000", "4111111111111112", "123e4567-e89b-12d3-a456-426614174000",
     "commit 0123456789abcdef0123456789abcdef01234567", "epoch 1707734400 or 1707734400123",
     "2024-01-01 12:30:00", "version 1.2.3.4", "oid 1.2.3.4.5", "000-12-3456", "666-12-3456",
     "900-12-3456", "123 45 6789", "GB82WEST12345698765431", "3.14159265358979323846",
     "a @ b", "see chapter 12.4", "the passport is lost", "account closed", "date of birth unknown",
     "order 4370097502556", "at 12:30:45", "999999999", "x = y[3:5] :: 7", "id 536904399"],
)  # fmt: skip
def test_not_found(text: str) -> None:
    """A checksum, a form or a context says no."""
    assert set() == kinds(text)


def test_addresses_with_a_password_are_no_e_mail() -> None:
    """The part before the @ of a link is a password."""
    assert "email" not in {kind for kind, _ in kinds("http://bob:secret@example.com/x")}
