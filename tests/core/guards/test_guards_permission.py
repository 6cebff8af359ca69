"""The permission guard against a slow oracle, and what must hold whatever the rules are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast.core.actions import Action, ActionKind
from holdfast.core.authority import Authority, ScopedPolicy
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.facts import Facts
from holdfast.core.guards import permission
from holdfast.core.guards.permission import check
from holdfast.core.judge import judge
from holdfast.core.rules import Policy, PolicyMode, Rule, RuleEffect, parse_rule
from holdfast.core.settings import ConfirmationPolicy, Settings
from holdfast.core.tools import Lane, Nature
from holdfast.core.verdicts import Allow, Ask, Deny, Verdict
from holdfast.core.view import SessionView
from oracle_permission import RANK, Scope, World, decide
from permission_cases import Maker, facts_of

ACTIONS = 20


def word(verdict: Verdict) -> str:
    """The decision as the oracle says it."""
    return {Allow: "allow", Ask: "ask", Deny: "deny"}[type(verdict)]


def compare(seed: int, worlds: int) -> None:
    """Judge random actions in random worlds, here and there."""
    make = Maker(seed)
    for _ in range(worlds):
        world = make.world()
        view, facts = facts_of(world)
        for _ in range(ACTIONS):
            action = make.action()
            verdict = check(view, facts, action)
            expected = decide(world, action)
            assert expected.decision == word(verdict), (world, action, verdict)
            if not isinstance(verdict, Deny):
                assert expected.grants == {*verdict.grants}, (world, action, verdict)


@pytest.mark.parametrize("seed", range(4))
def test_the_oracle_agrees(seed: int) -> None:
    """Random cases by the thousand: the same decision, resting on the same grants."""
    compare(seed, 40)


@pytest.mark.slow
def test_the_oracle_agrees_in_a_hundred_thousand_cases() -> None:
    """The same again, often enough that a rule for a corner would show."""
    compare(1_000, 100_000 // ACTIONS)


# --- what each rule of the documentation says, one by one ---------------------------

READ = Action(kind=ActionKind.TOOL, name="Read", nature=Nature.READ_ONLY, subject="{}")
ACT = Action(kind=ActionKind.TOOL, name="act", subject="{}", lane=Lane.EXECUTE)
LS_RM = Action(
    kind=ActionKind.TOOL,
    name="bash",
    command=CommandLine((Segment(("ls",), "ls"), Segment(("rm", "x"), "/bin/rm"))),
)


def rules(mode: str = "default", **lists: list[str]) -> Policy:
    """A policy from texts."""
    found = tuple(parse_rule(effect, text) for effect, texts in lists.items() for text in texts)
    return Policy(mode=PolicyMode(mode), rules=found)


def said(
    action: Action, own: Policy | None = None, *outer: tuple[str, Policy], **settings: object
) -> str:
    """The decision and its code."""
    policies = tuple(ScopedPolicy(name, policy) for name, policy in outer)
    view = SessionView(settings=Settings(permission=own, **settings))
    verdict = check(view, Facts(now_ms=0, authority=Authority(policies=policies)), action)
    return word(verdict) + ("" if isinstance(verdict, Allow) else f" {verdict.reason}")


@pytest.mark.parametrize(
    ("action", "own", "expected"),
    [
        (READ, None, "allow"),
        (ACT, None, "ask default"),
        (READ, rules("strict"), "deny not_allowed"),
        (ACT, rules("unsafe_permissive"), "allow"),
        (ACT, rules(allow=["ACT"], ask=["act"]), "allow"),
        (ACT, rules(allow=["act"], deny=["act"]), "deny rule"),
        (READ, rules(ask=["read"]), "ask ask_rule"),
        (ACT, rules("strict", ask=["act"]), "ask ask_rule"),
        (LS_RM, rules(allow=["bash(ls:*)"]), "ask default"),
        (LS_RM, rules(allow=["bash(ls:*)", "bash(rm:*)"]), "allow"),
        (LS_RM, rules("unsafe_permissive", deny=["bash(rm:*)"]), "deny rule"),
        (LS_RM, rules(allow=["bash"]), "allow"),
    ],
)
def test_one_policy(action: Action, own: Policy | None, expected: str) -> None:
    """deny > allow > ask > mode, without regard to case (rulings R11, a3s §14.1, §14.2-4)."""
    assert expected == said(action, own)


def test_an_ask_that_is_marked_is_asked_whatever_allows_it() -> None:
    """Neither a rule nor a mode nor a lane overrides it (astrid T-10)."""
    always = parse_rule("ask", "act", always_ask=True)
    own = Policy(mode=PolicyMode.UNSAFE_PERMISSIVE, rules=(always, parse_rule("allow", "act")))
    lanes = ConfirmationPolicy(unsafe_auto_approve=(Lane.EXECUTE,))
    assert "ask always_ask" == said(ACT, own, unsafe_auto_approve=True, confirmation=lanes)


@pytest.mark.parametrize(
    ("own", "outer", "expected"),
    [
        (rules(allow=["act"]), rules(deny=["act"]), "deny rule"),
        (rules(allow=["act"]), rules(ask=["act"]), "allow"),
        (rules(ask=["act"]), rules(allow=["act"]), "ask ask_rule"),
        (None, rules(allow=["act"]), "allow"),
        (rules(), rules(allow=["act"]), "allow"),
        (rules("strict"), rules(allow=["act"]), "deny not_allowed"),
        (rules(allow=["act"]), rules("strict"), "deny not_allowed"),
        (rules("unsafe_permissive"), rules("strict"), "deny not_allowed"),
        (rules("unsafe_permissive"), rules(), "allow"),
        (None, rules("unsafe_permissive"), "allow"),
    ],
)
def test_a_session_below_its_user(own: Policy | None, outer: Policy, expected: str) -> None:
    """It may tighten; it loosens an ask or a default, never a denial or a strict mode."""
    assert expected == said(ACT, own, ("user", outer))


@pytest.mark.parametrize(
    ("own", "parent", "expected"),
    [
        (rules(allow=["act"]), rules(), "ask default"),
        (rules("unsafe_permissive"), rules(), "ask default"),
        (rules("unsafe_permissive"), rules(ask=["act"]), "ask ask_rule"),
        (None, rules(allow=["act"]), "allow"),
        (rules(ask=["act"]), rules(allow=["act"]), "ask ask_rule"),
        (rules(allow=["act"]), rules(deny=["act"]), "deny rule"),
        (rules("unsafe_permissive"), rules("unsafe_permissive"), "allow"),
    ],
)
@pytest.mark.parametrize("name", ["parent:p", "installation"])
def test_nothing_widens_what_stands_above_it(
    name: str, own: Policy | None, parent: Policy, expected: str
) -> None:
    """What a parent would be asked, a child is asked as well; so below the installation."""
    assert expected == said(ACT, own, (name, parent))


def test_a_parent_has_what_stands_above_it() -> None:
    """An installation's permission holds for the parent, so the child has it as well."""
    outer = (("installation", rules("unsafe_permissive", allow=["act"])), ("parent:p", rules()))
    assert "allow" == said(ACT, None, *outer)
    assert "ask default" == said(ACT, None, *outer[::-1])


def test_lanes_that_run_unasked() -> None:
    """They turn a question into yes, but no denial (seed D6); confirmation off denies."""
    lanes = ConfirmationPolicy(unsafe_auto_approve=(Lane.EXECUTE,))
    assert "allow" == said(ACT, confirmation=lanes)
    assert "deny not_allowed" == said(ACT, rules("strict"), confirmation=lanes)
    off = ConfirmationPolicy(enabled=False)
    assert "deny confirmation_disabled" == said(ACT, confirmation=off)
    assert "allow" == said(READ, confirmation=off)


def test_a_line_that_is_not_clear_is_asked_about() -> None:
    """No pattern allows it, a bare rule only asks; what may be denied is asked about as well."""
    line = CommandLine((Segment(("echo",), "echo"),), "substitution")
    odd = Action(kind=ActionKind.TOOL, name="bash", command=line)
    assert "ask unclear" == said(odd, rules(allow=["bash(echo:*)"]))
    assert "ask unclear" == said(odd, rules(allow=["bash"]))
    assert "allow" == said(odd, rules("unsafe_permissive"))
    assert "ask hidden" == said(odd, rules("unsafe_permissive", deny=["bash(rm:*)"]))
    assert "deny rule" == said(odd, rules("unsafe_permissive", deny=["bash(echo:*)"]))
    lanes = ConfirmationPolicy(unsafe_auto_approve=(Lane.EXECUTE,))
    assert "ask hidden" == said(odd, rules(deny=["write(x)"]), confirmation=lanes)


def test_files_a_command_writes_need_permission_to_write() -> None:
    """And a denial to write or read them holds for commands (astrid T-9)."""
    segment = Segment(("echo", "x"), "echo", reads=(".env",), writes=("secrets/a",))
    line = Action(kind=ActionKind.TOOL, name="bash", command=CommandLine((segment,)))
    where = {"workspace": "/w"}
    assert "ask default" == said(line, rules(allow=["bash(echo:*)"]), **where)
    both = rules(allow=["bash(echo:*)", "write(secrets/**)"])
    assert "allow" == said(line, both, **where)
    assert "deny rule" == said(line, rules(allow=["bash"], deny=["write(secrets/**)"]), **where)
    assert "deny rule" == said(line, rules(allow=["bash"], deny=["read(**/.env)"]), **where)


def test_a_policy_that_does_not_parse_denies_everything() -> None:
    """Loudly, with the rule's reason: its denials are not known (a3s#A4)."""
    broken = Policy(rules=(Rule(effect=RuleEffect.ALLOW, tool="bash(ls"),))
    assert "deny malformed_rule" == said(READ, broken)
    assert "deny malformed_rule" == said(
        READ, None, ("user", Policy(rules=(Rule(effect=RuleEffect.ALLOW, tool=""),)))
    )


def test_rules_of_other_roles_and_tasks_do_not_hold() -> None:
    """A task type can only take an allow away (rulings §2, seed C)."""
    own = Policy(rules=(parse_rule("allow", "act", task_type="review"),))
    assert "ask default" == said(ACT, own)


@pytest.mark.parametrize("kind", [ActionKind.ADMIT, ActionKind.MODEL, ActionKind.DESTROY_KEY])
def test_what_is_no_tool_call_is_none_of_its_business(kind: ActionKind) -> None:
    """Other guards judge messages, models and the wipe."""
    assert "allow" == said(Action(kind=kind), rules("strict"))


# --- laws ---------------------------------------------------------------------------


def with_denials(make: Maker, world: World) -> World:
    """The same with one denial more, somewhere."""
    rule = make.rule(RuleEffect.DENY)
    if world.own is not None and make.random.random() < 0.5:
        policy = replace(world.settings.permission, rules=(*world.own.rules, rule))
        own = replace(world.own, rules=policy.rules)
        return replace(world, own=own, settings=replace(world.settings, permission=policy))
    extra = Scope("user", "unsafe_permissive", (rule,))
    return replace(world, outer=(*world.outer, extra))


@pytest.mark.parametrize("seed", range(3))
def test_more_denials_never_permit_more(seed: int) -> None:
    """Whatever else there is: with one more denial the decision is as strict or stricter."""
    make = Maker(10_000 + seed)
    for _ in range(60):
        world = make.world()
        if world.own is None and not world.settings.unsafe_auto_approve and not world.outer:
            continue  # a first scope also brings its mode
        more = with_denials(make, world)
        for _ in range(8):
            action = make.action()
            before, after = (word(check(*facts_of(one), action)) for one in (world, more))
            assert RANK[before] <= RANK[after], (world, more, action)


@pytest.mark.parametrize("seed", range(3))
def test_order_never_matters(seed: int) -> None:
    """Rules and grants in any order give the same verdict."""
    make = Maker(20_000 + seed)
    for _ in range(60):
        world = make.world()
        scopes = [replace(one, rules=one.rules[::-1]) for one in world.outer]
        policy = world.settings.permission
        if policy is not None:
            policy = replace(policy, rules=policy.rules[::-1])
        turned = replace(
            world,
            outer=tuple(scopes),
            grants=world.grants[::-1],
            settings=replace(world.settings, permission=policy),
        )
        for _ in range(8):
            action = make.action()
            assert check(*facts_of(world), action) == check(*facts_of(turned), action)


def test_a_failing_guard_never_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong within is a denial (contract 2.2)."""

    def fail(view: SessionView, facts: Facts, action: Action) -> Verdict:
        raise RuntimeError("broken")

    monkeypatch.setattr(permission, "weigh", fail)
    facts = Facts(now_ms=0)
    verdict = judge(SessionView(), facts, ACT, ((permission.NAME, permission.check),))
    assert "guard_failed" == verdict.reason


def test_all_rules_that_hold_are_named_for_people() -> None:
    """Of every scope that parses, for whoever acts, each once."""
    own = Policy(
        rules=(
            parse_rule("allow", "bash(git:*)"),
            parse_rule("deny", "bash(git push)"),
            parse_rule("deny", "bash(git:*)", role="other"),
            parse_rule("deny", "write(out)"),
            parse_rule("ask", "bash(ls)"),
        )
    )
    broken = Policy(rules=(Rule(effect=RuleEffect.DENY, tool="bash", pattern=""),))
    line = CommandLine((Segment(("git", "push"), "git", writes=("out",), reads=("in",)),))
    authority = Authority(policies=(ScopedPolicy("installation", broken),))
    found = permission.matched(
        SessionView(settings=Settings(permission=own, workspace="/w")),
        Facts(now_ms=0, authority=authority),
        Action(kind=ActionKind.TOOL, name="bash", command=line),
    )
    texts = ["bash(git push)", "bash(git:*)", "write(out)"]
    assert texts == sorted(rule.text for _, rule in found)
    assert {"session"} == {scope for scope, _ in found}
