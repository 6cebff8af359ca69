"""Reads the tables of command lines and judges them under the developer policy."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from holdfast.adapters.shell.parser import BashParser
from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.guards import commands, permission
from holdfast.core.judge import judge
from holdfast.core.presets import developer_policy
from holdfast.core.rules import Policy
from holdfast.core.verdicts import Verdict
from holdfast.core.view import SessionView

HERE = Path(__file__).parent
GUARDS = ((commands.NAME, commands.check), (permission.NAME, permission.check))
PRIVATE = ("/srv/app/holdfast.db",)
_VIEW = SessionView()
_CODE = re.compile("<U\\+([0-9A-F]{4})>")


def decoded(row: str) -> str:
    """A line as it is written in the tables: ␤ and ␍ for line ends, ␀, `<U+202E>`."""
    row = _CODE.sub(lambda found: chr(int(found[1], 16)), row)
    return row.replace("␤", "\n").replace("␍", "\r").replace("␀", "\0")


def attacks(name: str) -> list[tuple[str, str]]:
    """Rows of a table of attacks: what it must come to, and the line."""
    rows = (row.partition(": ") for row in _rows(name))
    return [(wanted, decoded(line)) for wanted, _, line in rows]


def benign(name: str) -> list[str]:
    """Rows of a table of benign lines."""
    return [decoded(row) for row in _rows(name)]


def _rows(name: str) -> Iterable[str]:
    text = (HERE / name).read_text(encoding="utf-8")
    return [row for row in text.split("\n") if row]


def judged(line: str, policy: Policy | None = None) -> Verdict:
    """What becomes of a line, under the developer policy if none is given."""
    settings = replace(_VIEW.settings, permission=policy or _DEVELOPER, workspace="/srv/project")
    action = Action(
        kind=ActionKind.TOOL,
        name="bash",
        has_workspace=True,
        command=BashParser().parse(line),
    )
    view = replace(_VIEW, settings=settings)
    return judge(view, Facts(now_ms=0, private=PRIVATE), action, GUARDS)


_DEVELOPER = developer_policy()
