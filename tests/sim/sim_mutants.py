"""Planted bugs that the simulator must find: (name, file, old, new).

`old` occurs exactly once in the file below src/holdfast. They sit where a unit
test sees little: in what the parts do together.
"""

from __future__ import annotations

MUTANTS: tuple[tuple[str, str, str, str], ...] = (
    (
        "a call in doubt is taken for the engine's own",
        "core/decide/doubt.py",
        "effect for effect in view.open if effect.engine != engine and effect.ref not in asked",
        "effect for effect in view.open if not engine and effect.ref not in asked",
    ),
    (
        "a once call in doubt is repeated",
        "core/decide/doubt.py",
        "if nature in (Nature.READ_ONLY, Nature.IDEMPOTENT):",
        "if nature in (Nature.READ_ONLY, Nature.IDEMPOTENT, Nature.ONCE):",
    ),
    (
        "what a tool says it has done is done again",
        "core/decide/doubt.py",
        "if found.done is False:",
        "if found.done is not None:",
    ),
    (
        "nobody is asked about a call in doubt",
        "core/decide/doubt.py",
        "    elif draft.facts.grace_over:\n        ask(draft, effect)",
        "    elif not draft.facts.grace_over:\n        ask(draft, effect)",
    ),
    (
        "calls that never started get no result on cancel",
        "core/decide/effects.py",
        "    running = {effect.ref.ordinal for effect in draft.view.open}\n",
        "    running = {call.ordinal for call in draft.view.calls}\n",
    ),
    (
        "the round limit is one too many",
        "core/decide/effects.py",
        "turn.rounds >= draft.view.settings.limits.max_rounds",
        "turn.rounds > draft.view.settings.limits.max_rounds",
    ),
    (
        "a message joins whatever turn runs",
        "core/decide/talk.py",
        "if view.turn is not None and policy is not QueuePolicy.STEER:",
        "if view.turn is not None and policy is QueuePolicy.REJECT:",
    ),
    (
        "a paused session goes on",
        "core/owed.py",
        "turn is None or turn.cancel or view.state not in WORKING",
        "turn is None or turn.cancel",
    ),
    (
        "a call that is not read-only starts beside others",
        "core/owed.py",
        "            if not busy and not start:\n",
        "            if not start:\n",
    ),
    (
        "a cancelled turn is still owed its effects",
        "core/owed.py",
        "turn is None or turn.cancel or view.state",
        "turn is None or view.state",
    ),
    (
        "the wipe does not wait for what runs",
        "core/owed.py",
        "start_wipe=not (view.open or view.host_open or view.questions or view.wiped)",
        "start_wipe=not view.wiped",
    ),
    (
        "a completed session cannot be reopened",
        "core/lifecycle.py",
        "_S.COMPLETED: frozenset({_S.ACTIVE, _S.TERMINATING})",
        "_S.COMPLETED: frozenset({_S.TERMINATING})",
    ),
    (
        "an ended session can fail",
        "core/lifecycle.py",
        "_S.COMPLETED: frozenset({_S.ACTIVE, _S.TERMINATING})",
        "_S.COMPLETED: frozenset({_S.ACTIVE, _S.ERROR, _S.TERMINATING})",
    ),
    (
        "the session's list of tools is not kept to",
        "core/guards/offer.py",
        "if names is not None and action.name.casefold() not in names:",
        "if names is not None and not action.name:",
    ),
    (
        "everything runs unasked",
        "core/guards/permission.py",
        "    if action.nature is Nature.READ_ONLY:\n        return _hidden_or_allow(hearing)\n",
        "    if action.nature is not Nature.ONCE:\n        return _hidden_or_allow(hearing)\n",
    ),
    (
        "wrong arguments run",
        "core/guards/offer.py",
        "    if action.problem:\n",
        "    if action.problem and not action.name:\n",
    ),
    (
        "the gate asks only the first guard",
        "core/judge.py",
        "    for name, guard in guards:\n",
        "    for name, guard in guards[:1]:\n",
    ),
    (
        "what is surplus runs on",
        "runtime/workers.py",
        "elif (gone or ref not in wanted) and not run.cancelled:",
        "elif gone and not run.cancelled:",
    ),
    (
        "any engine's intent is carried out",
        "runtime/workers.py",
        "if effect.engine == self._engine.id and ref not in self._running:",
        "if ref not in self._running:",
    ),
    (
        "an intent is carried out again and again",
        "runtime/workers.py",
        "if effect.engine == self._engine.id and ref not in self._running:",
        "if effect.engine == self._engine.id:",
    ),
    (
        "a surplus intent that never started is left open",
        "runtime/workers.py",
        "        self._end_unstarted(view)\n",
        "",
    ),
    (
        "a former holder gets no time to stop",
        "runtime/workers.py",
        "            if not self._engine.tenure.grace_over:\n",
        "            if self._engine is None:\n",
    ),
    (
        "callers are told before it is durable",
        "runtime/engine.py",
        "        await self._append(draft)\n        await self._inbox.keep(draft.waiting)\n"
        "        draft.tell()\n",
        "        draft.tell()\n        await self._append(draft)\n"
        "        await self._inbox.keep(draft.waiting)\n",
    ),
    (
        "messages that wait are forgotten",
        "runtime/inbox.py",
        "            if mail.seq == 0:\n                await self._make_durable(mail)\n",
        "",
    ),
    (
        "messages that wait are only kept in memory",
        "runtime/inbox.py",
        "                await self._make_durable(mail)\n",
        "                mail.seq = 1 << 40\n",
    ),
    (
        "a call does not look again before it acts",
        "runtime/perform.py",
        "    if not call.may_start():\n",
        "    if call.may_start is None:\n",
    ),
    (
        "who stops waiting takes the letter along",
        "runtime/manager.py",
        "await asyncio.shield(sent.future)",
        "await sent.future",
    ),
    (
        "a call of the program stays open when the store was busy",
        "runtime/asides.py",
        "Mail(command=ended, internal=True)",
        "Mail(command=ended)",
    ),
    (
        "a lost acknowledgement is taken for a failure",
        "runtime/journal.py",
        "            if not await self._is_ours(rows):\n                raise\n",
        "            raise\n",
    ),
    (
        "a yes is good for any number of attempts",
        "core/turns.py",
        'replace(call, approved="", codes=(), bound=()) if call.ordinal == ref.ordinal else call',
        "replace(call, approved=call.approved) if call.ordinal == ref.ordinal else call",
    ),
    (
        "a yes holds under other rules",
        "core/decide/approvals.py",
        "    return call.codes if call.bound == now[: len(call.bound)] else ()\n",
        "    return call.codes if now else ()\n",
    ),
    (
        "what a hook blocks runs",
        "core/guards/hooks.py",
        'return Deny(NAME, "blocked", min(blocked)) if blocked else ALLOW',
        'return Deny(NAME, "blocked", min(blocked)) if not found else ALLOW',
    ),
    (
        "what was reserved is not released",
        "runtime/ledger.py",
        "                held=held,\n                used=used,\n",
        "                held=0,\n                used=used,\n",
    ),
    (
        "a child does not see its parent's rules",
        "runtime/lineage.py",
        "        policies.append(ScopedPolicy(",
        "        policies and policies.append(ScopedPolicy(",
    ),
)
"""Planted bugs; see the module."""

RARE: dict[str, tuple[int, str]] = {
    "what a tool says it has done is done again": (11_053, "core/decide/test_doubt.py"),
    "nobody is asked about a call in doubt": (12_156, "core/decide/test_doubt.py"),
    "a yes holds under other rules": (15_888, "core/decide/test_answers.py"),
    "a child does not see its parent's rules": (12_288, "runtime/test_children.py"),
    "an ended session can fail": (15_235, "core/test_core_lifecycle.py"),
    "a yes is good for any number of attempts": (11_387, "core/decide/test_doubt.py"),
    "a call of the program stays open when the store was busy": (
        15_280,
        "runtime/test_host_calls.py",
    ),
    "a call does not look again before it acts": (204_000, "runtime/test_surplus.py"),
    "a former holder gets no time to stop": (14_040, "runtime/test_workers.py"),
}
"""Bugs that show in less than one world of 500: a seed that had one, and what tells it directly.

Whatever changes the order of things within a world moves such seeds, and a slow machine
lives through too few worlds to find another: that is no failure, and the summary says it.
"""

START: dict[str, int] = {
    "a once call in doubt is repeated": 10_412,
    "a surplus intent that never started is left open": 11_711,
    "messages that wait are only kept in memory": 10_644,
    "the wipe does not wait for what runs": 11_000,
    "what was reserved is not released": 10_002,  # the first world has no end with it
}
"""Seeds to begin at, of bugs that took hundreds of worlds to find from the usual one on."""

SURVIVE: dict[str, str] = {
    "who stops waiting takes the letter along": (
        "the letter is carried out all the same; only who sent it twice would be told of a "
        "lost lease, and tries again"
    ),
}
"""Mutants the simulator does not find, with the reason."""
