"""`RemoteSession`: the handle of a session on a server. It has no state but its name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from holdfast.client.controls import new_key
from holdfast.client.decode import read, written
from holdfast.client.permits import Permits
from holdfast.client.problems import error_of_run
from holdfast.client.streams import Place, events_of
from holdfast.client.told import usage_of
from holdfast.client.values import AgentResult, StreamEvent
from holdfast.client.wire import Ask
from holdfast.core.errors import Interrupted, InvalidInput
from holdfast.core.settings import QueuePolicy


class RemoteSession(Permits):
    """One session on a server. Cheap to make, safe to share between tasks."""

    async def generate(
        self,
        prompt: str,
        *,
        command_id: bytes | None = None,
        policy: QueuePolicy | str | None = None,
    ) -> AgentResult:
        """Send a message and wait for the answer.

        It waits as long as the run goes on, also for people who are asked. Cancelling
        the task that waits here detaches it; use `cancel` to end the turn.

        Args:
            command_id: 16 bytes; sending the same again pays nothing twice.
            policy: overrides the session's queue policy for this message.

        Raises:
            Cancelled: the turn was cancelled.
            Interrupted: it ended without an answer (limit, end of the session).
            Denied: an account had not enough left, and nobody raised it.
            ProviderFailed: the model failed.
            HoldfastError: the message was refused, or the server is out of reach.
        """
        trusted, detail = True, ""
        async with aclosing(self.stream(prompt, command_id=command_id, policy=policy)) as events:
            async for event in events:
                if event.type == "turn_end":
                    trusted = event.data.get("trusted") is True
                elif event.type == "error":
                    detail = str(event.data.get("message", ""))
                elif event.type == "agent_end":
                    return _result(event, trusted, detail)
        raise Interrupted("the session ended before the answer")

    async def stream(
        self,
        prompt: str,
        *,
        command_id: bytes | None = None,
        policy: QueuePolicy | str | None = None,
    ) -> AsyncGenerator[StreamEvent, None]:
        """Send a message and yield the run's events, to `agent_end`.

        Leaving the loop detaches; it does not cancel the turn. When the connection
        breaks, the same message is sent again under the same id, and what was given
        already is left out.

        Raises:
            HoldfastError: the message was refused, or the server is out of reach.
        """
        if not isinstance(prompt, str):
            raise InvalidInput("a prompt is text")
        body = {"content": prompt, "policy": written(policy)}
        path = f"{self._path}/messages"
        ask = Ask(method="POST", path=path, body=body, key=new_key(command_id))
        async with aclosing(events_of(self._wire, ask, Place(0))) as events:
            async for event in events:
                yield event
                if event.type == "agent_end":
                    return

    def event_tx(self) -> AsyncIterator[StreamEvent]:
        """A subscriber to what happens next; nothing can be sent this way."""
        return self.subscribe_events()

    async def subscribe_events(
        self, from_version: int | None = None
    ) -> AsyncGenerator[StreamEvent, None]:
        """Yield the session's events: the log after `from_version`, then live.

        Durable events come exactly once and in order, over any number of connections;
        deltas only while they happen. The stream ends with the session.

        Args:
            from_version: the last version already seen; 0 replays everything; None
                starts with what happens next.

        Raises:
            KeyDestroyed: the session was wiped.
            HoldfastError: the server refused it, or is out of reach.
        """
        if from_version is not None and (type(from_version) is not int or from_version < 0):
            raise InvalidInput("a version is a number, 0 or above")
        ask = Ask(method="GET", path=f"{self._path}/events")
        async with aclosing(events_of(self._wire, ask, Place(from_version))) as events:
            async for event in events:
                yield event


def _result(end: StreamEvent, trusted: bool, detail: str) -> AgentResult:
    """What a run came to, from its last event."""
    data = end.data
    outcome = read(str, data.get("outcome"))
    if outcome != "completed":
        raise error_of_run(outcome, read(str, data.get("reason")), detail)
    return AgentResult(
        text=read(str, data.get("text")),
        usage=usage_of(data.get("usage")),
        tool_calls_count=read(int, data.get("tool_calls")),
        version=end.version,
        trusted=trusted,
    )
