"""The models port: what satisfies it."""

from __future__ import annotations

from holdfast.core.messages import user
from holdfast.core.quantities import Usage
from holdfast.ports.model import ModelClient, ModelReply, ModelRequest
from holdfast.testing.scripted import ScriptedModel


def test_the_scripted_model_satisfies_the_port() -> None:
    """It can stand wherever a provider's client can."""
    assert isinstance(ScriptedModel([]), ModelClient)


def test_a_request_and_a_reply_have_quiet_defaults() -> None:
    """No tools, no thinking, the adapter's own output limit; nothing used."""
    request = ModelRequest(system="", messages=(user("hi"),))
    assert ((), None, None) == (request.tools, request.thinking_tokens, request.max_output_tokens)
    assert (Usage(), "stop") == (ModelReply(parts=()).usage, ModelReply(parts=()).stop)
