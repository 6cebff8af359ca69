"""National ids and tax numbers, as python-stdnum checks them.

Rules
- Chinese resident ids and US provider numbers have their checksums here; the others
  need the extra `pii`.
- An id whose digits look like any other number is taken only near words that name it.
- Without the extra the same words are needed for all, and no checksum vetoes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from holdfast.adapters.detectors import checks
from holdfast.adapters.detectors.rulesets import Candidate, Check, Rule


@dataclass(frozen=True, slots=True)
class _Id:
    """A national id: its name, the module of stdnum, its form and the words beside it."""

    name: str
    module: str
    pattern: str
    near: tuple[str, ...]
    needs_words: bool = True
    kind: str = "national_id"


_VAT = r"\b(?:AT|BE|BG|CY|CZ|DE|DK|EE|EL|ES|FI|FR|HR|HU|IE|IT|LT|LU|LV|MT|NL|PL|PT|RO|SE|SI|SK)[ ]?[0-9A-Z]{8,12}\b"

_IDS = (
    _Id("eu_vat", "stdnum.eu.vat", _VAT, ("vat", "tax", "ust", "tva", "iva", "btw"), False, "vat_number"),
    _Id("ar_cuit", "stdnum.ar.cuit", r"\b(?:20|23|24|27|30|33|34)-\d{8}-\d\b", ("cuit", "cuil"), False),
    _Id("au_tfn", "stdnum.au.tfn", r"\b\d{3} ?\d{3} ?\d{3}\b", ("tfn", "tax file")),
    _Id("be_nn", "stdnum.be.nn", r"\b\d{2}\.\d{2}\.\d{2}-\d{3}\.\d{2}\b", ("rijksregister", "national", "insz"), False),
    _Id("br_cpf", "stdnum.br.cpf", r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b", ("cpf",), False),
    _Id("br_cpf_bare", "stdnum.br.cpf", r"\b\d{11}\b", ("cpf",)),
    _Id("br_cnpj", "stdnum.br.cnpj", r"\b\d{2}\.\d{3}\.\d{3}/\d{4}-\d{2}\b", ("cnpj",), False),
    _Id("ca_sin", "stdnum.ca.sin", r"\b\d{3}[ \-]?\d{3}[ \-]?\d{3}\b", (" sin ", " sin:", " sin#", "social insurance")),
    _Id("ch_ssn", "stdnum.ch.ssn", r"\b756\.?\d{4}\.?\d{4}\.?\d{2}\b", ("ahv", "avs"), False),
    _Id("cl_rut", "stdnum.cl.rut", r"\b\d{1,2}\.\d{3}\.\d{3}-[\dKk]\b", ("rut", "run"), False),
    _Id("cz_rc", "stdnum.cz.rc", r"\b\d{6}/\d{3,4}\b", ("rodn", "birth number")),
    _Id("de_idnr", "stdnum.de.idnr", r"\b\d{2} ?\d{3} ?\d{3} ?\d{3}\b", ("steuer", "idnr", "german tax id")),
    _Id("dk_cpr", "stdnum.dk.cpr", r"\b\d{6}-?\d{4}\b", ("cpr", "personnummer")),
    _Id("es_dni", "stdnum.es.dni", r"\b\d{8}-?[A-Za-z]\b", ("dni", "nif"), False),
    _Id("es_nie", "stdnum.es.nie", r"\b[XYZxyz]-?\d{7}-?[A-Za-z]\b", ("nie",), False),
    _Id("fi_hetu", "stdnum.fi.hetu", r"\b\d{6}[+\-A-Fa-f]\d{3}[0-9A-Ya-y]\b", ("hetu", "henkil"), False),
    _Id("fr_nir", "stdnum.fr.nir", r"\b[12] ?\d{2} ?\d{2} ?\d[\dAB] ?\d{3} ?\d{3} ?\d{2}\b", ("nir", "securite sociale", "insee"), False),
    _Id("gb_nhs", "stdnum.gb.nhs", r"\b\d{3}[ \-]?\d{3}[ \-]?\d{4}\b", ("nhs",)),
    _Id("il_idnr", "stdnum.il.idnr", r"\b\d{9}\b", ("teudat", "israeli id")),
    _Id("in_aadhaar", "stdnum.in_.aadhaar", r"\b[2-9]\d{3}[ \-]?\d{4}[ \-]?\d{4}\b", ("aadhaar", "aadhar", "uidai")),
    _Id("in_pan", "stdnum.in_.pan", r"\b[A-Z]{3}[ABCFGHJLPT][A-Z]\d{4}[A-Z]\b", ("pan",), False),
    _Id("it_codicefiscale", "stdnum.it.codicefiscale", r"\b[A-Za-z]{6}\d{2}[A-Za-z]\d{2}[A-Za-z]\d{3}[A-Za-z]\b", ("codice",), False),
    _Id("kr_rrn", "stdnum.kr.rrn", r"\b\d{6}-[1-8]\d{6}\b", ("rrn", "resident"), False),
    _Id("mx_curp", "stdnum.mx.curp", r"\b[A-Z]{4}\d{6}[HM][A-Z]{5}[A-Z0-9]\d\b", ("curp",), False),
    _Id("nl_bsn", "stdnum.nl.bsn", r"\b\d{9}\b", ("bsn", "burgerservice", "sofi")),
    _Id("no_fodselsnummer", "stdnum.no.fodselsnummer", r"\b\d{6} ?\d{5}\b", ("fodsels", "f\xf8dsels", "personnummer")),
    _Id("pl_pesel", "stdnum.pl.pesel", r"\b\d{11}\b", ("pesel",)),
    _Id("pt_cc", "stdnum.pt.cc", r"\b\d{8} ?\d ?[A-Z]{2}\d\b", ("cart", "cc"), False),
    _Id("ro_cnp", "stdnum.ro.cnp", r"\b[1-8]\d{12}\b", ("cnp",)),
    _Id("se_personnummer", "stdnum.se.personnummer", r"\b(?:19|20)?\d{6}[+\-]\d{4}\b", ("personnummer", "personal number", "personal identity")),
    _Id("tr_tckimlik", "stdnum.tr.tckimlik", r"\b[1-9]\d{10}\b", ("kimlik", "tckn")),
    _Id("us_itin", "stdnum.us.itin", r"\b9\d{2}-?[5-9]\d-?\d{4}\b", (" itin", "itin:", "taxpayer id", "tax id")),
    _Id("us_ein", "stdnum.us.ein", r"\b\d{2}-\d{7}\b", (" ein ", " ein:", "ein number", "employer id"), True, "vat_number"),
    _Id("za_idnr", "stdnum.za.idnr", r"\b\d{13}\b", ("id number", "south african id", "rsa id")),
)  # fmt: skip

_NINO = r"\b[A-CEGHJ-PR-TW-Za-ceghj-pr-tw-z][A-CEGHJ-NPR-TW-Za-ceghj-npr-tw-z] ?\d{2} ?\d{2} ?\d{2} ?[A-Da-d]\b"
_NINO_WORDS = ("nino", "national insurance", "ni number", "ni no", "insurance number")
_NINO_REFUSED = ("bg", "gb", "kn", "nk", "nt", "tn", "zz")


def _nino(candidate: Candidate) -> int:
    value = candidate.value
    return 0 if value[:2].lower() in _NINO_REFUSED else len(value)


def _chinese(candidate: Candidate) -> int:
    return len(candidate.value) if checks.chinese_id(candidate.value) else 0


def _npi(candidate: Candidate) -> int:
    return len(candidate.value) if checks.npi(candidate.value) else 0


_OWN = (
    Rule(
        id="pii.id.cn_ric",
        kind="national_id",
        pattern=r"\b[1-9]\d{16}[0-9Xx]\b",
        check=_chinese,
        validator="mod11-2",
        confidence=0.97,
    ),
    Rule(
        id="pii.id.gb_nino",
        kind="national_id",
        pattern=_NINO,
        check=_nino,
        validator="nino",
        keywords=_NINO_WORDS,
        near=_NINO_WORDS,
    ),
    Rule(
        id="pii.id.us_npi",
        kind="provider_id",
        keywords=("npi",),
        pattern=r"(?i)\bNPI[ :#=]{0,3}(?:number|no\.?|is)?[ :#=]{0,3}([12]\d{9})\b",
        check=_npi,
        validator="npi",
    ),
)


@cache
def _validator(module: str) -> Callable[[str], bool]:
    # Each of the modules is loaded when a text first has a candidate for it.
    found: Callable[[str], bool] = import_module(module).is_valid
    return found


def _valid(module: str) -> Check:
    def check(candidate: Candidate) -> int:
        return len(candidate.value) if _validator(module)(candidate.value) else 0

    return check


def _rule(one: _Id, extra: bool) -> Rule:
    check = _valid(one.module) if extra else None
    return Rule(
        id=f"pii.id.{one.name}",
        kind=one.kind,
        pattern=one.pattern,
        check=check,
        validator="stdnum" if extra else "",
        confidence=0.9 if extra else 0.5,
        near=() if extra and not one.needs_words else one.near,
        # Words as keywords: a text without them is not searched at all.
        keywords=() if extra and not one.needs_words else one.near,
    )


def id_rules(extra: bool) -> tuple[Rule, ...]:
    """The rules for national ids and tax numbers.

    Args:
        extra: whether python-stdnum is there to be asked.
    """
    return (*_OWN, *(_rule(one, extra) for one in _IDS))
