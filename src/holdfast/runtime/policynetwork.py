"""What a policy file says of the network and of the enclave.

What it says binds every session: an argument of the manager makes it stricter and
never looser (`core.narrowing`, `teepolicy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from holdfast.core.errors import InvalidInput
from holdfast.core.network import NetworkPolicy, NetworkRule, Scheme
from holdfast.core.settings import ModelSettings
from holdfast.runtime.tee import TeeAttestation, TeeConfig

ABOUT = ("network", "model_network", "tee")
"""The sections, without those within them."""

_REFERENCES = ("env:", "file:", "keyring:")

Table = Mapping[str, object]
Tables = Mapping[str, Iterable[tuple[int, Table]]]
Key = tuple[str, int, str, int]
Naming = Callable[[Key], AbstractContextManager[None]]
"""Says of an error within it where in the file its cause stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Confined:
    """What may be reached, and where what is sensitive is worked on.

    Args:
        network: the most that the tools of any session may reach; None says nothing.
        model_network: the same of the clients that are built for model providers.
        tee: the enclave that is wanted; None says nothing.
    """

    network: NetworkPolicy | None = None
    model_network: NetworkPolicy | None = None
    tee: TeeConfig | None = None


def read_confined(tables: Tables, naming: Naming) -> Confined:
    """Read the sections, whose types were checked.

    Args:
        tables: the tables of each section, numbered from 1 where there may be several.

    Raises:
        InvalidInput: within `naming`, a value that cannot be.
    """
    return Confined(
        network=_network("network", tables, naming),
        model_network=_network("model_network", tables, naming),
        tee=_tee(tables, naming),
    )


# --- network --------------------------------------------------------------------


def _network(section: str, tables: Tables, naming: Naming) -> NetworkPolicy | None:
    own = list(tables[section])
    rules = [_rule(f"{section}.rules", *one, naming) for one in tables[f"{section}.rules"]]
    if not own and not rules:
        return None
    bytes_max: int | None = None
    addresses: tuple[str, ...] = ()
    for _, table in own:
        bytes_max = _number(table.get("bytes_max"))
        addresses = _texts(table.get("unsafe_addresses", []))
    for item, text in enumerate(addresses, start=1):
        with naming((section, 0, "unsafe_addresses", item)):
            NetworkPolicy(unsafe_addresses=(text,))
    with naming((section, 0, "", 0)):
        return NetworkPolicy(rules=tuple(rules), bytes_max=bytes_max, unsafe_addresses=addresses)
    raise AssertionError("naming passes errors on")


def _rule(section: str, number: int, table: Table, naming: Naming) -> NetworkRule:
    with naming((section, number, "host", 0)):
        if "host" not in table:
            raise InvalidInput("is missing")
        rule = NetworkRule(host=str(table["host"]))
    with naming((section, number, "ports", 0)):
        ports = tuple(_numbers(table.get("ports", [])))
        rule = NetworkRule(host=rule.host, ports=ports)
    with naming((section, number, "methods", 0)):
        methods = _texts(table.get("methods", []))
        rule = NetworkRule(host=rule.host, ports=ports, methods=methods)
    with naming((section, number, "schemes", 0)):
        schemes = tuple(_scheme(text) for text in _texts(table.get("schemes", [Scheme.HTTPS])))
        return NetworkRule(host=rule.host, ports=ports, methods=methods, schemes=schemes)
    raise AssertionError("naming passes errors on")


def _scheme(text: str) -> Scheme:
    try:
        return Scheme(text)
    except ValueError:
        raise InvalidInput(f"is one of: {', '.join(Scheme)}") from None


# --- the enclave ----------------------------------------------------------------


def _tee(tables: Tables, naming: Naming) -> TeeConfig | None:
    own = {k: v for _, table in tables["tee"] for k, v in table.items()}
    model = {k: str(v) for _, table in tables["tee.model"] for k, v in table.items()}
    if not own and not model and not list(tables["tee"]):
        return None
    for name, value in own.items():
        # What belongs to simulated enclaves only is looked at where one is allowed.
        simulated = {"allow_simulated": True} if name == "software_keys" else {}
        with naming(("tee", 0, name, 0)):
            _config({name: value, **simulated}).check()
    with naming(("tee", 0, "", 0)):
        found = _config(own, _model(model, naming))
        found.check()
        return found
    raise AssertionError("naming passes errors on")


def _config(table: Table, model: ModelSettings | None = None) -> TeeConfig:
    tcb = table.get("minimum_tcb", {})
    assert isinstance(tcb, dict), "the reader checked its type"
    return TeeConfig(
        enabled=table.get("enabled") is True,
        mode=str(table.get("mode", "development")),
        required=table.get("required") is True,
        allow_simulated=table.get("allow_simulated") is True,
        socket=_text(table.get("socket")),
        anchor=_text(table.get("anchor")),
        memory_mb=_number(table.get("memory_mb", TeeConfig().memory_mb)) or 0,
        backend=_text(table.get("backend")),
        model=model,
        attestation=TeeAttestation(
            expected_measurements=frozenset(_texts(table.get("measurements", []))),
            hardware=table.get("hardware", True) is True,
            minimum_tcb=tuple(sorted((str(k), int(v)) for k, v in tcb.items())),
            software_keys=_texts(table.get("software_keys", [])),
        ),
    )


def _model(table: Mapping[str, str], naming: Naming) -> ModelSettings | None:
    if not table:
        return None
    for name in ("provider", "model"):
        with naming(("tee.model", 0, name, 0)):
            if not table.get(name):
                raise InvalidInput("is missing")
    with naming(("tee.model", 0, "key", 0)):
        if "key" in table and not table["key"].startswith(_REFERENCES):
            raise InvalidInput("is a reference, such as env:NAME, and never the key itself")
    return ModelSettings(
        provider=table["provider"],
        model=table["model"],
        base_url=table.get("base_url"),
        key=table.get("key"),
    )


# --- values ---------------------------------------------------------------------


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _texts(value: object) -> tuple[str, ...]:
    assert isinstance(value, list), "the reader checked its type"
    return tuple(str(one) for one in value)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _numbers(value: object) -> Iterable[int]:
    assert isinstance(value, list), "the reader checked its type"
    return (int(one) for one in value)
