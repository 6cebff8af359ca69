"""What each benign task needs: where the arguments of its consequential calls come from.

Nothing here decides anything. It lists, argument by argument, the best ground that
exists at the moment of the call: the user's prompt, a trusted tool's result, a field
that a service issued, only a stranger's text, or nothing at all (the model's own).
"""

from __future__ import annotations

import datetime
import json
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from agentdojo.functions_runtime import FunctionsRuntime
from manifests import FLOWS, consequential
from pipeline import rendered
from suites import USER_TASKS, Case, benign_cases

from holdfast.core.flows import Reads, Role

MONTHS = [datetime.date(2000, month, 1).strftime("%B").casefold() for month in range(1, 13)]
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:[ T](\d\d):(\d\d))?")


@dataclass(slots=True)
class Sources:
    """What is known at a moment of the run."""

    prompt: str
    trusted: list[str] = field(default_factory=list)
    issued: list[tuple[str, str]] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)

    def take(self, tool: str, result: object) -> None:
        """Learn a result."""
        flow, text = FLOWS[tool], rendered(result)
        if flow.reads is Reads.TRUSTED:
            self.trusted.append(text)
            return
        self.strangers.append(text)
        try:
            self.issued += _fields(json.loads(text), flow.trusted_fields)
        except ValueError:
            return

    def ground(self, value: str, role: Role) -> str:
        """The best ground of a value."""
        if _within(value, self.prompt):
            return "prompt"
        if _day_in(value, self.prompt):
            return "prompt, as a day"
        if any(_within(value, text) for text in self.trusted):
            return "trusted result"
        if any(_fits(role, name) and _same(value, one) for name, one in self.issued):
            return "issued field"
        if any(_within(value, text) for text in self.strangers):
            return "stranger"
        if any(_day_in(value, text) for text in self.strangers):
            return "stranger, as a day"
        return "nowhere"


def _fields(value: object, names: tuple[str, ...], at: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _fields(one, names, at)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key in names and not isinstance(one, list | dict):
                yield key, str(one)
            yield from _fields(one, names, key)


def _within(value: str, text: str) -> bool:
    folded = " ".join(value.split()).casefold()
    where = " ".join(text.replace("\\n", " ").replace("\\t", " ").split()).casefold()
    if not folded:
        return True
    return re.search(rf"(?<![\w@.-]){re.escape(folded)}(?![\w@-])", where) is not None


def _fits(role: Role, field_name: str) -> bool:
    """Whether an issued field may ground an argument: an id is no amount, a day is no id."""
    is_id = field_name.strip("_") == "id"
    return is_id if role is Role.ID else role is Role.AMOUNT and not is_id


def _same(value: str, other: str) -> bool:
    return value.casefold() == other.casefold()


def _day_in(value: str, text: str) -> bool:
    """Whether a text names the day of a value, in words or digits, with its year or without."""
    found = _DATE.fullmatch(value)
    if found is None:
        return False
    year, month, day = (int(one) for one in found.groups()[:3])
    try:
        datetime.date(year, month, day)
    except ValueError:
        return False
    folded = text.casefold()
    name = MONTHS[month - 1]
    spoken = rf"(?:{name}\s+{day}|{day}(?:st|nd|rd|th)?\s+(?:of\s+)?{name})(?!\d)"
    return f"{year}-{month:02}-{day:02}" in folded or re.search(spoken, folded) is not None


def _flat(tool: str, name: str, value: object) -> Iterator[tuple[str, Role, str]]:
    """The values of an argument, one by one, with the role of each."""
    if isinstance(value, list):
        for one in value:
            yield from _flat(tool, name, one)
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _flat(tool, f"{name}.{key}", one)
    elif value is not None:
        yield name, FLOWS[tool].role(name.partition(".")[0]), str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One value of one argument of one consequential call."""

    case: str
    call: int
    tool: str
    argument: str
    role: Role
    value: str
    ground: str
    tainted: bool


def needs(case: Case) -> Iterator[Need]:
    """Replay a task's ground truth and look at where its arguments come from."""
    suite = case.suite
    environment = case.user.init_environment(suite.load_and_inject_default_environment({}))
    runtime, known = FunctionsRuntime(suite.tools), Sources(case.user.PROMPT)
    for number, call in enumerate(case.user.ground_truth(environment)):
        if consequential(call.function):
            for name, value in call.args.items():
                for at, role, text in _flat(call.function, name, value):
                    yield Need(
                        case=case.name,
                        call=number,
                        tool=call.function,
                        argument=at,
                        role=role,
                        value=text,
                        ground=known.ground(text, role),
                        tainted=bool(known.strangers),
                    )
        result, _ = runtime.run_function(environment, call.function, call.args, raise_on_error=True)
        known.take(call.function, result)


FIRM = ("prompt", "prompt, as a day", "trusted result")
VARIANTS: dict[str, dict[Role, tuple[str, ...]]] = {
    "targets only": {Role.TARGET: FIRM},
    "targets; ids by prompt or issued": {Role.TARGET: FIRM, Role.ID: (*FIRM, "issued field")},
    "targets; ids; amounts too": {
        Role.TARGET: FIRM,
        Role.ID: (*FIRM, "issued field"),
        Role.AMOUNT: (*FIRM, "issued field"),
    },
    "targets; ids by prompt alone": {Role.TARGET: FIRM, Role.ID: FIRM},
    "targets; ids by prompt alone; amounts": {
        Role.TARGET: FIRM,
        Role.ID: FIRM,
        Role.AMOUNT: (*FIRM, "issued field"),
    },
    "every role, payload too": dict.fromkeys(Role, FIRM),
}
"""What a rule would demand, by role; a role that is not named passes."""


def foretold(found: Sequence[Need], tasks: int) -> Iterator[str]:
    """What each variant would come to: calls asked about, and tasks that need none."""
    tainted = [one for one in found if one.tainted]
    every = {(one.case, one.call) for one in tainted}
    yield _line("any consequential call", every, tasks)
    for name, demands in VARIANTS.items():
        asked = {
            (one.case, one.call)
            for one in tainted
            if one.role in demands and one.ground not in demands[one.role]
        }
        yield _line(name, asked, tasks)


def _line(name: str, asked: set[tuple[str, int]], tasks: int) -> str:
    free = tasks - len({case for case, _ in asked})
    return f"{name:42} {len(asked) / tasks:.2f} questions a task, {free} of {tasks} without any"


def main() -> None:
    """Print the list, then the counts."""
    found = [one for case in benign_cases() for one in needs(case)]
    if "-v" in sys.argv:
        for one in found:
            taint = "*" if one.tainted else " "
            print(
                f"{taint} {one.role.value:8} {one.ground:18} {one.case:26} "
                f"{one.tool}.{one.argument} = {one.value[:110]!r}"
            )
    counts = Counter((one.role.value, one.ground) for one in found)
    examples: dict[tuple[str, str], list[str]] = defaultdict(list)
    for one in found:
        shown = f"{one.case} {one.tool}.{one.argument}={one.value[:40]!r}"
        if len(examples[one.role.value, one.ground]) < 3:
            examples[one.role.value, one.ground].append(shown)
    for key in sorted(counts):
        print(f"{counts[key]:4}  {key[0]:8} {key[1]:20} {'; '.join(examples[key])}")
    print("\nforetold for calls after something untrusted was read:")
    print("\n".join(foretold(found, USER_TASKS)))


if __name__ == "__main__":
    main()
