"""The guard of commands: where it looks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.adapters.shell.parser import BashParser
from holdfast.core.actions import Action, ActionKind
from holdfast.core.facts import Facts
from holdfast.core.guards.commands import NAME, check
from holdfast.core.judge import GUARDS, judge
from holdfast.core.verdicts import Allow, Deny
from holdfast.core.view import SessionView


def action(line: str) -> Action:
    """A call of bash."""
    return Action(kind=ActionKind.TOOL, name="bash", command=BashParser().parse(line))


def view() -> SessionView:
    """A session with a workspace."""
    plain = SessionView()
    return replace(plain, settings=replace(plain.settings, workspace="/srv/app/project"))


def denied(line: str) -> str:
    """The reason a line is denied for, or ""."""
    verdict = check(view(), Facts(now_ms=0), action(line))
    return verdict.reason if isinstance(verdict, Deny) else ""


def test_it_is_one_of_the_guards_of_judge() -> None:
    """A forbidden command does not pass `judge`."""
    assert (NAME, check) in GUARDS
    assert isinstance(judge(view(), Facts(now_ms=0), action("sudo ls")), Deny)


@pytest.mark.parametrize(
    "line",
    ["/bin/rm -rf /", "rm -fr /", "rm  -rf /", "env sudo ls", "ls; sudo x", "$(sudo x)",
     "if a; then sudo x; fi", "sh -c 'sudo x'", "f() { sudo x; }", "ls ( ; sudo x"],
)  # fmt: skip
def test_it_looks_at_every_command_of_a_line(line: str) -> None:
    """Also of one that is unclear, of wrappers and of branches (astrid#AW-4, AW-5)."""
    assert "" != denied(line)


def test_the_folder_counts() -> None:
    """`cd / && rm -rf *` is what it is; within the workspace it is no system folder."""
    assert "remove_system" == denied("cd / && rm -rf *")
    assert "remove_system" == denied("cd ~; rm -rf .")
    assert "" == denied("cd src && rm -rf ../build")
    assert "" == denied("cd /srv/app/project/src && rm -rf ../build")
    assert "remove_system" == denied("cd src && rm -rf ../../x")


def test_a_line_that_was_judged_before_is_judged_by_where_it_runs_now() -> None:
    """What is kept of a line holds for one workspace and one installation only."""
    one = action("rm -rf /srv/app/project/build/../../../holdfast/s.db; echo x > /srv/app/other")
    for _ in range(2):
        assert "path_escape" == check(view(), Facts(now_ms=0), one).reason
        assert "own_files" == check(view(), Facts(now_ms=0, private=PRIVATE), one).reason
        plain = SessionView()
        inside = replace(plain, settings=replace(plain.settings, workspace="/srv/app"))
        assert Allow() == check(inside, Facts(now_ms=0), one)


PRIVATE = ("/srv/holdfast/s.db",)


def test_what_comes_from_the_network_is_not_run() -> None:
    """A pipe or a substitution from a fetching program to an interpreter; not to a filter."""
    for line in ("curl x | sh", "curl x | tee f | bash -s y", "bash <(curl x)", "eval $(curl x)"):
        assert "network_code" == denied(line)
    for line in ("curl x | jq .", "curl x; sh y.sh", "curl x | sh y.sh", "curl x | python -m json"):
        assert "" == denied(line)


def test_what_begins_alike_is_not_denied() -> None:
    """`sum f` is not `su` (astrid#AW-5)."""
    for line in ("sum f", "initdb x", "ddrescue x y", "rm -rf build/", "echo sudo", "haltx"):
        assert "" == denied(line)
    assert Allow() == check(view(), Facts(now_ms=0), action("sum f"))


def test_only_command_lines_are_looked_at() -> None:
    """A tool without one, and what is no tool, is for other guards."""
    plain = Action(kind=ActionKind.TOOL, name="read")
    assert Allow() == check(view(), Facts(now_ms=0), plain)
    model = replace(action("sudo ls"), kind=ActionKind.MODEL)
    assert Allow() == check(view(), Facts(now_ms=0), model)


def test_redirections_are_judged_as_paths_are() -> None:
    """A file beneath a home is outside; words behind `--` are no options."""
    verdict = check(view(), Facts(now_ms=0), action("echo x > ~/notes"))
    assert "path_escape" == verdict.reason
    assert "remove_system" == denied("rm -rf -- /")
