"""LangGraph: a model node and a `ToolNode` over `SqliteSaver`'s asynchronous twin.

Resuming is documented as invoking with None as the input on the same thread.
Durability is `sync`, the strictest there is.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from crashpeer import Entries, barrier, charge, delay, folder, main, think
from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import START, MessagesState, StateGraph
from langgraph.prebuilt import ToolNode, tools_condition

THREAD: Any = {"configurable": {"thread_id": "one"}}


def entries_of(messages: list[AnyMessage]) -> Entries:
    """Messages as entries."""
    found: Entries = []
    for message in messages:
        if isinstance(message, ToolMessage):
            found.append(("error" if message.status == "error" else "result", str(message.content)))
        elif isinstance(message, HumanMessage):
            found.append(("user", str(message.content)))
        elif isinstance(message, AIMessage):
            if message.content:
                found.append(("assistant", str(message.content)))
            found += [("call", f"{use['name']} {use['args']}") for use in message.tool_calls]
    return found


async def model(state: MessagesState) -> dict[str, Any]:
    """Play the script."""
    said = think(entries_of(state["messages"]))
    await delay()
    if said is None:
        use = {"name": "charge", "args": {"amount": "42"}, "id": "c1"}
        return {"messages": [AIMessage("", tool_calls=[use])]}
    return {"messages": [AIMessage(said)]}


@asynccontextmanager
async def graph() -> AsyncIterator[Any]:
    """The usual agent's graph."""
    async with AsyncSqliteSaver.from_conn_string(str(folder() / "peer.db")) as saver:
        await saver.setup()
        made = StateGraph(MessagesState)
        made.add_node("model", model)
        made.add_node("tools", ToolNode([tool(charge)]))
        made.add_edge(START, "model")
        made.add_conditional_edges("model", tools_condition)
        made.add_edge("tools", "model")
        yield made.compile(checkpointer=saver)


async def setup() -> None:
    """Make the file, so that the race is not about that."""
    async with graph() as app:
        await app.aget_state(THREAD)


async def invoke(given: dict[str, Any] | None) -> str:
    """One run of the graph."""
    async with graph() as app:
        barrier()
        found = await app.ainvoke(given, THREAD, durability="sync")
        return str(found["messages"][-1].content)


async def send(text: str) -> str:
    """One turn."""
    return await invoke({"messages": [HumanMessage(text)]})


async def resume() -> str:
    """The documented way."""
    return await invoke(None)


async def read() -> Entries:
    """What is stored."""
    async with graph() as app:
        return entries_of((await app.aget_state(THREAD)).values.get("messages", []))


if __name__ == "__main__":
    packages = ("langgraph", "langgraph-checkpoint-sqlite")
    main(packages, "AsyncSqliteSaver, sync", setup=setup, send=send, read=read, resume=resume)
