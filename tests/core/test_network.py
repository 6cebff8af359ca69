"""Network policies: the one reading of hosts, rules and verdicts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.errors import InvalidInput
from holdfast.core.network import (
    RULES_MAX,
    NetworkPolicy,
    NetworkRule,
    NetworkVerdict,
    Scheme,
    canonical_host,
    covers,
    judge_request,
    judge_tunnel,
    read_address,
    read_authority,
    session_network,
)

LISTED = NetworkPolicy(rules=(NetworkRule(host="api.example.org"),))


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("_srv.example.org", "_srv.example.org"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0::1", "2001:db8::1"),
        ("", ""),
        (".", ""),
        ("example..org", ""),
        ("example.org..", ""),
        ("-example.org", ""),
        ("ex\u0430mple.org", ""),
        ("\uff45xample.org", ""),
        ("example\u3002org", ""),
        ("exa mple.org", ""),
        ("exa%6dple.org", ""),
        ("127.1", ""),
        ("0x7f.1", ""),
        ("2130706433", ""),
        ("0177.0.0.1", ""),
        ("127.0.0.01", ""),
        ("0", ""),
        ("1.2.3.4.5", ""),
        ("256.0.0.1", ""),
        ("example.0x1f", ""),
        ("fe80::1%eth0", ""),
        ("::1::", ""),
        ("a" * 64 + ".org", ""),
        ("a." * 127 + "org", ""),
    ],
)
def test_a_host_is_read_in_one_way_or_not_at_all(text: str, host: str) -> None:
    """Names and addresses have one form; what readers could differ about has none."""
    assert host == canonical_host(text)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("https://api.example.org", ("https", "api.example.org", 443, "/")),
        ("HTTP://API.example.org:8080/x?q#f", ("http", "api.example.org", 8080, "/x?q")),
        ("http://[::1]:9/", ("http", "::1", 9, "/")),
        ("https://evil.com#@api.example.org", ("https", "evil.com", 443, "/")),
        ("https://evil.com?@api.example.org", ("https", "evil.com", 443, "/?@api.example.org")),
        ("ftp://example.org/", ("ftp", "example.org", 0, "/")),
    ],
)
def test_an_address_is_read(address: str, expected: tuple[str, str, int, str]) -> None:
    """Scheme, host, port and what is asked for; a fragment is never sent (vector 14)."""
    found = read_address(address)
    assert found is not None
    assert expected == (found.scheme, found.host, found.port, found.resource)


@pytest.mark.parametrize(
    "address",
    [
        "https://user@api.example.org",
        "https://api.example.org:443@evil.com",
        "https://evil.com\\@api.example.org",
        "https://evil.com\\.api.example.org",
        "https:\\\\api.example.org",
        "https:api.example.org",
        "https:///api.example.org",
        "https://api.exa\nmple.org",
        "https://api.example.org\t",
        " https://api.example.org",
        "https://api.example.org:99999",
        "https://api.example.org:0",
        "https://api.example.org:80:80",
        "https://api.example.org:8o",
        "https://[::1]evil.com",
        "https://[api.example.org]",
        "https://[::1",
        "https://::1/",
        "https://\uff41pi.example.org",
        "https://api.example.org%00.evil.com",
        "https://api.example.org\x00.evil.com",
        "https://",
        "",
    ],
)
def test_what_is_not_certain_is_not_read(address: str) -> None:
    """User names, backslashes, control signs, confusable and half hosts (vector 14)."""
    assert read_address(address) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("api.example.org:443", ("api.example.org", 443)),
        ("[2001:db8::1]:1", ("2001:db8::1", 1)),
        ("api.example.org", None),
        ("api.example.org:", None),
        ("user@api.example.org:443", None),
        ("api.example.org:443/path", None),
        ("::1:443", None),
        ("a b:1", None),
    ],
)
def test_an_authority_has_a_port(text: str, expected: tuple[str, int] | None) -> None:
    """CONNECT names a host and a port and nothing else."""
    assert expected == read_authority(text)


@given(st.text(max_size=40))
def test_reading_is_stable(text: str) -> None:
    """Whatever is read is read again as itself."""
    host = canonical_host(text)
    assert host == "" or host == canonical_host(host)
    found = read_address(f"https://{text}/")
    if found is not None:
        shown = f"[{found.host}]" if ":" in found.host else found.host
        again = read_address(f"https://{shown}:{found.port}/")
        assert again is not None
        assert (found.host, found.port) == (again.host, again.port)


def test_names_below_a_listed_one() -> None:
    """`*.` is for what is below, never for the name itself or one that only ends so."""
    assert covers("*.example.org", "a.b.example.org")
    assert not covers("*.example.org", "example.org")
    assert not covers("*.example.org", "evilexample.org")
    assert not covers("example.org", "a.example.org")


@pytest.mark.parametrize(
    "fields",
    [
        {"host": "ex\u0430mple.org"},
        {"host": "https://example.org"},
        {"host": "*"},
        {"host": "*.1"},
        {"host": "a.*.org"},
        {"host": "example.org", "ports": (0,)},
        {"host": "example.org", "ports": (True,)},
        {"host": "example.org", "methods": ("get",)},
        {"host": "example.org", "schemes": ()},
        {"host": "example.org", "schemes": (Scheme.TCP,)},
    ],
)
def test_rules_that_cannot_be(fields: dict[str, object]) -> None:
    """What could never match, or not what was meant, is refused when it is written."""
    with pytest.raises(InvalidInput):
        NetworkRule(**fields)  # type: ignore[arg-type]  # wrong on purpose


def test_policies_that_cannot_be() -> None:
    """Exceptions are addresses with a port, and there is a limit to rules."""
    for text in ("localhost:1", "127.0.0.1", "127.1:80", "x"):
        with pytest.raises(InvalidInput):
            NetworkPolicy(unsafe_addresses=(text,))
    with pytest.raises(InvalidInput):
        NetworkPolicy(bytes_max=-1)
    with pytest.raises(InvalidInput):
        NetworkPolicy(rules=LISTED.rules * (RULES_MAX + 1))


def _verdict(policy: NetworkPolicy, *args: object, **more: str) -> NetworkVerdict:
    return judge_request(policy, *args, **more).verdict  # type: ignore[arg-type]  # a short form


def test_verdicts() -> None:
    """The host, how it is spoken to, the port and the method, in this order."""
    policy = NetworkPolicy(
        rules=(
            NetworkRule(host="api.example.org", methods=("GET",)),
            NetworkRule(host="http.example.org", schemes=(Scheme.HTTP,), ports=(80, 8080)),
            NetworkRule(host="db.example.org", schemes=(Scheme.TCP,), ports=(5432,)),
        )
    )
    v = NetworkVerdict
    assert v.ALLOW is _verdict(policy, Scheme.HTTPS, "api.example.org", 443, method="GET")
    assert v.BLOCK_METHOD is _verdict(policy, Scheme.HTTPS, "api.example.org", 443, method="POST")
    assert v.BLOCK_METHOD is judge_tunnel(policy, "api.example.org", 443).verdict
    assert v.BLOCK_PROTOCOL is _verdict(policy, Scheme.HTTPS, "api.example.org", 444, method="GET")
    assert v.BLOCK_PROTOCOL is _verdict(policy, Scheme.HTTP, "api.example.org", 80, method="GET")
    assert v.BLOCK_DOMAIN is _verdict(policy, Scheme.HTTPS, "example.org", 443, method="GET")
    assert v.ALLOW is _verdict(policy, Scheme.HTTP, "http.example.org", 8080, method="PUT")
    assert v.BLOCK_PROTOCOL is judge_tunnel(policy, "http.example.org", 80).verdict
    assert Scheme.TCP is judge_tunnel(policy, "db.example.org", 5432).scheme
    found = judge_request(policy, Scheme.HTTPS, "api.example.org", 443, method="GET")
    assert ("https api.example.org GET", True) == (found.rule, found.allowed)
    assert v.BLOCK_DOMAIN is _verdict(NetworkPolicy(), Scheme.HTTPS, "api.example.org", 443)


def test_a_rule_more_never_allows_less() -> None:
    """Rules add up; their order does not matter."""
    one = NetworkRule(host="a.test", methods=("GET",))
    other = NetworkRule(host="a.test")
    for rules in ((one, other), (other, one)):
        found = judge_request(NetworkPolicy(rules=rules), Scheme.HTTPS, "a.test", 443)
        assert found.allowed


def test_what_a_session_may_reach() -> None:
    """Nothing, what it lists, what the installation has, or what both have."""
    assert session_network(None, ()) is None
    assert session_network(NetworkPolicy(), ("a.test",)) is None
    own = session_network(None, ("a.test", "*.b.test", "not a host"))
    assert own is not None
    assert ["a.test", "*.b.test"] == [rule.host for rule in own.rules]
    wide = NetworkPolicy(
        rules=(NetworkRule(host="*.b.test", methods=("GET",)), NetworkRule(host="c.test")),
        bytes_max=9,
    )
    assert wide == session_network(wide, ())
    narrow = session_network(wide, ("x.b.test", "d.test"))
    assert narrow is not None
    assert [("x.b.test", ("GET",))] == [(rule.host, rule.methods) for rule in narrow.rules]
    assert 9 == narrow.bytes_max
    assert session_network(wide, ("d.test",)) is None
    below = session_network(NetworkPolicy(rules=(NetworkRule(host="x.b.test"),)), ("*.b.test",))
    assert below is not None
    assert ["x.b.test"] == [rule.host for rule in below.rules]
