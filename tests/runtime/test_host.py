"""Letters and checks of arguments."""

from __future__ import annotations

import asyncio

import pytest

from holdfast.core.commands import Pause
from holdfast.core.errors import Busy, InvalidInput
from holdfast.runtime.host import Handled, Mail, check_command_id, expect


def test_a_letter_is_answered_once() -> None:
    """The first answer stands; later ones change nothing."""

    async def work() -> None:
        future: asyncio.Future[Handled] = asyncio.get_running_loop().create_future()
        mail = Mail(command=Pause(), future=future)
        mail.succeed(Handled(1, 2))
        mail.fail(Busy())
        mail.succeed(Handled(3, 4))
        assert Handled(1, 2) == await future
        failed: asyncio.Future[Handled] = asyncio.get_running_loop().create_future()
        Mail(command=Pause(), future=failed).fail(Busy("x"))
        with pytest.raises(Busy):
            await failed

    asyncio.run(work())


def test_a_command_id_is_sixteen_bytes_or_none() -> None:
    """Anything else is refused before it reaches an engine."""
    check_command_id(None)
    check_command_id(bytes(16))
    for wrong in (b"", bytes(15), bytes(17), "x" * 16, 5, bytearray(16)):
        with pytest.raises(InvalidInput):
            check_command_id(wrong)


def test_expect_names_the_argument() -> None:
    """A wrong type is named; a bool is no number."""
    expect("n", 5, int)
    expect("b", True, bool)
    expect("s", None, str, type(None))
    for value, kind in ((True, int), ("5", int), (None, str), (5, str)):
        with pytest.raises(InvalidInput, match="n is to be"):
            expect("n", value, kind)
