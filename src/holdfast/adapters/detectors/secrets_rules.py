"""Secrets: keys of providers, private keys, tokens, and what is assigned to a secret's name.

Rules
- The forms of providers' keys are data (`packs/providers.toml`); a form decides by
  itself, a named value needs its provider's name and a word such as "key" before it.
- Whatever is assigned to a name such as `SOME_TOKEN` is a secret when it is random
  enough; what is assigned to a password is one unless it is a placeholder or code.
- A bare UUID, hash, number or slug is no secret.
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

from holdfast.adapters.detectors import checks, secrets_gates
from holdfast.adapters.detectors.linear import Pattern, compile_bytes
from holdfast.adapters.detectors.rulesets import CANDIDATES_DEAR_MAX, Candidate, Rule
from holdfast.core.labels import Sensitivity

_END = r"(?:[^A-Za-z0-9_]|$)"
_META = re.compile(r"[\\\[\](){}*+?|.^$]")
_KEYWORD_MIN = 3
_SAYS_SECRET = (
    b"key", b"token", b"secret", b"auth", b"api", b"pass", b"pwd", b"credential", b"bearer",
    b"pat", b"pat_", b"dsn", b"account", b"webhook", b"license", b"sid", b"client",
)  # fmt: skip
_PEM_MAX = 20_000
_VALUE_MAX = 64
_PASSWORD_MAX = 256
_RUN_MAX = 4096
_TOKEN = compile_bytes(r"[A-Za-z0-9_\-.+/=~]*")
_VALUE_REST = compile_bytes(r"[^\s\"'`,;&<>]*")
_PEM_BODY = compile_bytes(r"[A-Za-z0-9+/=\s\\:,\-]*")
_PORT = re.compile(r"\d{1,5}(?:/|$)")


# --- providers --------------------------------------------------------------------


@cache
def providers() -> Mapping[str, Mapping[str, object]]:
    """The forms of keys by provider, as the data file has them."""
    text = (files("holdfast.adapters.detectors") / "packs" / "providers.toml").read_text("utf-8")
    return tomllib.loads(text)


def _texts(entry: Mapping[str, object], name: str) -> tuple[str, ...]:
    found = entry.get(name, [])
    assert isinstance(found, list), f"{name} is a list"
    return tuple(str(one) for one in found)


def keyword_of(form: str) -> str:
    """The literal text that a form begins with, in lower case."""
    plain = form.replace(r"\.", "\0").replace(r"\-", "-").replace(r"\$", "\1")
    match = _META.search(plain)
    end = match.start() if match else len(plain)
    if match and match[0] in "*?{":
        end -= 1
    word = plain[:end].replace("\0", ".").replace("\1", "$").lower()
    assert len(word) >= _KEYWORD_MIN, f"{form}: keywords are needed"
    return word


def _formed(candidate: Candidate) -> int:
    value = candidate.value
    return 0 if secrets_gates.is_empty_form(value) else len(value)


def _named(candidate: Candidate) -> int:
    value = candidate.value
    before = candidate.before(72)
    if not any(word in before for word in _SAYS_SECRET):
        return 0
    if secrets_gates.is_placeholder(value) or not any(char.isdigit() for char in value):
        return 0
    return len(value) if checks.entropy(value) >= 2.4 else 0


def _provider_rules() -> Iterator[Rule]:
    for provider, entry in providers().items():
        level = Sensitivity[str(entry["level"]).upper()] if "level" in entry else None
        forms, bare, names = (_texts(entry, key) for key in ("forms", "bare", "names"))
        if forms:
            yield Rule(
                id=f"secret.{provider}",
                kind="api_key",
                level=level,
                pattern=r"\b(" + "|".join(forms) + ")" + _END,
                keywords=_texts(entry, "keywords") or tuple(map(keyword_of, forms)),
                check=_formed,
                confidence=0.95,
            )
        if bare:
            yield Rule(
                id=f"secret.{provider}.bare",
                kind="api_key",
                level=level,
                pattern=r"\b(" + "|".join(bare) + ")" + _END,
                check=_formed,
            )
        if names:
            yield Rule(
                id=f"secret.{provider}.named",
                kind="api_key",
                level=level,
                pattern=_named_pattern(names, str(entry["value"])),
                keywords=names,
                check=_named,
                confidence=0.85,
            )


def _named_pattern(names: tuple[str, ...], value: str) -> str:
    said = "|".join(re.escape(name).replace(r"\ ", " ") for name in names)
    return (
        rf"(?i:{said})[\w .\-/\"'\[\](){{}}\\]{{0,48}}?"
        r"(?:=>|:=|[:=,]|(?i:\bis\b|\bkey\b|\btoken\b|\bsecret\b))"
        rf"[\s\"'`(\\]{{0,5}}((?:{value}))" + _END
    )


# --- forms of their own -----------------------------------------------------------


def _run(candidate: Candidate, pattern: Pattern[bytes]) -> int:
    """How long a candidate is with what follows of the same run."""
    match = pattern.match(candidate.view.raw, candidate.end, candidate.end + _RUN_MAX)
    return (match.end() if match else candidate.end) - candidate.start


def _pem(candidate: Candidate) -> int:
    raw, start = candidate.view.raw, candidate.start
    end = raw.find(b"-----END", candidate.end, start + _PEM_MAX)
    if end < 0:
        # Without its end the key is all that could be one.
        match = _PEM_BODY.match(raw, candidate.end, start + _PEM_MAX)
        return (match.end() if match else candidate.end) - start
    closing = raw.find(b"-----", end + 8, end + 80)
    return (closing + 5 if closing >= 0 else end + 8) - start


def _jwt(candidate: Candidate) -> int:
    return _run(candidate, _TOKEN) if checks.jwt_header(candidate.value) else 0


def _connection(candidate: Candidate) -> int:
    value = candidate.value
    if _PORT.match(value) and "/" in value:
        return 0
    if secrets_gates.is_placeholder(value) or value.startswith(("$", "%7B", "[")):
        return 0
    return len(value)


def _bearer(candidate: Candidate) -> int:
    value = candidate.value
    if secrets_gates.is_placeholder(value) or secrets_gates.is_slug(value):
        return 0
    return _run(candidate, _TOKEN) if any(char.isdigit() for char in value) else 0


def _basic(candidate: Candidate) -> int:
    value = candidate.value
    try:
        decoded = base64.b64decode(value + "=" * (-len(value) % 4))
    except (ValueError, binascii.Error):
        return 0
    return len(value) if b":" in decoded else 0


_FORMS = (
    Rule(
        id="secret.private_key",
        kind="private_key",
        keywords=("private key",),
        pattern=r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----",
        check=_pem,
        validator="pem",
        confidence=0.99,
    ),
    Rule(
        id="secret.putty_key",
        kind="private_key",
        keywords=("putty-user-key-file",),
        pattern=r"PuTTY-User-Key-File-[23]: [\w\-]{3,40}",
        confidence=0.95,
    ),
    Rule(
        id="secret.jwt",
        kind="jwt",
        keywords=("eyj",),
        pattern=r"\b(eyJ[A-Za-z0-9_\-]{8,900}={0,2}\.[A-Za-z0-9_\-]{2,900})",
        check=_jwt,
        validator="jwt",
        confidence=0.95,
    ),
    Rule(
        id="secret.connection_string",
        kind="connection_string",
        keywords=("://",),
        pattern=r"\b[A-Za-z][A-Za-z0-9+.\-]{1,30}://[^\s:/@\"'<>]{0,128}:([^\s\"'<>@]{1,256}(?:@[^\s\"'<>@/:]{1,128})?)@[A-Za-z0-9\[]",
        check=_connection,
        confidence=0.95,
    ),
    Rule(
        id="secret.authorization",
        kind="api_key",
        keywords=("bearer", "authorization"),
        pattern=(
            r"(?i)(?:\bbearer[ \t]{1,4}|\bauthorization[\"']?[ \t]{0,3}[:=][ \t]{0,3}[\"']?"
            r"(?:bearer|token|apikey|key|ssws|api-key)?[ \t]{0,4})([A-Za-z0-9_\-.+/=~]{12,256})"
        ),
        check=_bearer,
    ),
    Rule(
        id="secret.basic",
        kind="password",
        keywords=("basic ", '"auth"'),
        pattern=(
            r"(?i)(?:\bbasic[ \t]{1,4}|\"auth\"[ \t]{0,3}:[ \t]{0,3}\")"
            r"([A-Za-z0-9+/]{8,200}={0,2})"
        ),
        check=_basic,
        validator="base64",
    ),
    Rule(
        id="secret.curl_user",
        kind="password",
        keywords=("curl", "wget", "--user"),
        pattern=r"(?:-u|--user)[ =][\"']?[\w.@\-]{1,64}:([^\s\"'$]{3,128})",
        check=lambda candidate: (
            0 if secrets_gates.is_placeholder(candidate.value) else len(candidate.value)
        ),
    ),
    Rule(
        id="secret.aws_pair",
        kind="api_key",
        keywords=("akia", "asia"),
        pattern=r"\b(?:AKIA|ASIA)[A-Z0-9]{16}[^A-Za-z0-9/+][^\n]{0,60}?\n?[^\n]{0,60}?[\s\"'=:,]([A-Za-z0-9/+]{40})(?:[^A-Za-z0-9/+=]|$)",
        check=lambda candidate: (
            len(candidate.value) if secrets_gates.is_secret(candidate.value) else 0
        ),
    ),
)


# --- assignments ------------------------------------------------------------------

_KEY_WORDS = (
    r"(?:api|app|access|auth|secret|private|signing|encryption|master|service|account|storage"
    r"|subscription|license|session|consumer|client|deploy|admin|shared|webhook)[ _\-.]?keys?"
    r"|secret|token|credentials?|client[_\-.]?secret|bearer|webhook[_\-]?url|dsn|jwt"
)
_KEY_KEYWORDS = (
    "api_key", "api-key", "api key", "apikey", "api.key", "app_key", "app key", "app-key", "appkey",
    "access_key", "access-key", "access key", "accesskey", "auth_key", "auth-key", "authkey",
    "private_key", "private-key", "privatekey", "signing_key", "signing-key", "signingkey",
    "encryption_key", "encryption-key", "encryptionkey", "master_key", "master-key", "masterkey",
    "service_key", "service-key", "servicekey", "account_key", "account-key", "accountkey",
    "storage_key", "storagekey", "subscription-key", "subscription_key", "subscriptionkey",
    "license_key", "license-key", "license key", "licensekey", "session_key", "consumer_key",
    "consumerkey", "consumer key", "client_key", "client-key", "deploy_key", "deploy-key",
    "admin_key", "admin-key", "shared_key", "sharedkey", "webhook_key", "auth key", "private key",
    "secret", "token", "credential", "bearer", "webhook_url", "dsn", "jwt",
)  # fmt: skip
_ASSIGN = r"[\w\-]{0,24}[\"'\])]{0,2}[ \t]{0,8}(?:=>|:=|\|\|=|[:=]|->)[ \t]{0,8}"
_PW_WORDS = r"pass(?:word|wd|phrase|code)?|pwd|passw"


def _assigned(candidate: Candidate) -> int:
    quote = candidate.view.raw[max(0, candidate.start - 1) : candidate.start]
    if quote in (b'"', b"'", b"`"):
        value = _quoted(candidate, quote)
        return len(value) if secrets_gates.is_secret(value[:_VALUE_MAX]) else 0
    value = candidate.value.rstrip(".)]}:")
    if "(" in value or not secrets_gates.is_secret(value):
        return 0
    if candidate.end - candidate.start < _VALUE_MAX:
        return len(value)
    return _run(candidate, _VALUE_REST)


def _assigned_password(candidate: Candidate) -> int:
    before = candidate.view.raw[max(0, candidate.start - 1) : candidate.start]
    if before in (b'"', b"'", b"`"):
        return _quoted_password(candidate, before)
    value = candidate.value.rstrip(".)]},;:")
    if "(" in value or "[" in value:
        return 0
    if _env_line(candidate) and not secrets_gates.is_placeholder(value):
        return len(value) if len(value) >= secrets_gates.SECRET_LENGTH_MIN else 0
    return len(value) if secrets_gates.is_password(value, quoted=False) else 0


def _quoted(candidate: Candidate, quote: bytes) -> str:
    """What stands before the quote that closes; nothing if it is not on the same line."""
    raw = candidate.view.raw
    end = raw.find(quote, candidate.start, candidate.start + _RUN_MAX)
    value = raw[candidate.start : max(end, candidate.start)].decode("latin-1")
    return "" if "\n" in value else value


def _quoted_password(candidate: Candidate, quote: bytes) -> int:
    value = _quoted(candidate, quote)
    if len(value) > _PASSWORD_MAX:
        return 0
    if " " in value and not any(char.isdigit() for char in value):
        return 0
    return len(value) if secrets_gates.is_password(value, quoted=True) else 0


def _word_password(candidate: Candidate) -> int:
    value = candidate.value
    return len(value) if secrets_gates.is_password(value, quoted=True) else 0


_ENV_NAME = re.compile(rb"(?:^|\n)(?:export )?[A-Z][A-Z0-9_]*=$")


def _env_line(candidate: Candidate) -> bool:
    """Whether a value is all that a line in the form of .env assigns to a name in capitals."""
    before = candidate.view.raw[max(0, candidate.start - 80) : candidate.start]
    return bool(_ENV_NAME.search(before)) and candidate.after(1) in (b"", b"\n", b"\r")


_ASSIGNMENTS = (
    Rule(
        id="secret.assigned",
        kind="secret",
        keywords=_KEY_KEYWORDS,
        pattern=rf"(?i)(?:{_KEY_WORDS}){_ASSIGN}(?:[bru]?[\"'`]|\\\"|&quot;)?([^\s\"'`,;&<>\\]{{8,64}})",
        check=_assigned,
        candidates_max=CANDIDATES_DEAR_MAX,
        validator="entropy",
        confidence=0.8,
    ),
    Rule(
        id="secret.assigned_password",
        kind="password",
        keywords=("pass", "pwd"),
        pattern=rf"(?i)(?:{_PW_WORDS}){_ASSIGN}(?:[bru]?[\"'`])?([^\s\"'`,;&<>]{{4,128}})",
        check=_assigned_password,
        confidence=0.85,
    ),
    Rule(
        id="secret.element",
        kind="password",
        keywords=("password>", "passwd>", "secret>", "token>", "apikey>", "api_key>", "pwd>"),
        pattern=(
            r"(?i)<[\w:.\-]{0,24}(?:password|passwd|pwd|secret|token|api_?key)>"
            r"([^\s<>]{4,256})</"
        ),
        check=_word_password,
        confidence=0.85,
    ),
    Rule(
        id="secret.sql_password",
        kind="password",
        keywords=("identified by", "identified with"),
        pattern=r"(?i)\bidentified (?:by|with [\w]{1,40} (?:by|as)) [\"']([^\s\"']{4,128})[\"']",
        check=_word_password,
    ),
    Rule(
        id="secret.option_password",
        kind="password",
        keywords=("--pass", "--pwd", "--token", "--secret", "--api-key"),
        pattern=r"(?i)--(?:password|passwd|pass|pwd|token|secret|api-key)[ =][\"']?"
        r"([^\s\"'`$<\[{-][^\s\"'`]{3,128})",
        check=lambda candidate: (
            len(candidate.value) if secrets_gates.is_password(candidate.value, quoted=False) else 0
        ),
        confidence=0.8,
    ),
)


def secret_rules() -> tuple[Rule, ...]:
    """The rules for secrets."""
    return (*_FORMS, *_ASSIGNMENTS, *_provider_rules())
