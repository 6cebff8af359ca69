"""Places whose loss ends a system or a home."""

from __future__ import annotations

import pytest

from holdfast.core.vital import vital, within


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/", True), ("/etc", True), ("/ETC", True), ("/h*", True), ("/home/me", True), ("~", True),
     ("..", True), ("../x", True), ("/usr/lib/x", True), ("build", False),
     ("/srv/app/build", False), ("~/x", False), ("/scratch", False), ("*", False)],
)  # fmt: skip
def test_what_is_vital(path: str, expected: bool) -> None:
    """The root, system folders, homes and what `..` leads to; not folders within them."""
    assert expected is vital(path)


def test_a_pattern_stands_for_what_it_may_match() -> None:
    """`/etc/pass*` is /etc/passwd."""
    assert within("/etc/pass*", ("/etc/passwd",))
    assert not within("/etc/x*", ("/etc/passwd",))
    assert within("/etc/sudoers.d/me", ("/etc/sudoers.d",))
