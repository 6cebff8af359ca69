"""A manager that only judges: in memory, under the policy file, without its hooks."""

from __future__ import annotations

import os
from pathlib import Path

from holdfast.bootstrap import SessionManager
from holdfast.core.hearing import INSTALLATION
from holdfast.runtime.config import SessionConfig
from holdfast.runtime.handle import Session
from holdfast.runtime.hooks import HookEngine
from holdfast.runtime.policyfile import PolicyFile
from holdfast.runtime.tee import TeeStatus

SESSION = "trial"


class Trial(SessionManager):
    """Judges calls as a session without rules of its own would have them judged.

    Args:
        store: beside which a policy file may lie; it is not opened.
        policy: the policy file; None to search.
    """

    def __init__(self, store: Path, policy: Path | None) -> None:
        super().__init__(policy=policy)
        self._policy_store = store

    def _hooks_of(self, found: PolicyFile | None) -> HookEngine:
        """Ask no hook: a program must not run because somebody asks what would happen."""
        return HookEngine(INSTALLATION)

    async def init_tee(self) -> TeeStatus:
        """Start no enclave: nothing is sent to a model here."""
        return self.tee_runtime.status

    async def open_trial(self, workspace: Path | None) -> Session:
        """Open the session that calls are judged in.

        Args:
            workspace: default: the current directory.
        """
        where = os.fspath(workspace) if workspace is not None else os.getcwd()
        return await self.create_session(SESSION, SessionConfig(workspace=where))
