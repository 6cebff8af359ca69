"""Checksums, with python-stdnum as the oracle."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import bitcoin, iban, luhn
from stdnum.cn import ric
from stdnum.us import rtn, ssn

from holdfast.adapters.detectors import checks

DIGITS = st.text("0123456789", min_size=1, max_size=24)


@given(DIGITS)
def test_luhn_is_stdnum_s(digits: str) -> None:
    """The check digit is the same."""
    assert luhn.is_valid(digits) == checks.luhn(digits)


@given(st.sampled_from(sorted(checks.IBAN_LENGTHS)), st.integers(2, 98), st.data())
def test_ibans_have_stdnum_s_checksum(country: str, check: int, data: st.DataObject) -> None:
    """Of the length of the country, mod 97 decides."""
    size = checks.IBAN_LENGTHS[country] - 4
    rest = data.draw(st.text("0123456789ABCXYZ", min_size=size, max_size=size))
    value = f"{country}{check:02}{rest}"
    if iban.is_valid(value, check_country=False):
        assert checks.iban(value)
    right = iban.calc_check_digits(country + "00" + rest)
    assert checks.iban(country + right + rest)
    assert (right == f"{check:02}") == checks.iban(value)


@pytest.mark.parametrize(
    ("value", "length"),
    [("GB82WEST12345698765432", 22), ("gb82 west 1234 5698 7654 32 and more", 27),
     ("DE89370400440532013000", 22), ("GB82WEST12345698765431", 0), ("GB82WEST1234569876543", 0),
     ("GB82WEST123456987654329", 0), ("XX82WEST12345698765432", 0), ("NO9386011117947", 15),
     ("", 0)],
)  # fmt: skip
def test_ibans_are_cut_back(value: str, length: int) -> None:
    """To the length of their country; a longer run is no IBAN."""
    assert length == checks.iban_length(value)


@pytest.mark.parametrize(
    ("value", "length"),
    [("378282246310005", 15), ("3782 822463 10005", 17), ("4111-1111-1111-1111", 19),
     ("4111 1111 1111 1111 123", 19), ("4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1", 31),
     ("5555555555554444", 16), ("2223003122003222", 16), ("6011111111111117", 16),
     ("30569309025904", 14), ("3530111333300000", 16), ("6200000000000005", 16),
     ("0000 0000 0000 0000", 0), ("4111111111111112", 0), ("41111111 11111111", 0),
     ("41 11 11 11 11 11 11 11", 0), ("9999999999999995", 0), ("", 0)],
)  # fmt: skip
def test_cards_have_an_issuer_a_form_and_luhn(value: str, length: int) -> None:
    """Groups as they are printed; what follows is cut off."""
    assert length == checks.card_length(value)
    assert (length > 0) == (checks.is_card(checks.digits_of(value[:length])) if length else False)


@given(st.text("0123456789", min_size=9, max_size=9))
def test_social_security_numbers_are_stdnum_s(value: str) -> None:
    """Areas, groups, serials and the numbers that were printed in advertisements."""
    assert ssn.is_valid(value) == checks.us_ssn(value)


@given(
    st.integers(10, 99),
    st.dates(date(1900, 1, 1), date(2099, 1, 1)).map(lambda day: day.strftime("%Y%m%d")),
    st.integers(0, 999),
)
def test_chinese_ids_have_stdnum_s_checksum(region: int, day: str, serial: int) -> None:
    """Whatever stdnum takes is taken; another check digit is not."""
    head = f"{region}0105{day.zfill(8)}{serial:03}"
    for last in "0123456789X":
        if _ric(head + last):
            assert checks.chinese_id(head + last)
            assert not checks.chinese_id(head + str((int(last.replace("X", "9")) + 1) % 10))


def _ric(value: str) -> bool:
    try:
        return bool(ric.is_valid(value))
    except KeyError:  # a region that its table has no counties for
        return False


@pytest.mark.parametrize("value", ["11010519491331002X", "0" * 18, "1101051949123100", "a" * 18])
def test_no_chinese_ids(value: str) -> None:
    """A day that is none, no region, too short, letters."""
    assert not checks.chinese_id(value)


@given(st.text("0123456789", min_size=9, max_size=9))
def test_routing_numbers_are_stdnum_s(value: str) -> None:
    """The checksum agrees; the range of the Federal Reserve is asked for in addition."""
    if checks.aba(value):
        assert rtn.is_valid(value)


BITCOIN = [
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
    "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
    "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
]  # fmt: skip


@pytest.mark.parametrize("value", BITCOIN)
def test_bitcoin_addresses(value: str) -> None:
    """Each form, and none with another character."""
    assert checks.bitcoin(value)
    assert not checks.bitcoin(value[:-1] + ("q" if value[-1] != "q" else "p"))
    assert not checks.bitcoin(value[:10] + "0O" + value[12:])


def test_bitcoin_is_stdnum_s() -> None:
    """The oracle agrees on the forms it knows."""
    assert [True] * 3 == [bitcoin.is_valid(value) for value in BITCOIN[:3]]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [(checks.aba, "021000021", "021000022"), (checks.aba, "122105155", "999999999"),
     (checks.npi, "1234567893", "1234567890"), (checks.npi, "1003000126", "9003000126"),
     (checks.dea, "AB1234563", "AB1234560"), (checks.dea, "F91234563", "A11234563"),
     (checks.ip_address, "10.0.0.1", "256.1.1.1"), (checks.ip_address, "fe80::1", "0.0.0.0")],
)  # fmt: skip
def test_short_checks(check: Callable[[str], bool], good: str, bad: str) -> None:
    """One that is right and one that is not."""
    assert (True, False) == (check(good), check(bad))


def test_jwt_headers_decode() -> None:
    """They are JSON and name an algorithm."""

    def head(data: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(data).encode()).decode().rstrip("=")

    assert checks.jwt_header(head({"alg": "HS256"}) + ".x.y")
    assert not checks.jwt_header(head({"a": 1}) + ".x")
    assert not checks.jwt_header(head([1]) + ".x")
    assert not checks.jwt_header("eyJé.x")


def test_entropy() -> None:
    """Bits for each character."""
    assert (0.0, 0.0, 1.0, 2.0) == tuple(map(checks.entropy, ("", "aa", "abab", "abcd")))


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_checks_take_any_text(value: str) -> None:
    """Nothing is raised."""
    for check in (
        checks.luhn, checks.is_card, checks.card_length, checks.iban_length, checks.iban,
        checks.us_ssn, checks.chinese_id, checks.aba, checks.npi, checks.dea, checks.ip_address,
        checks.bitcoin, checks.jwt_header, checks.entropy,
    ):  # fmt: skip
        check(value)
