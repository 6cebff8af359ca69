"""Secrets and personal data told in Chinese: a phrase, then the value.

The rules are those of `spoken`: the value alone, and a veto by what it looks like.
Chinese has no blanks: a value in ASCII ends where Chinese goes on, another one at
the next mark or blank. At most `VALUE_MAX` characters belong to a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import ahocorasick_rs

from holdfast.adapters.detectors import checks
from holdfast.adapters.detectors.kinds import level_of
from holdfast.adapters.detectors.plainview import PLACEHOLDER, View
from holdfast.adapters.detectors.rulesets import CANDIDATES_DEAR_MAX, Seen
from holdfast.core.findings import Finding

VALUE_MAX = 128
_COPULA = re.compile(
    r"[ \t]{0,4}(?:号码|号)?[ \t]{0,4}"
    r"(?:就?(?:是|为|叫做?)|[:=])[ \t]{0,4}[:=]?\s{0,8}[\"'“‘「『《]?"
)
_OPEN = re.compile(r"\s{0,8}[\"'“‘「『]?")
_ASCII_VALUE = re.compile(r"[!-~]{1,128}")
_OTHER_VALUE = re.compile(r"[^\s,;。、“”‘’\"'「」『』《》]{1,128}")
_NOT_VALUES = (
    "必填", "必须", "必需", "需要", "错误", "错的", "正确", "不正确", "不对", "不能",
    "不可", "不是", "不要", "不会", "不够", "不安全", "什么", "多少", "空的", "空白",
    "否", "可选", "加密", "明文", "默认", "用户", "登录", "登陆", "自动", "随机",
    "由系统", "由用户", "通过", "一个", "一种", "一串", "保护", "安全", "如何", "怎么",
    "谁", "哪", "至少", "长度", "过期", "已经", "已过", "被", "对的", "用来",
    "用于", "为了", "数字", "字母", "字符", "强密码", "弱密码", "很", "太", "非常",
    "保存", "存储", "没有", "指", "否则",
)  # fmt: skip
_PLACE = re.compile(r"[省市区县镇乡村路街巷弄号室楼栋单元]")
_DATE = re.compile(r"\d{4}\s?[年/.\-]\s?\d{1,2}(?:\s?[月/.\-]\s?\d{1,2}日?)?|\d{8}")
_DIGITS = re.compile(r"[0-9][0-9 \-]{4,40}")
_NUMBER = re.compile(r"[A-Za-z]{0,3}[0-9][0-9A-Za-z]{4,20}")


@dataclass(frozen=True, slots=True)
class _Phrase:
    """What a phrase announces, and how its value is read: its length in the rest, or 0."""

    kind: str
    words: tuple[str, ...]
    length: Callable[[str], int]
    needs_copula: bool = True


def _password(rest: str) -> int:
    match = _ASCII_VALUE.match(rest)
    if match:
        value = match[0].rstrip(".,;:)]}?\"'")
        return len(value) if len(value) >= 4 else 0
    match = _OTHER_VALUE.match(rest)
    value = match[0] if match else ""
    return 0 if len(value) < 2 or value.startswith(_NOT_VALUES) else len(value)


def _secret(rest: str) -> int:
    match = _ASCII_VALUE.match(rest)
    value = match[0].rstrip(".,;:)]}?\"'") if match else ""
    return len(value) if len(value) >= 8 and any(char.isdigit() for char in value) else 0


def _card(rest: str) -> int:
    match = _DIGITS.match(rest)
    value = match[0].rstrip(" -") if match else ""
    digits = checks.digits_of(value)
    return len(value) if 13 <= len(digits) <= 19 and len(set(digits)) > 2 else 0


def _account(rest: str) -> int:
    match = _DIGITS.match(rest)
    value = match[0].rstrip(" -") if match else ""
    return len(value) if len(checks.digits_of(value)) >= 8 else 0


def _number(rest: str) -> int:
    match = _NUMBER.match(rest)
    return match.end() if match else 0


def _birthday(rest: str) -> int:
    match = _DATE.match(rest)
    return match.end() if match else 0


def _address(rest: str) -> int:
    match = _OTHER_VALUE.match(rest)
    value = match[0] if match else ""
    return len(value) if len(value) >= 4 and len(_PLACE.findall(value)) >= 2 else 0


def _illness(rest: str) -> int:
    match = re.match(r"[\u4e00-\u9fff]{2,20}", rest)
    value = match[0] if match else ""
    return 0 if value.startswith(_NOT_VALUES) else len(value)


_PHRASES = (
    _Phrase("password", ("密码", "口令", "验证码", "PIN码", "pin码", "暗号"), _password),
    _Phrase("secret", ("密钥", "秘钥", "令牌", "密匙"), _secret),
    _Phrase("credit_card", ("卡号", "银行卡", "信用卡"), _card, False),
    _Phrase("bank_account", ("银行账号", "银行帐号", "银行账户", "账号", "帐号"), _account),
    _Phrase("ssn", ("社会安全号", "社保号", "社会保障号"), _number, False),
    _Phrase("passport", ("护照",), _number, False),
    _Phrase("driver_licence", ("驾照", "驾驶证"), _number),
    _Phrase("date_of_birth", ("出生日期", "生日", "出生于"), _birthday, False),
    _Phrase("address", ("住址", "我住在", "我家在", "收货地址", "家庭地址"), _address, False),
    _Phrase("medical", ("确诊", "我患有", "诊断为", "诊断结果", "我得了"), _illness, False),
    _Phrase("medical_id", ("病历号", "就诊卡"), _number, False),
)  # fmt: skip


class ChinesePhrases:
    """Finds values behind Chinese phrases."""

    def __init__(self) -> None:
        self._owners = [phrase for phrase in _PHRASES for _ in phrase.words]
        self._words = ahocorasick_rs.AhoCorasick(
            [word for phrase in _PHRASES for word in phrase.words]
        )

    def find(self, view: View, seen: Seen) -> None:
        """Add what stands in a view to what has been seen."""
        if PLACEHOLDER not in view.raw:
            return
        hits = self._words.find_matches_as_indexes(view.text, overlapping=True)
        for owner, _, end in hits[:CANDIDATES_DEAR_MAX]:
            self._read(self._owners[owner], end, view, seen)
        if len(hits) > CANDIDATES_DEAR_MAX:
            _give_up(hits[CANDIDATES_DEAR_MAX][2], view, seen)

    def _read(self, phrase: _Phrase, end: int, view: View, seen: Seen) -> None:
        copula = _COPULA.match(view.text, end)
        link = copula or _OPEN.match(view.text, end)
        assert link is not None, "a link may be empty"
        start = link.end()
        rest = view.text[start : start + VALUE_MAX]
        if copula is None and phrase.needs_copula and not _looks_told(rest):
            return
        length = phrase.length(rest)
        if length:
            seen.findings.append(_finding(phrase.kind, start, start + length, view, 0.9))


def _looks_told(rest: str) -> bool:
    """Whether what follows a phrase at once has letters and digits of its own."""
    match = re.match(r"[!-~]{4,128}", rest)
    value = match[0] if match else ""
    return any(char.isdigit() for char in value) and value[:1] not in ".,;()"


def _finding(kind: str, start: int, end: int, view: View, confidence: float) -> Finding:
    first, last = view.span(start, end)
    return Finding(
        kind=kind,
        start=first,
        end=last,
        level=level_of(kind),
        confidence=confidence,
        rule=f"spoken.zh.{kind}",
    )


def _give_up(start: int, view: View, seen: Seen) -> None:
    seen.weak.append(f"spoken.zh: only {CANDIDATES_DEAR_MAX} candidates looked at")
    if start < len(view.raw):
        seen.findings.append(_finding("password", start, len(view.raw), view, 0.3))
