"""What UnionPay writes: answers, signatures, certificates and the years that files leave out."""

import base64
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateways.unionpay import crypto, wire
from gateways.unionpay.bills import UnionPayBills
from gateways.unionpay.reading import BEIJING, read_payment, read_refund
from sandbox import channel_keys
from sandbox.unionpay import files, moves
from tests.gateways.played import (
    NUMBER,
)
from tests.gateways.test_unionpay import AT, DAY


@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("00", "SUCCESS"),
        ("A6", "SUCCESS"),
        ("03", "USERPAYING"),
        ("04", "USERPAYING"),
        ("05", "USERPAYING"),
        ("01", "PAYERROR"),
        ("", "PAYERROR"),
    ],
)
def test_what_an_answer_code_means(code: str, state: str) -> None:
    fields = {"orderId": NUMBER, "queryId": "1" * 21, "txnAmt": "2650"}
    assert read_payment(fields, "777", code).state == state
    wanted = {"SUCCESS": "SUCCESS", "USERPAYING": "PROCESSING", "PAYERROR": "CLOSED"}[state]
    assert read_refund(fields, "777", code, 2_650).state == wanted


@pytest.mark.parametrize(
    "changes",
    [{"txnAmt": "26.50"}, {"txnAmt": "-1"}, {"txnAmt": "٣"}, {"orderId": ""}, {"queryId": ""}],
)
def test_an_answer_that_says_nothing(changes: dict[str, str]) -> None:
    fields = {"orderId": NUMBER, "queryId": "1" * 21, "txnAmt": "2650", **changes}
    with pytest.raises(ValueError):
        read_payment(fields, "777", "00")


def test_the_year_of_a_payment_at_new_year() -> None:
    fields = {"orderId": NUMBER, "queryId": "1" * 21, "txnAmt": "1"}
    for sent, traced, year in (
        ("20261231235959", "0101000001", 2027),
        ("20270101000001", "1231235959", 2026),
        ("20270102000000", "0101000001", 2027),
        ("20280301000000", "0229235959", 2028),
    ):
        told = {**fields, "txnTime": sent, "traceTime": traced}
        at = read_payment(told, "777", "00").success_at
        assert at is not None
        assert f"{at.astimezone(BEIJING):%Y%m%d%H%M%S}" == f"{year}{traced}"
    for traced in ("0230000000", "1301000000"):
        with pytest.raises(ValueError):
            read_payment({**fields, "txnTime": "20270301000000", "traceTime": traced}, "777", "00")


def test_the_year_of_a_bill_s_row_at_new_year() -> None:
    bills = UnionPayBills(lambda day, at: b"")
    for query_id, at in (
        ("202612312359581234567", datetime(2026, 12, 31, 16, 0, 1, tzinfo=UTC)),
        ("202701010000011234567", datetime(2026, 12, 31, 15, 59, 59, tzinfo=UTC)),
    ):
        stamp = at.timestamp()
        move = moves.Move("7" * 15, NUMBER, "01", "", 1, {}, query_id, "1", code="00", at=stamp)
        [row] = bills.rows(BytesIO(files.zipped("7" * 15, "1231", [move])))
        assert row.at == at


def make_chain(
    name: str = "041@Z@中国银联股份有限公司@1", **dates: Any
) -> tuple[rsa.RSAPrivateKey, str, crypto.Trust]:
    keys = [rsa.generate_private_key(65537, 2048) for _ in range(3)]
    root = channel_keys.certificate("root", keys[0], start=AT - 9 * DAY)
    middle = channel_keys.certificate("middle", keys[1], issuer=(root, keys[0]), start=AT - 9 * DAY)
    leaf = channel_keys.certificate(name, keys[2], issuer=(middle, keys[1]), **dates)
    trust = crypto.Trust(root, middle, "中国银联股份有限公司")
    return keys[2], leaf.public_bytes(Encoding.PEM).decode(), trust


def test_a_certificate_holds_by_its_chain_its_dates_and_its_name() -> None:
    key, pem, trust = make_chain(start=AT - DAY, days=3)
    found = trust.key_of(pem, AT)
    assert found is not None
    assert found.public_numbers() == key.public_key().public_numbers()
    assert trust.key_of(pem, AT + 5 * DAY) is None
    assert trust.key_of(pem, AT - 5 * DAY) is None
    _, foreign, _ = make_chain(start=AT - DAY)
    assert trust.key_of(foreign, AT) is None  # another root
    for name in ("041@Z@某某有限公司@1", "中国银联股份有限公司", "041@中国银联股份有限公司"):
        _, named, own = make_chain(name, start=AT - DAY)
        assert own.key_of(named, AT) is None
    _, test, own = make_chain("041@Z@00040000:SIGN@1", start=AT - DAY)
    assert replace(own, signer="00040000:SIGN").key_of(test, AT) is not None


def test_what_is_signed_is_the_hex_of_the_digest() -> None:
    key = rsa.generate_private_key(65537, 2048)
    fields = {"b": "2", "a": "1", "empty": "", "signature": "x"}
    assert crypto.digest(fields) == crypto.digest({"a": "1", "b": "2"})
    # printf 'a=1&b=2' | sha256sum
    wanted = "8e85be58c1c372ac29fe7bfa80d8ddcbd04a4032c7b51c1c026d67c55b1ab23f"
    assert crypto.digest(fields) == wanted.encode()
    signer = crypto.Signer(key, "1")
    raw = base64.b64decode(signer.sign(fields))
    key.public_key().verify(raw, crypto.digest(fields), padding.PKCS1v15(), hashes.SHA256())


def test_an_answer_is_read_as_it_stands() -> None:
    raw = b"a=1&sign=abc+/==&customerInfo={b=2&c=3}&d="
    assert wire.read_answer(raw) == {
        "a": "1",
        "sign": "abc+/==",
        "customerInfo": "{b=2&c=3}",
        "d": "",
    }
    for bad in (b"", b"a", b"a=1&a=2", b"=1", b"\xff=1"):
        with pytest.raises(ValueError):
            wire.read_answer(bad)
