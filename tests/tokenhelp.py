"""What tests of tokens share."""

from __future__ import annotations

from holdfast.bootstrap import SessionManager
from holdfast.core.errors import TokenInvalid


async def dead(sessions: SessionManager, token: str) -> bool:
    """Whether a token is refused, by whatever way it is shown."""
    try:
        await sessions.tokens.validate(token)
    except TokenInvalid as error:
        assert str(error) == "The token is not valid." and error.status == 401
        return True
    return False
