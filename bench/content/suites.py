"""AgentDojo as this measurement uses it: suites, cases and injections, loaded fast.

AgentDojo parses its environments anew for every run with a slow YAML reader and works
out the same injections again and again. Here the C reader is put in its place, and
what does not change is kept. Nothing of what is judged is touched: tasks, ground
truths, `utility()` and `security()` are AgentDojo's own.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import yaml
from agentdojo.agent_pipeline.ground_truth_pipeline import GroundTruthPipeline
from agentdojo.attacks.attack_registry import load_attack
from agentdojo.attacks.base_attacks import BaseAttack
from agentdojo.base_tasks import BaseInjectionTask, BaseUserTask
from agentdojo.task_suite import task_suite as _task_suite
from agentdojo.task_suite.load_suites import get_suites
from agentdojo.task_suite.task_suite import TaskSuite

BENCHMARK = "v1.2.2"
ATTACKS = ("direct", "important_instructions", "tool_knowledge")
USER_TASKS, PAIRS, SPOKEN = 97, 629, 20
"""What version 1.2.2 comes to; a run that finds other numbers measures something else."""

warnings.filterwarnings("ignore", module="pydantic")
warnings.filterwarnings("ignore", module="agentdojo")


class _FastYaml:
    """The yaml module as `task_suite` uses it, with the C reader."""

    load = staticmethod(yaml.load)
    dump = staticmethod(yaml.dump)

    @staticmethod
    def safe_load(text: str) -> object:
        """Parse YAML, as `yaml.safe_load` does."""
        return yaml.load(text, yaml.CSafeLoader)


_task_suite.yaml = _FastYaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One run: a user's task, and whose goal is injected into what it reads.

    Args:
        attack: name of AgentDojo's attack; "" for a benign run.
    """

    suite: TaskSuite
    user: BaseUserTask
    injection: BaseInjectionTask | None = None
    attack: str = ""

    @property
    def name(self) -> str:
        """For lists and messages."""
        goal = f"/{self.injection.ID}/{self.attack}" if self.injection else ""
        return f"{self.suite.name}/{self.user.ID}{goal}"

    @property
    def spoken(self) -> bool:
        """Whether the goal is only that a text be said, which no gate on calls can stop."""
        goal = self.injection
        return goal is not None and not _calls_of(self.suite.name, goal.ID)

    def injections(self) -> dict[str, str]:
        """What stands in for the placeholders the user's task reads."""
        if self.injection is None:
            return {}
        return dict(_attack(self.suite.name, self.attack).attack(self.user, self.injection))


@functools.cache
def suites() -> dict[str, TaskSuite]:
    """The four suites by name."""
    return dict(get_suites(BENCHMARK))


@functools.cache
def _attack(suite: str, attack: str) -> BaseAttack:
    pipeline = GroundTruthPipeline(None)
    pipeline.name = "gpt-4o-2024-05-13"  # attacks address the model by a name they know
    found = load_attack(attack, suites()[suite], pipeline)
    # Which places a user's task reads is found out by carrying it out: once is enough.
    found.get_injection_candidates = functools.cache(found.get_injection_candidates)
    return found


@functools.cache
def _calls_of(suite: str, injection: str) -> int:
    found = suites()[suite]
    environment = found.load_and_inject_default_environment({})
    return len(found.get_injection_task_by_id(injection).ground_truth(environment))


def benign_cases() -> Iterator[Case]:
    """Every user's task, without an attack."""
    for suite in suites().values():
        for user in suite.user_tasks.values():
            yield Case(suite=suite, user=user)


def attacked_cases(attack: str) -> Iterator[Case]:
    """Every pair of a user's task and a goal whose attacker has a script.

    Workspace goals 6 to 13 come without one (an empty ground truth and no output),
    so that a scripted model has nothing to carry out: they are left out.
    """
    for suite in suites().values():
        for user in suite.user_tasks.values():
            for injection in suite.injection_tasks.values():
                if _calls_of(suite.name, injection.ID) or injection.GROUND_TRUTH_OUTPUT:
                    yield Case(suite=suite, user=user, injection=injection, attack=attack)


def sample(cases: Sequence[Case], count: int) -> list[Case]:
    """A fixed, even part of the cases: the same in every run."""
    if count >= len(cases):
        return list(cases)
    step = len(cases) / count
    return [cases[int(number * step)] for number in range(count)]
