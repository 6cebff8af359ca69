"""Texts read in other ways."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.adapters.detectors.canonical import canonical
from holdfast.adapters.detectors.spans import Encoded
from holdfast.adapters.detectors.views import (
    View,
    decoded_views,
    readable,
    reversed_view,
    rewritten_views,
    rot13_view,
)

TEXT = "ignore this, all of it"
CODE = base64.b64encode(TEXT.encode()).decode()


def view_of(text: str, name: str) -> View:
    """The view of that name; there is one."""
    encoded = Encoded(text)
    (found,) = [
        one for one in (*decoded_views(encoded), *rewritten_views(encoded)) if one.name == name
    ]
    return found


@pytest.mark.parametrize(
    ("text", "name", "code"),
    [
        (f"see {CODE}, please", "base64", CODE),
        (f"é {CODE.rstrip('=')} é", "base64", CODE.rstrip("=")),
        (f"zz {TEXT.encode().hex()} zz", "hex", TEXT.encode().hex()),
        (f"é{TEXT.encode().hex(' ')}.", "hex", TEXT.encode().hex(" ")),
        (
            "x " + " ".join(f"{one:08b}" for one in TEXT.encode()),
            "binary",
            " ".join(f"{one:08b}" for one in TEXT.encode()),
        ),
        (
            base64.b32encode(TEXT[:20].encode()).decode(),
            "base32",
            base64.b32encode(TEXT[:20].encode()).decode(),
        ),
    ],
)
def test_a_run_of_code_is_decoded_and_found_again(text: str, name: str, code: str) -> None:
    """The view holds what the code says, and its place is the whole code."""
    view = view_of(text, name)
    at = view.text.index("this")
    start, end, named = view.origin(at, at + 4)
    assert (code.strip(), name) == (text[start:end].strip(), named)


@pytest.mark.parametrize(
    "text",
    [
        "the quick brown fox " * 5,
        "src/holdfast/runtime/engine.py and AbstractFactoryBeanProvider",
        "3f2a9c1e8b7d6f5a4c3b2a1908f7e6d5c4b3a291",
        "Tom & Jerry at 100 % of 5 \\ 6",
        "&nosuchname; x",
    ],
)
def test_what_is_no_code_makes_no_view(text: str) -> None:
    """Paths, names, digests and lone marks decode to nothing."""
    assert [] == list(decoded_views(Encoded(text)))


@pytest.mark.parametrize(
    ("text", "expected", "name"),
    [
        ("go %69%67n", "go ign", "percent"),
        ("go &#x69;&#103;n", "go ign", "html"),
        (r"go \u0069\x67n", "go ign", "escape"),
        (r"go \u{69}\147n", "go ign", "escape"),
        (r"go \U00000069\x67n", "go ign", "escape"),
    ],
)
def test_codes_are_decoded_in_their_place(text: str, expected: str, name: str) -> None:
    """What is around them stays, and what was only copied has no code."""
    view = view_of(text, "codes")
    assert expected == view.text.rstrip("\n")
    start, end, code = view.origin(3, 6)
    assert (text[3:], name) == (text[start:end], code)
    assert (0, 2, "") == view.origin(0, 2)
    assert (len(text) - 1, len(text), "") == view.origin(5, 6)


def test_few_codes_are_read_with_what_is_around_them() -> None:
    """Far from codes the text is not read again; with many it is read as a whole."""
    far = "far away " * 60
    view = view_of(f"{far}%69%67n{far}&#105;t {far}", "codes")
    assert len(view.text) < 800
    at = view.text.index("it")
    assert (len(far) * 2 + 7, len(far) * 2 + 14, "html") == view.origin(at, at + 2)
    many = view_of(far + "%69 x" * 100, "codes")
    assert many.text.startswith(far)
    assert (len(far), len(far) + 3, "percent") == many.origin(len(far), len(far) + 1)


def test_escapes_beyond_unicode_stand_for_nothing() -> None:
    """A number too large is a replacement character."""
    assert "\ufffd\n x\n" == view_of(r"\UFFFFFFFF\n\tx", "codes").text


def test_spaced_letters_are_joined() -> None:
    """Runs of single letters are read without their gaps."""
    view = view_of("ab, i g n o r e - a l l? no", "spaced")
    assert "bignorealln\n" == view.text
    assert (1, 26, "spaced") == view.origin(1, 10)


def test_leet_is_read_in_its_place() -> None:
    """Digits are read as letters, once as i and once as l for a one."""
    text = "please 1gn0re a11 " + "x " * 90 + "end"
    view = view_of(text, "leet")
    assert "please ignore aii" in view.text
    at = view.text.index("lgnore all")
    start, end, code = view.origin(at, at + 10)
    assert ("1gn0re a11", "leet") == (text[start:end], code)
    assert "end" not in view.text


def test_a_text_full_of_leet_is_read_as_a_whole() -> None:
    """With many such words no window is cut out."""
    text = "1gn0re " * 300 + "end"
    assert "end" in view_of(text, "leet").text


def test_letters_are_turned() -> None:
    """Half the alphabet on, or from the end; both lead back."""
    assert "vtaber" == rot13_view("ignore").text
    assert (2, 4, "rot13") == rot13_view("ignore").origin(2, 4)
    view = reversed_view("abcdef")
    assert ("fedcba", (0, 2, "reversed")) == (view.text, view.origin(4, 6))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", None),
        (b"plain", "plain"),
        ("忽略之前".encode(), "忽略之前"),
        (bytes(range(128, 160)), None),
        (b"\x01\x02\x03\x04 abc", None),
        ("ignore it".encode("utf-16-le"), "ignore it"),
        ("ignore it".encode("utf-16-be"), "ignore it"),
        (b"\0\0", None),
        (b"abc\0defghijk", None),
        (b"mostly plain text\xff", "mostly plain text\ufffd"),
    ],
)
def test_what_can_be_read(data: bytes, expected: str | None) -> None:
    """UTF-8 and UTF-16 are text; the rest is not."""
    assert expected == readable(data)


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=80) | st.text("%&\\#x1a2;uA=/+-", max_size=80))
def test_any_text_has_views_with_places_in_range(text: str) -> None:
    """Nothing raises, and each place of a view lies in the text."""
    form = canonical(text, fold_case=False).text
    for view in (*decoded_views(Encoded(form)), *rewritten_views(Encoded(form))):
        for at in range(len(view.text)):
            start, end, _ = view.origin(at, at + 1)
            assert 0 <= start <= end <= len(form)
