"""What is told in Chinese."""

from __future__ import annotations

import pytest

from holdfast.adapters.detectors.plainview import views_of
from holdfast.adapters.detectors.rulesets import CANDIDATES_DEAR_MAX, Seen
from holdfast.adapters.detectors.spoken_chinese import ChinesePhrases

PHRASES = ChinesePhrases()


def told(text: str) -> set[tuple[str, str]]:
    """The kinds and values that are found."""
    seen = Seen([], [])
    PHRASES.find(views_of(text)[0], seen)
    return {(one.kind, text[one.start : one.end]) for one in seen.findings}


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [("密码是" + "中" * 50, "password", "中" * 50),
     ("我的密码是hunter2，别说", "password", "hunter2"),
     ("密码：  ｈｕｎｔｅｒ２。", "password", "ｈｕｎｔｅｒ２"),
     ("密码hunter2请保密", "password", "hunter2"),
     ("口令为“芝麻开门”", "password", "芝麻开门"), ("密钥是abcd1234efgh", "secret", "abcd1234efgh"),
     ("卡号是6222 0212 3456 7890 123", "credit_card", "6222 0212 3456 7890 123"),
     ("银行账号：12345678901", "bank_account", "12345678901"),
     ("护照号码是E12345678", "passport", "E12345678"), ("生日是1990年1月2日", "date_of_birth",
      "1990年1月2日"), ("我住在北京市海淀区中关村路1号", "address", "北京市海淀区中关村路1号"),
     ("我患有糖尿病", "medical", "糖尿病"), ("病历号：A123456", "medical_id", "A123456"),
     ("社会安全号536904399", "ssn", "536904399")],
)  # fmt: skip
def test_told(text: str, kind: str, value: str) -> None:
    """The value alone."""
    assert (kind, value) in told(text)


@pytest.mark.parametrize(
    "text",
    ["密码是必填项", "密码是登录所必需的", "密码错误", "请输入密码", "忘记密码了", "卡号是多少",
     "生日快乐",
     "我住在这里", "确诊", "密码是", "密钥是什么", "password is hunter2"],
)  # fmt: skip
def test_not_told(text: str) -> None:
    """Nothing is said about a value."""
    assert set() == told(text)


def test_a_value_is_capped_on_characters() -> None:
    """At most 128 of them."""
    assert {("password", "中" * 128)} == told("密码是" + "中" * 500)


def test_too_many_phrases_count_as_found() -> None:
    """The rest of the text is one finding, and the caller is told."""
    seen = Seen([], [])
    text = "密码，" * (CANDIDATES_DEAR_MAX + 3)
    PHRASES.find(views_of(text)[0], seen)
    assert [(len(text) - 7, len(text))] == [(one.start, one.end) for one in seen.findings]
    assert 1 == len(seen.weak)
