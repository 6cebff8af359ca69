"""What came of a race or a crash, judged from what was stored, shown and done. Pure.

An entry is a (role, text); roles are user, assistant, call, result and error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

CHARGE = "charge 42"
Entry = tuple[str, str]
Entries = Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """Two processes sent "A" and "B" to one session at the same time.

    Args:
        lost: messages and answers that are not in the history afterwards.
        contiguous: each stored answer stands right behind its question.
        stale: a second turn was answered without the first one's answer.
        told: what the callers were told, where it was an error.
    """

    lost: tuple[str, ...]
    contiguous: bool
    stale: bool
    told: tuple[str, ...]

    @property
    def faults(self) -> int:
        """How many promises were broken; being told of a loss is not one more."""
        turned_away = len(self.told) if not self.lost else 0
        return len(self.lost) + (not self.contiguous) + self.stale + turned_away

    def words(self) -> str:
        """For the table."""
        found = []
        if self.lost:
            found.append(f"lost: {', '.join(self.lost)}")
        if not self.contiguous:
            found.append("interleaved")
        if self.stale:
            found.append("second turn did not see the first one's answer")
        found += ["told: " + one.partition(":")[0] for one in self.told]
        return "; ".join(found) or "both kept, in order, second turn saw the first answer"


def judge_race(history: Entries, requests: Sequence[Entries], errors: Sequence[str]) -> Race:
    """Judge the race."""
    wanted = {name: (("user", name), ("assistant", f"re: {name}")) for name in ("A", "B")}
    lost = [entry[1] for pair in wanted.values() for entry in pair if entry not in history]
    pairs = {tuple(history[at : at + 2]) for at in range(len(history))}
    both = [pair for pair in wanted.values() if pair[0] in history and pair[1] in history]
    saw = any(
        ("user", one) in request and ("assistant", f"re: {other}") in request
        for request in requests
        for one, other in (("A", "B"), ("B", "A"))
    )
    return Race(
        lost=tuple(lost),
        contiguous=all(pair in pairs for pair in both),
        stale=not saw,
        told=tuple(error for error in errors if error),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash:
    """Killed right after the tool's effect, then gone on in a new process.

    Args:
        effects: how often the effect happened; 1 is right (0 for a tool without one).
        wanted: how often it should have.
        kept: the user's message is in the history afterwards.
        known: the model's next request has the call.
        told: what that request says of the call's result, or "".
        failed: that result is marked as failed although the call happened.
        dangling: the request has a call without a result, which providers refuse.
        error: what the caller was told.
        asked: a person was asked.
    """

    effects: int
    wanted: int
    kept: bool
    known: bool
    told: str
    failed: bool
    dangling: bool
    error: str = ""
    asked: bool = False

    @property
    def faults(self) -> int:
        """How many promises were broken."""
        return sum(
            (
                self.effects != self.wanted,
                not self.kept,
                not self.known,
                self.failed,
                self.dangling,
                bool(self.error),
            )
        )

    def words(self) -> str:
        """For the table."""
        found = []
        if self.effects != self.wanted:
            found.append(f"effect happened {self.effects} times")
        if not self.kept:
            found.append("user's message lost")
        if not self.known:
            found.append("call forgotten")
        if self.failed:
            found.append(f"misreported as failed: {self.told!r}")
        if self.dangling:
            found.append("next request has a call without a result, which providers refuse")
        if self.error:
            found.append(f"told: {self.error}")
        asked = " (a person was asked)" if self.asked else ""
        return "; ".join(found) or f"right{asked}; the model reads {self.told!r}"


def judge_crash(
    history: Entries,
    later: Sequence[Entries],
    *,
    effects: int,
    wanted: int = 1,
    error: str = "",
    asked: bool = False,
) -> Crash:
    """Judge the crash.

    Args:
        later: the model's requests after the crash, in order.
    """
    shown: Entries = later[0] if later else []
    known = any(role == "call" for role, _ in shown)
    told = [(role, text) for role, text in shown if role in ("result", "error")]
    return Crash(
        effects=effects,
        wanted=wanted,
        kept=("user", CHARGE) in history,
        known=known,
        told=told[0][1] if told else "",
        failed=bool(told) and told[0][0] == "error",
        dangling=known and not told,
        error=error,
        asked=asked,
    )


def table(rows: Sequence[tuple[str, str, str]]) -> str:
    """Rows of (who, how, what) in columns."""
    widths = [max(len(row[at]) for row in rows) for at in range(2)]
    return "\n".join(f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows)
