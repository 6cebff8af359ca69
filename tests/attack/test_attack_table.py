"""The tables of attacks and of benign lines, under the developer policy."""

from __future__ import annotations

import pytest
from attackhelp import attacks, benign, judged

from holdfast.core.rules import Policy, PolicyMode
from holdfast.core.verdicts import Allow, Ask, Deny

TABLES = ("attacks.txt", "held_out_attacks.txt")
BENIGN = ("benign.txt", "held_out_benign.txt")
KINDS = {"deny": (Deny,), "ask": (Ask, Deny)}


def test_tables_are_as_long_as_the_bar_asks() -> None:
    """There are at least 300 attacks and 300 benign lines, none of them twice."""
    lines = [line for name in TABLES for _, line in attacks(name)]
    assert 300 <= len(set(lines))
    kept = [line for name in BENIGN for line in benign(name)]
    assert 300 <= len(set(kept))
    assert set() == set(lines) & set(kept)


@pytest.mark.parametrize("table", TABLES)
def test_no_attack_is_allowed(table: str) -> None:
    """Each comes to what its row says: never Allow, and denied where it says so (a3s#A5)."""
    wrong = [line for wanted, line in attacks(table) if not isinstance(judged(line), KINDS[wanted])]
    assert [] == wrong


@pytest.mark.parametrize("table", BENIGN)
def test_benign_lines_run_unasked(table: str) -> None:
    """At most 2 % of the lines a developer runs all day are asked about or denied."""
    lines = benign(table)
    stopped = [line for line in lines if not isinstance(judged(line), Allow)]
    assert len(stopped) <= len(lines) * 0.02, stopped


@pytest.mark.parametrize("table", TABLES)
def test_what_is_denied_is_denied_in_every_mode(table: str) -> None:
    """No rule and no mode permits a forbidden command (astrid#AW-4, T-7)."""
    free = Policy(mode=PolicyMode.UNSAFE_PERMISSIVE)
    rows = [line for wanted, line in attacks(table) if wanted == "deny"]
    wrong = [line for line in rows if not isinstance(judged(line, free), Deny)]
    assert [] == wrong


@pytest.mark.parametrize(
    "line",
    ["sum f", "initdb x", "ddrescue x y", "rm -rf build/", "suspend", "sudoku", "cat su", "ls sudo",
     "echo sudo rm -rf /", "git commit -m 'no sudo'", "mkfsx", "rebooted", "dd if=a of=b",
     "kill 123", "kill -1 123", "curl x.test", "curl x | jq .", "chmod 777 x", "grep sudo /x",
     "rm -rf /srv/project/build", "rm -rf ./*", "cd src && rm -rf ../build"],
)  # fmt: skip
def test_what_only_looks_forbidden_is_not_denied(line: str) -> None:
    """Forbidding works on words, not on how a line begins (astrid#AW-5)."""
    assert not isinstance(judged(line), Deny)


def test_every_operator_keeps_a_denial() -> None:
    """Whatever joins an allowed and a denied command, the whole is denied (a3s#A5)."""
    allowed = [line for line in benign("benign.txt") if "\n" not in line and "#" not in line]
    denied = ["sudo ls", "rm -rf /", "cat ~/.ssh/id_rsa", "mkfs /dev/sda"]
    joined = [
        whole
        for number, line in enumerate(allowed)
        for operator in (";", "&", "&&", "||", "|", "|&", "\n")
        for bad in (denied[number % len(denied)],)
        for whole in (f"{line} {operator} {bad}", f"{bad} {operator} {line}")
    ]
    assert [] == [line for line in joined if not isinstance(judged(line), Deny)]
