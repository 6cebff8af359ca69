"""The program `holdfast`: its commands, and how it ends.

Whatever happens, a person sees one line and a program one exit code; a traceback
only with HOLDFAST_DEBUG=1. Heavy libraries load inside the commands.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

import holdfast
from holdfast.cli import (
    agent,
    allowances,
    approvals,
    auditing,
    auditlist,
    budget,
    chatting,
    configuring,
    control,
    enclave,
    enclave_provision,
    enclave_serve,
    labels,
    policy,
    privacy,
    serve,
    sessions,
    talk,
    tokens,
    transfer,
    upkeep,
)
from holdfast.cli.exits import (
    CANCELLED,
    PIPE_CLOSED,
    USAGE,
    Quit,
    report,
    report_unexpected,
    say_problem,
)
from holdfast.cli.world import (
    BEARER_FILE_VARIABLE,
    SERVER_VARIABLE,
    STORE_VARIABLE,
    Options,
    default_store,
)
from holdfast.core.errors import HoldfastError

app = typer.Typer(
    name="holdfast",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Durable, guarded sessions for AI agents.",
)
of_sessions = typer.Typer(no_args_is_help=True, help="List, show and control sessions.")
of_allowances = typer.Typer(no_args_is_help=True, help="What is granted, and taking it back.")
of_budget = typer.Typer(no_args_is_help=True, help="What may be spent, and what has been.")
of_approvals = typer.Typer(no_args_is_help=True, help="What waits for a person, and answers.")
of_policy = typer.Typer(no_args_is_help=True, help="Check, explain and test the policy file.")
of_privacy = typer.Typer(no_args_is_help=True, help="What detectors see in a text or a file.")
of_taint = typer.Typer(no_args_is_help=True, help="Values that are followed in a session.")
of_audit = typer.Typer(no_args_is_help=True, help="Check that nothing was altered.")
of_enclave = typer.Typer(
    no_args_is_help=True, help="Enclaves: proof of what they are, and a model in one."
)
of_tokens = typer.Typer(no_args_is_help=True, help="Who may do what: tokens and their roles.")
of_config = typer.Typer(no_args_is_help=True, help="The settings of the installation.")
of_agent = typer.Typer(no_args_is_help=True, help="The model that turns go to by default.")
of_keys = typer.Typer(no_args_is_help=True, help="The keys that sessions are encrypted with.")


def _version(wanted: bool) -> None:
    if wanted:
        print(f"holdfast {holdfast.__version__}")
        raise typer.Exit


@app.callback()
def _before(
    context: typer.Context,
    *,
    store: Annotated[
        Path | None,
        typer.Option(
            "--store",
            envvar=STORE_VARIABLE,
            help="The store's file (default: $XDG_DATA_HOME/holdfast/sessions.db).",
        ),
    ] = None,
    installation_key: Annotated[
        Path | None,
        typer.Option(
            "--installation-key",
            envvar="HOLDFAST_INSTALLATION_KEY",
            help="The installation key's file (default: $XDG_CONFIG_HOME/holdfast).",
        ),
    ] = None,
    policy_file: Annotated[
        Path | None,
        typer.Option(
            "--policy",
            help="The policy file (default: $HOLDFAST_POLICY, holdfast.toml beside the "
            "store, $XDG_CONFIG_HOME/holdfast/holdfast.toml).",
        ),
    ] = None,
    server: Annotated[
        str,
        typer.Option(
            "--server",
            envvar=SERVER_VARIABLE,
            help="Have a server do it: its address; the token comes from HOLDFAST_TOKEN.",
        ),
    ] = "",
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file",
            envvar=BEARER_FILE_VARIABLE,
            help="A file with the server's token, instead of HOLDFAST_TOKEN.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of text.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    context.obj = Options(
        store=(store or default_store()).expanduser(),
        installation_key=installation_key and installation_key.expanduser(),
        json=as_json,
        policy=policy_file and policy_file.expanduser(),
        server=server,
        token_file=token_file and token_file.expanduser(),
    )


app.command("run")(talk.run)
app.command("chat")(chatting.chat)
app.add_typer(of_sessions, name="sessions")
app.add_typer(of_allowances, name="allowances")
app.add_typer(of_budget, name="budget")
app.add_typer(of_approvals, name="approvals")
app.add_typer(of_policy, name="policy")
app.add_typer(of_privacy, name="privacy")
app.add_typer(of_taint, name="taint")
app.add_typer(of_audit, name="audit")
app.add_typer(of_enclave, name="enclave")
app.add_typer(of_tokens, name="tokens")
app.add_typer(of_keys, name="keys")
app.command("serve")(serve.serve)
app.command("init")(tokens.init)
app.add_typer(of_config, name="config")
app.add_typer(of_agent, name="agent-config")
app.command("doctor")(upkeep.doctor)
app.command("demo")(upkeep.demo)
of_config.command("show")(configuring.show)
of_agent.command("show")(agent.show)
of_agent.command("set")(agent.set_)
of_sessions.command("list")(sessions.list_sessions)
of_sessions.command("show")(sessions.show)
of_sessions.command("answer")(control.answer)
of_sessions.command("pause")(control.pause)
of_sessions.command("resume")(control.resume)
of_sessions.command("end")(control.end)
of_sessions.command("reopen")(control.reopen)
of_sessions.command("rewind")(control.rewind)
of_sessions.command("fork")(transfer.fork)
of_sessions.command("export")(transfer.export)
of_sessions.command("import")(transfer.import_)
of_sessions.command("wipe")(control.wipe)
of_sessions.command("wipe-all")(control.wipe_all)
of_sessions.command("wipe-idle")(control.wipe_idle)
of_sessions.command("label")(labels.label)
of_sessions.command("relabel")(labels.relabel)
of_sessions.command("risk")(labels.risk)
of_sessions.command("plan")(labels.plan)
of_budget.command("show")(budget.show)
of_budget.command("set")(budget.set_)
of_allowances.command("list")(allowances.list_allowances)
of_allowances.command("revoke")(allowances.revoke)
of_approvals.command("list")(approvals.list_approvals)
of_approvals.command("show")(approvals.show)
of_approvals.command("approve")(approvals.approve)
of_approvals.command("deny")(approvals.deny)
of_policy.command("check")(policy.check)
of_policy.command("explain")(policy.explain)
of_policy.command("test")(policy.test)
of_privacy.command("classify")(privacy.classify)
of_privacy.command("scan")(privacy.scan)
of_privacy.command("injection")(privacy.injection)
of_taint.command("list")(labels.list_taints)
of_enclave.command("verify")(enclave.verify)
of_audit.command("verify")(auditing.verify)
of_audit.command("checkpoint")(auditing.checkpoint)
of_audit.command("export")(auditing.export)
of_audit.command("key")(auditing.key)
of_audit.command("list")(auditlist.list_events)
of_audit.command("alerts")(auditlist.alerts)
of_tokens.command("create")(tokens.create)
of_tokens.command("list")(tokens.list_tokens)
of_tokens.command("refresh")(tokens.refresh)
of_tokens.command("revoke")(tokens.revoke)
of_tokens.command("jwks")(tokens.jwks)
of_tokens.command("rotate-key")(tokens.rotate_key)
of_keys.command("rotate")(upkeep.rotate)
of_enclave.command("provision")(enclave_provision.provision)
of_enclave.command("serve")(enclave_serve.serve)

VALUES = ("--store", "--installation-key", "--policy", "--server", "--token-file")


def hoist(args: Sequence[str]) -> list[str]:
    """Move the global options to the front, so that they may stand anywhere.

    What follows `--` is left alone.
    """
    front: list[str] = []
    rest: list[str] = []
    waiting = list(args)
    while waiting:
        word = waiting.pop(0)
        if word == "--":
            rest += [word, *waiting]
            break
        if word == "--json" or word.startswith(tuple(f"{name}=" for name in VALUES)):
            front.append(word)
        elif word in VALUES and waiting:
            front += [word, waiting.pop(0)]
        else:
            rest.append(word)
    return front + rest


def main(argv: Sequence[str] | None = None) -> None:
    """Run the program; ends the process with an exit code (docs/reference/cli.md)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    args = hoist(sys.argv[1:] if argv is None else argv)
    code = _carry_out(args)
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _forget_output()
    sys.exit(code)


def _carry_out(args: list[str]) -> int:
    as_json = "--json" in args
    command = typer.main.get_command(app)
    try:
        code = command.main(args, prog_name="holdfast", standalone_mode=False)
    except Quit as quit:
        return quit.code
    except HoldfastError as error:
        return report(error, as_json=as_json)
    except BrokenPipeError:
        return _forget_output()
    except SystemExit as ended:  # how the framework itself meets a closed pipe
        closed = isinstance(ended.__context__, BrokenPipeError)
        return _forget_output() if closed else USAGE
    except (KeyboardInterrupt, typer.Abort):
        say_problem("cancelled", "cancelled", 499, as_json=as_json)
        return CANCELLED
    except typer.TyperException as error:
        return _usage(error, as_json=as_json)
    except Exception as error:  # the last boundary: a bug is one line for a person
        return report_unexpected(error, as_json=as_json)
    return code if isinstance(code, int) else 0


def _usage(error: Exception, *, as_json: bool) -> int:
    """Say what was wrong with the command line."""
    message = error.format_message() if hasattr(error, "format_message") else str(error)
    context = getattr(error, "ctx", None)
    if not message and context is not None:
        print(context.get_help())
        return USAGE
    hint = f"; see `{context.command_path} --help`" if context is not None else ""
    say_problem(f"{message.rstrip('.')}{hint}", "usage", 422, as_json=as_json)
    return USAGE


def _forget_output() -> int:
    """Nobody reads any more: leave quietly, and let the interpreter's last flush go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    return PIPE_CLOSED
