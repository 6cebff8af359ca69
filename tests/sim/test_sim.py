"""The simulator over many seeds, and every seed that ever failed."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from holdfast.testing.sim.runner import run_many, run_one
from holdfast.testing.sim.world import basic_features, long_features, race_features

CORPUS = {
    5: "an ordinary world",
    26: "a model call that a pause cut short starts anew",
    124: "a host call that a dead process left in a session at rest is lost, not open for ever",
    175: "an effect cancelled in the append that starts it still ends",
    178: "a resume that changed nothing does not say that it did",
    188: "eviction waits for the commit that is under way",
    259: "a caller gets the answer of their own turn, not of the one that interrupted it",
    689: "a steering message overtakes one that waits",
    990: "a queued message whose acknowledgement was lost is served all the same",
    1551: "a message that waits for a session that ends is refused, not tried for ever",
    2337: "a row of the inbox that was passed over is read later",
    3173: "a turn that a dead process was cancelling ends",
    3248: "what a tool raises too late is no warning",
    4034: "a call of the program in a wiped session is refused",
    4988: "a second attempt that never started does not deny the first",
    572: "a row of the inbox whose acknowledgement was lost is read, whoever sent it",
    700: "a tool looks once more before its first step: its turn was just cancelled",
    755: "a call of the program ends although the store was busy just then",
    4063: "a call of the program ends in a session that its node had just taken",
    4463: "a message that was kept and not acknowledged is answered while nothing else comes",
    5057: "a tool does not run on in a turn that is being cancelled",
    5549: "a refused append leaves no call of the program open",
    6262: "a call of the program ends in a store that is busy again and again",
    7197: "a call of the program is not open for ever in a quiet session",
    6280: "a call beside others does not start after the cancel",
    7493: "a tool does not start between the cancel's append and its own end",
    9020: "the same command again, after its sender stopped waiting, is the same letter",
    9162: "a letter whose sender is gone is still on its way",
    10752: "a program whose store is gone while it starts hears of it",
    11490: "a last message is served although its sender was told that the store is busy",
    11971: "a call of the program that cannot be ended at once is ended later",
    16934: "a session that another process takes while it is read is held, not damaged",
    18535: "a lease that is stolen while the log is read is no damage",
    28357: "a command in a session that was just stolen goes to whoever leads it",
    9633: "who comes while an engine finds no room for what waits is told so",
    10364: "what waited for a wiped session is erased after a crash",
    1670: "a person is asked after the grace, however a clock rounds",
    34574: "nothing is queued for a session that was wiped in that moment",
    60555: "a writer that reads its append back knows it durable: a tool ran after the resume",
    23234: "a message that the wipe took along is not acknowledged",
}


GATE_CORPUS = {
    100793: "nothing waits for a session whose wipe was cut off before it was erased",
    159: "an identical call is approved with the first, whatever that one brought in",
    476: "hooks are asked before what another engine left open is repeated",
    21167: "a model call that a pause cut short may be denied when the session goes on",
    22925: "a cancel that reaches a child at rest does not wait there for ever",
    713143: "an answer is of its own turn, also when another ended since, led elsewhere",
    26290: "the same report once more does not end the next attempt of a model call",
    27197: "a hook that speaks after the wipe changes nothing",
}
"""Seeds that failed in worlds with hooks, budgets, grants, rules and children."""


@pytest.mark.parametrize("seed", CORPUS, ids=[CORPUS[seed] for seed in CORPUS])
def test_a_seed_that_failed_once_holds(seed: int) -> None:
    """Each past failure stays repaired, in the world in which it was one."""
    assert () == run_one(seed, basic_features).problems


@pytest.mark.parametrize("seed", GATE_CORPUS, ids=[GATE_CORPUS[seed] for seed in GATE_CORPUS])
def test_a_seed_of_the_gate_that_failed_once_holds(seed: int) -> None:
    """Each past failure of the gate stays repaired."""
    assert () == run_one(seed).problems


def test_a_few_hundred_worlds_hold() -> None:
    """No invariant is violated and every world reaches an end."""
    summary = run_many(range(10_000, 10_250))
    assert [] == [(one.seed, one.problems) for one in summary.failed]
    assert 2_000 < summary.events


def test_a_call_that_ran_is_not_said_to_have_never_started() -> None:
    """Seed 1000195 of the long worlds: it was cancelled while its result was looked at."""
    assert () == run_one(1_000_195, long_features).problems


@pytest.mark.slow
def test_ten_thousand_worlds_hold() -> None:
    """No invariant is violated in 10,000 worlds on two processes."""
    summary = run_many(range(20_000, 30_000), jobs=2)
    assert 10_000 == summary.runs
    assert [] == [(one.seed, one.problems) for one in summary.failed]


@pytest.mark.slow
def test_thousands_of_actions_were_permitted() -> None:
    """Complete mediation: nothing ran without an Allow or a yes to the same digest.

    `make bench-gate` judges 100,000.

    Each tool call and each model call of long worlds with hooks, budgets, grants,
    rules and children is judged by `sim.mediation` and `sim.judging`.
    """
    summary = run_many(range(1_000_000, 1_100_000), jobs=2, features=long_features, performed=5_000)
    assert [] == [(one.seed, one.problems) for one in summary.failed]
    assert 5_000 <= summary.performed


@pytest.mark.slow
def test_thousands_of_races_of_approvals_hold() -> None:
    """Approve, cancel, expire and restart, interleaved; `make bench-gate` has 10,000."""
    summary = run_many(range(800_000, 802_500), jobs=2, features=race_features)
    assert 2_500 == summary.runs
    assert [] == [(one.seed, one.problems) for one in summary.failed]


def test_some_long_worlds_and_some_races_hold() -> None:
    """A few of what the slow tests have many of."""
    long = run_many(range(1_000_000, 1_000_004), features=long_features)
    races = run_many(range(800_000, 800_020), features=race_features)
    failed = [*long.failed, *races.failed]
    assert [] == [(one.seed, one.problems) for one in failed]
    assert 100 < long.performed and 20 == races.runs


def test_one_seed_is_one_history() -> None:
    """The same seed is the same history, and another seed is another one."""
    first = [run_one(seed).digest for seed in range(40)]
    assert first == [run_one(seed).digest for seed in range(40)]
    assert 40 == len(set(first))


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_the_history_does_not_depend_on_hashing(hash_seed: str) -> None:
    """Other processes with other hashes live through the same histories."""
    code = (
        "from holdfast.testing.sim.runner import run_one\n"
        "from holdfast.testing.sim.world import long_features\n"
        "print(*(run_one(seed).digest for seed in range(30)))\n"
        "print(*(run_one(seed, long_features).digest for seed in range(1000003, 1000007)))"
    )
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    here = [run_one(seed).digest for seed in range(30)]
    here += [run_one(seed, long_features).digest for seed in range(1_000_003, 1_000_007)]
    assert here == done.stdout.split()
