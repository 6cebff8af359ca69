"""Deciding about what the model sees and what the session is set to."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

from holdfast.core import security
from holdfast.core.accounts import problem_of
from holdfast.core.children import stricter
from holdfast.core.commands import Configure, GitSeen, Import, SetContext
from holdfast.core.decide.common import Draft, Later
from holdfast.core.decide.money import changed_limits
from holdfast.core.errors import Denied, InvalidInput, NotNow, TooLarge
from holdfast.core.events import Configured, ContextSet, Details, Imported, Opened, Ranges
from holdfast.core.guards.permission import outer_mode
from holdfast.core.lifecycle import ENDED
from holdfast.core.messages import estimate_tokens
from holdfast.core.rules import Policy, Rule, RuleEffect, check_policy, parse_rule
from holdfast.core.security import Security
from holdfast.core.settings import (
    EXTRA_CHARS_MAX,
    TOOLS_MAX,
    ConfirmationPolicy,
    Settings,
)
from holdfast.core.view import RANGES_MAX, Window

TITLE_CHARS_MAX = 500
TAGS_MAX = 64
TAG_CHARS_MAX = 128
CUSTOM_CHARS_MAX = 8_192
SETTINGS_BYTES_MAX = 8_192
SECURITY_BYTES_MAX = 2_816
DETAILS_BYTES_MAX = 10_240
NAME_BYTES_MAX = 1_024
CUSTOM_DEPTH_MAX = 64
PROMPT_CHARS_MAX = 1_000_000
PATH_CHARS_MAX = 4096
WAIT_S_MAX = 366 * 86_400
QUORUM_MAX = 16
CRITICAL_MAX = 64
RULES_BYTES_MAX = 8_448


def configure(draft: Draft, command: Configure) -> None:
    """Change settings, prompt or details.

    Raises:
        InvalidInput: a value is over its limit.
        NotNow: the session has ended.
    """
    if draft.view.state in ENDED:
        raise NotNow(f"the session is {draft.view.state.title}")
    settings, details = _settings(draft, command), _details(draft, command)
    prompt = command.system_prompt
    if prompt is not None and len(prompt) > PROMPT_CHARS_MAX:
        raise InvalidInput(f"the system prompt is longer than {PROMPT_CHARS_MAX} characters")
    # A stored policy that does not parse is replaced like any other, so it is looked
    # at only when it changes.
    kept = settings.permission == draft.view.settings.permission
    check_settings(replace(settings, permission=None) if kept else settings)
    check_details(details)
    changed = Configured(
        settings=None if settings == draft.view.settings else settings,
        system_prompt=prompt,
        details=None if details == draft.view.details else details,
        touched=command.touch,
        limits=changed_limits(draft, settings.budget),
        raise_to=command.raise_to,
        tee_active=command.tee_active and not draft.view.tee_active,
    )
    if changed != Configured():
        draft.add(changed)


def _settings(draft: Draft, command: Configure) -> Settings:
    old = draft.view.settings
    return replace(
        old,
        thinking=old.thinking if command.thinking is None else command.thinking,
        thinking_tokens=command.thinking_tokens or old.thinking_tokens,
        model=command.model or old.model,
        queue_policy=command.queue_policy or old.queue_policy,
        budget=command.budget.applied(old.budget) if command.budget else old.budget,
        security=_security(draft, command.security),
        confirmation=_confirmation(draft, command.confirmation),
        permission=_permission(draft, command),
    )


def _confirmation(draft: Draft, new: ConfirmationPolicy | None) -> ConfirmationPolicy:
    """A child's only gets stricter: what it was born with is partly its parent's."""
    old = draft.view.settings.confirmation
    if new is None or not draft.view.lineage:
        return new or old
    return stricter(old, new)


def _security(draft: Draft, new: Security | None) -> Security:
    """A child's only gets stricter: what it was born with is partly its parent's."""
    old = draft.view.settings.security
    if new is None or not draft.view.lineage:
        return new or old
    return security.stricter(old, new)


def _permission(draft: Draft, command: Configure) -> Policy | None:
    policy = command.permission or draft.view.settings.permission
    if not command.rules:
        return policy
    if policy is None:
        policy = Policy(mode=outer_mode(draft.facts.authority))
    return policy.with_rules(*command.rules)


def _details(draft: Draft, command: Configure) -> Details:
    old = draft.view.details
    custom = old.custom
    if command.custom:
        entries = json.loads(old.custom)
        for key, text in command.custom:
            entries.pop(key, None)
            if text:
                entries[key] = _json(text)
        custom = json.dumps(entries, separators=(",", ":"))
    return Details(
        title=old.title if command.title is None else command.title,
        tags=old.tags if command.tags is None else command.tags,
        custom=custom,
    )


def _json(text: str) -> object:
    try:
        value: object = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("metadata must be JSON") from None
    check_depth(value)
    return value


def check_depth(value: object) -> None:
    """Refuse what later readers could not walk through without running out of stack.

    Raises:
        InvalidInput: it is nested deeper than `CUSTOM_DEPTH_MAX`.
    """
    level, depth = [value], 0
    while level:
        inner = [list(item.values()) if isinstance(item, dict) else item for item in level]
        level = [item for items in inner if isinstance(items, list) for item in items]
        depth += 1
        if depth > CUSTOM_DEPTH_MAX:
            raise InvalidInput(f"metadata is nested deeper than {CUSTOM_DEPTH_MAX}")


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def git_seen(draft: Draft, command: GitSeen) -> None:
    """Note the workspace's git state when it has changed (seed E10)."""
    git = command.git.bounded() if command.git else None
    if git != draft.view.git and draft.view.state not in ENDED:
        draft.add(Configured(git=git, git_checked=True))


def check_settings(settings: Settings) -> None:
    """Refuse settings over their limits.

    Raises:
        InvalidInput: naming the field.
    """
    limits = settings.limits
    checks = {
        "name": len(settings.name) <= TITLE_CHARS_MAX,
        "workspace": len(settings.workspace) <= PATH_CHARS_MAX and "\0" not in settings.workspace,
        "max_context_length": 0 <= settings.max_context_length <= 100_000_000,
        "auto_compact_threshold": 0 < settings.auto_compact_threshold <= 1,
        "tools": settings.tools is None
        or (len(settings.tools) <= TOOLS_MAX and all(len(n) <= 128 for n in settings.tools)),
        "thinking_tokens": settings.thinking_tokens is None
        or 0 < settings.thinking_tokens <= 1_000_000,
        "limits.max_rounds": 1 <= limits.max_rounds <= 10_000,
        "limits.turn_s": 1 <= limits.turn_s <= 30 * 86_400,
        "limits.tool_s": 1 <= limits.tool_s <= 7 * 86_400,
        "limits.parallel_tools": 1 <= limits.parallel_tools <= 16,
        "budget": not problem_of(settings.budget),
        "unknown fields": len(settings.extra) <= EXTRA_CHARS_MAX,
    }
    for field, ok in checks.items():
        if not ok:
            raise InvalidInput(f"{field} is out of range")
    if settings.model is not None and settings.model.problem:
        raise InvalidInput(settings.model.problem)
    if settings.security.problem:
        raise InvalidInput(f"security.{settings.security.problem} is out of range")
    for text in settings.security.dangerous:
        parse_rule(RuleEffect.DENY, text)
    plain = asdict(replace(settings, permission=None))
    of_content = plain.pop("security")  # it has a limit of its own
    _check_size("the settings", plain, SETTINGS_BYTES_MAX)
    _check_size("the settings of content security", of_content, SECURITY_BYTES_MAX)
    if settings.permission is not None:
        check_permission(settings.permission)


def check_permission(policy: Policy) -> None:
    """Refuse a session's own policy that does not parse or is too large.

    Raises:
        MalformedRule, NeverMatches: a rule.
        TooLarge: over `RULES_MAX` rules or, as JSON, `RULES_BYTES_MAX` bytes.
    """
    check_policy(policy)
    size = sum(_size(_written(rule)) + 1 for rule in policy.rules)
    if size > RULES_BYTES_MAX:
        raise TooLarge(f"a session's rules have at most {RULES_BYTES_MAX} bytes together as JSON")


def _written(rule: Rule) -> dict[str, object]:
    """A rule as the fold keeps it: defaults are left out."""
    kept = asdict(rule)
    return {name: value for name, value in kept.items() if value not in (None, "", False)}


def check_birth(opened: Opened) -> None:
    """Refuse a birth whose names, settings or details are over their limits.

    Raises:
        InvalidInput: naming the field.
    """
    names = (opened.user_id, opened.channel_id, opened.chat_id, opened.tenant)
    if sum(_size(name) for name in names) > NAME_BYTES_MAX:
        raise InvalidInput(f"user, channel and chat have at most {NAME_BYTES_MAX} bytes together")
    check_settings(opened.settings)
    check_details(opened.details)


def _check_size(what: str, value: dict[str, object], limit: int) -> None:
    """Keep the fold small: what people choose is counted as it is written."""
    size = _size(value)
    if size > limit:
        raise InvalidInput(f"{what} are {size} bytes as JSON; at most {limit} fit")


def _size(value: object) -> int:
    """Count bytes as JSON.

    Raises:
        InvalidInput: half a surrogate pair, which nothing can write.
    """
    try:
        return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())
    except UnicodeEncodeError:
        raise InvalidInput("a text is not valid Unicode") from None


def check_details(details: Details) -> None:
    """Refuse titles, tags and metadata over their limits.

    Raises:
        InvalidInput: naming the field.
    """
    if len(details.title) > TITLE_CHARS_MAX:
        raise InvalidInput(f"a title has at most {TITLE_CHARS_MAX} characters")
    if len(details.tags) > TAGS_MAX or any(len(tag) > TAG_CHARS_MAX for tag in details.tags):
        raise InvalidInput(f"at most {TAGS_MAX} tags of {TAG_CHARS_MAX} characters")
    if len(details.custom) > CUSTOM_CHARS_MAX:
        raise InvalidInput(f"metadata has at most {CUSTOM_CHARS_MAX} characters as JSON")
    try:
        value = json.loads(details.custom, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise InvalidInput("metadata is not valid JSON") from None
    check_depth(value)
    if not isinstance(value, dict):
        raise InvalidInput("metadata is a JSON object")
    _check_size("title, tags and metadata", asdict(details), DETAILS_BYTES_MAX)


def set_context(draft: Draft, command: SetContext) -> None:
    """Clear, or rewind to a version: only what the model sees changes.

    Raises:
        NotNow: a turn is running, or the session has ended.
        InvalidInput: there is no such version, or the window is in too many pieces.
    """
    if draft.view.state in ENDED:
        raise NotNow(f"the session is {draft.view.state.title}")
    if draft.view.turn is not None:
        if draft.facts.queued:
            raise Later
        raise NotNow("a turn is running; cancel it first")
    window: Ranges = ()
    if command.to_version is not None:
        if not 1 <= command.to_version <= draft.view.version:
            raise InvalidInput(f"there is no version {command.to_version}")
        window = clip(draft.view.window, command.to_version, draft.view.version)
    if len(window) > RANGES_MAX:
        raise InvalidInput("the window is in too many pieces; clear or compact it first")
    tokens, count = draft.facts.kept if window else (0, 0)
    draft.add(ContextSet(reason=command.reason, window=window, tokens=tokens, count=count))


def clip(window: Window, to_version: int, version: int) -> Ranges:
    """Cut a window off after a version."""
    ranges = [*window.closed, (window.start, version)]
    return tuple(
        (low, min(high, to_version)) for low, high in ranges if low <= min(high, to_version)
    )


def take_over(draft: Draft, command: Import) -> None:
    """Record imported content; what it grants stays inert.

    Raises:
        NotNow: the session has ended or a turn is running.
    """
    if draft.view.state in ENDED or draft.view.turn is not None:
        raise NotNow("content is imported into a session at rest")
    if command.messages and draft.facts.inspected is None:
        raise Denied("the messages could not be inspected")
    draft.add(
        Imported(
            source=command.source,
            head=command.head,
            messages=command.messages,
            tokens=sum(estimate_tokens(message) for message in command.messages),
            totals=command.totals,
            records=command.records,
            created_ms=command.created_ms,
            updated_ms=command.updated_ms,
            inert=command.inert,
            found=draft.facts.inspected,
        )
    )
