"""Confirmation policies as callers write them: ours, or the seeds' dictionary."""

from __future__ import annotations

from collections.abc import Mapping

from holdfast.core.errors import InvalidInput
from holdfast.core.settings import ConfirmationPolicy, TimeoutAction
from holdfast.core.tools import Lane
from holdfast.runtime.jsonform import read, write

_ACTIONS = {
    "reject": TimeoutAction.REJECT,
    "autoapprove": TimeoutAction.UNSAFE_AUTO_APPROVE,
    "auto_approve": TimeoutAction.UNSAFE_AUTO_APPROVE,
    "unsafe_auto_approve": TimeoutAction.UNSAFE_AUTO_APPROVE,
}
_LANES = {"skill": Lane.GENERATE, "prompt": Lane.GENERATE}
_KEYS = frozenset(ConfirmationPolicy.__dataclass_fields__) | {"default_timeout_ms", "yolo_lanes"}


def confirmation_of(given: object) -> ConfirmationPolicy:
    """Read a confirmation policy.

    A dictionary has the fields of `ConfirmationPolicy` or the seeds' names
    (seed D6): `default_timeout_ms` is `attended_s` in milliseconds, `yolo_lanes` is
    `unsafe_auto_approve`, and the timeout action `AutoApprove` is
    `unsafe_auto_approve`.

    Raises:
        InvalidInput: it is neither, or a field is unknown or wrong.
    """
    if isinstance(given, ConfirmationPolicy):
        return _checked(given)
    if not isinstance(given, Mapping):
        raise InvalidInput("a confirmation policy is a ConfirmationPolicy or a dictionary")
    unknown = sorted(str(key) for key in given if key not in _KEYS)
    if unknown:
        raise InvalidInput(f"a confirmation policy has no field {unknown[0]!r}")
    fields = dict(given)
    if "default_timeout_ms" in fields:
        fields["attended_s"] = _seconds(fields.pop("default_timeout_ms"))
    lanes = fields.pop("yolo_lanes", None)
    lanes = fields.pop("unsafe_auto_approve", lanes)
    if lanes is not None:
        fields["unsafe_auto_approve"] = _lanes(lanes)
    if "timeout_action" in fields:
        fields["timeout_action"] = _action(fields["timeout_action"])
    if "critical" in fields:
        fields["critical"] = _texts("critical", fields["critical"])
    try:
        return _checked(ConfirmationPolicy(**fields))
    except TypeError as error:
        raise InvalidInput(f"a confirmation policy: {error}") from None


def _checked(policy: ConfirmationPolicy) -> ConfirmationPolicy:
    """The policy, if its fields are what they are to be; the core checks their range."""
    try:
        same = read(ConfirmationPolicy, write(policy))
    except (ValueError, TypeError, KeyError, AttributeError):  # not of the fields' types
        same = None
    whole = (policy.attended_s, policy.quorum, policy.unattended_s or 0)
    numbers = all(type(value) is int for value in whole)
    if same != policy or not numbers or type(policy.enabled) is not bool:
        raise InvalidInput("a field of the confirmation policy is of the wrong type")
    return policy


def _seconds(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given <= 0:
        raise InvalidInput("default_timeout_ms is a number of milliseconds, at least 1")
    return -(-given // 1000)


def _texts(what: str, given: object) -> tuple[str, ...]:
    if isinstance(given, str) or not isinstance(given, list | tuple | set | frozenset):
        raise InvalidInput(f"{what} is a list")
    found = [getattr(one, "value", one) for one in given]
    if not all(isinstance(one, str) for one in found):
        raise InvalidInput(f"{what} is a list of texts")
    return tuple(str(one) for one in found)


def _lanes(given: object) -> tuple[Lane, ...]:
    try:
        found = {
            _LANES.get(name.casefold()) or Lane(name.casefold()) for name in _texts("lanes", given)
        }
    except ValueError as error:
        raise InvalidInput(str(error)) from None
    return tuple(sorted(found))


def _action(given: object) -> TimeoutAction:
    name = getattr(given, "value", given)
    found = _ACTIONS.get(name.casefold()) if isinstance(name, str) else None
    if found is None:
        raise InvalidInput(f"a timeout action is reject or unsafe_auto_approve, not {given!r}")
    return found
