"""Two real processes on one file: one leads, the other submits, and takes over."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from crashhelp import Zygote

Steps = list[list[Any]]


@pytest.fixture(scope="module")
def second() -> Iterator[Zygote]:
    """A second warm process, so that two actors run at once."""
    found = Zygote()
    yield found
    found.close()


def play(one: Zygote, two: Zygote, folder: Path, first: Steps, other: Steps) -> tuple[int, int]:
    """Let two actors play; returns their exit statuses."""
    one.start({"do": "act", "name": "first", "folder": str(folder), "steps": first})
    two.start({"do": "act", "name": "other", "folder": str(folder), "steps": other})
    return one.wait(), two.wait()


def log(folder: Path, name: str) -> list[str]:
    """What an actor logged."""
    return (folder / f"{name}.log").read_text().splitlines()


def test_the_other_process_submits_and_gets_outcomes(
    zygote: Zygote, second: Zygote, tmp_path: Path
) -> None:
    """send, pause, resume, cancel and the end reach the leader; each gets its outcome."""
    leader: Steps = [
        ["create"],
        ["begin", "hang"],
        ["reached", "Processing"],
        ["until", "other", "finished"],
        ["join"],
        ["state"],
    ]
    client: Steps = [
        ["until", "first", "reached Processing"],
        ["get"],
        ["generate", "no room", "reject"],
        ["cancel"],
        ["reached", "Active"],
        ["cancel"],
        ["generate", "hello"],
        ["pause"],
        ["state"],
        ["generate", "asleep"],
        ["resume"],
        ["generate", "awake"],
        ["end"],
        ["generate", "over"],
        ["reopen"],
        ["generate", "again"],
        ["say", "finished"],
    ]
    assert (0, 0) == play(zygote, second, tmp_path, leader, client)
    assert [
        "open",
        "generate no room ! busy",
        "cancel -> True",
        "reached Active",
        "cancel -> False",
        "generate hello -> re: hello",
        "pause -> True",
        "state -> 2",
        "generate asleep ! not_now",
        "resume -> True",
        "generate awake -> re: awake",
        "end -> None",
        "generate over ! not_now",
        "reopen -> None",
        "generate again -> re: again",
        "finished",
    ] == log(tmp_path, "other")
    assert "generate hang ! cancelled" in log(tmp_path, "first")


def test_the_other_process_takes_over_from_a_dead_leader(
    zygote: Zygote, second: Zygote, tmp_path: Path
) -> None:
    """A message sent to a leader that is killed is answered by whoever takes over."""
    leader: Steps = [
        ["create"],
        ["begin", "stick"],
        ["until", "other", "sending"],
        ["say", "dying"],
        ["die"],
    ]
    client: Steps = [
        ["until", "first", "created one"],
        ["get"],
        ["watch", 0],
        ["seen", "tool_start"],
        ["begin", "hello"],
        ["say", "sending"],
        ["until", "first", "dying"],
        ["ask"],
        ["reply", "happened"],
        ["join"],
        ["seen", "agent_end", 2],
    ]
    statuses = play(zygote, second, tmp_path, leader, client)
    assert (128 + signal.SIGKILL, 0) == statuses
    assert "generate hello -> re: hello" in log(tmp_path, "other")
    assert ["stick first"] == (tmp_path / "ledger").read_text().splitlines()
    _check_watched(tmp_path)


def _check_watched(folder: Path) -> None:
    """The watcher saw every version's events once and in order, across the takeover."""
    seen = (folder / "other.events").read_text().splitlines()
    assert len(seen) == len(set(seen))
    versions = [int(line.split()[0]) for line in seen]
    assert versions == sorted(versions)
    assert 1 == versions[0]
    assert set(range(1, versions[-1] + 1)) - set(versions) == set()


def test_a_leader_that_leaves_hands_over_without_a_question(
    zygote: Zygote, second: Zygote, tmp_path: Path
) -> None:
    """Closing the leader loses nothing: the other answers what was sent before and after."""
    leader: Steps = [["create"], ["generate", "a"], ["until", "other", "watching"]]
    client: Steps = [
        ["until", "first", "generate a -> re: a"],
        ["get"],
        ["watch", 0],
        ["seen", "agent_end"],
        ["say", "watching"],
        ["generate", "b"],
        ["generate", "c"],
        ["seen", "agent_end", 3],
    ]
    assert (0, 0) == play(zygote, second, tmp_path, leader, client)
    assert "generate b -> re: b" in log(tmp_path, "other")
    assert "generate c -> re: c" in log(tmp_path, "other")
    _check_watched(tmp_path)


def test_exactly_one_of_two_leads(zygote: Zygote, second: Zygote, tmp_path: Path) -> None:
    """Two processes that want the same sessions at once get each session once."""
    count = 20
    made: Steps = [["create", f"s{n}"] for n in range(count)]
    assert 0 == zygote.live({"do": "act", "name": "maker", "folder": str(tmp_path), "steps": made})
    first: Steps = [["until", "other", "open"], ["lead", count], ["until", "other", "held"]]
    other: Steps = [["until", "first", "open"], ["lead", count], ["say", "held"]]
    first.insert(2, ["say", "mine"])
    other.insert(2, ["until", "first", "mine"])
    assert (0, 0) == play(zygote, second, tmp_path, first, other)
    got = [
        set(line.split()[1:])
        for name in ("first", "other")
        for line in log(tmp_path, name)
        if line.startswith("got")
    ]
    assert {str(n) for n in range(count)} == got[0] | got[1]
    assert set() == got[0] & got[1]


def test_two_processes_send_to_one_session_at_once(
    zygote: Zygote, second: Zygote, tmp_path: Path
) -> None:
    """Whoever leads, each sender gets its own answers, all of them."""
    first: Steps = [["create"], *([["begin", f"a{n}"] for n in range(10)]), ["join"]]
    first.append(["until", "other", "finished"])
    other: Steps = [
        ["until", "first", "created one"],
        ["get"],
        *([["begin", f"b{n}"] for n in range(10)]),
        ["join"],
        ["say", "finished"],
    ]
    assert (0, 0) == play(zygote, second, tmp_path, first, other)
    for name, letter in (("first", "a"), ("other", "b")):
        answered = [line for line in log(tmp_path, name) if line.startswith("generate")]
        expected = sorted(f"generate {letter}{n} -> re: {letter}{n}" for n in range(10))
        assert expected == sorted(answered)
