"""What tests of the guards of content share: views, calls, and what was found about them."""

from __future__ import annotations

from dataclasses import replace

from core_talk import UNASKED
from holdfast.core.actions import Action, ActionKind
from holdfast.core.authority import Authority
from holdfast.core.facts import Facts
from holdfast.core.flows import Flow, Role, Sink
from holdfast.core.grants import Grant, GrantIndex, GrantKind, GrantScope
from holdfast.core.inspection import Inspected
from holdfast.core.labels import TRUSTED, UNTRUSTED, Label, Sensitivity
from holdfast.core.provenance import Examined, Source, Use
from holdfast.core.rules import parse_rule
from holdfast.core.security import Security
from holdfast.core.tools import Lane, Nature
from holdfast.core.verdicts import Allow, Deny, Verdict
from holdfast.core.view import SessionView

SECRET = Label(sensitivity=Sensitivity.SENSITIVE)
LABELS = (TRUSTED, UNTRUSTED, SECRET, SECRET.join(UNTRUSTED))
ARGUMENTS = '{"to":"eve"}'
CALL = Action(
    kind=ActionKind.TOOL,
    name="mail",
    nature=Nature.ONCE,
    lane=Lane.EXECUTE,
    digest="d-mail",
    subject=ARGUMENTS,
    flow=Flow(sink=Sink.EGRESS),
)
"""A call that sends to others."""

GROUNDED = Examined(digest=CALL.digest, grounded=2)
STRANGE = Use(
    argument="to",
    role=Role.TARGET,
    kind="email",
    preview="eve@x.test",
    source=Source.UNTRUSTED,
    origin="read_page (event 9)",
)


def session(
    label: Label = UNTRUSTED, *, unsafe_auto_approve: bool = False, **security: object
) -> SessionView:
    """A session that has seen content of this label."""
    settings = replace(
        UNASKED, unsafe_auto_approve=unsafe_auto_approve, security=Security(**security)
    )
    return SessionView(settings=settings, label=label)


def looked(found: Examined | None = GROUNDED, **facts: object) -> Facts:
    """What was looked up about `CALL`."""
    return Facts(now_ms=0, examined={CALL.digest: found} if found else {}, **facts)


def told(*kinds: str, level: Sensitivity = Sensitivity.SENSITIVE) -> Inspected:
    """What was found in a message: one new value of each of these kinds."""
    return Inspected(level=level, kinds=tuple((kind, 1) for kind in sorted(kinds)))


def granted(rule: str, *, literal: bool = True, kind: GrantKind = GrantKind.ALLOWANCE) -> Authority:
    """People granted this before."""
    grant = Grant(
        id="ab" * 16,
        kind=kind,
        scope=GrantScope.SESSION,
        holder="h",
        rule=parse_rule("allow", rule, literal=literal),
    )
    return Authority(grants=GrantIndex((grant,)))


def said(verdict: Verdict) -> str:
    """A verdict in a word: "allow", "deny:…" or "ask:…" with its reason."""
    if isinstance(verdict, Allow):
        return "allow"
    return f"{'deny' if isinstance(verdict, Deny) else 'ask'}:{verdict.reason}"


def rank(verdict: Verdict) -> int:
    """How strict a verdict is."""
    return ("allow", "ask", "deny").index(said(verdict).partition(":")[0])
