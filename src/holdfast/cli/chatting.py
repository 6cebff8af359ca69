"""The conversation of `holdfast chat`: reading lines, slash commands, turns."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable

import typer

from holdfast.cli.plain import one_line, safe
from holdfast.cli.talk import (
    BaseUrlOption,
    InputUsdOption,
    KeyOption,
    ModelOption,
    OutputUsdOption,
    RoundsOption,
    ScriptOption,
    SealedOption,
    SeesOption,
    SessionOption,
    SystemOption,
    Table,
    UnsafeOption,
    UnsandboxedOption,
    Wanted,
    WorkspaceOption,
    ZoneOption,
    converse,
)
from holdfast.cli.world import options_of
from holdfast.core.errors import HoldfastError, InvalidInput, NotNow

HISTORY_MESSAGES = 20
HELP = """\
/history      what the model sees of this conversation
/clear        start the model's view afresh; the log keeps everything
/rewind N     show the model only what was there at version N
/title TEXT   name the session
/pause        pause the session (it stays paused)
/resume       let a paused session go on
/info         facts of the session
/quit         leave; the session stays (Ctrl-D does the same)
// at the start sends a line that begins with a slash"""


def chat(
    context: typer.Context,
    *,
    session: SessionOption = None,
    workspace: WorkspaceOption = None,
    model: ModelOption = None,
    base_url: BaseUrlOption = None,
    key: KeyOption = None,
    input_usd: InputUsdOption = None,
    output_usd: OutputUsdOption = None,
    zone: ZoneOption = None,
    sees: SeesOption = None,
    script: ScriptOption = None,
    unsafe_auto_approve: UnsafeOption = False,
    unsandboxed: UnsandboxedOption = False,
    system: SystemOption = None,
    max_rounds: RoundsOption = None,
    sealed: SealedOption = False,
) -> None:
    """Talk with a session, turn after turn.

    Ctrl-C cancels the turn, not the program; Ctrl-D or /quit leaves, and the
    session stays. /help lists what else can be typed.
    """
    wanted = Wanted(
        session=session,
        workspace=workspace,
        model=model,
        base_url=base_url,
        key=key,
        input_usd=input_usd,
        output_usd=output_usd,
        zone=zone,
        sees=sees,
        script=script,
        unsafe=unsafe_auto_approve,
        unsandboxed=unsandboxed,
        system=system,
        max_rounds=max_rounds,
        sealed=sealed,
    )
    converse(options_of(context), wanted, chat_with)


def chat_with(table: Table) -> int:
    """Read lines until the end of input; returns the exit code."""
    with contextlib.suppress(ImportError):
        # lazy: line editing and history, where the interpreter has it.
        import readline  # noqa: F401 - importing it is what changes input()
    printer = table.printer
    if sys.stdin.isatty():
        printer.note(f"session {table.session.id} · /help lists commands · Ctrl-D leaves")
    if not table.made:
        _guarded(table, table.driver.finish)
    while True:
        try:
            line = input("\n> " if sys.stdin.isatty() else "").strip()
        except EOFError:
            start = "\n" if sys.stdin.isatty() else ""
            printer.note(f"{start}session {table.session.id} stays")
            return 0
        except KeyboardInterrupt:
            printer.note("\n(Ctrl-D leaves)")
            continue
        if line in ("/quit", "/exit"):
            return 0
        if line.startswith("/") and not line.startswith("//"):
            _guarded(table, functools.partial(_command, table, line))
        elif line:
            text = line[1:] if line.startswith("//") else line
            _guarded(table, functools.partial(table.driver.send, text))


def _guarded(table: Table, work: Callable[[], object]) -> None:
    """Do something; what is refused is said, and the conversation goes on."""
    try:
        work()
    except HoldfastError as error:
        table.printer.note(f"{error.message} ({error.reason})", "bad")
    except KeyboardInterrupt:
        table.printer.note("")


def _command(table: Table, line: str) -> None:
    word, _, rest = line[1:].partition(" ")
    commands: dict[str, Callable[[Table, str], None]] = {
        "help": lambda at, _: at.printer.note(HELP),
        "history": _history,
        "clear": _clear,
        "rewind": _rewind,
        "title": _title,
        "pause": _pause,
        "resume": _resume,
        "info": _info,
    }
    chosen = commands.get(word)
    if chosen is None:
        raise InvalidInput(f"there is no /{word}; /help lists the commands")
    chosen(table, rest.strip())


def _history(table: Table, _: str) -> None:
    messages = table.background.run(table.session.history())
    if not messages:
        table.printer.note("the model sees nothing yet")
    for message in messages[-HISTORY_MESSAGES:]:
        calls = ", ".join(use.name for use in message.tool_uses)
        text = message.text or (f"[calls {calls}]" if calls else "[tool result]")
        table.printer.note(f"{message.role.value:>9}  {one_line(text)}")


def _clear(table: Table, _: str) -> None:
    table.background.run(table.session.clear())
    table.printer.note("cleared; the log keeps everything")


def _rewind(table: Table, rest: str) -> None:
    if not rest.isdecimal():
        raise InvalidInput("/rewind needs a version; /info shows the present one")
    table.background.run(table.session.rewind(int(rest)))
    table.printer.note(f"the model sees what was there at version {rest}")


def _title(table: Table, rest: str) -> None:
    if not rest:
        raise InvalidInput("/title needs a text")
    table.background.run(table.session.set_title(rest))


def _pause(table: Table, rest: str) -> None:
    if not table.background.run(table.session.pause(rest)):
        raise NotNow("it cannot be paused now")
    table.printer.note("paused; /resume lets it go on")


def _resume(table: Table, _: str) -> None:
    if not table.background.run(table.session.resume()):
        raise NotNow("it is not paused")
    table.printer.note("resumed")
    table.driver.finish()


def _info(table: Table, _: str) -> None:
    info = table.background.run(table.session.info())
    usage = table.background.run(table.session.context_usage())
    table.printer.note(
        f"{info.id} · {info.state} · version {info.version} · {info.turn_count} turns · "
        f"{info.tool_call_count} tool calls · context {usage.percent:.0%}"
    )
    if info.title:
        table.printer.note(safe(info.title))
