"""Where a key stands in a policy file."""

from __future__ import annotations

import pytest

from holdfast.runtime.policylines import line_of

TEXT = """# a comment with [rules]
top.dotted = 1

[permissions] # the rules
allow = ["a", 'b', # and
  "c # no comment", "d\\"e",
  # "not this"
  'f']
"quoted" = 1

[[rules]]
rule = "x"
[[rules]]
effect = "ask"
rule = "y"
[budget.tenant]
usd = "1"
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("permissions", 0, "", 0), 4),
        (("permissions", 0, "allow", 0), 5),
        (("permissions", 0, "allow", 1), 5),
        (("permissions", 0, "allow", 2), 5),
        (("permissions", 0, "allow", 3), 6),
        (("permissions", 0, "allow", 4), 6),
        (("permissions", 0, "allow", 5), 8),
        (("permissions", 0, "quoted", 0), 9),
        (("top", 0, "dotted", 0), 2),
        (("rules", 1, "rule", 0), 12),
        (("rules", 2, "rule", 0), 15),
        (("rules", 2, "effect", 0), 14),
        (("rules", 2, "missing", 0), 13),
        (("budget.tenant", 0, "usd", 0), 17),
        (("budget", 0, "tenant", 0), 16),
        (("hooks", 0, "", 0), 0),
    ],
)
def test_a_key_is_found(key: tuple[str, int, str, int], line: int) -> None:
    """In tables, in one of several, in lists over several lines, with comments between."""
    assert line == line_of(TEXT, key)
