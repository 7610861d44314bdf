"""Alipay: what we send is taken by the sandbox's own reading of the rules, what comes back is
believed only signed, and every answer has one meaning. In key mode and with certificates."""

import base64
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from core.config_channels import Alipay
from gateways.alipay import crypto
from gateways.alipay.channel import AlipayChannel
from gateways.alipay.errors import AlipayError, AlipayUnavailable
from gateways.alipay.reading import read_notice
from gateways.http import Http
from gateways.pay.bills import BadBill
from gateways.pay.errors import BadSignature, MalformedMessage, StaleMessage
from gateways.pay.records import Show, Way
from sandbox import channel_keys
from sandbox.alipay.signing import signed_form
from tests.gateways.played import BACK, NUMBER, Played, ask, played, read_bill, refund_ask

DAY = timedelta(days=1)


@pytest.fixture(scope="module", params=[False, True], ids=["keys", "certificates"])
def module_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Played]:
    with played(tmp_path_factory.mktemp("alipay"), certificates=request.param) as found:
        yield found


@pytest.fixture
def world(module_world: Played) -> Played:
    module_world.world.reset()
    module_world.told.clear()
    return module_world


def now() -> datetime:
    return datetime.now(UTC)


def cashier(world: Played, way: Way = Way.page, **values: Any) -> requests.Response:
    opening = world.alipay.open(ask(way, **values), now())
    assert opening.show is Show.redirect
    page = requests.get(opening.params["url"], timeout=10)
    assert page.status_code == 200
    return page


@pytest.mark.parametrize("way", [Way.page, Way.wap])
def test_a_page_is_paid_and_everybody_says_so(world: Played, way: Way) -> None:
    asked = ask(way).as_asked()
    assert world.alipay.query(asked) is None  # nobody has come to the cashier yet
    page = cashier(world, way)
    waiting = world.alipay.query(asked)
    assert waiting is not None
    assert (waiting.state, waiting.is_paid, waiting.amount_fen) == ("NOTPAY", False, 2_650)

    back = world.press(page, "pay")
    assert back.status_code == 303
    where = urlsplit(back.headers["Location"])
    assert f"{where.scheme}://{where.netloc}{where.path}" == BACK
    assert world.alipay.read_return(where.query.encode(), now()) == NUMBER

    paid = world.alipay.query(asked)
    assert paid is not None
    assert (paid.state, paid.amount_fen, paid.currency) == ("SUCCESS", 2_650, "CNY")
    assert (paid.account, paid.appid) == (world.alipay.account, "")
    assert paid.success_at is not None
    assert abs(paid.success_at - now()) < timedelta(minutes=1)

    url, body = world.heard()[0]
    assert url == "http://127.0.0.1:8000/pay/notify"
    fields = world.alipay.read_notice(body, now())
    assert replace(read_notice(fields.kind, fields.body), attach="") == paid


def test_the_same_page_again_is_the_same_trade(world: Played) -> None:
    first = ask(Way.page)
    for _ in range(2):
        requests.get(world.alipay.show(first, {}, now()).params["url"], timeout=10)
    assert len(world.world.trades.trades) == 1


def test_leaving_pays_nothing_and_leaving_for_later_pays_later(world: Played) -> None:
    page = cashier(world)
    left = world.press(page, "cancel")
    assert left.headers["Location"] == BACK
    assert world.alipay.query(ask(Way.page).as_asked()).state == "NOTPAY"  # type: ignore[union-attr]
    world.press(page, "later")
    assert world.told == []
    world.world.clock.advance(21)
    world.heard()
    assert world.alipay.query(ask(Way.page).as_asked()).state == "SUCCESS"  # type: ignore[union-attr]


def test_a_qr_is_kept_and_shown_again(world: Played) -> None:
    opening = world.alipay.open(ask(Way.native), now())
    assert opening.show is Show.qr
    again = world.alipay.show(ask(Way.native), opening.kept, now())
    assert again.params == opening.params
    assert world.alipay.query(ask(Way.native).as_asked()) is None
    page = requests.get(opening.params["code_url"], timeout=10)
    world.press(page, "pay")
    assert world.alipay.query(ask(Way.native).as_asked()).is_paid  # type: ignore[union-attr]


def test_a_code_is_paid_at_once_or_waits_for_a_password(world: Played) -> None:
    done = world.alipay.open(ask(Way.code, auth_code="281234567890123456"), now())
    assert done.show is Show.done
    assert done.transaction is not None
    assert (done.transaction.state, done.transaction.amount_fen) == ("SUCCESS", 2_650)

    large = ask(Way.code, auth_code="281234567890123456", out_trade_no="P2", amount_fen=120_000)
    assert world.alipay.open(large, now()).show is Show.waiting
    waiting = world.alipay.query(large.as_asked())
    assert waiting is not None
    assert waiting.state == "USERPAYING"
    world.alipay.revoke(large.as_asked())
    assert world.alipay.query(large.as_asked()).state == "CLOSED"  # type: ignore[union-attr]
    world.world.clock.advance(10)
    assert world.alipay.query(large.as_asked()).state == "CLOSED"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "word"),
    [("281234567890123450", "NOT_ENOUGH"), ("111234567890123456", "AUTH_CODE_INVALID")],
)
def test_a_code_that_is_refused(world: Played, code: str, word: str) -> None:
    with pytest.raises(AlipayError) as refused:
        world.alipay.open(ask(Way.code, auth_code=code), now())
    assert (refused.value.pay_code, refused.value.transient) == (word, False)
    assert code not in repr(ask(Way.code, auth_code=code))


def test_revoking_what_was_paid_gives_it_back(world: Played) -> None:
    asked = ask(Way.code, auth_code="281234567890123456")
    world.alipay.open(asked, now())
    world.alipay.revoke(asked.as_asked())
    known = world.alipay.query(asked.as_asked())
    assert known is not None
    assert (known.state, known.is_paid, known.is_over) == ("REFUND", True, False)
    world.alipay.revoke(replace(asked, out_trade_no="P404").as_asked())


def test_closing(world: Played) -> None:
    asked = ask(Way.page).as_asked()
    world.alipay.close(asked)  # unknown: nothing to close
    page = cashier(world)
    world.alipay.close(asked)
    world.alipay.close(asked)
    known = world.alipay.query(asked)
    assert known is not None
    assert (known.state, known.is_over) == ("CLOSED", True)
    assert "交易已经关闭" in requests.get(page.url, timeout=10).text

    paid = ask(Way.page, out_trade_no="P2")
    world.press(cashier(world, out_trade_no="P2"), "pay")
    with pytest.raises(AlipayError) as refused:
        world.alipay.close(paid.as_asked())
    assert refused.value.pay_code == "TRADE_ERROR"


def test_refunds_in_parts_under_their_numbers(world: Played) -> None:
    asked = ask(Way.page).as_asked()
    world.press(cashier(world), "pay")
    world.heard(1)
    first = refund_ask(650, "R1")
    assert world.alipay.query_refund(asked, first) is None
    done = world.alipay.refund(asked, first)
    assert (done.state, done.refund_fen, done.total_fen) == ("SUCCESS", 650, 2_650)
    again = world.alipay.refund(asked, first)
    assert (again.state, again.refund_id) == ("SUCCESS", "R1")
    assert again.success_at is not None
    assert world.alipay.query(asked).state == "SUCCESS"  # type: ignore[union-attr]
    second = world.alipay.read_notice(world.heard(2)[1][1], now())
    told = read_notice(second.kind, second.body)
    assert (told.state, told.is_paid, told.amount_fen) == ("REFUND", True, 2_650)

    with pytest.raises(AlipayError) as refused:
        world.alipay.refund(asked, refund_ask(2_001, "R2"))
    assert refused.value.pay_code == "INVALID_REQUEST"
    with pytest.raises(AlipayError):
        world.alipay.refund(asked, refund_ask(651, "R1"))
    world.alipay.refund(asked, refund_ask(2_000, "R2"))
    whole = world.alipay.query(asked)
    assert whole is not None
    assert (whole.state, whole.is_paid) == ("REFUND", True)  # TRADE_CLOSED, but it was paid
    trade = world.world.trades.find(world.alipay.account, NUMBER)
    assert trade is not None
    assert trade.refunded_fen == 2_650


def test_a_lost_answer_to_a_refund_is_found_again(world: Played) -> None:
    asked = ask(Way.page).as_asked()
    world.press(cashier(world), "pay")
    world.fault(api="alipay.refund", kind="drop_after")
    with pytest.raises(AlipayUnavailable) as lost:
        world.alipay.refund(asked, refund_ask(650))
    assert lost.value.sent
    found = world.alipay.query_refund(asked, refund_ask(650))
    assert found is not None
    assert found.state == "SUCCESS"
    assert world.alipay.refund(asked, refund_ask(650)).state == "SUCCESS"
    trade = world.world.trades.find(world.alipay.account, NUMBER)
    assert trade is not None
    assert trade.refunded_fen == 650


def test_an_answer_that_alipay_did_not_sign_is_none(world: Played) -> None:
    cashier(world)
    world.fault(api="alipay.query", kind="wrong_signature")
    with pytest.raises(AlipayUnavailable):
        world.alipay.query(ask(Way.page).as_asked())
    world.fault(api="alipay.query", kind="error", code="SYSTEM_ERROR")
    with pytest.raises(AlipayUnavailable):
        world.alipay.query(ask(Way.page).as_asked())


def test_another_applications_key_is_refused(world: Played, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    path = tmp_path / "other.pem"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    row = {**world.raw["alipay"]["accounts"][0], "private_key_path": str(path)}
    account = Alipay.model_validate({"accounts": [row]}).accounts[0]
    channel = AlipayChannel(account, Http(), f"{world.url}/alipay/gateway.do", read_seconds=5)
    with pytest.raises(AlipayError) as refused:
        channel.query(ask(Way.page).as_asked())
    assert refused.value.pay_code == "SIGN_ERROR"


def notice_of(world: Played) -> bytes:
    world.press(cashier(world), "pay")
    return world.heard()[0][1]


def test_a_notice_that_is_not_alipays_is_refused(world: Played) -> None:
    genuine = notice_of(world)
    fields = dict(parse_qsl(genuine.decode()))
    changed = {**fields, "total_amount": "0.01"}
    forged = {**fields, "sign": base64.b64encode(b"x" * 256).decode()}
    unsigned = {name: value for name, value in fields.items() if name != "sign"}
    weaker = {**fields, "sign_type": "RSA"}
    for each in (changed, forged, unsigned, weaker):
        with pytest.raises(BadSignature):
            world.alipay.read_notice(urlencode(each).encode(), now())
    with pytest.raises(StaleMessage):
        world.alipay.read_notice(genuine, now() + 2 * DAY)
    with pytest.raises(StaleMessage):
        world.alipay.read_notice(genuine, now() - DAY)
    # Alipay repeats for twenty-five hours.
    assert world.alipay.read_notice(genuine, now() + timedelta(hours=25))


def test_a_notice_to_another_application_is_refused(world: Played) -> None:
    fields = dict(parse_qsl(notice_of(world).decode()))
    for name in ("sign", "sign_type", "alipay_cert_sn"):
        fields.pop(name, None)
    for name in ("app_id", "seller_id"):
        told = signed_form(
            world.world, world.alipay.account, {**fields, name: "2088000000000000"}, False
        )
        with pytest.raises(BadSignature):
            world.alipay.read_notice(urlencode(told).encode(), now())


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe",
        b"a" * 70_000,
        b"a=1&a=2",
        b"a=%00",
        b"sign=%ff%fe&charset=utf-8",
        b"&".join(b"f%d=1" % n for n in range(200)),
        b"no fields at all",
    ],
)
def test_what_nobody_can_read_is_refused(world: Played, raw: bytes) -> None:
    with pytest.raises((MalformedMessage, BadSignature)):
        world.alipay.read_notice(raw, now())


def test_the_bill_of_a_day(world: Played) -> None:
    asked = ask(Way.page).as_asked()
    world.press(cashier(world), "pay")
    world.alipay.refund(asked, refund_ask(650, "R1"))
    day = f"{now() + timedelta(hours=8):%Y-%m-%d}"
    with pytest.raises(AlipayError) as refused:
        world.alipay.bill_url(day)
    assert refused.value.pay_code == "NO_STATEMENT_EXIST"  # today's is not written yet

    trade = world.world.trades.find(world.alipay.account, NUMBER)
    assert trade is not None
    trade.paid_at -= 86_400
    trade.refunds["R1"]["at"] -= 86_400
    before = f"{now() + timedelta(hours=8) - DAY:%Y-%m-%d}"
    packed = requests.get(world.alipay.bill_url(before), timeout=10).content
    rows = read_bill(world.alipay.bills, before)
    assert [(r.kind, r.our_no, r.amount_fen, r.settled_fen, r.fee_fen) for r in rows] == [
        ("payment", NUMBER, 2_650, 2_650, 16),
        ("refund", "R1", 650, 650, -4),
    ]
    assert [r.payment_no for r in rows] == [trade.trade_no, trade.trade_no]
    with pytest.raises(BadBill):
        list(world.alipay.bills.rows(BytesIO(packed[:-30])))
    with zipfile.ZipFile(BytesIO(packed)) as archive:
        text = archive.read(archive.namelist()[0]).decode("gbk")
    rows = [line.split(",") for line in text.splitlines() if line[:1].isdigit()]
    assert [(r[1].strip(), r[2].strip(), r[12].strip(), r[22].strip()) for r in rows] == [
        (NUMBER, "交易", "26.50", "-0.16"),
        (NUMBER, "退款", "-6.50", "0.04"),
    ]


def test_a_certificate_of_strangers_is_not_alipays(world: Played, tmp_path: Path) -> None:
    row = world.raw["alipay"]["accounts"][0]
    if "root_certificate_path" not in row:
        pytest.skip("certificate mode only")
    other = tmp_path / "roots.crt"
    stranger = channel_keys.certificate("Somebody", rsa.generate_private_key(65537, 2048))
    other.write_bytes(stranger.public_bytes(Encoding.PEM))
    roots = channel_keys.read_certificates(Path(row["root_certificate_path"]))
    leaf = channel_keys.read_certificates(Path(row["alipay_certificate_path"]))[0]
    assert crypto.is_issued_by(leaf, roots, now())
    assert not crypto.is_issued_by(leaf, [stranger], now())
    assert not crypto.is_issued_by(leaf, roots, now() + 3_650 * DAY)
    assert not crypto.is_issued_by(leaf, roots, now() - 30 * DAY)


def test_the_address_says_what_was_asked(world: Played) -> None:
    url = world.alipay.open(ask(Way.wap, attach="a b&c"), now()).params["url"]
    query = {name: values[0] for name, values in parse_qs(urlsplit(url).query).items()}
    content = json.loads(query["biz_content"])
    assert (content["total_amount"], content["passback_params"]) == ("26.50", "a%20b%26c")
    assert (query["return_url"], content["quit_url"]) == (BACK, BACK)
    page = requests.get(url, timeout=10)
    world.press(page, "pay")
    fields = world.alipay.read_notice(world.heard()[0][1], now())
    assert read_notice(fields.kind, fields.body).attach == "a b&c"
