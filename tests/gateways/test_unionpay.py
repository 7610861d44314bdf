"""UnionPay: forms and back calls against the sandbox's own reading of ACP 5.1; certificates that do
not descend from the root, are out of time or name somebody else verify nothing."""

import base64
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import requests

from core.config_channels import UnionPay
from gateways.http import Http
from gateways.pay.errors import BadSignature, MalformedMessage
from gateways.pay.records import Asked, RefundResult, Show, Transaction, Way
from gateways.unionpay.channel import UnionPayChannel, unpacked
from gateways.unionpay.errors import UnionPayError, UnionPayUnavailable
from gateways.unionpay.reading import read_notice
from sandbox import channel_keys
from sandbox.unionpay import moves
from sandbox.unionpay.door import signed
from tests.gateways.played import (
    BACK,
    NUMBER,
    Played,
    ask,
    played,
    read_bill,
    refund_ask,
    with_id,
)

DAY = timedelta(days=1)
AT = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def module_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    with played(tmp_path_factory.mktemp("unionpay")) as found:
        yield found


@pytest.fixture
def world(module_world: Played) -> Played:
    module_world.world.reset()
    module_world.told.clear()
    return module_world


def now() -> datetime:
    return datetime.now(UTC)


def cashier(world: Played, way: Way = Way.page, **values: Any) -> requests.Response:
    opening = world.unionpay.open(ask(way, **values), now())
    assert opening.show is Show.form
    form = dict(opening.params)
    page = requests.post(form.pop("url"), data=form, timeout=10)
    assert (page.status_code, "沙箱收银台" in page.text) == (200, True), page.text
    return page


def paid(world: Played, **values: Any) -> Transaction:
    world.press(cashier(world, **values), "pay")
    known = world.unionpay.query(ask(Way.page, **values).as_asked())
    assert known is not None
    return known


@pytest.mark.parametrize("way", [Way.page, Way.wap])
def test_a_form_is_paid_and_everybody_says_so(world: Played, way: Way) -> None:
    asked = ask(way)
    assert world.unionpay.query(asked.as_asked()) is None
    page = cashier(world, way, asked_at=asked.asked_at)
    assert world.unionpay.query(asked.as_asked()) is None  # shown, not tried
    seen = world.world.feed.after()[-1]  # and no fault for whoever watches
    assert (seen["title"], seen["tag"], seen["tone"]) == ("店里来问一笔银联付款", "还没付", "ok")
    back = world.press(page, "pay")
    assert f'action="{BACK}"' in back.text
    known = world.unionpay.query(asked.as_asked())
    assert known is not None
    assert (known.state, known.amount_fen, known.currency) == ("SUCCESS", 2_650, "CNY")
    assert (known.account, known.appid) == (world.unionpay.account, "")
    assert known.transaction_id is not None
    assert len(known.transaction_id) == 21
    assert known.success_at is not None
    assert abs(known.success_at - now()) < timedelta(minutes=1)
    fields = world.unionpay.read_notice(world.heard()[0][1], now())
    assert read_notice(fields.kind, fields.body) == known


def test_a_question_needs_the_time_of_the_form(world: Played) -> None:
    asked = ask(Way.page)
    world.press(cashier(world, asked_at=asked.asked_at), "pay")
    other = replace(asked.as_asked(), asked_at=asked.asked_at - timedelta(seconds=30))
    assert world.unionpay.query(other) is None
    assert world.unionpay.query(asked.as_asked()) is not None


def test_the_same_form_again_is_the_same_payment(world: Played) -> None:
    asked = ask(Way.page)
    cashier(world, asked_at=asked.asked_at)
    cashier(world, asked_at=asked.asked_at)
    assert len(world.world.moves.moves) == 1


def test_the_way_back_proves_who_came_and_no_more(world: Played) -> None:
    asked = ask(Way.page)
    world.press(cashier(world, asked_at=asked.asked_at), "pay")
    body = world.heard()[0][1]
    assert world.unionpay.read_return(body, now()) == NUMBER
    fields = dict(parse_qsl(body.decode()))
    with pytest.raises(BadSignature):
        world.unionpay.read_return(urlencode({**fields, "orderId": "P99999999"}).encode(), now())


def test_leaving_pays_nothing_and_leaving_for_later_pays_later(world: Played) -> None:
    asked = ask(Way.page)
    page = cashier(world, asked_at=asked.asked_at)
    assert world.press(page, "cancel").headers["Location"] == BACK
    world.press(page, "later")
    assert world.unionpay.query(asked.as_asked()) is None
    world.world.clock.advance(21)
    world.heard()
    assert world.unionpay.query(asked.as_asked()).is_paid  # type: ignore[union-attr]


def test_closing_asks_whether_it_is_paid(world: Played) -> None:
    asked = ask(Way.page)
    world.unionpay.close(asked.as_asked())
    page = cashier(world, asked_at=asked.asked_at)
    world.unionpay.close(asked.as_asked())
    move = world.world.moves.find(world.unionpay.account, NUMBER)
    assert move is not None
    move.code = "05"
    with pytest.raises(UnionPayError) as going:
        world.unionpay.close(asked.as_asked())
    assert going.value.transient
    move.code = ""
    world.press(page, "pay")
    with pytest.raises(UnionPayError) as refused:
        world.unionpay.close(asked.as_asked())
    assert (refused.value.pay_code, refused.value.transient) == ("TRADE_ERROR", False)


def test_a_form_cannot_be_paid_after_its_time(world: Played) -> None:
    page = cashier(world)
    world.world.clock.advance(16 * 60)
    assert "失效" in world.press(page, "pay").text
    assert world.told == []


def test_a_refund_is_accepted_then_done(world: Played) -> None:
    at = now()
    known = paid(world, asked_at=at)
    asked = with_id(ask(Way.page, asked_at=at).as_asked(), known.transaction_id)
    part = refund_ask(650)
    assert world.unionpay.query_refund(asked, part) is None
    begun = world.unionpay.refund(asked, part)
    assert (begun.state, begun.refund_fen, begun.total_fen) == ("PROCESSING", 650, 2_650)
    going = world.unionpay.query_refund(asked, part)
    assert going is not None
    assert going.state == "PROCESSING"
    again = world.unionpay.refund(asked, part)  # 12: repeated
    assert (again.state, again.refund_id) == ("PROCESSING", begun.refund_id)
    world.world.clock.advance(2)
    notice = world.unionpay.read_notice(world.heard(2)[1][1], now())
    done = read_notice(notice.kind, notice.body)
    assert isinstance(done, RefundResult)
    assert (done.out_refund_no, done.state, done.refund_fen) == (part.out_refund_no, "SUCCESS", 650)
    found = world.unionpay.query_refund(asked, part)
    assert found is not None
    assert (found.state, found.refund_id) == ("SUCCESS", begun.refund_id)
    # Without the channel's own number of the payment it is asked for first.
    rest = refund_ask(2_001, "R20261123ZZZZZZZZ")
    with pytest.raises(UnionPayError) as refused:
        world.unionpay.refund(replace(asked, transaction_id=None), rest)
    assert refused.value.pay_code == "RULE_LIMIT"


def in_a_day(world: Played, at: datetime) -> Asked:
    """A payment of today, whose refund UnionPay refuses until tomorrow."""
    known = paid(world, asked_at=at)
    world.fault(api="unionpay.refund", kind="error", code="35", times=None)
    return with_id(ask(Way.page, asked_at=at).as_asked(), known.transaction_id)


def kinds(world: Played) -> list[tuple[str, str]]:
    return [(move.kind, move.order_id) for move in world.world.moves.moves.values()]


def test_what_is_not_taken_back_as_a_refund_today_is_voided(world: Played) -> None:
    asked = in_a_day(world, now())
    whole = refund_ask(2_650)
    begun = world.unionpay.refund(asked, whole)
    assert (begun.out_refund_no, begun.state) == (whole.out_refund_no, "PROCESSING")
    assert kinds(world)[1:] == [("31", f"{whole.out_refund_no}V")]
    again = world.unionpay.refund(asked, whole)
    assert (again.out_refund_no, again.refund_id) == (whole.out_refund_no, begun.refund_id)
    assert len(kinds(world)) == 2
    world.world.clock.advance(2)
    notice = world.unionpay.read_notice(world.heard(2)[1][1], now())
    done = read_notice(notice.kind, notice.body)
    assert isinstance(done, RefundResult)
    assert (done.out_refund_no, done.state) == (whole.out_refund_no, "SUCCESS")
    assert done.refund_fen == 2_650
    found = world.unionpay.query_refund(asked, whole)
    assert found is not None
    assert (found.out_refund_no, found.state) == (whole.out_refund_no, "SUCCESS")
    for move in world.world.moves.moves.values():
        move.at -= 86_400
    rows = read_bill(world.unionpay.bills, f"{now() + timedelta(hours=8) - DAY:%Y-%m-%d}")
    assert [(row.kind, row.our_no, row.amount_fen, row.fee_fen) for row in rows] == [
        ("payment", NUMBER, 2_650, 15),
        ("refund", whole.out_refund_no, 2_650, -15),
    ]


def test_a_void_whose_answer_was_lost_becomes_no_refund_the_day_after(world: Played) -> None:
    asked = in_a_day(world, now())
    whole = refund_ask(2_650)
    world.fault(api="unionpay.void", kind="drop_after")
    with pytest.raises(UnionPayUnavailable):
        world.unionpay.refund(asked, whole)
    world.world.faults.remove()  # it is tomorrow: refunds are taken
    assert world.unionpay.refund(asked, whole).state == "PROCESSING"
    assert kinds(world)[1:] == [("31", f"{whole.out_refund_no}V")]


def test_a_refund_that_is_taken_today_is_no_void(world: Played) -> None:
    at = now()
    known = paid(world, asked_at=at)
    asked = with_id(ask(Way.page, asked_at=at).as_asked(), known.transaction_id)
    whole = refund_ask(2_650)
    assert world.unionpay.refund(asked, whole).state == "PROCESSING"
    assert kinds(world)[1:] == [("04", whole.out_refund_no)]


@pytest.mark.parametrize(("fen", "days"), [(650, 0), (2_650, 1)])
def test_a_part_or_another_days_payment_is_never_voided(world: Played, fen: int, days: int) -> None:
    asked = in_a_day(world, now())
    back = replace(refund_ask(fen), asked_at=now() + days * DAY)
    with pytest.raises(UnionPayError) as refused:
        world.unionpay.refund(asked, back)
    assert refused.value.resp_code == "35"
    assert len(kinds(world)) == 1
    assert world.unionpay.query_refund(asked, back) is None


def test_what_is_neither_refunded_nor_voided_is_refused_as_a_refund(world: Played) -> None:
    asked = in_a_day(world, now())
    world.fault(api="unionpay.void", kind="error", code="77")
    with pytest.raises(UnionPayError) as refused:
        world.unionpay.refund(asked, refund_ask(2_650))
    assert (refused.value.resp_code, len(kinds(world))) == ("35", 1)


def test_a_refund_that_the_bank_turned_down_needs_a_new_number(world: Played) -> None:
    at = now()
    known = paid(world, asked_at=at)
    asked = with_id(ask(Way.page, asked_at=at).as_asked(), known.transaction_id)
    part = refund_ask(650)
    world.unionpay.refund(asked, part)
    move = world.world.moves.find(world.unionpay.account, part.out_refund_no)
    assert move is not None
    moves.end(world.world, move, "01")
    found = world.unionpay.query_refund(asked, part)
    assert found is not None
    assert found.state == "CLOSED"
    assert len(world.heard()) == 1  # only successes are told


def test_what_was_not_paid_is_not_refunded(world: Played) -> None:
    with pytest.raises(UnionPayError) as refused:
        world.unionpay.refund(ask(Way.page).as_asked(), refund_ask(650))
    assert refused.value.pay_code == "ORDER_NOT_EXIST"


def test_a_lost_answer_to_a_refund_is_found_again(world: Played) -> None:
    at = now()
    known = paid(world, asked_at=at)
    asked = with_id(ask(Way.page, asked_at=at).as_asked(), known.transaction_id)
    part = refund_ask(650)
    world.fault(api="unionpay.refund", kind="drop_after")
    with pytest.raises(UnionPayUnavailable) as lost:
        world.unionpay.refund(asked, part)
    assert lost.value.sent
    assert world.unionpay.refund(asked, part).state == "PROCESSING"
    assert len(world.world.moves.moves) == 2


def test_an_answer_that_unionpay_did_not_sign_is_none(world: Played) -> None:
    for kind in ("wrong_signature", "drop_after"):
        world.fault(api="unionpay.query", kind=kind)
        with pytest.raises(UnionPayUnavailable):
            world.unionpay.query(ask(Way.page).as_asked())
    world.fault(api="unionpay.query", kind="error")
    with pytest.raises(UnionPayError) as busy:
        world.unionpay.query(ask(Way.page).as_asked())
    assert busy.value.transient


def test_a_notice_that_is_not_unionpays_is_refused(world: Played) -> None:
    paid(world, asked_at=now())
    genuine = world.heard()[0][1]
    fields = dict(parse_qsl(genuine.decode()))
    assert world.unionpay.read_notice(genuine, now())
    for changes in (
        {"txnAmt": "1"},
        {"signature": base64.b64encode(b"x" * 256).decode()},
        {"signature": ""},
        {"signPubKeyCert": ""},
        {"signPubKeyCert": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"},
        {"signPubKeyCert": "x" * 20_000},
        {"signMethod": "11"},
        {"version": "5.0.0"},
        {"more": "1"},
    ):
        with pytest.raises(BadSignature):
            world.unionpay.read_notice(urlencode({**fields, **changes}).encode(), now())
    told = signed(world.world, {**fields, "merId": "777000000000000", "signature": ""})
    with pytest.raises(BadSignature):
        world.unionpay.read_notice(urlencode(told).encode(), now())
    odd = signed(world.world, {**fields, "txnAmt": "a lot", "signature": ""})
    with pytest.raises(MalformedMessage):
        world.unionpay.read_notice(urlencode(odd).encode(), now())


@pytest.mark.parametrize("raw", [b"", b"\xff", b"a" * 70_000, b"a=1&a=2", b"a=%00", b"nothing"])
def test_what_nobody_can_read_is_refused(world: Played, raw: bytes) -> None:
    with pytest.raises((MalformedMessage, BadSignature)):
        world.unionpay.read_notice(raw, now())


def test_the_file_of_a_day(world: Played) -> None:
    at = now()
    paid(world, asked_at=at)
    today = f"{now() + timedelta(hours=8):%m%d}"
    with pytest.raises(UnionPayError) as refused:
        world.unionpay.bill(today, now())
    assert refused.value.pay_code == "NO_STATEMENT_EXIST"
    for move in world.world.moves.moves.values():
        move.at -= 86_400
    day = f"{now() + timedelta(hours=8) - DAY:%m%d}"
    rows = read_bill(world.unionpay.bills, f"{now() + timedelta(hours=8) - DAY:%Y-%m-%d}")
    known = world.unionpay.query(ask(Way.page, asked_at=at).as_asked())
    assert known is not None
    assert [(r.kind, r.our_no, r.channel_no, r.amount_fen, r.fee_fen) for r in rows] == [
        ("payment", NUMBER, known.transaction_id, 2_650, 15)
    ]
    with zipfile.ZipFile(BytesIO(world.unionpay.bill(day, now()))) as archive:
        name = archive.namelist()[0]
        line = archive.read(name).decode("gbk").splitlines()[0]
    assert name == f"INN{day}88ZM_{world.unionpay.account}"
    assert (line[:3], NUMBER in line, "000000002650" in line) == ("S22", True, True)


def test_a_file_that_is_none() -> None:
    half = base64.b64encode(zlib.compress(b"x" * 1_000)[:-8]).decode()
    for content in ("", "!!", base64.b64encode(b"not deflated").decode(), half):
        with pytest.raises(UnionPayUnavailable):
            unpacked(content)
    whole = base64.b64encode(zlib.compress(b"x" * 1_000)).decode()
    assert unpacked(whole) == b"x" * 1_000


def test_another_merchants_certificate_is_refused(world: Played, tmp_path: Path) -> None:
    other = channel_keys.ensure_acp(tmp_path / "other")
    section = world.raw["unionpay"]
    row = {**section["accounts"][0], "certificate_path": str(other.merchant_pfx)}
    config = UnionPay.model_validate({**section, "accounts": [row]})
    channel = UnionPayChannel(config, config.accounts[0], Http())
    with pytest.raises(UnionPayError) as refused:
        channel.query(ask(Way.page).as_asked())
    assert refused.value.pay_code == "SIGN_ERROR"


def test_no_payments_by_code(world: Played) -> None:
    for refused in (
        lambda: world.unionpay.open(ask(Way.code, auth_code="62" + "1" * 17), now()),
        lambda: world.unionpay.revoke(ask(Way.code).as_asked()),
    ):
        with pytest.raises(UnionPayError) as error:
            refused()
        assert error.value.pay_code == "NO_AUTH"
