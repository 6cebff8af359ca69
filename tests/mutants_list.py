"""Planted bugs: one small change each, which some test must notice.

Data only, so that any runner can take it: `Mutant(name, file, old, new)` where
`file` is below src/holdfast and `old` occurs there exactly once. `tests` are the
test files that are run first against it, below tests.
"""

from __future__ import annotations

from typing import NamedTuple

from mutants_content import CONTENT


class Mutant(NamedTuple):
    """One planted bug."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


DECIDE = ("core/decide",)
FOLD = ("core/test_session.py", "core/test_turns.py", "core/decide")

MUTANTS: tuple[Mutant, ...] = (
    # --- decide: effects
    Mutant(
        "an approval holds for any later action",
        "core/decide/approvals.py",
        "not action.digest or call.approved != action.digest",
        "not call.approved",
        DECIDE,
    ),
    Mutant(
        "the round limit is one too many",
        "core/decide/effects.py",
        "turn.rounds >= draft.view.settings.limits.max_rounds",
        "turn.rounds > draft.view.settings.limits.max_rounds",
        DECIDE,
    ),
    Mutant(
        "a denied effect starts all the same",
        "core/decide/effects.py",
        "        refuse_effect(draft, ref, verdict, attempt)\n",
        "        draft.add(EffectStarted(cause=ref.cause, ordinal=ref.ordinal,"
        " effect='tool' if ref.ordinal else 'model', digest=action.digest if action else '',"
        " engine=draft.facts.engine))\n",
        DECIDE,
    ),
    Mutant(
        "a late report of a closed effect is recorded",
        "core/decide/effects.py",
        '    """Record a tool\'s result; one that is not waited for any more is dropped."""\n'
        "    effect = draft.view.carried_out(command.ref, command.intent)\n"
        "    if effect is None:\n        return\n",
        '    """Record a tool\'s result; one that is not waited for any more is dropped."""\n'
        "    effect = draft.view.open_at(command.ref) or draft.view.open[0]\n",
        DECIDE,
    ),
    Mutant(
        "the report of one attempt ends the next",
        "core/decide/effects.py",
        '    """Record a model\'s answer, with what of its calls may run side by side."""\n'
        "    effect = draft.view.carried_out(command.ref, command.intent)\n",
        '    """Record a model\'s answer, with what of its calls may run side by side."""\n'
        "    effect = draft.view.open_at(command.ref)\n",
        DECIDE,
    ),
    Mutant(
        "calls that never started get no result when the turn is cancelled",
        "core/decide/effects.py",
        '            lose(draft, effect, "the runtime stopped while it ran")\n'
        "    cancel_calls(draft)\n",
        '            lose(draft, effect, "the runtime stopped while it ran")\n',
        DECIDE,
    ),
    Mutant(
        "calls of an answer that came after the cancel get no result",
        "core/decide/effects.py",
        "    if draft.view.turn and draft.view.turn.cancel:\n        cancel_calls(draft)\n",
        "",
        DECIDE,
    ),
    Mutant(
        "questions of a cancelled turn stay open",
        "core/decide/effects.py",
        '        draft.add(Lapsed(question=question.id, why="cancelled"))\n',
        "        pass\n",
        DECIDE,
    ),
    Mutant(
        "intents name no engine",
        "core/decide/effects.py",
        "                engine=draft.facts.engine,\n                revisions",
        '                engine="",\n                revisions',
        DECIDE,
    ),
    # --- decide: doubt (reconcile)
    Mutant(
        "a once call is repeated without asking",
        "core/decide/doubt.py",
        "    if nature in (Nature.READ_ONLY, Nature.IDEMPOTENT):",
        "    if nature in (Nature.READ_ONLY, Nature.IDEMPOTENT, Nature.ONCE):",
        DECIDE,
    ),
    Mutant(
        "a person is asked while a former holder may still act",
        "core/decide/doubt.py",
        "    elif draft.facts.grace_over:\n",
        "    else:\n",
        DECIDE,
    ),
    Mutant(
        "an effect of another engine is not in doubt",
        "core/decide/doubt.py",
        "effect.engine != engine and",
        "False and",
        DECIDE,
    ),
    Mutant(
        "repeating never ends",
        "core/decide/doubt.py",
        "    if effect.attempt >= ATTEMPTS_MAX:",
        "    if effect.attempt > 10_000:",
        DECIDE,
    ),
    Mutant(
        "a call that happened runs again",
        "core/decide/doubt.py",
        "        if found.done is False:",
        "        if found.done is not None:",
        DECIDE,
    ),
    Mutant(
        "a person is asked again and again",
        "core/decide/doubt.py",
        " and effect.ref not in asked",
        "",
        DECIDE,
    ),
    # --- decide: control, talk, content, host
    Mutant(
        "skip runs the call again",
        "core/decide/answers.py",
        '    if command.decision == "skip":',
        '    if command.decision == "never":',
        DECIDE,
    ),
    Mutant(
        "a message interrupts nothing and is admitted",
        "core/decide/talk.py",
        "        if draft.view.turn is not None:\n            raise Later\n"
        "    if draft.view.turn is not None and",
        "    if draft.view.turn is not None and",
        DECIDE,
    ),
    Mutant(
        "a message overtakes one that waits",
        "core/decide/talk.py",
        "    if draft.facts.behind and policy is QueuePolicy.ENQUEUE:\n        raise Later\n",
        "",
        DECIDE,
    ),
    Mutant(
        "a rewind shows what came later",
        "core/decide/content.py",
        "(low, min(high, to_version)) for low, high in ranges",
        "(low, high) for low, high in ranges",
        DECIDE,
    ),
    Mutant(
        "a call of a dead engine stays open",
        "core/decide/host.py",
        "        if effect.engine != draft.facts.engine:\n",
        "        if False:\n",
        DECIDE,
    ),
    # --- owed
    Mutant(
        "a paused session goes on",
        "core/owed.py",
        "if turn is None or turn.cancel or view.state not in WORKING:",
        "if turn is None or turn.cancel:",
        ("core/test_owed.py",),
    ),
    Mutant(
        "a cancelled turn goes on",
        "core/owed.py",
        "if turn is None or turn.cancel or view.state not in WORKING:",
        "if turn is None or view.state not in WORKING:",
        ("core/test_owed.py",),
    ),
    Mutant(
        "calls that change things run side by side",
        "core/owed.py",
        "            if not busy and not start:\n",
        "            if True:\n",
        ("core/test_owed.py",),
    ),
    Mutant(
        "the model is asked while a tool runs",
        "core/owed.py",
        "    if view.open or view.questions:\n        return ()\n",
        "",
        ("core/test_owed.py",),
    ),
    Mutant(
        "the wipe does not wait for what runs",
        "core/owed.py",
        "not (view.open or view.host_open or view.questions or view.wiped)",
        "not (view.questions or view.wiped)",
        ("core/test_owed.py",),
    ),
    # --- session and turns: the fold
    Mutant(
        "a second attempt stands beside the first",
        "core/turns.py",
        "    others = tuple([one for one in view.open if one.ref != ref])\n",
        "    others = view.open\n",
        FOLD,
    ),
    Mutant(
        "a finished call is still owed",
        "core/turns.py",
        "    calls = tuple([call for call in view.calls if call.ordinal != ref.ordinal])\n",
        "    calls = view.calls\n",
        FOLD,
    ),
    Mutant(
        "what was said while the model spoke is forgotten",
        "core/turns.py",
        "    if calls or turn.cancel or steered:",
        "    if calls or turn.cancel:",
        FOLD,
    ),
    Mutant(
        "a failed model call does not end the turn",
        "core/turns.py",
        "    if event.outcome in (Outcome.FAILED, Outcome.REFUSED):",
        "    if event.outcome is Outcome.REFUSED:",
        FOLD,
    ),
    Mutant(
        "the label of an answer does not rise",
        "core/turns.py",
        "        label=view.label.join(message.label),\n",
        "",
        FOLD,
    ),
    Mutant(
        "a resumed turn's clock runs on through the pause",
        "core/session.py",
        "    turn = changed(view.turn, clock_ms=recorded.time_ms) if view.turn else None\n"
        "    state = SessionState.PROCESSING",
        "    turn = view.turn\n    state = SessionState.PROCESSING",
        FOLD,
    ),
    # --- lifecycle, judge, guards
    Mutant(
        "a terminated session can be reopened",
        "core/lifecycle.py",
        "    _S.TERMINATED: frozenset(),",
        "    _S.TERMINATED: frozenset({_S.ACTIVE}),",
        ("core/test_core_lifecycle.py",),
    ),
    Mutant(
        "a completed session takes a turn",
        "core/lifecycle.py",
        "    _S.COMPLETED: frozenset({_S.ACTIVE, _S.TERMINATING}),",
        "    _S.COMPLETED: frozenset({_S.ACTIVE, _S.PROCESSING, _S.TERMINATING}),",
        ("core/test_core_lifecycle.py",),
    ),
    Mutant(
        "a guard that fails allows",
        "core/judge.py",
        'verdict = Deny(name, "guard_failed", f"the guard failed: {type(failure).__name__}")',
        "verdict = Allow()",
        ("core/test_judge.py",),
    ),
    Mutant(
        "an empty gate is open",
        "core/judge.py",
        '        return Deny("judge", "no_guards", "no guard is in place")',
        "        return Allow()",
        ("core/test_judge.py",),
    ),
    Mutant(
        "Ask hides Deny",
        "core/verdicts.py",
        "    if isinstance(one, Deny) or isinstance(other, Deny):",
        "    if isinstance(one, Deny) and isinstance(other, Deny):",
        ("core/test_verdicts.py",),
    ),
    Mutant(
        "a cancelled turn may still call",
        "core/guards/lifecycle.py",
        "if view.turn is None or view.turn.cancel:",
        "if view.turn is None:",
        ("core/guards",),
    ),
    # --- paths
    Mutant(
        "a path that leads outside passes",
        "core/guards/boundary.py",
        "if use.inside is not None and not protected(use.inside, use.operation):",
        "if not protected(use.inside or '', use.operation):",
        ("core/guards/test_boundary.py",),
    ),
    Mutant(
        "an escape is for every operation",
        "core/guards/boundary.py",
        "        and use.operation in grant.operations\n",
        "",
        ("core/guards/test_boundary.py",),
    ),
    Mutant(
        "a forbidden place is only asked about",
        "core/guards/boundary.py",
        "    if place:\n",
        "    if place and use.inside is not None:\n",
        ("core/guards/test_boundary.py",),
    ),
    Mutant(
        "links on the way are not followed",
        "runtime/paths.py",
        "if not stat.S_ISLNK(found.st_mode):",
        "if not stat.S_ISLNK(found.st_mode) or ahead:",
        ("runtime/test_paths.py", "attack/test_path_fuzz.py"),
    ),
    Mutant(
        "`..` is taken out before links are followed",
        "runtime/paths.py",
        '    ahead = path.split("/")[::-1]\n',
        '    ahead = os.path.normpath(path or ".").split("/")[::-1]\n',
        ("attack/test_path_fuzz.py",),
    ),
    Mutant(
        "a judged path is opened through links",
        "adapters/tools/workspace.py",
        "opener = open_kernel if judged is None else open_linkless",
        "opener = open_kernel",
        ("attack/test_path_races.py",),
    ),
    Mutant(
        "what was permitted for reading is written",
        "adapters/tools/workspace.py",
        "if (beneath or plain == escape.path) and operations & set(escape.operations):",
        "if beneath or plain == escape.path:",
        ("attack/test_path_fuzz.py",),
    ),
    Mutant(
        "a digest does not say where its paths lead",
        "runtime/normalise.py",
        ", *led",
        "",
        ("runtime/test_normalise.py",),
    ),
    *(Mutant(*row) for row in CONTENT),
)
