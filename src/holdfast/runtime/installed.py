"""The policy file in force: its rules, hooks, keys and limits on every session of a manager.

It is read when the manager opens, before any store, and again by `reload_policy`.
What cannot be read or parsed refuses to open; a reload that fails leaves what held.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from holdfast.core.authority import ScopedPolicy
from holdfast.core.errors import InvalidInput, PolicyFileRefused
from holdfast.core.events import Opened
from holdfast.core.hearing import INSTALLATION
from holdfast.core.tools import ToolSpec
from holdfast.ports.telemetry import NO_TELEMETRY, Telemetry
from holdfast.runtime.backend import Loaded
from holdfast.runtime.budget_service import BudgetService
from holdfast.runtime.budgets import Budget
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.configuration import of_section
from holdfast.runtime.engine import Engine
from holdfast.runtime.handle import Session
from holdfast.runtime.hooks import Handler, Hook, HookEngine
from holdfast.runtime.policyfile import PolicyFile, parse_policy
from holdfast.runtime.policyplaces import Place, candidates, check_workspace, find, read

Program = Callable[[Sequence[str], Mapping[str, str]], Handler]
"""Makes the handler of a hook that is a program, of its words and environment."""


class Installed(BudgetService):
    """What a manager does with its policy file.

    Attributes:
        policy: what the file says; None without one.
        policy_place: where it was found.
    """

    policy: PolicyFile | None = None
    policy_place: Place | None = None
    _policy_given: str | os.PathLike[str] | None = None
    _policy_store: Path | None = None
    _program: Program | None = None

    async def reload_policy(self) -> PolicyFile | None:
        """Read the policy file again; it holds from the next judgement on, in every session.

        An answer that a person gave under other rules is no answer any more: it is
        asked again.

        Raises:
            PolicyFileRefused: it cannot be used, or the one that held is gone; what
                held goes on to hold.
        """
        await self.ready()
        await self._load_policy()
        await self._share_limits()
        return self.policy

    async def _load_policy(self) -> None:
        """Find, read and put in force the policy file, all of it or nothing.

        Raises:
            PolicyFileRefused: it cannot be used.
        """
        self._keep_private()
        place, found = self._read_policy()
        if found is None and self.policy is not None:
            text = "is gone; write an empty one to end its rules"
            raise PolicyFileRefused(text, file=self.policy.path, problem="missing")
        hooks = self._hooks_of(found)
        rules = found.permission if found is not None else None
        scoped = () if rules is None else (ScopedPolicy(INSTALLATION, rules),)
        self._bind(found)  # the last that may refuse
        self.policy, self.policy_place = found, place
        self._around.hooks.installed = hooks
        if found is None:
            self.trust.install(scoped, ())
        else:
            self.trust.install(scoped, found.trusted_keys, found.security)

    def _set_telemetry(self, build: Callable[[Mapping[str, object]], Telemetry]) -> None:
        """Tell telemetry as file and environment say, unless the program gave its own.

        Raises:
            InvalidInput: a variable is wrong.
        """
        serving = None if self.policy is None else self.policy.serving
        values = of_section(serving, os.environ, "telemetry")
        if self.telemetry is NO_TELEMETRY:
            self.telemetry = build(values)

    def _checkpoint_values(self) -> tuple[str, dict[str, object]]:
        """Where checkpoints go and when one is made, as file and environment say.

        Returns:
            the place, an absolute path, or "" for none; the section's values by key.

        Raises:
            InvalidInput: the place is no absolute path, or a value is out of bounds.
        """
        serving = None if self.policy is None else self.policy.serving
        values = of_section(serving, os.environ, "audit")
        place = str(values["checkpoints"])
        if self._policy_store is None or not place:
            return "", values
        if not os.path.isabs(place):
            raise InvalidInput("audit.checkpoints has to be an absolute path")
        self.private = (*self.private, os.path.realpath(place))
        return place, values

    def _bind(self, found: PolicyFile | None) -> None:
        """Put in force what a file says of network and enclave, or refuse and change nothing."""

    async def _share_limits(self) -> None:
        """Write the limits above the sessions to the stores that are open."""
        for one in self.policy.shared if self.policy is not None else ():
            await self._limit_shared(one.holder, one.who, one.budget.shared())
        self.trust.ring()

    def _read_policy(self) -> tuple[Place | None, PolicyFile | None]:
        place = find(self._policy_given, self._policy_store)
        if place is None:
            return None, None
        check = self.detectors.check
        return place, parse_policy(read(place), str(place.path), self._spec, check)

    def _spec(self, name: str) -> ToolSpec | None:
        tool = self.registry.get(name)
        return None if tool is None else tool.spec

    def _keep_private(self) -> None:
        """No tool gets to a file that may configure the gate, whether it is there yet or not."""
        places = candidates(self._policy_given, self._policy_store)
        found = (form for one in places for form in _forms(one.path))
        self.private = tuple(dict.fromkeys((*self.private, *found)))

    def _hooks_of(self, found: PolicyFile | None) -> HookEngine:
        """Make the hooks that a file lists."""
        engine = HookEngine(INSTALLATION)
        for one in found.hooks if found is not None else ():
            assert self._program is not None, "bootstrap says how programs are run"
            engine.register(
                Hook(
                    id=one.id,
                    event=one.event,
                    handler=self._program(one.command, one.env),
                    match=one.match,
                    priority=one.priority,
                    timeout_ms=one.timeout_ms,
                    fail_open=one.fail_open,
                    retries_max=one.retries_max,
                    sees=one.sees,
                )
            )
        return engine

    # --- what it means for sessions ----------------------------------------------------

    async def _check_free(self, opened: Opened) -> None:
        if self.policy_place is not None:  # before any hook of the file is asked
            check_workspace(self.policy_place, opened.settings.workspace)
        await super()._check_free(opened)

    def adopt(self, loaded: Loaded) -> Engine:
        """Start an engine on a session, unless the policy file may be of its workspace.

        Raises:
            PolicyFileRefused: the file lies in the workspace.
        """
        if self.policy_place is not None:
            check_workspace(self.policy_place, loaded.view.settings.workspace)
        return super().adopt(loaded)

    async def create_session(
        self,
        id: str | None = None,
        config: SessionConfig | None = None,
        *,
        user_id: str | None = None,
        channel_id: str = "",
        chat_id: str = "",
    ) -> Session:
        """Create a session; what it does not say of people and budget, the policy file says."""
        await self.ready()
        chosen = SessionConfig() if config is None else config
        if isinstance(chosen, SessionConfig):
            chosen = self._with_defaults(chosen)
        return await super().create_session(
            id, chosen, user_id=user_id, channel_id=channel_id, chat_id=chat_id
        )

    def _with_defaults(self, config: SessionConfig) -> SessionConfig:
        policy = self.policy
        if policy is None:
            return config
        if config.confirmation_policy is None:
            config = replace(config, confirmation_policy=policy.confirmation)
        if policy.budget is not None:
            config = replace(config, budget=_merged(config.budget, policy.budget))
        return config


def _merged(own: Budget | None, default: Budget) -> Budget:
    """A session's own limits, and the default ones where it has none."""
    if own is None:
        return default
    names = Budget.__dataclass_fields__
    missing = {name: getattr(default, name) for name in names if getattr(own, name) is None}
    return replace(own, **missing)


def _forms(path: Path) -> tuple[str, ...]:
    """A path as it is written and as it leads."""
    return os.path.abspath(path), os.path.realpath(path)
