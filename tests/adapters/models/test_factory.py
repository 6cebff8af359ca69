"""From words to a client."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from holdfast.adapters.models.factory import build_client, check_settings, parse_model
from holdfast.adapters.models.limits import CallLimits
from holdfast.adapters.models.pydantic_ai import PydanticAIModel
from holdfast.core.errors import InvalidInput, LiteralSecret, NotFound
from holdfast.core.messages import Text
from holdfast.core.settings import ModelSettings
from holdfast.ports.model import ModelClient, ModelReply
from holdfast.testing.model_conformance import ask, gather
from holdfast.testing.provider_server import ProviderServer
from holdfast.testing.script import say


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("openai:gpt-4o", "openai", "gpt-4o"),
        ("anthropic:claude-opus-4-5", "anthropic", "claude-opus-4-5"),
        ("OpenAI:gpt-4o", "openai", "gpt-4o"),
        ("claude:claude-opus-4-5", "anthropic", "claude-opus-4-5"),
        ("gpt:gpt-4o", "openai", "gpt-4o"),
        ("gpt-4o", "openai", "gpt-4o"),
        ("claude-opus-4-5", "anthropic", "claude-opus-4-5"),
        (" openai:ft:gpt-4o:me ", "openai", "ft:gpt-4o:me"),
    ],
)
def test_models_are_read(text: str, provider: str, model: str) -> None:
    """Provider and model are told apart at the first colon; well-known names need none."""
    assert ModelSettings(provider=provider, model=model) == parse_model(text)


def test_compatible_provider() -> None:
    """An unknown provider is a compatible one when its address is given."""
    found = parse_model("local:m:7b", base_url="http://localhost:1/v1", key="env:K")
    assert (
        ModelSettings(provider="local", model="m:7b", base_url="http://localhost:1/v1", key="env:K")
        == found
    )


def test_prices_go_with_the_model() -> None:
    """Prices are kept as they were written."""
    found = parse_model("openai:m", input_usd="0.150", output_usd="0")
    assert ("0.150", "0") == (found.input_usd, found.output_usd)


@pytest.mark.parametrize("field", ["input_usd", "output_usd"])
@pytest.mark.parametrize("price", ["NaN", "-1", "", "1e3", 0.5])
def test_bad_prices_are_refused(field: str, price: str) -> None:
    """What is no price is refused before a client is built, naming the field."""
    settings = ModelSettings(provider="openai", model="m", **{field: price})
    with pytest.raises(InvalidInput, match=field):
        check_settings(settings)


@pytest.mark.parametrize("text", ["", ":", "openai:", ":gpt-4o", "nonsense", "local:m", "a: b"])
def test_what_is_no_model(text: str) -> None:
    """Without provider, model or address nothing is guessed."""
    with pytest.raises(InvalidInput):
        parse_model(text)


@pytest.mark.parametrize(
    "base_url",
    [
        "",
        "localhost:1",
        "file:///etc",
        "http://",
        "http://u:p@h/v1",
        "http://h:x/",
        "http://h/?k=1",
        "http://h/v1#k",
    ],
)
def test_bad_addresses(base_url: str) -> None:
    """An address is http or https, with a host and without credentials."""
    with pytest.raises(InvalidInput):
        check_settings(ModelSettings(provider="local", model="m", base_url=base_url))


def test_literal_keys_are_refused() -> None:
    """A key in the settings is refused before anything else is done with it."""
    settings = ModelSettings(provider="openai", model="gpt-4o", key="sk-live-1")
    with pytest.raises(LiteralSecret) as caught:
        build_client(settings, environ={})
    assert "sk-live" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "environ"),
    [
        (ModelSettings(provider="openai", model="gpt-4o"), {}),
        (ModelSettings(provider="openai", model="m", base_url="http://h/v1"), {}),
        (ModelSettings(provider="local", model="m", base_url="http://h/v1", key="env:K"), {}),
    ],
)
def test_missing_keys(settings: ModelSettings, environ: dict[str, str]) -> None:
    """A provider that needs a key, or a key that was asked for, is not done without."""
    with pytest.raises(NotFound):
        build_client(settings, environ=environ)


@pytest.mark.slow  # the first client imports a provider's library
def test_a_key_that_was_handed_over_has_no_place() -> None:
    """It is used instead of any that the environment has; an empty one is none."""
    settings = ModelSettings(provider="openai", model="m", base_url="http://h/v1")
    client = build_client(settings, environ={}, key="handed")
    assert "openai" == client.provider
    with pytest.raises(InvalidInput):
        build_client(settings, environ={"OPENAI_API_KEY": "k"}, key="")


@pytest.mark.slow  # the first client imports a provider's library
@pytest.mark.parametrize("provider", ["openai", "anthropic", "local"])
def test_what_the_library_refuses_is_malformed(provider: str) -> None:
    """Whoever asks whether there is a client is told so by an error of the domain."""
    settings = ModelSettings(provider=provider, model="m", base_url="http://[v1.x]/")
    with pytest.raises(InvalidInput) as caught:
        build_client(settings, environ={}, key="handed")
    assert "v1.x" not in str(caught.value)


@pytest.mark.slow  # the first client imports a provider's library
@pytest.mark.parametrize(
    ("provider", "environ"),
    [
        ("openai", {"OPENAI_API_KEY": "k"}),
        ("anthropic", {"ANTHROPIC_API_KEY": "k"}),
        ("local", {}),
    ],
)
def test_clients_are_built_and_work(provider: str, environ: dict[str, str]) -> None:
    """A built client answers; a compatible server needs no key."""

    async def run() -> None:
        async with ProviderServer([say("x")]) as server:
            settings = ModelSettings(
                provider=provider, model="m", base_url=server.base_url + "/v1/"
            )
            client = build_client(settings, environ=environ, limits=CallLimits(attempts=1))
            assert isinstance(client, ModelClient)
            last = (await gather(client, ask()))[-1]
            await client.aclose()
            assert isinstance(last, ModelReply)
            assert (Text("x"),) == last.parts

    asyncio.run(run())


def run_python(code: str) -> str:
    """Run code in an interpreter of its own, where nothing is imported yet."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["pydantic_ai", "httpx2", "openai", "genai_prices"])
def test_without_the_library_the_missing_part_is_named(missing: str) -> None:
    """Without the optional part the error says what to install."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        "from holdfast.adapters.models.factory import build_client, parse_model\n"
        "from holdfast.core.errors import MissingExtra\n"
        "try:\n"
        "    build_client(parse_model('openai:gpt-4o'), environ={'OPENAI_API_KEY': 'k'})\n"
        "except MissingExtra as error:\n"
        "    print(error.message)"
    )
    assert "a model client needs an optional part: pip install 'holdfast[llm]'" == run_python(code)


def test_a_key_no_header_can_carry_is_refused() -> None:
    """Such a key is refused without being repeated."""
    settings = ModelSettings(provider="openai", model="gpt-4o")
    with pytest.raises(InvalidInput) as caught:
        PydanticAIModel(settings, key="se\ncret", limits=CallLimits())
    assert "cret" not in str(caught.value)


def test_importing_the_factory_is_light() -> None:
    """Neither the package nor the factory imports a provider's library."""
    code = (
        "import sys, holdfast, holdfast.adapters.models.factory\n"
        "heavy = {'pydantic_ai', 'openai', 'anthropic', 'httpx2', 'genai_prices'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    assert "[]" == run_python(code)
