"""The wire form: what events, commands and snapshots are written as.

It is the JSON of `jsonform`. What is stored is never serialised again: exports
carry the stored bytes.
"""

from __future__ import annotations

from typing import TypeVar

from holdfast.core import commands
from holdfast.core.errors import NewerProgram, Unreadable
from holdfast.core.events import KIND_OF, MUST_UNDERSTAND, TYPE_OF, Event, Unknown
from holdfast.core.view import SessionView
from holdfast.runtime import jsonform

T = TypeVar("T")

COMMANDS: dict[str, type[commands.External]] = {
    "send": commands.Send,
    "add_message": commands.AddMessage,
    "configure": commands.Configure,
    "cancel": commands.Cancel,
    "pause": commands.Pause,
    "resume": commands.Resume,
    "move_to": commands.MoveTo,
    "answer": commands.Answer,
    "grant": commands.Grant,
    "revoke": commands.Revoke,
    "fix_plan": commands.FixPlan,
    "relabel": commands.Relabel,
    "open_child": commands.OpenChild,
    "set_context": commands.SetContext,
    "note_export": commands.NoteExport,
    "terminate": commands.Terminate,
    "import": commands.Import,
}
_BEFORE = (b"asked ", b"expects ")
_VERSION_DIGITS_MAX = 18
_NAME_OF = {kind: name for name, kind in COMMANDS.items()}


def dump(value: object) -> bytes:
    """Write a dataclass as JSON without its defaults."""
    return jsonform.write(value)


def load(kind: type[T], data: bytes | str) -> T:
    """Read a dataclass from JSON.

    Raises:
        Unreadable: it is not what this type is written as.
    """
    try:
        return jsonform.read(kind, data)
    except (ValueError, RecursionError) as error:
        # What it says may quote the data.
        raise Unreadable(f"not a {kind.__name__}: {type(error).__name__}") from None


def encode_event(event: Event) -> tuple[int, bytes]:
    """Return an event's kind code and payload."""
    return KIND_OF[type(event)], dump(event)


def decode_event(kind: int, payload: bytes) -> Event:
    """Read an event back.

    Raises:
        NewerProgram: a kind this program does not know and must understand.
        Unreadable: the payload does not fit the kind.
    """
    known = TYPE_OF.get(kind)
    if known is not None:
        return load(known, payload)
    if kind & MUST_UNDERSTAND:
        raise NewerProgram(f"event kind {kind & ~MUST_UNDERSTAND} needs a newer program")
    return Unknown(kind)


def encode_command(
    command: commands.External, expects: int | None = None, asked: bytes = b""
) -> bytes:
    """Write a command as it waits in the inbox.

    Args:
        expects: the version that the session is to have when it is decided; None is any.
        asked: digest of the request that it is known by; b"" where that is its own.
    """
    before = b"asked %s\n" % asked.hex().encode() if asked else b""
    if expects is not None:
        before += b"expects %d\n" % expects
    return before + _NAME_OF[type(command)].encode() + b"\n" + dump(command)


def _parted(data: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """What stands before a command, by its first word, and the command."""
    told: dict[bytes, bytes] = {}
    while data.startswith(_BEFORE):
        line, _, data = data.partition(b"\n")
        word, _, told[word] = line.partition(b" ")
    return told, data


def expected_by(data: bytes) -> int | None:
    """The version that a command in the inbox is to be decided at; None is any.

    Raises:
        Unreadable: it is no number.
    """
    text = _parted(data)[0].get(b"expects")
    if text is None:
        return None
    if not text.isdigit() or len(text) > _VERSION_DIGITS_MAX:
        raise Unreadable("a command in the inbox expects what is no version")
    return int(text)


def asked_by(data: bytes) -> bytes:
    """The digest of the request that a command in the inbox is known by; b"" is its own.

    Raises:
        Unreadable: it is no digest.
    """
    try:
        return bytes.fromhex(_parted(data)[0].get(b"asked", b"").decode("ascii"))
    except ValueError:
        raise Unreadable("a command in the inbox is known by what is no digest") from None


def decode_command(data: bytes) -> commands.External:
    """Read a command from the inbox.

    Raises:
        Unreadable: it is not a command of this program.
    """
    name, _, body = _parted(data)[1].partition(b"\n")
    kind = COMMANDS.get(name.decode("ascii", "replace"))
    if kind is None:
        raise Unreadable("an unknown command waits in the inbox")
    return load(kind, body)


def encode_view(view: SessionView) -> bytes:
    """Write the fold for a snapshot."""
    return dump(view)


def decode_view(data: bytes) -> SessionView:
    """Read a fold from a snapshot.

    Raises:
        Unreadable: it is not one.
    """
    return load(SessionView, data)
