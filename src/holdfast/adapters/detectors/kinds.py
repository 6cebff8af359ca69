"""The kinds of values the classifier knows, and how secret each one is.

Rules
- Ways to reach or to tell apart a person are Sensitive: e-mail, phone, address,
  date of birth.
- What opens an account or is one is HighlySensitive: cards, bank accounts, national
  ids, API keys.
- What a person would be harmed by at once is Critical: passwords, private keys,
  recovery phrases, a disclosed medical condition.
- What is personal only in some places (network addresses, links) is Normal; the
  GDPR pack lifts network addresses to Sensitive.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from holdfast.core.labels import Sensitivity

_N = Sensitivity.NORMAL
_S = Sensitivity.SENSITIVE
_H = Sensitivity.HIGHLY_SENSITIVE
_C = Sensitivity.CRITICAL

LEVELS: Mapping[str, Sensitivity] = MappingProxyType(
    {
        "url": _N,
        "ip_address": _N,
        "mac_address": _N,
        "email": _S,
        "phone": _S,
        "address": _S,
        "date_of_birth": _S,
        "crypto_address": _S,
        "vat_number": _S,
        "provider_id": _S,
        "credit_card": _H,
        "iban": _H,
        "bank_account": _H,
        "routing_number": _H,
        "ssn": _H,
        "national_id": _H,
        "passport": _H,
        "driver_licence": _H,
        "medical_id": _H,
        "api_key": _H,
        "jwt": _H,
        "secret": _H,
        "password": _C,
        "connection_string": _C,
        "private_key": _C,
        "recovery_phrase": _C,
        "card_code": _C,
        "medical": _C,
    }
)


def level_of(kind: str) -> Sensitivity:
    """How secret a value of a kind is; a kind that is not known is HighlySensitive."""
    return LEVELS.get(kind, Sensitivity.HIGHLY_SENSITIVE)
