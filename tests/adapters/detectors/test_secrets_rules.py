"""Secrets: forms, names, assignments; and what is none."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import RuleSet, Seen
from holdfast.adapters.detectors.secrets_rules import keyword_of, providers, secret_rules
from holdfast.core.labels import Sensitivity

RULES = RuleSet(secret_rules())
JWT = (
    "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
)
HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
BEGIN, END = "-----BEGIN ", "-----END "


def secrets(text: str) -> set[tuple[str, str, str]]:
    """Kind, value and rule of what is found."""
    seen = Seen([], [])
    RULES.find(views_of(text)[0], seen)
    return {
        (one.kind, text[one.start : one.end], one.rule.removeprefix("secret."))
        for one in seen.findings
    }


@pytest.mark.parametrize(
    ("before", "value", "after", "kind", "rule"),
    [("use ", "ghp_" + "aB3" * 12, " now", "api_key", "github"),
     ("", "AKIAIOSFODNN7EXAMPLE", "", "api_key", "aws"),
     ("aws_secret_access_key = ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "\n", "secret",
      "assigned"),
     ("AKIAIOSFODNN7EXAMPLE, ", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", "api_key",
      "aws_pair"),
     ("k=", "sk_live_4eC39HqLyjWDarjtT1zdp7dc", ";", "api_key", "stripe"),
     ("DATADOG_API_KEY=", HEX, "\n", "api_key", "datadog.named"),
     ("my Datadog api key is ", HEX, ".", "api_key", "datadog.named"),
     ("bot ", "123456789:AA" + "b7-" * 11, "", "api_key", "telegram"),
     ("t: ", "M" + "a1B" * 8 + ".a1b2c3." + "xY9" * 10, "", "api_key", "discord.bare"),
     ("Authorization: Bearer ", "abcDEF123456789xyz", "'", "api_key", "authorization"),
     ("Authorization: token ", "abcDEF123456789xyz", "", "api_key", "authorization"),
     ("Authorization: Basic ", "Ym9iOmh1bnRlcjI=", "", "password", "basic"),
     ("jwt ", JWT, "", "jwt", "jwt"),
     ("postgres://bob:", "s3cr%40t", "@db.example.com/x", "connection_string",
      "connection_string"),
     ("redis://:", "p4ss@word", "@10.0.0.1:6379", "connection_string", "connection_string"),
     ("curl -u bob:", "hunter2", " https://x", "password", "curl_user"),
     ("SECRET_KEY = '", "django-insecure-(a1&b2;c3)d4", "'", "secret", "assigned"),
     ("<dbPassword>", "hunter2", "</dbPassword>", "password", "element"),
     ("CREATE USER x IDENTIFIED BY '", "letmein", "'", "password", "sql_password"),
     ('{"auths": {"r": {"auth": "', "Ym9iOmh1bnRlcjI=", '"}}}', "password", "basic"),
     ("Server=db;User=sa;Password=", "P@ssw0rd!", ";", "password", "assigned_password"),
     ("tool --password ", "hunter2", "", "password", "option_password"),
     ("DB_PASSWORD=", "correcthorse", "\n", "password", "assigned_password"),
     ("{'password': '", "letmein", "'}", "password", "assigned_password"),
     ("password: ", "hunter2", "", "password", "assigned_password"),
     ("SOME_TOKEN=", "a1b2c3d4e5f6", "\nX=1", "secret", "assigned"),
     ("token='", "a1B2c3D4" * 20, "'", "secret", "assigned"),
     ("", BEGIN + "RSA PRIVATE KEY-----\nMIIE\n" + END + "RSA PRIVATE KEY-----", "\nx",
      "private_key", "private_key"),
     ("", BEGIN + "PRIVATE KEY-----\nMIIEvQIBADAN", "", "private_key", "private_key"),
     ("", "PuTTY-User-Key-File-2: ssh-rsa", "\n", "private_key", "putty_key")],
)  # fmt: skip
def test_found(before: str, value: str, after: str, kind: str, rule: str) -> None:
    """The value exactly, by the rule for it."""
    assert (kind, value, rule) in secrets(before + value + after)


@pytest.mark.parametrize(
    "text",
    ["sk-your-api-key-here", "API_KEY=${API_KEY}", "http://localhost:8080/a@b", "ghp_" + "x" * 36,
     "postgres://user:password@localhost/db", "postgres://u:${PW}@h/db", "password = input()",
     "password: str", "token = self.next_token()", "commit " + HEX + "01234567",
     "id: 123e4567-e89b-12d3-a456-426614174000", "sha256 " + HEX * 2, "datadog build " + HEX,
     "token = '<token>' api_key: xxxx password=changeme", "def read(self, pwd=None):",
     "my-long-slug-for-a-blog-post-2024-about-things", "eyJhbGciOi.x.y", "Basic training 101",
     "the bearer of this letter", "PUBLIC KEY", BEGIN + "PUBLIC KEY-----", "password='password'",
     "Authorization: Bearer <token>", "a task-force, risk-averse", "tokens: 1234567890"],
)  # fmt: skip
def test_not_found(text: str) -> None:
    """Placeholders, code, hashes, slugs, ordinary words."""
    assert set() == secrets(text)


def test_many_providers() -> None:
    """At least 200, each with a form or a name, and every pattern compiles."""
    assert len(providers()) >= 200
    assert [] == [
        name
        for name, entry in providers().items()
        if not {"forms", "bare", "names"} & set(entry) or ("names" in entry) != ("value" in entry)
    ]
    RULES.check_patterns()


def test_levels_of_providers() -> None:
    """An API key's, if nothing else is said."""
    levels = {rule.id: rule.level for rule in RULES.rules}
    assert (None, Sensitivity.CRITICAL) == (levels["secret.github"], levels["secret.age"])


def test_keywords_of_forms() -> None:
    """The literal text before the first thing that is none."""
    assert ("ghp_", "hvs.", "lsv2_") == tuple(
        map(keyword_of, ("ghp_[A-Z]{3}", r"hvs\.[\w\-]+", "lsv2_?x*"))
    ) or "lsv2" == keyword_of("lsv2_?x*")
    with pytest.raises(AssertionError):
        keyword_of("a[bc]")
