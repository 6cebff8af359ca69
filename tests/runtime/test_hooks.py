"""Hooks: who is asked, in what order, for how long, and what a failure means."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from holdfast.core.actions import Action, ActionKind
from holdfast.core.commandline import CommandLine, Segment
from holdfast.core.errors import AlreadyThere, InvalidInput, MalformedRule
from holdfast.core.hooks import (
    FAIL_CLOSED,
    HONOURED,
    HookAction,
    HookAnswer,
    HookCall,
    HookEvent,
    block,
    modify,
    proceed,
    retry,
    skip,
)
from holdfast.core.security import Security
from holdfast.ports.clock import SystemClock
from holdfast.runtime.detectors import Detectors
from holdfast.runtime.hooks import CHANGEABLE, HOOKS_MAX, Hook, HookEngine, Hooks
from holdfast.runtime.hookviews import NewWords
from sessionhelp import run

TOOL = HookEvent.PRE_TOOL_USE
AFTER = HookEvent.POST_TOOL_USE
WORDS = NewWords(Detectors(), Security())


def answering(answer: object, asked: list[str] | None = None, name: str = "") -> Hook:
    """A hook that answers the same each time."""

    async def handler(call: HookCall) -> HookAnswer | None:
        if asked is not None:
            asked.append(name)
        return answer  # type: ignore[return-value]  # some tests answer nonsense

    return Hook(id=name or "hook", event=TOOL, handler=handler)


def fired(
    *hooks: Hook,
    event: HookEvent = TOOL,
    data: dict[str, object] | None = None,
    action: Action | None = None,
    session: str = "s",
) -> HookAnswer:
    """What hooks come to together."""

    async def work() -> HookAnswer:
        all_hooks = Hooks(SystemClock())
        for hook in hooks:
            all_hooks.everywhere.register(hook)
        return await all_hooks.fire(
            event, session, data or {"args": {}}, action=action, words=WORDS
        )

    return run(work())


def test_priority_then_registration() -> None:
    """The lower number first; among equals whoever came first, not the name (a3s#A7)."""
    asked: list[str] = []
    hooks = [answering(None, asked, name) for name in ("z", "a", "m")]
    fired(hooks[0], hooks[1], replace(hooks[2], priority=1))
    assert ["m", "z", "a"] == asked


def test_a_block_ends_it_with_its_reason() -> None:
    """Those after it are not asked."""
    asked: list[str] = []
    came = fired(answering(block("no"), asked, "one"), answering(None, asked, "two"))
    assert (HookAction.BLOCK, "no", "one") == (came.action, came.reason, came.hook)
    assert ["one"] == asked


def test_what_one_changes_the_next_one_sees() -> None:
    """All changes hold together; the last one's name is kept."""
    seen: list[object] = []

    async def second(call: HookCall) -> HookAnswer:
        seen.append(call.data["args"])
        return modify(args={"n": 2})

    came = fired(
        answering(modify(args={"n": 1}), name="first"),
        Hook(id="second", event=TOOL, handler=second),
    )
    assert [{"n": 1}] == seen
    assert ((("args", {"n": 2}),), "second") == (came.changes, came.hook)


def test_a_hook_cannot_change_the_callers_data() -> None:
    """It is given a copy."""
    data: dict[str, object] = {"args": {"files": ["a"]}, "tool": "x"}

    async def handler(call: HookCall) -> None:
        call.data["tool"] = "y"  # type: ignore[index]  # a hostile hook does not care
        call.data["args"]["files"].append("b")  # type: ignore[index]  # nor here

    fired(Hook(id="h", event=TOOL, handler=handler), data=data)
    assert {"args": {"files": ["a"]}, "tool": "x"} == data


def test_what_cannot_be_copied_for_a_hook_is_held_back() -> None:
    """It is a failure of the hook's, not the end of the session's work."""
    deep: dict[str, object] = {}
    for _ in range(5_000):
        deep = {"in": deep}
    assert HookAction.BLOCK is fired(answering(None), data={"args": deep}).action


def test_a_block_without_a_reason_blocks() -> None:
    """What is missing is the reason, not the will."""
    came = fired(answering(HookAnswer(action=HookAction.BLOCK)))
    assert (HookAction.BLOCK, True) == (came.action, bool(came.reason))


def test_skip_never_leaves_out_what_fails_closed() -> None:
    """A chain that is cut short keeps its guards (astrid#AW-20)."""
    asked: list[str] = []
    came = fired(
        answering(skip(), asked, "skipper"),
        replace(answering(None, asked, "watcher"), fail_open=True),
        answering(block("still here"), asked, "guard"),
    )
    assert ["skipper", "guard"] == asked
    assert HookAction.BLOCK is came.action


@pytest.mark.parametrize(
    "nonsense",
    [
        "block",
        {"action": "continue"},
        modify(tool="other"),
        modify(args="no object"),
        retry(-1),
        retry(10**9),
        HookAnswer(action="block"),  # type: ignore[arg-type]  # wrong on purpose
        HookAnswer(action=HookAction.BLOCK, reason=None),  # type: ignore[arg-type]  # wrong on purpose
        HookAnswer(action=HookAction.MODIFY, changes={"args": {}}),  # type: ignore[arg-type]  # wrong on purpose
        HookAnswer(action=HookAction.RETRY, delay_ms="1"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_nonsense_blocks_before_and_is_passed_over_after(nonsense: object) -> None:
    """A hook that fails closed blocks, one that fails open is left out."""
    hook = answering(nonsense)
    assert HookAction.BLOCK is fired(hook).action
    assert HookAction.CONTINUE is fired(replace(hook, fail_open=True)).action


def test_an_answer_the_event_does_not_honour_is_a_failure() -> None:
    """It is never taken for a yes."""
    hook = replace(answering(modify(prompt="x")), event=HookEvent.SESSION_START)
    came = fired(hook, event=HookEvent.SESSION_START)
    assert HookAction.BLOCK is came.action
    assert "does not honour modify" in came.reason


def test_an_exception_blocks() -> None:
    """With its type, never its text, which may hold a secret."""

    async def handler(call: HookCall) -> None:
        raise ValueError("hunter2")

    came = fired(Hook(id="h", event=TOOL, handler=handler))
    assert HookAction.BLOCK is came.action
    assert "ValueError" in came.reason
    assert "hunter2" not in came.reason


def test_a_time_limit_is_real() -> None:
    """A hook that hangs is stopped, and one that ignores that is left behind."""
    cancelled = asyncio.Event()

    async def hangs(call: HookCall) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async def stubborn(call: HookCall) -> None:
        while not cancelled.is_set():
            try:
                await cancelled.wait()
            except asyncio.CancelledError:
                continue

    came = fired(
        Hook(id="stubborn", event=TOOL, handler=stubborn, timeout_ms=20, fail_open=True),
        Hook(id="hangs", event=TOOL, handler=hangs, timeout_ms=20),
    )
    assert HookAction.BLOCK is came.action
    assert "within 20 ms" in came.reason
    assert cancelled.is_set()


def test_a_hook_before_may_ask_to_be_asked_again() -> None:
    """So often and no more; then it has failed."""
    answers = [retry(0), retry(0), proceed()]

    async def handler(call: HookCall) -> HookAnswer:
        return answers.pop(0) if answers else retry(0)

    hook = Hook(id="h", event=TOOL, handler=handler)
    assert HookAction.CONTINUE is fired(hook).action
    assert HookAction.BLOCK is fired(hook).action


def test_a_hook_after_asks_for_the_call_again() -> None:
    """The wish is passed on."""
    hook = replace(answering(retry(5)), event=AFTER)
    came = fired(hook, event=AFTER, data={"output": ""})
    assert (HookAction.RETRY, 5) == (came.action, came.delay_ms)


def test_match_and_session_scope() -> None:
    """A hook sees only what it was registered for (a3s#A7: no other session's events)."""
    asked: list[str] = []
    hooks = [
        replace(answering(None, asked, "bash"), match="bash"),
        replace(answering(None, asked, "mine"), session_id="s"),
        replace(answering(None, asked, "other"), session_id="t"),
    ]
    fired(*hooks, action=Action(kind=ActionKind.TOOL, name="read"))
    fired(*hooks, action=Action(kind=ActionKind.TOOL, name="bash"))
    assert ["mine", "bash", "mine"] == asked


def test_match_is_a_rule() -> None:
    """The same grammar as policies; what cannot be understood is shown to the hook."""
    asked: list[str] = []
    hook = replace(answering(None, asked, "push"), match="bash(git push:*)")

    def line(*argv: str, unclear: str = "") -> Action:
        command = CommandLine((Segment(argv),), unclear)
        return Action(kind=ActionKind.TOOL, name="bash", command=command)

    fired(hook, action=line("git", "status"))
    assert [] == asked
    fired(hook, action=line("git", "push", "--force"))
    fired(hook, action=line("git", "status", unclear="a substitution"))
    assert ["push", "push"] == asked
    with pytest.raises(MalformedRule):
        HookEngine().register(replace(hook, match="bash("))


def test_a_named_engine_is_for_the_sessions_that_name_it() -> None:
    """Others do not meet its hooks; two engines cannot share a name."""

    async def work() -> None:
        hooks, engine = Hooks(SystemClock()), HookEngine("strict")
        engine.register(answering(block("no")))
        hooks.add_engine(engine)
        hooks.add_engine(engine)
        assert frozenset({"strict"}) == hooks.names
        assert frozenset() == hooks.events("")
        assert frozenset({TOOL}) == hooks.events("strict")
        assert HookAction.CONTINUE is (await hooks.fire(TOOL, "s", {}, words=WORDS)).action
        assert (
            HookAction.BLOCK
            is (await hooks.fire(TOOL, "s", {}, engine="strict", words=WORDS)).action
        )
        with pytest.raises(AlreadyThere):
            hooks.add_engine(HookEngine("strict"))

    run(work())


def test_registration_is_checked() -> None:
    """Blocking functions, double ids, impossible limits and too many are refused."""
    engine = HookEngine()
    hook = answering(None)
    with pytest.raises(InvalidInput, match="async"):
        engine.register(replace(hook, handler=lambda call: None))  # type: ignore[arg-type, return-value]  # that is the point
    with pytest.raises(InvalidInput):
        engine.register(replace(hook, timeout_ms=0))
    engine.register(hook)
    with pytest.raises(AlreadyThere):
        engine.register(hook)
    assert engine.unregister("hook")
    assert not engine.unregister("hook")
    for number in range(HOOKS_MAX):
        engine.register(replace(hook, id=f"h{number}"))
    with pytest.raises(InvalidInput, match=str(HOOKS_MAX)):
        engine.register(replace(hook, id="last"))


def test_the_decorator_registers_under_the_functions_name() -> None:
    """And gives the function back."""
    engine = HookEngine()

    @engine.on("pre_tool_use", match="bash")
    async def careful(call: HookCall) -> None:
        """Look at it."""

    assert [("careful", "bash")] == [(hook.id, hook.match) for hook in engine.hooks()]
    assert "careful" == careful.__name__  # type: ignore[attr-defined]  # it is a function


def test_tables_are_whole() -> None:
    """Every event says what it honours; what can be changed is honoured."""
    assert set(HONOURED) == set(HookEvent)
    assert set(HookEvent) >= FAIL_CLOSED
    for event in CHANGEABLE:
        assert HookAction.MODIFY in HONOURED[event]
    for event, honoured in HONOURED.items():
        assert (HookAction.MODIFY in honoured) == (event in CHANGEABLE)
