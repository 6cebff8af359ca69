"""From words to a client: which model is meant and how it is reached.

Nothing heavy is imported before a client is built.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from holdfast.adapters.models.limits import CallLimits
from holdfast.adapters.models.secrets import resolve_key, validate_reference
from holdfast.core.errors import HoldfastError, InvalidInput, MissingExtra, NotFound
from holdfast.core.network import NetworkPolicy
from holdfast.core.settings import ModelSettings
from holdfast.ports.model import ModelClient

KNOWN_PROVIDERS = ("openai", "anthropic")
_ALIASES = {"gpt": "openai", "claude": "anthropic"}
_PREFIXES = {
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "claude-": "anthropic",
}
# Sent to a compatible server that asks for no key; servers refuse an empty header.
_NO_KEY = "none"


def parse_model(
    text: str,
    *,
    base_url: str | None = None,
    key: str | None = None,
    input_usd: str | None = None,
    output_usd: str | None = None,
) -> ModelSettings:
    """Read "provider:model", such as "openai:gpt-4o"; a well-known name needs no provider.

    Args:
        text: what was written.
        base_url: another endpoint; needed for a provider that is not known.
        key: a reference to the key.
        input_usd, output_usd: prices in USD per million tokens, as decimal text.

    Raises:
        InvalidInput: no provider or no model can be made out, or a price is none.
        LiteralSecret: `key` is not a reference.
    """
    provider, colon, model = text.strip().partition(":")
    if not colon:
        model = provider
        provider = next((who for start, who in _PREFIXES.items() if model.startswith(start)), "")
    provider = _ALIASES.get(provider.casefold(), provider.casefold())
    if not provider or not model or any(sign.isspace() for sign in text.strip()):
        raise InvalidInput("a model is written provider:model, for example openai:gpt-4o")
    settings = ModelSettings(
        provider=provider,
        model=model,
        base_url=base_url,
        key=key,
        input_usd=input_usd,
        output_usd=output_usd,
    )
    check_settings(settings)
    return settings


def check_settings(settings: ModelSettings) -> None:
    """Refuse settings no client could be built from, without building one.

    Raises:
        InvalidInput: the provider is not known and has no base_url, the base_url
            is not an http(s) address without credentials, or a price is none.
        LiteralSecret: the key is not a reference.
    """
    if not settings.provider or not settings.model:
        raise InvalidInput("a model needs a provider and a name")
    if settings.problem:
        raise InvalidInput(settings.problem)
    if settings.key is not None:
        validate_reference(settings.key)
    if settings.base_url is None:
        if settings.provider not in KNOWN_PROVIDERS:
            raise InvalidInput(f"the provider {settings.provider} needs a base_url")
        return
    try:
        address = urlsplit(settings.base_url)
        _ = address.port
    except ValueError:
        raise InvalidInput("the base_url is not an address") from None
    if address.scheme not in ("http", "https") or not address.hostname:
        raise InvalidInput("the base_url is not an http or https address")
    said = address.username, address.password, address.query or None, address.fragment or None
    if any(part is not None for part in said):
        raise InvalidInput("the base_url carries credentials; give the key by reference")


def check_client(
    settings: ModelSettings, key: str = "", environ: Mapping[str, str] | None = None
) -> None:
    """Refuse what no client could be built from, its key included, without building one.

    Args:
        key: the key itself; "" where the settings say where it is found.
        environ: the environment; default the process's.

    Raises:
        InvalidInput, LiteralSecret: see `check_settings`.
        NotFound: there is no key at the referenced place.
        Unavailable: there is one that cannot be used.
    """
    check_settings(settings)
    if not key:
        _key(settings, os.environ if environ is None else environ)


def build_client(
    settings: ModelSettings,
    *,
    environ: Mapping[str, str] | None = None,
    key: str | None = None,
    limits: CallLimits | None = None,
    network: NetworkPolicy | None = None,
) -> ModelClient:
    """Build the client of a model.

    Args:
        settings: which model, and where its key is found.
        environ: the environment; default the process's.
        key: the key itself, where it was handed over or is kept elsewhere; None for as
            the settings say. An empty one is none, and nothing is put in its place.
        limits: time limits and retries; default `CallLimits()`.
        network: what its requests may reach; None for whatever its address leads to, or
            for what is public where the settings say `public_only`.

    Raises:
        MissingExtra: the optional part `llm` is not installed.
        InvalidInput: see `check_settings`; or the client refuses them.
        NotFound: there is no key at the referenced place.
    """
    check_settings(settings)
    if key is None:
        key = _key(settings, os.environ if environ is None else environ)
    if not key:
        raise InvalidInput("the key that was handed over is empty")
    try:
        # lazy: the providers' libraries take seconds to import; only who talks to a model pays.
        from holdfast.adapters.models.pydantic_ai import PydanticAIModel

        limits = limits or CallLimits()
        client = PydanticAIModel(settings, key=key, limits=limits, network=network)
    except ImportError as error:
        if (error.name or "").startswith("holdfast"):
            raise
        raise MissingExtra("a model client", "llm") from None
    except HoldfastError:
        raise
    except Exception as error:  # the library's own refusal, which may quote the settings
        raise InvalidInput(f"no client can be built: {type(error).__name__}") from None
    return client


def _key(settings: ModelSettings, environ: Mapping[str, str]) -> str:
    try:
        return resolve_key(settings.key, settings.provider, environ)
    except NotFound:
        # A local server usually has no key; one that was asked for by name must exist.
        if settings.key is None and settings.base_url and settings.provider not in KNOWN_PROVIDERS:
            return _NO_KEY
        raise
