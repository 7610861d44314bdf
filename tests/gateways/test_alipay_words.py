"""What Alipay writes, read byte for byte: answers, keys, sums, its words for a no."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.config_channels import Alipay
from gateways.alipay import crypto, wire
from gateways.alipay.errors import SUB_CODES, AlipayError, AlipayUnavailable, refusal
from gateways.pay.money import to_fen, to_yuan
from tests.gateways.played import NUMBER


def test_a_gbk_answer_is_verified_as_it_was_written() -> None:
    """The client asks for UTF-8; what comes in GBK all the same has its bytes signed."""
    answer = json.dumps(
        {"code": "10000", "subject": "青禾茶铺{\\", "out_trade_no": NUMBER}, ensure_ascii=False
    )
    raw = f'{{"sign":"s\\/1", "alipay_trade_query_response" : {answer} }}'.encode("gbk")
    signed, given, beside = wire.split_answer(raw, wire.charset_of("text/html;charset=GBK"))
    assert signed == answer.encode("gbk")
    assert (given["subject"], beside) == ("青禾茶铺{\\", {"sign": "s/1"})


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b'{"sign":"x"}',
        b'{"a_response":{},"b_response":{}}',
        b'{"a_response":{},"a_response":{}}',
        b'{"a_response":1}',
        b'{"a_response":{}} and more',
        b'{"a_response":{}',
        b"<html>",
        b'{"a_response":' + b"[" * 20_000,
    ],
)
def test_an_answer_that_is_none(raw: bytes) -> None:
    with pytest.raises(wire.Unreadable):
        wire.split_answer(raw, "utf-8")


def test_the_vector_of_the_request_text() -> None:
    """By the rule of Alipay's documentation: sorted, raw, no empty value, sign_type in it."""
    params = {"method": "m", "app_id": "1", "sign_type": "RSA2", "biz_content": '{"a":1}', "e": ""}
    assert crypto.sign_text(params) == b'app_id=1&biz_content={"a":1}&method=m&sign_type=RSA2'
    assert crypto.notice_texts({"b": "", "a": "1", "sign_type": "RSA2", "sign": "x"}) == [
        b"a=1&b=",
        b"a=1",
    ]


def test_keys_are_read_in_every_dress() -> None:
    key = rsa.generate_private_key(65537, 2048)
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        pem = key.private_bytes(Encoding.PEM, form, NoEncryption())
        bare = base64.b64encode(key.private_bytes(Encoding.DER, form, NoEncryption()))
        for raw in (pem, bare, bare + b"\n"):
            assert crypto.load_private_key(raw).private_numbers() == key.private_numbers()
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    loaded = crypto.load_public_key(base64.b64encode(public))
    assert loaded.public_numbers() == key.public_key().public_numbers()


def test_every_word_of_alipays_has_a_meaning() -> None:
    assert all(word == word.upper() for word in SUB_CODES)
    no = refusal("m", "40004", "ACQ.TRADE_HAS_SUCCESS", "交易已被支付")
    assert isinstance(no, AlipayError)
    assert (no.pay_code, no.transient) == ("ORDER_PAID", False)
    poor = refusal("m", "40004", "ACQ.SELLER_BALANCE_NOT_ENOUGH", "")
    assert isinstance(poor, AlipayError)
    assert (poor.pay_code, poor.transient) == ("NOT_ENOUGH", True)
    new = refusal("m", "40004", "ACQ.SOMETHING_NEW", "")
    assert isinstance(new, AlipayError)
    assert (new.pay_code, new.transient) == ("ACQ.SOMETHING_NEW", False)
    for code, word in (("20000", ""), ("40004", "ACQ.SYSTEM_ERROR")):
        assert isinstance(refusal("m", code, word, ""), AlipayUnavailable)


@given(st.integers(min_value=0, max_value=10**12))
def test_money_is_the_same_there_and_back(fen: int) -> None:
    assert to_fen(to_yuan(fen)) == fen
    assert to_fen(to_yuan(-fen)) == -fen


@pytest.mark.parametrize(
    "text", ["", "1.234", "1e3", "¥1", "1,000.00", "٣.00", " 1", None, 12, "."]
)
def test_what_is_no_amount(text: object) -> None:
    with pytest.raises(ValueError):
        to_fen(text)


@pytest.mark.parametrize(
    "changes",
    [
        {"public_key_path": None},
        {"app_certificate_path": "a.crt"},
        {"app_id": "x"},
        {"ways": ["h5"]},
        {"more": 1},
    ],
)
def test_half_a_configuration_is_refused(changes: dict[str, Any]) -> None:
    row = {"app_id": "2021004167890123", "private_key_path": "k", "public_key_path": "p"}
    assert Alipay.model_validate({"accounts": [row]})
    with pytest.raises(ValidationError):
        Alipay.model_validate({"accounts": [{**row, **changes}]})
    with pytest.raises(ValidationError):
        Alipay.model_validate({"accounts": [row, row]})
