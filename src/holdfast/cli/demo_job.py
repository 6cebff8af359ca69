"""The demo's job: a small program with a bug, and a scripted model that mends it.

The model is a script, not a mind: it looks only at how far the conversation has
come. That is why it can go on in a new process. Everything else is real: the
session, its log, the tools, the processes.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from holdfast.core.messages import ToolResult
from holdfast.ports.model import ModelRequest
from holdfast.testing.script import Turn, call, say

SESSION = "mend-prices"
PROMPT = (
    "The tests of this program fail. Find the bug, mend it, then run ./release.sh once, "
    "and run the tests again."
)
BUGGY = """\
def total(prices, discount_percent):
    \"\"\"The sum of the prices, less a discount.\"\"\"
    amount = sum(prices)
    return amount - amount * discount_percent
"""
WRONG = "return amount - amount * discount_percent"
RIGHT = "return amount - amount * discount_percent / 100"
TESTS = """\
import unittest

from prices import total


class TotalTest(unittest.TestCase):
    def test_without_a_discount(self):
        self.assertEqual(30, total([10, 20], 0))

    def test_ten_percent_off(self):
        self.assertEqual(27, total([10, 20], 10))


if __name__ == "__main__":
    unittest.main()
"""
RELEASES = "releases.txt"
# It waits after it has acted, so that there is a moment in which to be killed.
RELEASE = f"""\
#!/bin/sh
echo "prices 1.0.1 released" >> {RELEASES}
echo "released; waiting for the mirrors"
sleep 60
echo "all mirrors have it"
"""
SLEEP_S = 60


def lay_out(workspace: Path) -> None:
    """Write the program, its tests and its release script."""
    workspace.mkdir()
    (workspace / "prices.py").write_text(BUGGY, encoding="utf-8")
    (workspace / "test_prices.py").write_text(TESTS, encoding="utf-8")
    (workspace / "release.sh").write_text(RELEASE, encoding="utf-8")


def python() -> str:
    """The running interpreter as a shell knows it in the sandbox."""
    folder = os.path.dirname(sys.executable)
    # The sandbox puts the interpreter's own directory first on the path.
    return "python3" if os.path.exists(f"{folder}/python3") else shlex.quote(sys.executable)


def next_turn(request: ModelRequest) -> Turn:
    """What the scripted model does next, by how many results it has seen."""
    tests = {"command": f"{python()} -m unittest -q"}
    turns = (
        call("bash", tests, text="I will run the tests first."),
        call("read", {"file_path": "prices.py"}, text="One fails. Let me read the program."),
        call(
            "edit",
            {"file_path": "prices.py", "old_string": WRONG, "new_string": RIGHT},
            text="The discount is a percentage, but it is not divided by 100.",
        ),
        call("bash", {"command": "sh release.sh"}, text="Mended. Now the release."),
        call("bash", tests, text="The release went out before the crash. The tests once more."),
        say("All tests pass. The bug is mended and version 1.0.1 was released once."),
    )
    seen = sum(
        isinstance(part, ToolResult) for message in request.messages for part in message.parts
    )
    return turns[min(seen, len(turns) - 1)]


def releases(workspace: Path) -> int:
    """How often the release really happened."""
    try:
        return len((workspace / RELEASES).read_text(encoding="utf-8").splitlines())
    except FileNotFoundError:
        return 0
