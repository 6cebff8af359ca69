"""Several changes of a session in one step; `controls` has each by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from holdfast.core.commands import Configure
from holdfast.core.errors import InvalidInput
from holdfast.core.labels import Sensitivity
from holdfast.core.settings import ModelSettings, QueuePolicy
from holdfast.runtime.config import check_model
from holdfast.runtime.controls import NONE, Controls, custom_of
from holdfast.runtime.host import expect
from holdfast.runtime.perform import clean
from holdfast.runtime.securing import level_of


class Changing(Controls):
    """What a handle changes together; see `Session`."""

    async def change(
        self,
        *,
        title: str | None = None,
        tags: Sequence[str] | None = None,
        custom: Mapping[str, object] | None = None,
        system_prompt: str | None = None,
        queue_policy: QueuePolicy | str | None = None,
        thinking: bool | None = None,
        thinking_budget: int | None = None,
        model: ModelSettings | None = None,
        sensitivity_level: Sensitivity | str | None = None,
    ) -> None:
        """Change what is named, all of it or none; None leaves a thing as it is.

        Args:
            custom: entries of the free metadata; None as a value removes one.
            thinking_budget: in tokens.
            sensitivity_level: the session is at least so sensitive from now on.

        Raises:
            InvalidInput: a value is over its limit; nothing is changed.
            NotNow: the session has ended.
            VersionMismatch: see `if_version`.
        """
        for name, text in (("title", title), ("system_prompt", system_prompt)):
            expect(name, text, str, NONE)
        expect("thinking", thinking, bool, NONE)
        expect("thinking_budget", thinking_budget, int, NONE)
        expect("model", model, ModelSettings, NONE)
        if isinstance(tags, str):
            raise InvalidInput("tags are a list of texts")
        if model is not None:
            check_model(model)
        level = None
        if sensitivity_level is not None:
            level = level_of("sensitivity_level", sensitivity_level)
            if level <= (await self.view()).label.sensitivity:
                level = None
        wanted = Configure(
            title=None if title is None else clean(title),
            tags=None if tags is None else tuple(clean(tag) for tag in tags),
            custom=tuple(custom_of(key, value) for key, value in (custom or {}).items()),
            system_prompt=None if system_prompt is None else clean(system_prompt),
            queue_policy=None if queue_policy is None else _policy(queue_policy),
            thinking=thinking,
            thinking_tokens=thinking_budget,
            model=model,
            raise_to=level,
        )
        if wanted != Configure() or self._expects is not None:
            await self.submit(wanted)


def _policy(policy: QueuePolicy | str) -> QueuePolicy:
    try:
        return QueuePolicy(policy)
    except ValueError as error:
        raise InvalidInput(str(error)) from None
