"""Checksums and other short checks that can veto a candidate.

Each takes the value as it stands in a text and says whether it can be what it looks
like. Separators are dropped where the kind is written with them. Nothing here
raises: what cannot be read is not valid.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import ipaddress
import json
import math
import re
from collections import Counter
from datetime import date

IBAN_LENGTHS = {
    "AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22,
    "BI": 27, "BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27,
    "DK": 18, "DO": 28, "EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27,
    "GB": 22, "GE": 22, "GI": 23, "GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28,
    "IE": 22, "IL": 23, "IQ": 23, "IS": 26, "IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28,
    "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21, "LY": 25, "MC": 27, "MD": 24, "ME": 22,
    "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28, "NL": 18, "NO": 15, "OM": 23,
    "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22, "RU": 33, "SA": 24,
    "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25, "SV": 28,
    "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}  # fmt: skip

# First and last prefix of a range of issuers, and the lengths its cards have.
_ISSUERS: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("4", "4", frozenset({13, 16, 19})),
    ("51", "55", frozenset({16})),
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),
    ("37", "37", frozenset({15})),
    ("300", "305", frozenset({14, 16, 19})),
    ("3095", "3095", frozenset({14, 16, 19})),
    ("36", "36", frozenset({14, 16, 19})),
    ("38", "39", frozenset({14, 16, 19})),
    ("6011", "6011", frozenset({16, 19})),
    ("644", "649", frozenset({16, 19})),
    ("65", "65", frozenset({16, 19})),
    ("62", "62", frozenset({16, 17, 18, 19})),
    ("81", "81", frozenset({16, 17, 18, 19})),
    ("3528", "3589", frozenset({16, 17, 18, 19})),
    ("1800", "1800", frozenset({15})),
    ("2131", "2131", frozenset({15})),
    ("2200", "2204", frozenset({16, 17, 18, 19})),
    ("50", "50", frozenset(range(12, 20))),
    ("56", "59", frozenset(range(12, 20))),
    ("60", "60", frozenset(range(12, 20))),
    ("63", "63", frozenset(range(12, 20))),
    ("66", "69", frozenset(range(12, 20))),
    ("9792", "9792", frozenset({16})),
)
_BY_FIRST = {
    digit: tuple(one for one in _ISSUERS if one[0][0] <= digit <= one[1][0])
    for digit in "0123456789"
}
_DIGITS = re.compile("[0-9]+")
_LUHN_DOUBLE = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def digits_of(value: str) -> str:
    """The ASCII digits of a value."""
    return "".join([char for char in value if "0" <= char <= "9"])


def luhn(digits: str) -> bool:
    """Whether the last digit is the Luhn check digit of the others."""
    if not digits.isascii() or not digits.isdigit():
        return False
    ones = digits.encode()
    total = sum(ones[-1::-2]) - 48 * len(ones[-1::-2])
    return (total + sum([_LUHN_DOUBLE[one - 48] for one in ones[-2::-2]])) % 10 == 0


def is_card(digits: str) -> bool:
    """Whether digits are a card number: an issuer's range, its length, and Luhn."""
    return len(digits) in _lengths_of(digits) and luhn(digits)


def _lengths_of(digits: str) -> set[int]:
    """The lengths that cards have which begin so."""
    found: set[int] = set()
    for first, last, lengths in _BY_FIRST.get(digits[:1], ()):
        if first <= digits[: len(first)] <= last:
            found |= lengths
    return found


def card_length(value: str) -> int:
    """How many characters of a value, from its start, are a card number; else 0.

    The groups must be as cards are printed: one; fours with a shorter last one;
    4-6-5 or 4-6-4; or single digits. Groups that follow are cut off.
    """
    digits = digits_of(value)
    lengths = _lengths_of(digits)
    if not lengths:
        return 0
    ends, sizes = _groups(value)
    count = len(digits)
    for at in range(len(sizes) - 1, -1, -1):
        if count in lengths and _printed_as_card(sizes[: at + 1]) and luhn(digits[:count]):
            return ends[at]
        count -= sizes[at]
    return 0


def _groups(value: str) -> tuple[list[int], list[int]]:
    """Where each group of digits ends, and its size."""
    spans = [match.span() for match in _DIGITS.finditer(value)]
    return [end for _, end in spans], [end - start for start, end in spans]


def _printed_as_card(sizes: list[int]) -> bool:
    if len(sizes) == 1 or sizes in ([4, 6, 5], [4, 6, 4]):
        return True
    if all(size == 1 for size in sizes):
        return True
    return all(size == 4 for size in sizes[:-1]) and 1 <= sizes[-1] <= 4


def iban_length(value: str) -> int:
    """How many characters of a value, from its start, are a valid IBAN; else 0.

    Case and single blanks or dashes do not matter; words that follow are cut off
    by the length that the country's numbers have.
    """
    plain, ends = [], []
    for place, char in enumerate(value):
        if char.isascii() and char.isalnum():
            plain.append(char.upper())
            ends.append(place + 1)
    length = IBAN_LENGTHS.get("".join(plain[:2]), 0)
    if not length or len(plain) < length or not iban("".join(plain[:length])):
        return 0
    end = ends[length - 1]
    # A number that goes straight on is another, longer one.
    return 0 if end < len(value) and value[end].isalnum() else end


def iban(value: str) -> bool:
    """Whether a value without separators is an IBAN: its country's length and mod 97."""
    if len(value) != IBAN_LENGTHS.get(value[:2].upper(), 0) or not value.isascii():
        return False
    turned = (value[4:] + value[:4]).upper()
    if not turned.isalnum() or not value[2:4].isdigit():
        return False
    return int("".join([str(int(char, 36)) for char in turned])) % 97 == 1


def us_ssn(value: str) -> bool:
    """Whether nine digits can be a US social security number."""
    digits = digits_of(value)
    if len(digits) != 9 or digits in ("078051120", "219099999", "457555462"):
        return False
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    return area not in ("000", "666") and area < "900" and group != "00" and serial != "0000"


def chinese_id(value: str) -> bool:
    """Whether 18 characters are a resident id: a region, a date and ISO 7064 mod 11-2."""
    value = value.upper()
    if len(value) != 18 or not (value[:17].isascii() and value[:17].isdigit()):
        return False
    if not "11" <= value[:2] <= "91" or not _is_day(value[6:14]):
        return False
    total = sum(int(char) * pow(2, 17 - place, 11) for place, char in enumerate(value[:17]))
    return value[17] == "10X98765432"[total % 11]


def _is_day(digits: str) -> bool:
    try:
        day = date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return False
    return 1850 <= day.year <= 2100


def aba(value: str) -> bool:
    """Whether nine digits are a US routing number: a Federal Reserve range and 3-7-1."""
    if len(value) != 9 or not (value.isascii() and value.isdigit()):
        return False
    first = int(value[:2])
    if not (first <= 12 or 21 <= first <= 32 or 61 <= first <= 72 or first == 80):
        return False
    weights = (3, 7, 1) * 3
    total = sum(int(char) * weight for char, weight in zip(value, weights, strict=True))
    return total % 10 == 0 and total > 0


def npi(value: str) -> bool:
    """Whether ten digits are a US provider identifier: Luhn behind 80840."""
    return len(value) == 10 and value[:1] in ("1", "2") and luhn("80840" + value)


def dea(value: str) -> bool:
    """Whether two letters and seven digits are a US DEA registration."""
    letters, digits = value[:2].upper(), value[2:]
    if len(value) != 9 or not (digits.isascii() and digits.isdigit()):
        return False
    if letters[0] not in "ABCDEFGHJKLMPRSTUX" or not (letters[1].isalpha() or letters[1] == "9"):
        return False
    ones = [int(char) for char in digits]
    total = ones[0] + ones[2] + ones[4] + 2 * (ones[1] + ones[3] + ones[5])
    return total % 10 == ones[6]


def ip_address(value: str) -> bool:
    """Whether a value is an IPv4 or IPv6 address and not just zeros."""
    try:
        address = ipaddress.ip_address(value)
    except ValueError:
        return False
    return not address.is_unspecified


def bitcoin(value: str) -> bool:
    """Whether a value is a Bitcoin address: Base58Check, or Bech32 of bc1."""
    if value[:3].lower() == "bc1":
        return _bech32(value)
    number = 0
    for char in value:
        at = _BASE58.find(char)
        if at < 0:
            return False
        number = number * 58 + at
    if number.bit_length() > 200:
        return False
    raw = number.to_bytes(25, "big")
    check = hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4]
    return raw[0] in (0, 5) and check == raw[21:]


def _bech32(value: str) -> bool:
    if value.lower() != value and value.upper() != value:
        return False
    prefix, _, data = value.lower().rpartition("1")
    if not data or any(char not in _BECH32 for char in data):
        return False
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    values += [_BECH32.index(char) for char in data]
    state = 1
    for one in values:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ one
        for place, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            state ^= term if top >> place & 1 else 0
    # 1 is Bech32, the other constant Bech32m (witness versions from 1).
    return state in (1, 0x2BC830A3)


def jwt_header(value: str) -> bool:
    """Whether the part before the first dot is a JSON object that names an algorithm."""
    head = value.partition(".")[0]
    try:
        decoded = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
    return isinstance(decoded, dict) and ("alg" in decoded or "enc" in decoded)


def entropy(value: str) -> float:
    """Shannon entropy of a value in bits for each character."""
    if not value:
        return 0.0
    length = len(value)
    return -sum(n / length * math.log2(n / length) for n in Counter(value).values())
