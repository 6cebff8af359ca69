"""A manager that never leads: commands go to whoever does (contract 1.11)."""

from __future__ import annotations

from typing import NoReturn

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import LeaseHeld
from holdfast.runtime.manager import Located


class Client(SessionManager):
    """Reads, and submits commands to the runner of a session."""

    def start_watching(self) -> None:
        """Watch nothing: serving inboxes is for runners."""

    async def _share_limits(self) -> None:
        """Write nothing: limits are put into the store by whoever leads."""

    async def engine(self, where: Located) -> NoReturn:
        """Refuse to lead.

        Raises:
            LeaseHeld: always; the caller then submits instead.
        """
        raise LeaseHeld("this command only submits; a runner leads the session")
