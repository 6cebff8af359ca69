"""What is registered, how it is looked for, and when the automata are made."""

from __future__ import annotations

import pytest

from holdfast.adapters.taints import registry
from holdfast.adapters.taints.nesting import Head
from holdfast.adapters.taints.registry import (
    TIERS,
    Automaton,
    How,
    Registry,
    edges,
    entry_of,
)
from holdfast.testing.taints_kit import taint


@pytest.mark.parametrize(
    ("value", "how"),
    [
        ("secret12", How.PATTERN),
        ("12-34-56", How.PATTERN),
        ("密码密码密码密码", How.PATTERN),
        ("p@$$!w#r%d^&*", How.LITERAL),
        ("$%&/()=?", How.LITERAL),
        ("hunter2", How.WORD),
        ("12345", How.WORD),
        ("王小明明", How.WORD),
        ("a b c d", How.WORD),
        ("abc", How.NOT),
        ("  a  ", How.NOT),
        ("$%&", How.NOT),
        ("", How.NOT),
    ],
)
def test_how_values_are_looked_for(value: str, how: How) -> None:
    """By their letters and digits, else by their signs; the shortest never."""
    assert how is entry_of(taint(value, id="1")).how


def test_entries_do_not_show_their_value() -> None:
    """A registered value is copied, not printed, and can be overwritten."""
    given = taint("secret123", id="1")
    entry = entry_of(given)
    given.value[:] = bytes(9)
    assert b"secret123" == entry.value
    assert "secret123" not in repr(entry)
    entry.wipe()
    assert bytes(9) == entry.value


def test_edges() -> None:
    """The signs around a value's letters and digits."""
    assert (b"##", b"") == edges(b"##abc")
    assert (b"", "€!".encode()) == edges("ä€!".encode())


def test_ids_are_registered_once() -> None:
    """What is known is passed over; those that are too short are named."""
    registry = Registry()
    assert 2 == registry.add([taint("secret123", id="a"), taint("x", id="b")])
    assert 0 == registry.add([taint("secret123", id="a")])
    assert ("b",) == registry.too_short()
    assert 9 * 6 + 32 == registry.reach
    registry.wipe()
    assert (0, 0, []) == (registry.reach, len(registry.entries), registry.tiers())


def test_reach_is_bounded_for_long_values() -> None:
    """A short value may be written six times as long, a very long one three times."""
    registry = Registry()
    registry.add([taint("x" * 8, id="1"), taint("z", id="0")])
    assert 80 == registry.reach
    registry.add([taint("y" * 4_000, id="2")])
    assert 12_032 == registry.reach


def test_few_automata_hold_many_values() -> None:
    """New values join small automata, small ones join larger ones; none is lost."""
    registry = Registry()
    for number in range(1_300):
        registry.add([taint(f"value-{number:05d}", id=str(number))])
        if number % 13 == 0:
            registry.tiers()
    tiers = registry.tiers()
    assert len(tiers) <= len(TIERS) + 1
    assert 1_300 == sum(tier.count for tier in tiers)
    assert [0, *[tier.first + tier.count for tier in tiers]][:-1] == [tier.first for tier in tiers]
    assert tiers is registry.tiers()


def test_common_pieces_are_no_seeds() -> None:
    """What many values have in common does not lead to any of them."""
    registry = Registry()
    registry.add(
        [taint(f"{number:03d}q7-common-part-of-all", id=str(number)) for number in range(20)]
    )
    (tier,) = registry.tiers()
    seeds = [pattern for head in tier.folds.heads for pattern in head.seeds]
    assert {0} == {pattern.seed_at for pattern in seeds}


def test_addresses_and_numbers_have_no_seeds() -> None:
    """There a changed character makes another's value."""
    registry = Registry()
    registry.add([taint("somebody.long@example.org", id="1"), taint("4111 1111 1111 1111", id="2")])
    (tier,) = registry.tiers()
    assert tier.folds.heads and not any(head.seeds for head in tier.folds.heads)


def test_an_empty_automaton_finds_nothing() -> None:
    """There need not be any patterns."""
    assert [] == list(Automaton({}).find(b"text"))


def test_a_text_is_looked_through_window_by_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands across windows is found, and all is found once, in order."""
    made = {value: Head() for value in (b"aaaa", b"aaaaaa", b"ab", b"b")}
    automaton = Automaton(made)
    text = b"a" * 30 + b"b" + b"a" * 17 + b"bab"
    whole = list(automaton.find(text))
    assert (made[b"aaaa"], 0) == whole[0]
    assert [30, 48, 50] == [start for head, start in whole if head is made[b"b"]]
    for size in range(1, len(text) + 2):
        monkeypatch.setattr(registry, "WINDOW_BYTES", size)
        found = list(automaton.find(text))
        assert len(whole) == len(found)
        for head in made.values():
            places = [start for one, start in found if one is head]
            assert places == [start for one, start in whole if one is head] == sorted(places)
    assert [] == list(Automaton({}).find(text)) == list(automaton.find(b""))


def test_owners_of_the_same_bytes_are_told_by_the_signs_around_them() -> None:
    """Case and separators within make no difference; too many ways of signs are one, loose."""
    registry = Registry()
    values = ["secret123", "Secret-123", "#secret123", "secret123!?"]
    registry.add([taint(value, id=value) for value in values])
    (tier,) = registry.tiers()
    (nest,) = [head.free for head in tier.folds.heads if head.free and head.free.longest(
        b"secret123", 0, 9)]  # fmt: skip
    node = nest.longest(b"secret123", 0, 9)
    assert node is not None and registry.has_signs(node)
    groups = [[one.entry for one in variant.owners] for variant in registry.variants(node)]
    assert [[0, 1], [2], [3]] == groups
    assert registry.variants(node) is registry.variants(node)
