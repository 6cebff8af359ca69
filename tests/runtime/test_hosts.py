"""The hosts that a call names."""

from __future__ import annotations

import json

import pytest

from holdfast.core.tools import ToolSpec
from holdfast.runtime.hosts import UNREADABLE, host_in, hosts_of

PLAIN = ToolSpec(name="t", description="", parameters="{}")
FETCH = ToolSpec(name="t", description="", parameters="{}", host_params=("host",))


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("https://Example.org/x?y#z", "example.org"),
        ("https://example.org.", "example.org"),
        ("http://example.org:8080", "example.org"),
        ("https://[::1]/", "::1"),
        ("https://evil.com#@api.example.org", "evil.com"),
        ("https://evil.com?x=.example.org", "evil.com"),
        ("https://evil.com\\@api.example.org", UNREADABLE),
        ("https://user@example.org", UNREADABLE),
        ("https://:pw@example.org", UNREADABLE),
        ("https://ex\u0430mple.org", UNREADABLE),
        ("https://", UNREADABLE),
        ("https://[", UNREADABLE),
    ],
)
def test_an_address_leads_to_one_host_or_is_unsure(address: str, host: str) -> None:
    """Where readers could disagree it is not read at all (vector 14)."""
    assert host == host_in(address)


def test_hosts_are_found_wherever_they_stand() -> None:
    """In any text, nested or not, and in arguments that are for one without a scheme."""
    given: dict[str, object] = {
        "command": "curl https://a.test/x && wget http://b.test",
        "more": [{"url": "https://c.test"}],
        "host": "d.test:99",
    }
    text = json.dumps(given)
    assert ("a.test", "b.test", "c.test") == hosts_of(PLAIN, given, text)
    assert ("a.test", "b.test", "c.test", "d.test") == hosts_of(FETCH, given, text)
    assert () == hosts_of(PLAIN, {"a": "b.test"}, '{"a":"b.test"}')
