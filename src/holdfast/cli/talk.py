"""`holdfast run` and `holdfast chat`: the commands that talk to a session."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from holdfast.cli.exits import Quit
from holdfast.cli.world import Options, make_runner, options_of, talks_to_a_person
from holdfast.core.errors import InvalidInput, NoModel, SessionNotFound
from holdfast.core.security import Zone

if TYPE_CHECKING:
    from holdfast.bootstrap import SessionManager
    from holdfast.cli.driver import Ask, Background, Driver
    from holdfast.cli.printer import Printer
    from holdfast.core.settings import ModelSettings
    from holdfast.runtime.approvals import Approval
    from holdfast.runtime.handle import Session

MODEL_VARIABLE = "HOLDFAST_MODEL"
PROMPT_BYTES_MAX = 4 * 1024 * 1024

SessionOption = Annotated[
    str | None, typer.Option("--session", "-s", help="An existing session, or the id of a new one.")
]
WorkspaceOption = Annotated[
    Path | None,
    typer.Option("--workspace", "-w", help="Directory a new session works in (default: here)."),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="provider:name, e.g. openai:gpt-4o (or HOLDFAST_MODEL)."),
]
BaseUrlOption = Annotated[
    str | None, typer.Option("--base-url", help="Another endpoint that speaks the protocol.")
]
KeyOption = Annotated[
    str | None,
    typer.Option("--key", help="Where the key is: env:NAME, file:/path, keyring:service/name."),
]
InputUsdOption = Annotated[
    str | None,
    typer.Option("--input-usd", help="Its price for a million input tokens in USD; 0 if none."),
]
OutputUsdOption = Annotated[
    str | None,
    typer.Option("--output-usd", help="Its price for a million output tokens in USD."),
]
ZoneOption = Annotated[
    str | None,
    typer.Option(
        "--zone", help="Where it runs: public, private, local or tee (default: by its address)."
    ),
]
SeesOption = Annotated[
    str | None,
    typer.Option("--sees", help="The most sensitive content it may see in clear."),
]
ScriptOption = Annotated[
    Path | None,
    typer.Option("--script", help="Play this script instead of a model, to try things out."),
]
UnsafeOption = Annotated[
    bool,
    typer.Option(
        "--unsafe-auto-approve", help="Let write, edit and bash run unasked in this session."
    ),
]
UnsandboxedOption = Annotated[
    bool, typer.Option("--unsandboxed", help="Let bash run where there is no sandbox.")
]
SystemOption = Annotated[
    str | None, typer.Option("--system", help="System prompt of the session: text, or @file.")
]
SealedOption = Annotated[
    bool,
    typer.Option("--sealed", help="Keep a new session's content in a process of its own only."),
]
RoundsOption = Annotated[
    int | None, typer.Option("--max-rounds", min=1, help="Model calls in one turn.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What the person asked for."""

    session: str | None
    workspace: Path | None
    model: str | None
    base_url: str | None
    key: str | None
    input_usd: str | None
    output_usd: str | None
    zone: str | None
    sees: str | None
    script: Path | None
    unsafe: bool
    unsandboxed: bool
    system: str | None
    max_rounds: int | None
    wait: bool = False
    sealed: bool = False


def run(
    context: typer.Context,
    prompt: Annotated[
        str | None, typer.Argument(help="What to do; - reads it from standard input.")
    ] = None,
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
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait while somebody answers a question elsewhere.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Only finish what was interrupted; needs --session.")
    ] = False,
) -> None:
    """Give a session one task and show what happens.

    A new session is made unless one is named. What a crash or a kill cut off is
    finished first. Ctrl-C cancels the turn; twice leaves at once.
    """
    if resume and prompt is not None:
        raise InvalidInput("--resume takes no prompt; it only finishes what was interrupted")
    if resume and session is None:
        raise InvalidInput("--resume needs --session: which one is to be resumed?")
    if not resume and prompt is None:
        raise InvalidInput("say what to do: holdfast run PROMPT (or --resume --session ID)")
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
        wait=wait,
        sealed=sealed,
    )
    text = None if resume else read_prompt(prompt or "")
    converse(options_of(context), wanted, lambda table: _one_task(table, text))


# --- what both do -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Everything a conversation needs, laid out."""

    options: Options
    background: Background
    manager: SessionManager
    session: Session
    printer: Printer
    driver: Driver
    ask: Ask
    made: bool


def converse(options: Options, wanted: Wanted, work: object) -> None:
    """Open or make the session, do the work with it, and close the store.

    Raises:
        Quit: with the exit code of the work.
    """
    assert callable(work), "the work is a function of the table"
    # lazy: the conversation loads the runtime and asyncio.
    from holdfast.cli.driver import Background, Driver, Left, leave_at_once
    from holdfast.cli.printer import printer_for

    printer = printer_for(as_json=options.json)
    ask = _asker(printer, options)
    with Background() as background:
        manager = _manager(options, wanted)
        try:
            background.run(manager.ready())
            session, made = background.run(_session(manager, wanted))
            _say_hello(printer, wanted, session, made)
            driver = Driver(
                background,
                manager,
                session,
                printer,
                ask=ask,
                patient=talks_to_a_person() and not options.json,
                wait=wanted.wait,
            )
            code = work(
                Table(
                    options=options,
                    background=background,
                    manager=manager,
                    session=session,
                    printer=printer,
                    driver=driver,
                    ask=ask,
                    made=made,
                )
            )
        except Left:
            leave_at_once()
        finally:
            background.run(manager.close())
    raise Quit(code)


def _one_task(table: Table, prompt: str | None) -> int:
    driver, session = table.driver, table.session
    found = None if table.made else driver.finish()
    code = found or 0
    if prompt is None and found is None:
        table.printer.note("nothing was interrupted")
    if prompt is not None and not code:
        code = driver.send(prompt)
    table.printer.result({"session": session.id, "text": driver.text, "exit_code": code})
    return code


def _say_hello(printer: Printer, wanted: Wanted, session: Session, made: bool) -> None:
    if wanted.unsafe:
        printer.note(
            "UNSAFE: write, edit and bash run in this session without being asked about", "warn"
        )
    if wanted.unsandboxed:
        printer.note("UNSANDBOXED: where there is no sandbox, commands run without one", "warn")
    if made:
        printer.note(f"new session {session.id}")


def read_prompt(text: str) -> str:
    """The prompt; "-" means standard input.

    Raises:
        InvalidInput: it is empty or far too long.
    """
    if text == "-":
        text = sys.stdin.buffer.read(PROMPT_BYTES_MAX + 1).decode("utf-8", "replace")
    if len(text) > PROMPT_BYTES_MAX:
        raise InvalidInput("the prompt is longer than 4 MiB")
    if not text.strip():
        raise InvalidInput("the prompt is empty")
    return text


def _system_of(wanted: Wanted) -> str | None:
    if wanted.system is None or not wanted.system.startswith("@"):
        return wanted.system
    try:
        return Path(wanted.system[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(f"cannot read {wanted.system[1:]}: {type(error).__name__}") from None


def _chosen_model(wanted: Wanted) -> ModelSettings | None:
    """The model that was named on the command line."""
    if wanted.model is None:
        prices = (wanted.input_usd, wanted.output_usd)
        if any((wanted.base_url, wanted.key, *prices, wanted.zone, wanted.sees)):
            raise InvalidInput("--base-url, --key, prices, --zone and --sees go with --model")
        return None
    # lazy: only who names a model needs the factory, and levels are the runtime's.
    from holdfast.adapters.models.factory import parse_model
    from holdfast.runtime.securing import level_of

    chosen = parse_model(
        wanted.model,
        base_url=wanted.base_url,
        key=wanted.key,
        input_usd=wanted.input_usd,
        output_usd=wanted.output_usd,
    )
    sees = None if wanted.sees is None else level_of("--sees", wanted.sees)
    return replace(chosen, zone=_zone_of(wanted), sees=sees)


def _zone_of(wanted: Wanted) -> Zone | None:
    if wanted.zone is None:
        return None
    try:
        return Zone(wanted.zone)
    except ValueError:
        raise InvalidInput(f"--zone is one of: {', '.join(Zone)}") from None


def _manager(options: Options, wanted: Wanted) -> SessionManager:
    """A runner whose default model is the script or the environment's."""
    if wanted.script is not None:
        if wanted.model is not None:
            raise InvalidInput("--script stands in for a model; give one of them")
        # lazy: only for trying things out.
        from holdfast.testing.scripted import ScriptedModel

        script = ScriptedModel.from_file(wanted.script)
        manager = make_runner(options, script, unsandboxed=wanted.unsandboxed)
        manager.prefer_default_llm()
        return manager
    default = os.environ.get(MODEL_VARIABLE) if wanted.model is None else None
    return make_runner(options, default or None, unsandboxed=wanted.unsandboxed)


async def _session(manager: SessionManager, wanted: Wanted) -> tuple[Session, bool]:
    """The session that is meant, and whether it is new."""
    chosen = _chosen_model(wanted)
    if wanted.session is not None:
        try:
            found = await manager.get_session(wanted.session)
        except SessionNotFound:
            pass
        else:
            if wanted.sealed and not (await found.view()).settings.sealed:
                raise InvalidInput("only a new session can be sealed")
            await _change(found, manager, wanted, chosen)
            return found, False
    # lazy: making a session loads the runtime's configuration.
    from holdfast.core.settings import Limits
    from holdfast.runtime.config import SessionConfig

    await _check_model(manager, wanted, chosen)
    limits = Limits() if wanted.max_rounds is None else Limits(max_rounds=wanted.max_rounds)
    config = SessionConfig(
        workspace=str(wanted.workspace or Path.cwd()),
        system_prompt=_system_of(wanted),
        model=chosen,
        unsafe_auto_approve=wanted.unsafe,
        limits=limits,
        sealed=wanted.sealed,
    )
    return await manager.create_session(wanted.session, config), True


async def _check_model(
    manager: SessionManager, wanted: Wanted, chosen: ModelSettings | None
) -> None:
    """Find out before a session is made that no model can be reached.

    Raises:
        NoModel: none was named.
        HoldfastError: its settings, key or library are missing.
    """
    if chosen is not None:
        await manager.set_default_llm(chosen)
    elif not (
        wanted.script or os.environ.get(MODEL_VARIABLE) or (await manager.agent_config()).model
    ):
        raise NoModel("no model: give --model provider:name or set HOLDFAST_MODEL")


async def _change(
    session: Session, manager: SessionManager, wanted: Wanted, chosen: ModelSettings | None
) -> None:
    """Apply to an existing session what was asked for and differs.

    Raises:
        InvalidInput: it was settled when the session was made.
    """
    # lazy: a session's settings are the runtime's.
    from holdfast.runtime.listing import resolve_workspace

    settings = (await session.view()).settings
    workspace = wanted.workspace and resolve_workspace(str(wanted.workspace))
    fixed = {
        "--workspace": workspace is None or workspace == settings.workspace,
        "--unsafe-auto-approve": settings.unsafe_auto_approve or not wanted.unsafe,
        "--max-rounds": wanted.max_rounds in (None, settings.limits.max_rounds),
    }
    for option, same in fixed.items():
        if not same:
            raise InvalidInput(f"{option} is settled when a session is made; this one has another")
    if settings.model is None or chosen is not None:
        await _check_model(manager, wanted, chosen)
    if chosen is not None and chosen != settings.model:
        await session.configure(model_config=chosen)
    prompt = _system_of(wanted)
    if prompt is not None and prompt != await session.system_prompt():
        await session.set_system_prompt(prompt)


# --- questions ----------------------------------------------------------------------


def _asker(printer: Printer, options: Options) -> Ask:
    if options.json or not talks_to_a_person():
        return lambda approval: _only_say(printer, approval)
    return lambda approval: ask_person(printer, approval)


def _only_say(printer: Printer, approval: Approval) -> None:
    answer = f"holdfast approvals approve {approval.id}   (or: deny)"
    if approval.about == "in_doubt":
        choices = "|".join(approval.choices)
        answer = f"holdfast sessions answer {approval.session_id} {approval.question} {choices}"
    printer.note(
        f"waiting for an answer to {approval.id}: {describe(approval)}\n  {answer}", "warn"
    )


def describe(approval: Approval) -> str:
    """What is asked, in words."""
    if approval.about == "in_doubt":
        call = f"{approval.tool} {approval.preview}".strip()
        return (
            f"{call} was running when the runtime stopped; "
            "nobody knows whether it happened. It has not been repeated."
        )
    if approval.about == "consent":
        return f"{approval.text}\n  (the model is {approval.tool})"
    call = f"{approval.tool} {approval.preview}".strip()
    return f"may this run? {call}\n  ({approval.text})"


MEANINGS = {
    "happened": "it did happen; go on without repeating it",
    "run_again": "run it again",
    "skip": "go on without it",
    "once": "yes, this time",
    "session": "yes, and just this call again in this session (or: session PATTERN)",
    "workspace": "yes, and again in this directory (or: workspace PATTERN)",
    "always": "yes, and again in all your sessions for 30 days (or: always PATTERN)",
    "deny": "no (deny WHY: the model reads it)",
    "edit": "with other arguments (edit JSON); it is judged anew",
    "raise": "raise the limit (or: raise AMOUNT)",
}


SHORT = {"y": "once", "yes": "once", "n": "deny", "no": "deny"}
"""What people type before they read the choices."""


def ask_person(printer: Printer, approval: Approval) -> tuple[str, str] | None:
    """Ask on the terminal; None when there is no answer to be had."""
    printer.note(f"? {describe(approval)}", "warn")
    for place, choice in enumerate(approval.choices, 1):
        meaning = MEANINGS.get(choice, "")
        printer.note(f"  {place}  {choice}" + (f": {meaning}" if meaning else ""))
    for one in approval.patterns:
        printer.note(f"     pattern {one.pattern} would also match: {'; '.join(one.samples)}")
    while True:
        try:
            said = input("> ").strip()
        except EOFError:
            return None
        if said in ("/quit", "/exit"):
            return None
        word, _, note = said.partition(" ")
        word = SHORT.get(word.casefold(), word)
        if word.isdecimal() and 1 <= int(word) <= len(approval.choices):
            word = approval.choices[int(word) - 1]
        if word in approval.choices:
            return word, note.strip()
        printer.note("type one of: " + ", ".join(approval.choices))
