"""Values that are spelled alike are told together, but not all of thousands everywhere."""

from __future__ import annotations

from holdfast.adapters.taints.levels import Level
from holdfast.adapters.taints.signs import Signs
from holdfast.adapters.taints.variants import AROUNDS_MAX, OWNERS_MAX, Arounds, Pattern, variants
from holdfast.core.labels import Sensitivity


class Known:
    """Owners of "secret123" in many spellings; some have signs around them."""

    def __init__(self, around: dict[int, Arounds] | None = None) -> None:
        self._around = around or {}

    def level(self, pattern: Pattern) -> Sensitivity:
        """The last one is the most secret."""
        return Sensitivity.CRITICAL if pattern.entry == 99 else Sensitivity.SENSITIVE

    def around(self, pattern: Pattern) -> Arounds:
        """As given."""
        return self._around.get(pattern.entry, ())

    def value(self, pattern: Pattern) -> bytes:
        """A spelling."""
        return b"secret%d" % pattern.entry


def test_a_few_owners_are_told_everywhere() -> None:
    """The most secret one first."""
    owners = [Pattern(index) for index in (1, 99, 2)]
    (one,) = variants(owners, Known())
    assert [99, 1, 2] == [pattern.entry for pattern in one.told(b"")]
    assert one.level is Sensitivity.CRITICAL and not one.has_signs


def test_of_many_the_most_secret_and_the_one_that_is_spelled_so() -> None:
    """All of them are its owners nevertheless."""
    owners = [Pattern(index) for index in range(100)]
    (one,) = variants(owners, Known())
    assert 100 == len(one.owners) > OWNERS_MAX
    assert [99] == [pattern.entry for pattern in one.told(b"something")]
    assert [99, 7] == [pattern.entry for pattern in one.told(b"secret7")]


def test_signs_make_a_difference() -> None:
    """Each way of signs is a variant; of too many ways one is made that takes all signs."""
    signs = Signs(Level(b"+-secret+-"))
    around: dict[int, Arounds] = {1: ((b"+-", b""),), 2: ((b"", b"+"),)}
    made = variants([Pattern(index) for index in range(3)], Known(around))
    assert [(2, 8), (0, 8), (2, 9)] == [one.widened((2, 8), signs) for one in made]
    many = {index: ((b"#" * index, b"!"),) for index in range(1, AROUNDS_MAX + 2)}
    (loose,) = variants([Pattern(index) for index in many], Known(many))
    assert (0, 10) == loose.widened((2, 8), signs)
    assert loose.has_signs and len(loose.owners) == len(many)
