"""The default classifier: patterns, checksums, phrases; no model, no network.

How a text is read
1. Views of it are made (`plainview`); ASCII text is its own view.
2. One set of rules goes over each view: personal data, secrets, phrases in English,
   and the packs that were asked for. Phrases in Chinese and the operator's rules
   follow.
3. The level is the highest of all raw matches. Overlaps are kept; only what is found
   the same twice, by the same rule at the same place, is told once.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from holdfast.adapters.detectors.compliance import Demands, Pack, demands_of, lift, load_pack
from holdfast.adapters.detectors.custom import CustomRule, CustomRules
from holdfast.adapters.detectors.kinds import LEVELS
from holdfast.adapters.detectors.pii import pii_rules
from holdfast.adapters.detectors.plainview import Canonical, fold, views_of
from holdfast.adapters.detectors.rulesets import RuleSet, Seen
from holdfast.adapters.detectors.secrets_rules import secret_rules
from holdfast.adapters.detectors.spoken import SPOKEN
from holdfast.adapters.detectors.spoken_chinese import ChinesePhrases
from holdfast.core.findings import NOTHING, Classification, Finding
from holdfast.core.labels import Sensitivity

WEAK_WITHOUT_EXTRA = "pii: the extra is not installed; ids and phones are found by their form only"


def extra_installed() -> bool:
    """Whether the libraries of the extra `pii` are there."""
    return all(find_spec(name) is not None for name in ("phonenumbers", "stdnum"))


class FastClassifier:
    """Finds personal data and secrets in a text, in time linear in its length.

    Args:
        packs: names of compliance packs, or packs that were read by `read_pack`.
        custom: rules of the operator.
        canonical: folds text that is not ASCII; see `plainview.Canonical`.
        extra: whether to use the libraries of the extra `pii`; None: if they are there.

    Raises:
        InvalidInput: a pack or a rule cannot be used.

    Attributes:
        kinds: all kinds that it may find.
    """

    name = "fast"

    def __init__(
        self,
        *,
        packs: Iterable[str | Pack] = (),
        custom: Iterable[CustomRule] = (),
        canonical: Canonical = fold,
        extra: bool | None = None,
    ) -> None:
        with_extra = extra_installed() if extra is None else extra
        self._weak = () if with_extra else (WEAK_WITHOUT_EXTRA,)
        self._packs = tuple(load_pack(one) if isinstance(one, str) else one for one in packs)
        of_packs = [rule for pack in self._packs for rule in pack.rules]
        of_operator = tuple(custom)
        rules = [*pii_rules(with_extra), *secret_rules(), *SPOKEN, *of_packs]
        names = (*(rule.kind for rule in rules), *(rule.name for rule in of_operator))
        self.kinds = frozenset((*LEVELS, *names))
        self._rules = RuleSet(rules)
        self._chinese = ChinesePhrases()
        self._custom = CustomRules(of_operator)
        self._canonical = canonical

    def classify(self, text: str) -> Classification:
        """Say what stands in a text, with places in the text as given."""
        if not text:
            return NOTHING if not self._weak else Classification(weak=self._weak)
        seen = Seen([], [])
        views = views_of(text, self._canonical)
        for view in views:
            self._rules.find(view, seen)
            self._chinese.find(view, seen)
            self._custom.find(view, seen)
        found = seen.findings
        if not found:
            return (
                Classification(weak=(*self._weak, *seen.weak))
                if seen.weak or self._weak
                else NOTHING
            )
        level = max(Sensitivity.NORMAL, *(finding.level for finding in found))
        findings = _told_once(found) if len(views) > 1 else found
        findings.sort(key=_place)
        result = Classification(
            level=level, findings=tuple(findings), weak=(*self._weak, *dict.fromkeys(seen.weak))
        )
        return lift(result, self._packs) if self._packs else result

    def demands(self, classification: Classification) -> Demands:
        """What the packs ask for a text, by what was found in it."""
        return demands_of(classification, self._packs)


def _place(finding: Finding) -> tuple[int, int]:
    return finding.start, -finding.end


def _told_once(findings: list[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))
