"""Allowances by a session's id or its workspace, and whose tokens are trusted (seed E4)."""

from __future__ import annotations

from holdfast.core.errors import InvalidInput
from holdfast.runtime import capabilities
from holdfast.runtime.allowances import Allowance, AllowanceImport
from holdfast.runtime.listing import resolve_workspace
from holdfast.runtime.sessions import Sessions


class AllowanceService(Sessions):
    """Allowances by the session's id or its workspace; each is one of `Session`'s."""

    async def allowances(self, session_id: str) -> list[Allowance]:
        """All that is granted to a session; see `Session.allowances`."""
        return await (await self.get_session(session_id)).allowances()

    async def revoke_allowance(self, session_id: str, id: str, why: str = "") -> None:
        """Take back what was granted; see `Session.revoke_allowance`."""
        await (await self.get_session(session_id)).revoke_allowance(id, why)

    async def export_allowances(self, workspace: str) -> str:
        """The allowances of a directory as a JSON document (seed E4)."""
        session = await self.get_session(await self._session_in(workspace))
        return await session.export_workspace_allowances()

    async def import_allowances(
        self, workspace: str, data: str, *, confirm: str = ""
    ) -> AllowanceImport:
        """Take over a list for a directory; see `Session.import_workspace_allowances`.

        The events stand in the newest session that works in the directory.
        """
        session = await self.get_session(await self._session_in(workspace))
        return await session.import_workspace_allowances(data, confirm=confirm)

    async def _session_in(self, workspace: str) -> str:
        states = ("Active", "Processing", "Paused")
        real = resolve_workspace(workspace)
        page = await self.list_sessions(workspace=real, states=states, limit=1)
        if not page.sessions:
            raise InvalidInput(f"no session works in {workspace!r}: open one there first")
        return page.sessions[0].id

    def trust_issuers(self, *public_keys: str) -> None:
        """Trust capability tokens of other installations.

        Args:
            public_keys: their audit keys' public halves, 64 hexadecimal characters.
        """
        self.trust.trust(capabilities.public_key(one) for one in public_keys)
