"""A life in which a session is wiped, killed at a step of it, or one that goes on after that.

Each step of the termination is written to `steps` as it begins: commits of the store with
the state they leave, values erased, keys destroyed, what is left in the store erased.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import Any

from contenthelp import EMAIL, quick
from holdfast.bootstrap import SessionManager
from holdfast.core.errors import HoldfastError
from holdfast.core.events import TYPE_OF
from holdfast.core.lifecycle import SessionState, decode_state
from holdfast.ports.store import Append, Filter
from holdfast.runtime.audit import verify_store
from holdfast.runtime.content import Content
from holdfast.testing.script import call
from holdfast.testing.scripted import ScriptedModel
from sessionhelp import on_file, tool


def act(text: str = "") -> str:
    """Do something that is asked about."""
    return text


class Steps:
    """Notes the steps, and dies at one of them."""

    def __init__(self, order: dict[str, Any]) -> None:
        self._file = Path(order["folder"]) / "steps"
        self._at = order.get("kill_at")
        self._when = order.get("kill_when", "before")
        self._count = 0

    def begin(self, name: str) -> bool:
        """Note one; tells whether to die after it."""
        self._count += 1
        with self._file.open("a") as file:
            file.write(name + "\n")
        mine = self._count == self._at
        if mine and self._when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        return mine

    @staticmethod
    def end(mine: bool) -> None:
        """Die, if this was the step."""
        if mine:
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self, sessions: SessionManager) -> None:
        """Stand at every step from now on."""
        backend = sessions.distinct_backends()[0][1]
        store, keys = backend.store, backend.keys
        append, erase, destroy = store.append, store.erase, keys.destroy_session
        forget = Content.forget

        async def appending(request: Append) -> Any:
            state = request.index.state if request.index else 0
            mine = self.begin(f"append {decode_state(state).title}")
            done = await append(request)
            self.end(mine)
            return done

        async def erasing(stream: int) -> None:
            mine = self.begin("erase rows")
            await erase(stream)
            self.end(mine)

        def destroying(stream: int, *, now_ms: int) -> Any:
            mine = self.begin("destroy key")
            done = destroy(stream, now_ms=now_ms)
            self.end(mine)
            return done

        async def forgetting(content: Content) -> None:
            mine = self.begin("erase values")
            followed = [*content.taints._durable, *content.taints._noted.values()]
            await forget(content)
            assert all(bytes(len(one.value)) == one.value for one in followed)
            self.end(mine)

        store.append, store.erase = appending, erasing
        keys.destroy_session = destroying
        Content.forget = forgetting  # type: ignore[method-assign]  # it dies within


async def _begin(order: dict[str, Any]) -> None:
    folder = Path(order["folder"])
    model = ScriptedModel([call("act", {"text": "x"})])
    async with on_file(folder, model, tool(act, params=["text"]), detectors=quick()) as sessions:
        session = await sessions.create_session("one")
        await sessions.create_child_session("one", "below")
        waiting = asyncio.create_task(session.generate(f"mail {EMAIL}"))
        while not await session.approvals():
            await asyncio.sleep(0.002)
        Steps(order).arm(sessions)
        await sessions.terminate_session("one", reason="told to")
        await asyncio.gather(waiting, return_exceptions=True)


async def _go_on(order: dict[str, Any]) -> None:
    """Say what is there before anything is led, and once nothing is left to do."""
    folder = Path(order["folder"])
    async with on_file(folder, ScriptedModel(), tool(act), detectors=quick()) as sessions:
        before = await _report(sessions)
        await sessions.resume_interrupted()
        store = sessions.distinct_backends()[0][1].store
        terminating = Filter(states=frozenset({int(SessionState.TERMINATING)}), include_hidden=True)
        while await store.count_streams(terminating):
            await asyncio.sleep(0.002)
        found = {"before": before, "after": await _report(sessions)}
        (folder / "report.json").write_text(json.dumps(found))


async def _report(sessions: SessionManager) -> dict[str, Any]:
    backend = sessions.distinct_backends()[0][1]
    streams = []
    page = await backend.store.list_streams(Filter(include_hidden=True, limit=100))
    for row in page.rows:
        events = await backend.store.read(row.stream, 0, 1000)
        try:
            backend.keys.session_key(row.stream).wipe()
            readable = True
        except HoldfastError:
            readable = False
        streams.append(
            {
                "name": row.name,
                "state": decode_state(row.index.state).title,
                "kinds": [TYPE_OF[event.kind].__name__ for event in events],
                "readable": readable,
            }
        )
    audit = await verify_store(sessions)
    return {
        "streams": streams,
        "ok": audit.ok,
        "notes": [finding.text for finding in audit.findings],
    }


def wipe(order: dict[str, Any]) -> int:
    """Live one life; returns the exit status."""
    asyncio.run(_go_on(order) if order.get("go_on") else _begin(order))
    return 0
