"""Which hosts a session's tools may reach: rules, the one reading of hosts, and verdicts.

Rules
- What is not listed is blocked; a policy without rules blocks everything.
- There is one reading of a host or an address, used by the gate, the proxy and
  the runtime's own requests alike. Where readers could disagree (user names,
  backslashes, control signs, signs that are no ASCII, numbers in other forms than
  four decimal ones) it is not read at all, and so is never listed.
- A method that cannot be seen, as in a tunnel, is none that a rule lists.

Where a name leads is not judged here: that is the address guard's business, at the
moment of connecting.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from holdfast.core.errors import InvalidInput

HOST_CHARS_MAX = 253
RULES_MAX = 256
_NETLOC = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{0,5}))?")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_METHOD = re.compile(r"[A-Z]{1,20}")


class Scheme(StrEnum):
    """How a host is spoken to. TCP is a tunnel in which anything may be said."""

    HTTPS = "https"
    HTTP = "http"
    TCP = "tcp"


_USUAL_PORT = {Scheme.HTTPS: 443, Scheme.HTTP: 80}


class NetworkVerdict(StrEnum):
    """What a request comes to (seed A9)."""

    ALLOW = "allow"
    BLOCK_DOMAIN = "block_domain"
    BLOCK_PROTOCOL = "block_protocol"
    BLOCK_ADDRESS = "block_address"
    BLOCK_METHOD = "block_method"
    BLOCK_BUDGET = "block_budget"


# --- reading --------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """An address that was read for certain.

    Args:
        scheme: as written, in small letters.
        host: canonical: a name without a final dot, or an IP address.
        port: as written, or the scheme's usual one; 0 where there is none.
        resource: path and query, as they are asked for; never a fragment.
    """

    scheme: str
    host: str
    port: int
    resource: str = "/"


def canonical_host(text: str) -> str:
    """A host as rules write it, or "" where it is not certain which one is meant.

    Args:
        text: a name or an IP address without brackets.
    """
    host = text.lower()
    if not host.isascii() or not 0 < len(host) <= HOST_CHARS_MAX:
        return ""
    if ":" in host:
        return "" if "%" in host else _ip_text(host)
    host = host.removesuffix(".")
    labels = host.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels):
        return ""
    # A host whose last label is a number is an IPv4 address to most readers, in
    # octal, hexadecimal or with fewer parts as well: only the usual form is read.
    return _ip_text(host) if _NUMERIC.fullmatch(labels[-1]) else host


def _ip_text(text: str) -> str:
    try:
        return ip_address(text).compressed
    except ValueError:
        return ""


def _endpoint(netloc: str) -> tuple[str, int | None] | None:
    """Host and port of what stands between `//` and the path."""
    match = _NETLOC.fullmatch(netloc)
    if match is None:
        return None
    bracketed, plain, digits = match.groups()
    host = canonical_host(bracketed or plain)
    if not host or (bracketed is not None and ":" not in host):
        return None
    port = int(digits) if digits else None
    return None if port is not None and not 0 < port < 65_536 else (host, port)


def read_address(address: str) -> Address | None:
    """Read a URL; None where its readers could disagree about where it leads."""
    if _ODD.search(address):
        return None
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    found = _endpoint(parts.netloc)
    if found is None:
        return None
    host, port = found
    usual = {"https": 443, "http": 80, "wss": 443, "ws": 80}.get(parts.scheme, 0)
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Address(scheme=parts.scheme, host=host, port=port or usual, resource=resource)


def read_authority(text: str) -> tuple[str, int] | None:
    """Read `host:port`, as in CONNECT; None where it is not certain or has no port."""
    found = None if _ODD.search(text) else _endpoint(text)
    return None if found is None or found[1] is None else (found[0], found[1])


def covers(pattern: str, host: str) -> bool:
    """Whether a listed host names another: itself, or below it for `*.example.org`."""
    return host == pattern or (pattern.startswith("*.") and host.endswith(pattern[1:]))


# --- rules ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRule:
    """One host that may be reached.

    Args:
        host: a name or an IP address; `*.example.org` means all names below it.
        ports: none means the usual one of each scheme.
        methods: of requests, in capitals; none means all. What is said in a tunnel
            cannot be seen, so a rule that lists some lets no tunnel through.
        schemes: https alone unless others are named.

    Raises:
        InvalidInput: the host is not certain, or a port, method or scheme is none.
    """

    host: str
    ports: tuple[int, ...] = ()
    methods: tuple[str, ...] = ()
    schemes: tuple[Scheme, ...] = (Scheme.HTTPS,)

    def __post_init__(self) -> None:
        wild = self.host.startswith("*.")
        name = canonical_host(self.host[2:] if wild else self.host)
        if not name or (wild and (":" in name or name[-1].isdigit())):
            raise InvalidInput(f"a network rule cannot name the host {self.host[:80]!r}")
        object.__setattr__(self, "host", f"*.{name}" if wild else name)
        if not all(type(port) is int and 0 < port < 65_536 for port in self.ports):
            raise InvalidInput("a network rule names ports from 1 to 65535")
        if not all(_METHOD.fullmatch(method) for method in self.methods):
            raise InvalidInput("a network rule names methods in capitals")
        if not self.schemes or not set(self.schemes) <= set(Scheme):
            raise InvalidInput(f"a network rule names schemes of: {', '.join(Scheme)}")
        if not self.ports and Scheme.TCP in self.schemes:
            raise InvalidInput("a network rule for tcp names its ports")

    @property
    def text(self) -> str:
        """The rule in one line, for logs."""
        ports = ",".join(str(port) for port in self.ports)
        named = " ".join((*sorted(self.schemes), self.host + (f":{ports}" if ports else "")))
        return named + (f" {','.join(self.methods)}" if self.methods else "")

    def ports_of(self, scheme: Scheme) -> tuple[int, ...]:
        """The ports it lets through for a scheme; none where it is not about that."""
        usual = (_USUAL_PORT[scheme],) if scheme in _USUAL_PORT else ()
        return (self.ports or usual) if scheme in self.schemes else ()

    def takes(self, scheme: Scheme, port: int) -> bool:
        """Whether it is about this scheme and port."""
        return port in self.ports_of(scheme)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkPolicy:
    """All that may be reached; without rules nothing.

    Args:
        rules: what is listed.
        bytes_max: how many bytes a session may exchange, both ways together.
        unsafe_addresses: `address:port` of places that are not public and may be
            reached all the same, where a rule's host leads there.

    Raises:
        InvalidInput: too many rules, or an address that is none.
    """

    rules: tuple[NetworkRule, ...] = ()
    bytes_max: int | None = None
    unsafe_addresses: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.rules) > RULES_MAX:
            raise InvalidInput(f"a network policy has at most {RULES_MAX} rules")
        if self.bytes_max is not None and (type(self.bytes_max) is not int or self.bytes_max < 0):
            raise InvalidInput("bytes_max is a number of bytes")
        for text in self.unsafe_addresses:
            if _literal(text) is None:
                raise InvalidInput(f"{text[:80]!r} is not an IP address with a port")

    def excepts(self, address: IPv4Address | IPv6Address, port: int) -> bool:
        """Whether just this address and port may be reached though it is not public."""
        return any(_literal(text) == (address, port) for text in self.unsafe_addresses)


def _literal(text: str) -> tuple[IPv4Address | IPv6Address, int] | None:
    found = read_authority(text)
    if found is None:
        return None
    try:
        return ip_address(found[0]), found[1]
    except ValueError:
        return None


def session_network(
    installation: NetworkPolicy | None, listed: Iterable[str]
) -> NetworkPolicy | None:
    """What one session's tools may reach, or None for nothing at all.

    Args:
        installation: the manager's policy, the most that any session may have; None
            where it has none, and what the session lists is then all there is.
        listed: the hosts the session's content security lists, as `network_whitelist`.
    """
    hosts = tuple(listed)
    if installation is None:
        found = NetworkPolicy(rules=tuple(_listed_rules(hosts)))
    elif hosts:
        narrowed = (_narrowed(rule, host) for rule in installation.rules for host in hosts)
        rules = dict.fromkeys(rule for rule in narrowed if rule is not None)
        found = replace(installation, rules=tuple(rules)[:RULES_MAX])
    else:
        found = installation
    return found if found.rules else None


def _listed_rules(hosts: tuple[str, ...]) -> Iterable[NetworkRule]:
    for host in hosts[:RULES_MAX]:
        try:
            yield NetworkRule(host=host)
        except InvalidInput:
            continue  # it names nothing that could be reached


def _narrowed(rule: NetworkRule, host: str) -> NetworkRule | None:
    """A rule as far as a listed host goes."""
    if covers(host, rule.host):
        return rule
    return replace(rule, host=host) if covers(rule.host, host) else None


# --- verdicts -------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkDecision:
    """What a request comes to, and by which rule.

    Args:
        host, port: where to; "" and 0 where that could not be read.
        scheme: how the host is to be spoken to if it is allowed.
        rule: the rule that decided, as text; "" where none is about the host.
        detail: why, in a few words.
    """

    verdict: NetworkVerdict
    host: str = ""
    port: int = 0
    scheme: Scheme = Scheme.HTTPS
    rule: str = ""
    detail: str = ""

    @property
    def allowed(self) -> bool:
        """Whether it may happen."""
        return self.verdict is NetworkVerdict.ALLOW


def judge_request(
    policy: NetworkPolicy, scheme: Scheme, host: str, port: int, *, method: str = ""
) -> NetworkDecision:
    """Judge one request by the rules.

    Args:
        host: canonical, from `read_address` or `read_authority`.
        method: "" where it cannot be seen.
    """

    def decided(verdict: NetworkVerdict, rule: str, detail: str) -> NetworkDecision:
        return NetworkDecision(
            verdict=verdict, host=host, port=port, scheme=scheme, rule=rule, detail=detail
        )

    about = [rule for rule in policy.rules if covers(rule.host, host)]
    if not about:
        return decided(NetworkVerdict.BLOCK_DOMAIN, "", "the host is not listed")
    fitting = [rule for rule in about if rule.takes(scheme, port)]
    if not fitting:
        detail = f"{scheme} to port {port} is not listed"
        return decided(NetworkVerdict.BLOCK_PROTOCOL, about[0].text, detail)
    for rule in fitting:
        if not rule.methods or method in rule.methods:
            return decided(NetworkVerdict.ALLOW, rule.text, "")
    detail = f"{method} is not listed" if method else "the method cannot be seen in a tunnel"
    return decided(NetworkVerdict.BLOCK_METHOD, fitting[0].text, detail)


def judge_tunnel(policy: NetworkPolicy, host: str, port: int) -> NetworkDecision:
    """Judge a tunnel: one for anything where a rule says tcp, else one for TLS."""
    anything = judge_request(policy, Scheme.TCP, host, port)
    return anything if anything.allowed else judge_request(policy, Scheme.HTTPS, host, port)
