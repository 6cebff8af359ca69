"""Approvals as people see them: read from the rows of the open questions."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from holdfast.core.errors import HoldfastError, QuestionNotFound
from holdfast.ports.store import PendingRow
from holdfast.runtime.backend import Backend
from holdfast.runtime.host import expect
from holdfast.runtime.manager import Core, Located
from holdfast.runtime.questions import open_row

_log = logging.getLogger("holdfast")
SEPARATOR = ":"


@dataclass(frozen=True, slots=True)
class WiderPattern:
    """A rule that may be granted instead of the literal one.

    Args:
        samples: what it would match besides.
    """

    pattern: str
    samples: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A question that waits for a person.

    Args:
        id: names it in every session of the store: `<session>:<question>`.
        question: its number in the session's log.
        about: "approval", "escape", "budget" or "in_doubt".
        tool: the tool's name; tool_ids: the model's ids of the calls that wait.
        preview: the arguments as a person is shown them.
        text: what is asked; codes: the reasons, `guard.reason`.
        choices: what may be answered.
        patterns: rules that may be chosen for session, workspace and always.
        asked_ms, due_ms: milliseconds since 1970; without a due time it waits for ever.
        quorum: how many different people must say yes; yes: who has.
    """

    id: str
    session_id: str
    question: int
    about: str
    tool: str
    text: str
    choices: tuple[str, ...]
    asked_ms: int
    tool_ids: tuple[str, ...] = ()
    preview: str = ""
    codes: tuple[str, ...] = ()
    patterns: tuple[WiderPattern, ...] = ()
    due_ms: int | None = None
    quorum: int = 1
    yes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """The approval as one JSON object."""
        return {
            "id": self.id,
            "session": self.session_id,
            "question": self.question,
            "about": self.about,
            "tool": self.tool,
            "tool_ids": list(self.tool_ids),
            "preview": self.preview,
            "text": self.text,
            "codes": list(self.codes),
            "choices": list(self.choices),
            "patterns": [
                {"pattern": one.pattern, "samples": list(one.samples)} for one in self.patterns
            ],
            "asked_ms": self.asked_ms,
            "due_ms": self.due_ms,
            "quorum": self.quorum,
            "yes": list(self.yes),
        }


def split_id(id: str) -> tuple[str, int]:
    """The session's id and the question's number of an approval's id.

    Raises:
        QuestionNotFound: it is not the id of an approval.
    """
    expect("id", id, str)
    session, _, number = id.rpartition(SEPARATOR)
    if not session or not number.isdecimal() or len(number) > 18:
        raise QuestionNotFound(f"{id!r} is not the id of an approval")
    return session, int(number)


async def read_rows(
    core: Core, backend: Backend, rows: list[PendingRow]
) -> list[tuple[int, Approval]]:
    """Open the rows of questions; one whose session cannot be read is left out.

    Returns: each with the stream of its session.
    """
    streams = sorted({row.stream for row in rows})
    keys = backend.keys.session_keys(streams)
    found: list[tuple[int, Approval]] = []
    for row in rows:
        key = keys.get(row.stream)
        if key is None:
            continue
        try:
            waiting = open_row(row, key)
        except HoldfastError:
            _log.warning("a question of stream %d cannot be read", row.stream)
            continue
        asked, number = waiting.asked, int.from_bytes(row.id)
        yes = await _said_yes(core, backend, row, number) if asked.quorum > 1 else ()
        approval = Approval(
            id=f"{waiting.session_id}{SEPARATOR}{number}",
            session_id=waiting.session_id,
            question=number,
            about=asked.about,
            tool=asked.name,
            text=asked.text,
            choices=asked.choices,
            asked_ms=waiting.asked_ms,
            tool_ids=waiting.tools,
            preview=asked.preview,
            codes=asked.codes,
            patterns=tuple(map(WiderPattern, asked.patterns, asked.samples)),
            due_ms=asked.due_ms,
            quorum=asked.quorum,
            yes=yes,
        )
        found.append((row.stream, approval))
    return found


async def _said_yes(
    core: Core, backend: Backend, row: PendingRow, question: int
) -> tuple[str, ...]:
    """Who has said yes so far; only questions to several people ask for it."""
    engine = core.live(row.stream)
    if engine is not None:
        view = engine.view
    else:
        at = await backend.store.stream_row(row.stream)
        if at is None:
            return ()
        view = (await core.follow(Located(backend, at))).view
    found = view.question(question)
    return found.yes if found is not None else ()
