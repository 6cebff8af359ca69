"""Commands that a server carries out: `--server`, and the token that it is shown.

The token is never an argument, which every user of the machine could read: it comes
from `HOLDFAST_TOKEN`, or from a file that is the user's alone.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from holdfast.cli.output import note, print_json
from holdfast.cli.world import BEARER_FILE_VARIABLE, BEARER_VARIABLE, Options
from holdfast.core.errors import InvalidInput, NotNow, QuestionNotFound, UnknownDecision

if TYPE_CHECKING:
    from holdfast.client import Client, RemoteSession
    from holdfast.client.values import Approval, StreamEvent

TOKEN_BYTES_MAX = 8192
QUIET_S = 1.0
PATIENCE_S = 10.0
"""How long a server that does not answer is asked again; a person waits."""

APPROVALS_MAX = 1000
Act = Callable[["RemoteSession"], Awaitable[object]]


def token_of(options: Options) -> str:
    """The token that the server is shown.

    Raises:
        InvalidInput: there is none, or others can read its file.
    """
    if options.token_file is None:
        token = os.environ.get(BEARER_VARIABLE, "").strip()
        if not token:
            raise InvalidInput(
                f"a server wants a token: set {BEARER_VARIABLE}, or name its file with "
                f"--token-file or {BEARER_FILE_VARIABLE}"
            )
        return token
    try:
        with open(options.token_file, "rb", opener=_without_waiting) as file:
            facts = os.fstat(file.fileno())
            data = file.read(TOKEN_BYTES_MAX) if stat.S_ISREG(facts.st_mode) else b""
    except OSError as error:
        raise InvalidInput(f"the token's file cannot be read: {error.strerror}") from None
    if facts.st_mode & 0o077:
        raise InvalidInput("others can read the token's file: chmod 600 it")
    try:
        token = data.decode("ascii").strip()
    except UnicodeDecodeError:
        token = ""
    if not token or len(data) == TOKEN_BYTES_MAX or len(token.split()) != 1:
        raise InvalidInput("the token's file does not hold a token and nothing else")
    return token


def _without_waiting(path: str, flags: int) -> int:
    """Open a file; a pipe that nobody writes to is no file, and is not waited for."""
    return os.open(path, flags | os.O_NONBLOCK)


@asynccontextmanager
async def connected(options: Options, workspace: str = "") -> AsyncIterator[Client]:
    """A client of the server that the options name.

    Args:
        workspace: which one an administrator of all of them means.
    """
    # lazy: only commands for a server need an HTTP client.
    from holdfast.client import Client, ClientSettings

    settings = ClientSettings(patience_s=PATIENCE_S)
    async with Client(
        options.server, token=token_of(options), workspace=workspace, settings=settings
    ) as client:
        yield client


def carry_out(options: Options, id: str, act: Act, done: str, *, now: bool) -> dict[str, object]:
    """Have the server change a session; what became of it.

    Args:
        act: gives False if nothing was changed.
        now: of the command line, which does not go with a server.

    Raises:
        NotNow: it changed nothing.
        HoldfastError: it was refused.
    """
    refuse_now(now)

    async def work() -> dict[str, object]:
        async with connected(options) as client:
            session = await client.get_session(id)
            changed = await act(session)
            info = await session.info()
            if changed is False:
                raise NotNow(f"nothing changed: the session is {info.state}")
            return {"session": session.id, "status": done, "version": info.version}

    return asyncio.run(work())


def refuse_by(by: str, default: str) -> None:
    """Refuse `--by`: the person is whoever the token names.

    Raises:
        InvalidInput: it was given.
    """
    if by != default:
        raise InvalidInput("--by: a server knows by the token who says so")


def refuse_now(now: bool) -> None:
    """Refuse `--now`: a server leads its sessions itself.

    Raises:
        InvalidInput: it was given.
    """
    if now:
        raise InvalidInput("--now is for a store that is here; a server leads its sessions itself")


async def log_of(session: RemoteSession) -> list[StreamEvent]:
    """All events of a session's log, up to now."""
    last = await session.version()
    found: list[StreamEvent] = []
    async with aclosing(session.subscribe_events(0)) as events:
        try:
            while not found or found[-1].version < last:
                found.append(await anext(events))
            # One version may stand for several events, which come together.
            async with asyncio.timeout(QUIET_S):
                while True:
                    found.append(await anext(events))
        except (TimeoutError, StopAsyncIteration):
            pass
    return [one for one in found if not one.live and one.version <= last]


def wipe(options: Options, id: str, keep: list[str], *, now: bool) -> None:
    """Have the server wipe a session, its forks and its children."""
    refuse_now(now)

    async def work() -> None:
        async with connected(options) as client:
            receipt = await client.terminate_session(id, keep=keep)
        for name in (*receipt.erased, receipt.session_id):
            found = {"session": name, "status": "wiped", "key_epoch": receipt.key_epoch}
            if options.json:
                print_json(found)
            else:
                note(f"{name}: wiped")

    asyncio.run(work())


async def find(client: Client, id: str) -> Approval:
    """The open question of that id.

    Raises:
        QuestionNotFound: nothing of that id waits.
    """
    session, _, number = id.rpartition(":")
    if not session or not (number.isascii() and number.isdecimal()) or len(number) > 18:
        raise QuestionNotFound(f"{id!r} is not the id of an approval")
    found = await client.list_approvals(session_id=session, limit=APPROVALS_MAX)
    for one in found:
        if one.question == int(number):
            return one
    waiting = ", ".join(one.id for one in found) or "none"
    raise QuestionNotFound(f"no open question {id}; open: {waiting}")


def answer(
    options: Options, id: str, choose: Callable[[Approval], str], given: dict[str, object]
) -> dict[str, object]:
    """Answer a question as the person whose token it is; what became of it.

    Args:
        choose: which of its choices is meant.
        given: what goes with the answer, as `RemoteSession.answer_approval` names it.

    Raises:
        UnknownDecision: it is not one of the question's choices.
        HoldfastError: it was refused.
    """

    async def work() -> dict[str, object]:
        async with connected(options) as client:
            approval = await find(client, id)
            chosen = choose(approval)
            if chosen not in approval.choices:
                choices = ", ".join(approval.choices)
                raise UnknownDecision(f"{chosen!r} is not one of: {choices}")
            await client.answer_approval(approval.id, chosen, **given)  # type: ignore[arg-type]  # named by the caller
            info = await (await client.get_session(approval.session_id)).info()
            return {"session": info.id, "status": "answered", "version": info.version}

    return asyncio.run(work())
