"""What a session may do, and how people are asked; see `RemoteSession`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from holdfast.client.controls import Controls
from holdfast.client.decode import member, read, read_list, written
from holdfast.client.values import AccountInfo, Allowance, Approval, Explanation
from holdfast.client.wire import Ask, Query, part
from holdfast.core.errors import (
    ApprovalStale,
    ApproverRefused,
    InvalidInput,
    NotNow,
    QuestionNotFound,
)
from holdfast.core.policyform import policy_form, policy_of
from holdfast.core.rules import Policy
from holdfast.core.settings import ConfirmationPolicy

APPROVALS_MAX = 1000


class Permits(Controls):
    """Policies, approvals, allowances and budgets of one session."""

    # --- questions -------------------------------------------------------------------

    async def approvals(self) -> list[Approval]:
        """What waits for a person in this session."""
        query: Query = {"session_id": self.id, "limit": APPROVALS_MAX}
        ask = Ask(method="GET", path="/api/v1/approvals", query=query)
        return read_list(Approval, (await self._wire.ask(ask)).json())

    async def answer_approval(
        self,
        id: int | str,
        decision: str,
        *,
        note: str = "",
        pattern: str = "",
        arguments: Mapping[str, object] | None = None,
        expires_in_s: int | None = None,
        max_uses: int | None = None,
        amount: int = 0,
    ) -> None:
        """Answer a question; it is used once, and the first answer counts.

        The person is whoever the token names.

        Args:
            id: an `Approval.id`, or the question's number.
            decision: one of its choices: once, session, workspace, always, deny, edit …
                "approve" is the same as once.
            note: feedback; the model reads it after a denial.
            pattern: one of the question's wider patterns; "" grants the literal call.
            arguments: with edit: the changed arguments; they are judged anew.
            expires_in_s: when what is granted ends, in seconds from now.
            max_uses: how often what is granted may be used.
            amount: with raise: the account's new limit, in its unit.

        Raises:
            HoldfastError: as the library's `answer_approval`.
        """
        if isinstance(id, bool) or not isinstance(id, (int, str)):
            raise InvalidInput("an approval is named by its id, or by its number")
        body = {
            "decision": decision,
            "note": note,
            "pattern": pattern,
            "arguments": written(arguments),
            "expires_in_s": expires_in_s,
            "max_uses": max_uses,
            "amount": amount,
        }
        await self._changed(f"/approvals/{part(str(id))}", body)

    async def answer(self, question: int, decision: str, note: str = "") -> None:
        """Answer an open question; see `answer_approval`."""
        await self.answer_approval(question, decision, note=note)

    async def confirm_tool(self, tool_id: str, approved: bool, reason: str | None = None) -> bool:
        """Confirm a tool call by the model's id of it.

        False if nothing waits for that id: unknown, late or already answered.
        """
        asked = await self.approvals()
        own = [one for one in asked if one.session_id.casefold() == self.id.casefold()]
        waiting = next((one for one in own if tool_id in one.tool_ids), None)
        if waiting is None or waiting.about == "in_doubt":
            return False
        yes = next((one for one in waiting.choices if one not in ("deny", "edit")), "once")
        decision = yes if approved else "deny"
        try:
            await self.answer_approval(waiting.question, decision, note=reason or "")
        except (QuestionNotFound, ApprovalStale, ApproverRefused, NotNow):
            return False
        return True

    async def get_confirmation_policy(self) -> ConfirmationPolicy:
        """How people are asked."""
        return read(ConfirmationPolicy, await self._get("/confirmation"))

    async def set_confirmation_policy(
        self, policy: ConfirmationPolicy | Mapping[str, object]
    ) -> ConfirmationPolicy:
        """Say how people are asked from now on; returns what holds now."""
        found = await self._put("/confirmation", {"policy": written(policy)})
        return read(ConfirmationPolicy, found)

    # --- policies --------------------------------------------------------------------

    async def permission_policy(self) -> Policy:
        """The policy that holds in the session."""
        return _policy(await self._get("/permissions"))

    async def set_permission_policy(self, policy: Policy | str | Mapping[str, object]) -> None:
        """Replace the session's own policy; it holds from the next judgement on.

        Args:
            policy: a policy, a preset's name or a mapping.
        """
        given = policy_form(policy) if isinstance(policy, Policy) else written(policy)
        _policy(await self._put("/permissions", {"policy": given}))

    async def add_allow_rule(
        self, text: str, *, always: bool = False, literal: bool = False
    ) -> None:
        """Let calls that match run unasked from the next judgement on."""
        await self._add("allow", text, always, literal)

    async def add_deny_rule(
        self, text: str, *, always: bool = False, literal: bool = False
    ) -> None:
        """Deny calls that match, whatever else allows them."""
        await self._add("deny", text, always, literal)

    async def add_ask_rule(self, text: str, *, always: bool = False, literal: bool = False) -> None:
        """Ask about calls that match; with `always` even if something allows them."""
        await self._add("ask", text, always, literal)

    async def _add(self, effect: str, text: str, always: bool, literal: bool) -> None:
        body = {"effect": effect, "rule": text, "always": always, "literal": literal}
        _policy(await self._post("/permissions/rules", body))

    async def explain(self, tool: str, arguments: Mapping[str, object]) -> Explanation:
        """Say what the gate would decide about a call now, and why. Nothing happens."""
        body = {"tool": tool, "arguments": written(arguments)}
        return read(Explanation, await self._post("/permissions/explain", body))

    async def check_permission(self, tool: str, arguments: Mapping[str, object]) -> str:
        """What the gate would say of a call: allow, deny or ask. Nothing happens."""
        return (await self.explain(tool, arguments)).decision

    # --- what is granted -------------------------------------------------------------

    async def allowances(self) -> list[Allowance]:
        """All that is granted to the session, the most specific first."""
        return read_list(Allowance, await self._get("/allowances"))

    async def grant_allowance(
        self,
        rule: str,
        scope: str = "session",
        *,
        literal: bool = False,
        permissions: Iterable[str] = (),
        expires_in_s: int | None = None,
        max_uses: int | None = None,
    ) -> Allowance:
        """Allow in advance what would be asked about; denials still hold.

        Args:
            rule: `Tool` or `Tool(pattern)`, see docs/how-to/allowances.md.
            scope: session, workspace, or always.
            literal: a `*` in the rule means itself.
            permissions: what may be done with paths; none stands for any.
            expires_in_s: seconds from now.
            max_uses: how often it may be used.
        """
        body = {
            "rule": rule,
            "scope": written(scope),
            "literal": literal,
            "permissions": written(list(permissions)),
            "expires_in_s": expires_in_s,
            "max_uses": max_uses,
        }
        return read(Allowance, await self._post("/allowances", body))

    async def revoke_allowance(self, id: str, why: str = "") -> None:
        """Take back what was granted; calls that have not started cannot rest on it any more."""
        path = f"{self._path}/allowances/{part(id)}"
        ask = Ask(method="DELETE", path=path, query={"why": why})
        read(bool, member((await self._wire.ask(ask)).json(), "changed"))

    # --- budgets ---------------------------------------------------------------------

    async def budget(self) -> list[AccountInfo]:
        """Every account with a limit that the session draws on."""
        return read_list(AccountInfo, await self._get("/budget"))

    async def set_budget(self, budget: object, *, drop: Sequence[str] = ()) -> None:
        """Change the limits of the session; what is spent stays spent.

        Args:
            budget: the library's `Budget`, or a mapping of its fields.
            drop: names of limits that end, for example "day_usd".
        """
        body = {"limits": written(budget), "drop": list(drop)}
        read_list(AccountInfo, await self._put("/budget", body))


def _policy(value: object) -> Policy:
    found = policy_of(member(value, "policy"))
    return Policy() if found is None else found
