"""Signs around a value are followed, and not for longer than the text is long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from holdfast.adapters.taints.levels import Level
from holdfast.adapters.taints.signs import STEPS_MIN, Signs

TEXT = b"x # -# secret123 !? y"
WORD = (7, 16)


def stood(signs: Signs, before: bytes, after: bytes, *, loose: bool = False) -> bytes:
    """What the word in the text stands as, with signs around it."""
    return TEXT[slice(*signs.widen(WORD, (before, after), loose=loose))]


def test_signs_are_followed_over_others() -> None:
    """As far as they are there, in their order, and never over a letter."""
    signs = Signs(Level(TEXT))
    assert b"secret123" == stood(signs, b"", b"")
    assert b"# secret123 !" == stood(signs, b"#", b"!")
    assert b"# -# secret123 !?" == stood(signs, b"##", b"!?")
    assert b"# -# secret123" == stood(signs, b"+##", b"?")[:14]
    assert b"secret123" == stood(signs, b"+", b"+")
    wide = Level("＃secret123！".encode())
    assert (0, 15) == Signs(wide).widen((3, 12), (b"#", b"!"))


def test_what_stands_in_another_segment_does_not_stand_beside_it() -> None:
    """The end of a level is an end."""
    level = Level(b"#secret123#")
    assert (0, 11) == Signs(level).widen((1, 10), (b"####", b"####"))


def test_loose_signs_are_any_signs() -> None:
    """As far as so many could reach, up to a letter or digit."""
    signs = Signs(Level(TEXT))
    assert b" # -# secret123 !? " == stood(signs, b"++", b"++", loose=True)
    assert b" -# secret123" == TEXT[slice(*signs.loosen(WORD, 1))]
    assert WORD == signs.loosen(WORD, 0)


def test_when_too_many_were_followed_all_signs_count() -> None:
    """What is told then is more than there is, never less."""
    few = Signs(Level(TEXT), steps_max=2)
    assert b"# -# secret123" == stood(few, b"##", b"")
    assert b"secret123 !? " == stood(few, b"", b"+?")
    assert b"# -# secret123 !? " == stood(few, b"##", b"+?"), "what is known costs nothing"
    assert STEPS_MIN >= 1_000


@given(
    text=st.text("a#-é ", min_size=1, max_size=30),
    at=st.integers(0, 30),
    before=st.text("#-", max_size=4),
    after=st.text("#-", max_size=4),
)
def test_loose_is_never_less(text: str, at: int, before: str, after: str) -> None:
    """Than what following them finds."""
    data = text.encode()
    start = min(at, len(data))
    place = (start, len(data))
    around = (before.encode(), after.encode())
    exact = Signs(Level(data)).widen(place, around)
    loose = Signs(Level(data)).widen(place, around, loose=True)
    assert loose[0] <= exact[0] <= start and exact[1] <= loose[1]
