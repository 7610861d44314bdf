"""WeChat Pay v3: what we send verifies on the other side, what comes back is believed only signed.

The other side is `cryptography` alone (fake_wechat) and, where it offers the function, wechatpayv3.
"""

import base64
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from pydantic import SecretStr
from wechatpayv3 import WeChatPay, WeChatPayType
from wechatpayv3 import utils as independent

from core import config
from gateways.cashier import Cashier
from gateways.http import Http
from gateways.pay.errors import UnknownAccount
from gateways.pay.records import Ask, Asked, RefundAsk, RefundResult, Transaction, Way
from gateways.wechat.errors import (
    BadSignature,
    MalformedMessage,
    PayError,
    WechatUnavailable,
    normalise_pay_code,
)
from gateways.wechat.pay import PayMerchant
from gateways.wechat.pay_hosts import PayHosts
from gateways.wechat.pay_records import read_notice
from gateways.wechat.registry import Wechat
from tests.gateways.fake_wechat import Call, FakeWechat, PayPlatform, Reply

PAYLOADS = Path(__file__).parent / "payloads"
PAID = json.loads((PAYLOADS / "paid.json").read_text())
REFUNDED = json.loads((PAYLOADS / "refunded.json").read_text())
MCHID, APPID, OPENID = "1900006789", "wxa41f0c6d8e2b7593", "oMini000000000000000000001"
V3_KEY, SERIAL = "a7cde1ZJB1kG2e7VfTs3jQzaWizur8Gb", "5157F09EFDC096DE15EBE81A47057A7232F1B8E1"
PUB_KEY_ID = "PUB_KEY_ID_0119000067892026112200000001"
NOTIFY = "https://shop.test/pay/wechat/notify/1900006789"


@pytest.fixture(scope="module")
def our_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture(scope="module")
def platform() -> PayPlatform:
    return PayPlatform(PUB_KEY_ID, rsa.generate_private_key(65537, 2048), V3_KEY)


@pytest.fixture
def account(our_key: Any, platform: PayPlatform, tmp_path: Path) -> config.PayMerchant:
    return make_account(our_key, platform, tmp_path)


def make_account(our_key: Any, platform: Any, folder: Path, **changed: Any) -> config.PayMerchant:
    (folder / "ours.pem").write_bytes(private_pem(our_key))
    (folder / "theirs.pem").write_bytes(public_pem(platform.key))
    values: dict[str, Any] = {
        "mchid": MCHID,
        "serial_no": SERIAL,
        "private_key_path": folder / "ours.pem",
        "api_v3_key": SecretStr(V3_KEY),
        "public_key_id": PUB_KEY_ID,
        "public_key_path": folder / "theirs.pem",
    }
    return config.PayMerchant(**(values | changed))


def private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def public_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def client(account: config.PayMerchant, base: str = "http://127.0.0.1:9") -> PayMerchant:
    return PayMerchant(account, Http(), PayHosts([base]), read_seconds=0.5)


@pytest.fixture
def serve(
    account: config.PayMerchant,
) -> Iterator[Callable[..., tuple[PayMerchant, list[Call]]]]:
    opened: list[FakeWechat] = []

    def start(
        answer: Callable[[Call], Reply | None], **changed: Any
    ) -> tuple[PayMerchant, list[Call]]:
        fake = FakeWechat(answer).__enter__()
        opened.append(fake)
        return client(account.model_copy(update=changed), fake.base), fake.calls

    yield start
    for fake in opened:
        fake.__exit__()


def ask() -> Ask:
    return Ask(
        out_trade_no="P20261122ABCDEF",
        way=Way.mini,
        amount_fen=2500,
        description="青禾 · 抹茶拿铁",
        notify_url=NOTIFY,
        asked_at=NOW,
        expires_at=datetime(2026, 11, 22, 7, 15, tzinfo=UTC),
        appid=APPID,
        payer=OPENID,
    )


def asked(out_trade_no: str = "P1") -> Asked:
    return Asked(out_trade_no, Way.mini, 2500, NOW, APPID)


def refund() -> RefundAsk:
    return RefundAsk("R1", 1000, 2500, "缺货", NOTIFY, NOW)


def prepay(pay: PayMerchant) -> str:
    return pay.open(ask(), NOW).kept["prepay_id"]


def authorised(call: Call, our_key: rsa.RSAPrivateKey) -> dict[str, str]:
    """What WeChat Pay checks of a request; raises when the signature does not hold."""
    scheme, _, rest = call.headers["Authorization"].partition(" ")
    parts = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    text = f"{call.method}\n{call.target}\n{parts['timestamp']}\n{parts['nonce_str']}\n".encode()
    our_key.public_key().verify(
        base64.b64decode(parts["signature"]),
        text + call.body + b"\n",
        padding.PKCS1v15(),
        hashes.SHA256(),
    )
    return parts | {"scheme": scheme}


def test_prepay_asks_as_documented_and_signs_the_bytes_it_sends(
    serve: Any, platform: PayPlatform, our_key: Any
) -> None:
    pay, calls = serve(lambda call: platform.reply({"prepay_id": "wx22150000"}))

    prepay_id = prepay(pay)

    assert prepay_id == "wx22150000"
    [call] = calls
    assert (call.method, call.target) == ("POST", "/v3/pay/transactions/jsapi")
    assert call.json == {
        "mchid": MCHID,
        "appid": APPID,
        "description": "青禾 · 抹茶拿铁",
        "out_trade_no": "P20261122ABCDEF",
        "notify_url": NOTIFY,
        "time_expire": "2026-11-22T15:15:00+08:00",
        "amount": {"total": 2500, "currency": "CNY"},
        "payer": {"openid": OPENID},
    }
    signed = authorised(call, our_key)
    assert (signed["scheme"], signed["mchid"], signed["serial_no"]) == (
        "WECHATPAY2-SHA256-RSA2048",
        MCHID,
        SERIAL,
    )
    assert abs(int(signed["timestamp"]) - time.time()) < 5
    assert call.headers["Wechatpay-Serial"] == PUB_KEY_ID
    assert call.headers["Accept"] == "application/json"


def test_the_sheet_is_signed_as_the_independent_client_signs_it(
    account: config.PayMerchant, our_key: Any
) -> None:
    now = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)

    sheet = client(account).show(ask(), {"prepay_id": "wx22150000"}, now).params

    assert set(sheet) == {"timeStamp", "nonceStr", "package", "signType", "paySign"}
    assert (sheet["timeStamp"], sheet["package"], sheet["signType"]) == (
        "1795330800",
        "prepay_id=wx22150000",
        "RSA",
    )
    expected = independent.rsa_sign(
        our_key, f"{APPID}\n1795330800\n{sheet['nonceStr']}\nprepay_id=wx22150000\n"
    )
    assert sheet["paySign"] == expected


def test_query_reads_a_paid_and_an_unknown_order(
    serve: Any, platform: PayPlatform, our_key: Any
) -> None:
    pay, calls = serve(lambda call: platform.reply(PAID))

    paid = pay.query(asked("P20261122ABCDEF"))

    assert paid is not None
    assert (paid.state, paid.is_paid, paid.amount_fen, paid.currency) == (
        "SUCCESS",
        True,
        2500,
        "CNY",
    )
    assert (paid.account, paid.appid, paid.payer) == (MCHID, APPID, OPENID)
    assert paid.success_at == datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
    assert calls[0].target == f"/v3/pay/transactions/out-trade-no/P20261122ABCDEF?mchid={MCHID}"
    authorised(calls[0], our_key)

    for code in ("ORDER_NOT_EXIST", "ORDERNOTEXIST", "RESOURCE_NOT_EXISTS"):
        missing, _ = serve(lambda call, code=code: platform.reply({"code": code}, 404))
        assert missing.query(asked()) is None


def test_close_and_refunds(serve: Any, platform: PayPlatform, our_key: Any) -> None:
    answered = {
        "refund_id": "503",
        "out_refund_no": "R1",
        "out_trade_no": "P1",
        "status": "PROCESSING",
        "amount": {"total": 2500, "refund": 1000, "currency": "CNY"},
    }

    def answer(call: Call) -> Reply:
        return platform.reply(status=204) if "close" in call.path else platform.reply(answered)

    pay, calls = serve(answer)

    pay.close(asked())
    first = pay.refund(asked(), refund())
    again = pay.query_refund(asked(), refund())

    assert calls[0].target == "/v3/pay/transactions/out-trade-no/P1/close"
    assert calls[0].json == {"mchid": MCHID}
    assert calls[1].json == {
        "out_trade_no": "P1",
        "out_refund_no": "R1",
        "reason": "缺货",
        "notify_url": NOTIFY,
        "amount": {"refund": 1000, "total": 2500, "currency": "CNY"},
    }
    assert calls[2].target == "/v3/refund/domestic/refunds/R1"
    assert first == again
    assert (first.state, first.refund_fen, first.total_fen) == ("PROCESSING", 1000, 2500)
    for call in calls:
        authorised(call, our_key)


def test_as_a_service_provider_everything_names_both_merchants(
    serve: Any, platform: PayPlatform
) -> None:
    partner = {
        "sp_mchid": MCHID,
        "sub_mchid": "1900001111",
        "sp_appid": APPID,
        "out_trade_no": "P1",
        "trade_state": "NOTPAY",
    }

    def answer(call: Call) -> Reply:
        return platform.reply({"prepay_id": "wx"} if call.method == "POST" else partner)

    pay, calls = serve(answer, sub_mchid="1900001111")

    prepay(pay)
    order = pay.query(asked())

    assert calls[0].target == "/v3/pay/partner/transactions/jsapi"
    body = calls[0].json
    assert (body["sp_mchid"], body["sub_mchid"], body["sp_appid"]) == (
        MCHID,
        "1900001111",
        APPID,
    )
    assert body["payer"] == {"sp_openid": OPENID}
    assert calls[1].target.endswith("/P1?sp_mchid=1900006789&sub_mchid=1900001111")
    assert order is not None
    assert (order.account, order.appid, order.is_paid) == (f"{MCHID}-1900001111", APPID, False)


@pytest.mark.parametrize(
    ("status", "code", "expected", "transient"),
    [
        (429, "FREQUENCY_LIMITED", "FREQUENCY_LIMITED", True),
        (429, "SOMETHING_NEW", "SOMETHING_NEW", True),
        (403, "NOTENOUGH", "NOT_ENOUGH", True),
        (403, "NOAUTH", "NO_AUTH", False),
        (400, "PARAM_ERROR", "PARAM_ERROR", False),
        (400, "SOMETHING_NEW", "SOMETHING_NEW", False),
        (500, "OPENID_MISMATCH", "OPENID_MISMATCH", False),
    ],
)
def test_a_no_is_an_error_with_its_code(
    serve: Any, platform: PayPlatform, status: int, code: str, expected: str, transient: bool
) -> None:
    pay, calls = serve(lambda call: platform.reply({"code": code, "message": "不行"}, status))

    with pytest.raises(PayError) as caught:
        prepay(pay)

    assert (caught.value.pay_code, caught.value.transient, caught.value.token) == (
        expected,
        transient,
        False,
    )
    assert len(calls) == 1


def test_older_spellings_are_today_s() -> None:
    old = ["SYSTEMERROR", "ORDERNOTEXIST", "RULELIMIT", "BANKERROR", "ACCOUNTERROR", "ORDERPAID"]

    assert [normalise_pay_code(code) for code in old] == [
        "SYSTEM_ERROR",
        "ORDER_NOT_EXIST",
        "RULE_LIMIT",
        "BANK_ERROR",
        "ACCOUNT_ERROR",
        "ORDER_PAID",
    ]


def unsigned(call: Call) -> Reply:
    return 200, {"Content-Type": "application/json"}, b'{"prepay_id": "wx"}'


def dropped(call: Call) -> None:
    return None


def slow(call: Call) -> Reply:
    time.sleep(1.2)
    return unsigned(call)


def bad_gateway(call: Call) -> Reply:
    return 502, {}, b"<html>bad gateway</html>"


@pytest.mark.parametrize("answer", [unsigned, dropped, slow, bad_gateway])
def test_no_trustworthy_answer_means_the_outcome_is_unknown(serve: Any, answer: Any) -> None:
    pay, calls = serve(answer)

    with pytest.raises(WechatUnavailable) as caught:
        prepay(pay)

    assert caught.value.sent
    assert len(calls) == 1


def test_a_refused_connection_was_certainly_not_sent(account: config.PayMerchant) -> None:
    with pytest.raises(WechatUnavailable) as caught:
        prepay(client(account))

    assert not caught.value.sent


def test_a_system_error_is_an_unknown_outcome(serve: Any, platform: PayPlatform) -> None:
    for code in ("SYSTEM_ERROR", "SYSTEMERROR", "NEVER_SEEN"):
        pay, _ = serve(lambda call, code=code: platform.reply({"code": code}, 500))
        with pytest.raises(WechatUnavailable):
            prepay(pay)


def test_an_answer_signed_wrongly_is_not_believed(serve: Any, platform: PayPlatform) -> None:
    body = b'{"prepay_id": "wx"}'
    good = platform.headers(body)
    for headers in (
        good | {"Wechatpay-Serial": "PUB_KEY_ID_9999"},
        good | {"Wechatpay-Timestamp": str(int(time.time()) + 1)},
        good | {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + good["Wechatpay-Signature"]},
        good | {"Wechatpay-Signature-Type": "WECHATPAY2-SM2-WITH-SM3"},
        platform.headers(body, at=time.time() - 400),
        platform.headers(body, at=time.time() + 400),
        platform.headers(b'{"prepay_id": "wy"}'),
    ):
        pay, _ = serve(lambda call, headers=headers: (200, headers, body))
        with pytest.raises(WechatUnavailable):
            prepay(pay)


def test_errors_carry_no_secret(serve: Any) -> None:
    pay, calls = serve(bad_gateway)

    with pytest.raises(WechatUnavailable) as caught:
        prepay(pay)

    shown = repr(caught.value) + str(caught.value) + repr(caught.value.__context__)
    signature = calls[0].headers["Authorization"].partition('signature="')[2][:40]
    assert signature not in shown
    assert OPENID not in shown
    assert V3_KEY not in repr(pay.settings)


def test_a_merchant_is_paid_on_its_own_account_else_on_the_platform_s(
    account: config.PayMerchant,
) -> None:
    own = account.model_copy(update={"mchid": "1900001111", "merchant": "qinghe"})
    another = account.model_copy(update={"mchid": "1900002222", "merchant": "baitang"})

    def cashier(*accounts: config.PayMerchant) -> Cashier:
        others = config.Config.model_construct(alipay=config.Alipay(), unionpay=config.UnionPay())
        wechat = config.Wechat(pay_merchants=list(accounts))
        return Cashier(Wechat(wechat, Http()), others, Http())

    both, none_shared = cashier(account, own, another), cashier(another)

    mine, shared = both.find_for("qinghe", "wechat"), both.find_for("someone", "wechat")
    assert mine is both.of("wechat", "1900001111")
    assert shared is both.of("wechat", MCHID)
    assert both.list_for("qinghe") == [mine]
    assert both.find_for("qinghe", "alipay") is None
    assert none_shared.find_for("qinghe", "wechat") is None
    for channel, number in (("wechat", "1900009999"), ("alipay", MCHID)):
        with pytest.raises(UnknownAccount):
            both.of(channel, number)


def test_a_provider_stands_once_for_each_merchant_with_the_same_keys(
    account: config.PayMerchant,
) -> None:
    def sub(mchid: str | None, **changed: Any) -> config.PayMerchant:
        return account.model_copy(update={"sub_mchid": mchid, **changed})

    one, other = sub("1900001111"), sub("1900002222")
    several = config.Wechat(pay_merchants=[one, other])
    names = [each.account for each in several.pay_merchants]
    assert names == [f"{MCHID}-1900001111", f"{MCHID}-1900002222"]
    for wrong, why in (
        (one, "the same mchid stands twice"),
        (sub(None), "with a sub_mchid and without one"),
        (sub("1900002222", api_v3_key=SecretStr("k" * 32)), "with different keys"),
    ):
        with pytest.raises(ValueError, match=why):
            config.Wechat(pay_merchants=[one, wrong])
    with pytest.raises(ValueError, match="31 digits"):
        config.PayMerchant(**(account.model_dump() | {"sub_mchid": "1" * 22}))


# Notices


def at(now: datetime) -> float:
    return now.timestamp()


NOW = datetime(2026, 11, 22, 7, 0, 5, tzinfo=UTC)


def test_a_payment_notice_is_read(account: config.PayMerchant, platform: PayPlatform) -> None:
    body = platform.notice(PAID)

    notice = client(account).read_notice(platform.headers(body, at=at(NOW)), body, NOW)

    assert (notice.id, notice.event_type, notice.resource) == ("EV-1", "TRANSACTION.SUCCESS", PAID)
    assert notice.created_at == datetime(2026, 11, 22, 7, 0, 1, tzinfo=UTC)
    paid = read_notice(notice.event_type, notice.resource)
    assert isinstance(paid, Transaction)
    assert paid.amount_fen == 2500


def test_a_refund_notice_is_read(account: config.PayMerchant, platform: PayPlatform) -> None:
    body = platform.notice(REFUNDED, "REFUND.SUCCESS")

    notice = client(account).read_notice(platform.headers(body, at=at(NOW)), body, NOW)
    refund = read_notice(notice.event_type, notice.resource)
    assert isinstance(refund, RefundResult)

    assert (refund.out_refund_no, refund.state, refund.refund_fen, refund.total_fen) == (
        "R20261122ABCDEF",
        "SUCCESS",
        1000,
        2500,
    )


def test_header_names_have_no_case(account: config.PayMerchant, platform: PayPlatform) -> None:
    body = platform.notice(PAID)
    headers = {name.upper(): value for name, value in platform.headers(body, at=at(NOW)).items()}

    assert client(account).read_notice(headers, body, NOW).id == "EV-1"


def test_the_window_has_two_ends(account: config.PayMerchant, platform: PayPlatform) -> None:
    body = platform.notice(PAID)
    read = client(account).read_notice

    for seconds in (-299, 299):
        headers = platform.headers(body, at=at(NOW) + seconds)
        assert read(headers, body, NOW + timedelta(0)).id == "EV-1"
    for seconds in (-300, 300, -600, 600, -30 * 86400):
        with pytest.raises(BadSignature):
            read(platform.headers(body, at=at(NOW) + seconds), body, NOW)


def test_a_forged_notice_is_refused(account: config.PayMerchant, platform: PayPlatform) -> None:
    body = platform.notice(PAID)
    good = platform.headers(body, at=at(NOW))
    stranger = PayPlatform(PUB_KEY_ID, rsa.generate_private_key(65537, 2048), V3_KEY)
    read = client(account).read_notice
    forged: list[tuple[dict[str, str], bytes]] = [
        ({}, body),
        (stranger.headers(body, at=at(NOW)), body),
        (good, body + b" "),
        (good, body[:-1]),
        (good, body.replace(b"EV-1", b"EV-2")),
        (good | {"Wechatpay-Nonce": "another"}, body),
        (good | {"Wechatpay-Timestamp": str(int(at(NOW)) - 1)}, body),
        (good | {"Wechatpay-Timestamp": "１７９５３３０８０５"}, body),
        (good | {"Wechatpay-Serial": "PUB_KEY_ID_0000"}, body),
        (good | {"Wechatpay-Serial": SERIAL}, body),
        (good | {"Wechatpay-Signature": ""}, body),
        (good | {"Wechatpay-Signature": "签名"}, body),
        (good | {"Wechatpay-Signature": good["Wechatpay-Signature"][:-4]}, body),
        (
            good | {"Wechatpay-Signature": "WECHATPAY/SIGNTEST/" + good["Wechatpay-Signature"]},
            body,
        ),
    ]
    forged += [
        ({name: value for name, value in good.items() if name != f"Wechatpay-{missing}"}, body)
        for missing in ("Timestamp", "Nonce", "Serial", "Signature")
    ]

    for headers, raw in forged:
        with pytest.raises(BadSignature):
            read(headers, raw, NOW)


def test_another_merchant_s_notice_is_refused(
    account: config.PayMerchant, platform: PayPlatform
) -> None:
    for mchid in ("1900000000", "", None):
        body = platform.notice(PAID | {"mchid": mchid})
        with pytest.raises(BadSignature):
            client(account).read_notice(platform.headers(body, at=at(NOW)), body, NOW)


def test_a_signed_notice_that_cannot_be_read_is_malformed(
    account: config.PayMerchant, platform: PayPlatform
) -> None:
    other_key = PayPlatform(PUB_KEY_ID, platform.key, "b" * 32)
    whole = json.loads(platform.notice(PAID))
    broken = [
        b"",
        b"[]",
        b"nonsense",
        b'{"id": "1"}',
        other_key.notice(PAID),
        platform.notice("text"),
        platform.notice(PAID, notice_id="x" * 65),
        json.dumps(whole | {"resource": "text"}).encode(),
        json.dumps(whole | {"resource": {"nonce": 1, "ciphertext": []}}).encode(),
        json.dumps(whole | {"event_type": None}).encode(),
        json.dumps(whole | {"resource": whole["resource"] | {"associated_data": "x"}}).encode(),
        json.dumps(whole | {"resource": whole["resource"] | {"nonce": ""}}).encode(),
    ]

    for body in broken:
        with pytest.raises(MalformedMessage):
            client(account).read_notice(platform.headers(body, at=at(NOW)), body, NOW)


def test_wrong_types_inside_a_notice_are_malformed(
    account: config.PayMerchant, platform: PayPlatform
) -> None:
    for change in (
        {"amount": "25"},
        {"amount": {"total": "2500"}},
        {"amount": {"total": True}},
        {"amount": {"total": -1}},
        {"out_trade_no": 7},
        {"trade_state": None},
        {"payer": []},
    ):
        body = platform.notice(PAID | change)
        notice = client(account).read_notice(platform.headers(body, at=at(NOW)), body, NOW)
        with pytest.raises(MalformedMessage):
            read_notice(notice.event_type, notice.resource)


def test_the_independent_client_reads_the_notice_as_we_do(
    account: config.PayMerchant, our_key: Any, platform: PayPlatform
) -> None:
    body = platform.notice(PAID)
    headers = platform.headers(body)
    other = WeChatPay(
        wechatpay_type=WeChatPayType.JSAPI,
        mchid=MCHID,
        private_key=private_pem(our_key).decode(),
        cert_serial_no=SERIAL,
        apiv3_key=V3_KEY,
        appid=APPID,
        notify_url=NOTIFY,
        public_key=public_pem(platform.key).decode(),
        public_key_id=PUB_KEY_ID,
    )

    theirs = other.callback(headers, body.decode())
    ours = client(account).read_notice(headers, body, datetime.now(UTC))

    assert theirs is not None
    assert theirs["resource"] == ours.resource
    assert theirs["id"] == ours.id


# Platform certificates


def certificate(
    key: rsa.RSAPrivateKey, serial: int, days: tuple[int, int] = (-1, 300)
) -> tuple[str, bytes]:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tenpay.com")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .sign(key, hashes.SHA256())
    )
    return f"{serial:040X}", made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture(scope="module")
def certified() -> tuple[PayPlatform, bytes]:
    key = rsa.generate_private_key(65537, 2048)
    serial, pem = certificate(key, 0x0157F09EFDC096DE15EBE81A47057A7232F1B8E1)
    return PayPlatform(serial, key, V3_KEY), pem


def listed(platform: PayPlatform, *pems: bytes) -> Reply:
    return platform.reply(
        {
            "data": [
                {"serial_no": "x", "encrypt_certificate": platform.seal(pem, "certificate")}
                for pem in pems
            ]
        }
    )


NO_PUBLIC_KEY = {"public_key_id": None, "public_key_path": None}


def test_certificates_are_fetched_once_and_used(
    serve: Any, certified: tuple[PayPlatform, bytes]
) -> None:
    platform, pem = certified

    def answer(call: Call) -> Reply:
        if call.path == "/v3/certificates":
            return listed(platform, pem)
        return platform.reply({"prepay_id": "wx"})

    pay, calls = serve(answer, **NO_PUBLIC_KEY)

    assert [prepay(pay), prepay(pay)] == ["wx", "wx"]

    assert [call.path for call in calls] == [
        "/v3/pay/transactions/jsapi",
        "/v3/certificates",
        "/v3/pay/transactions/jsapi",
    ]
    assert "Wechatpay-Serial" not in calls[0].headers
    body = platform.notice(PAID)
    assert pay.read_notice(platform.headers(body), body, datetime.now(UTC)).id == "EV-1"


def test_a_forged_or_expired_certificate_is_not_trusted(
    serve: Any, certified: tuple[PayPlatform, bytes]
) -> None:
    platform, pem = certified
    _, expired = certificate(platform.key, int(platform.serial, 16), (-300, -1))
    wrong_key = PayPlatform(platform.serial, platform.key, "b" * 32)
    thief = PayPlatform(platform.serial, rsa.generate_private_key(65537, 2048), V3_KEY)
    for lists in (
        listed(platform, expired),
        listed(wrong_key, pem),
        listed(thief, pem),
        listed(platform),
        (200, {}, b"{}"),
        (500, {}, b""),
        platform.reply({"data": [1]}),
    ):
        pay, _ = serve(
            lambda call, lists=lists: (
                lists if call.path == "/v3/certificates" else platform.reply({"prepay_id": "wx"})
            ),
            **NO_PUBLIC_KEY,
        )
        with pytest.raises(WechatUnavailable):
            prepay(pay)


def test_strangers_cannot_make_us_call_wechat(
    serve: Any, certified: tuple[PayPlatform, bytes]
) -> None:
    platform, pem = certified
    pay, calls = serve(lambda call: listed(platform, pem), **NO_PUBLIC_KEY)
    body = platform.notice(PAID)
    now = datetime.now(UTC)

    for number in range(20):
        serial = hashlib.sha1(str(number).encode()).hexdigest().upper()
        with pytest.raises(BadSignature):
            pay.read_notice(platform.headers(body, Wechatpay_Serial=serial), body, now)

    assert len(calls) == 1


def test_while_a_merchant_is_switched_both_signers_are_known(
    serve: Any, platform: PayPlatform, certified: tuple[PayPlatform, bytes]
) -> None:
    by_certificate, pem = certified
    pay, _ = serve(lambda call: listed(by_certificate, pem))
    body = platform.notice(PAID)
    now = datetime.now(UTC)

    for signer in (platform, by_certificate):
        assert pay.read_notice(signer.headers(body), body, now).id == "EV-1"
