"""LangGraph: a model node and a tool node over `AsyncSqliteSaver`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, MessagesState, StateGraph
from peercommon import ANSWER, PROMPT, TEXT, main, rate, timed_turns


def graph(saver: AsyncSqliteSaver) -> Any:
    """Model and tool in turn, as the prebuilt agent does, without its extras."""
    calls = 0

    async def model(state: MessagesState) -> dict[str, Any]:
        nonlocal calls
        if isinstance(state["messages"][-1], ToolMessage):
            return {"messages": [AIMessage(ANSWER)]}
        calls += 1
        use = {"name": "look", "args": {"path": "hello.txt"}, "id": f"c{calls}"}
        return {"messages": [AIMessage("", tool_calls=[use])]}

    async def tools(state: MessagesState) -> dict[str, Any]:
        uses = state["messages"][-1].tool_calls
        return {"messages": [ToolMessage("hello", tool_call_id=use["id"]) for use in uses]}

    def on(state: MessagesState) -> str:
        last = state["messages"][-1]
        return "tools" if isinstance(last, AIMessage) and last.tool_calls else END

    made = StateGraph(MessagesState)
    made.add_node("model", model)
    made.add_node("tools", tools)
    made.add_edge(START, "model")
    made.add_conditional_edges("model", on, ["tools", END])
    made.add_edge("tools", "model")
    return made.compile(checkpointer=saver)


async def measure(directory: Path, each: int, turns: int) -> dict[str, object]:
    """Take both figures."""
    async with AsyncSqliteSaver.from_conn_string(str(directory / "append.db")) as saver:
        app = graph(saver)

        async def append(session: int) -> None:
            where = {"configurable": {"thread_id": f"s{session}"}}
            await app.aupdate_state(where, {"messages": [HumanMessage(TEXT)]}, as_node="model")

        await append(0)
        appended = await rate(append, max(1, each // 4))
    async with AsyncSqliteSaver.from_conn_string(str(directory / "turns.db")) as saver:
        app = graph(saver)
        where = {"configurable": {"thread_id": "one"}}

        async def turn() -> str:
            said = {"messages": [HumanMessage(PROMPT)]}
            found = await app.ainvoke(said, where, durability="sync")
            return str(found["messages"][-1].content)

        return {"append_128": appended, "turn_ms": await timed_turns(turn, turns)}


if __name__ == "__main__":
    main(
        ("langgraph", "langgraph-checkpoint-sqlite"),
        measure,
        "AsyncSqliteSaver, durability=sync; an append is aupdate_state",
    )
