"""The payer's code at the counter: charged once, followed, taken back, whatever is lost between."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from core import database
from core.outbox import JobState, OutboxJob
from gateways.http import Answer
from gateways.pay.errors import ChannelUnavailable
from gateways.pay.records import Way
from gateways.wechat import pay_v2
from gateways.wechat.pay_v2 import PayV2
from orders.models import Order, OrderState, PaymentState
from payments import billing, counter, queries, remote
from payments.attempts import Means
from payments.counter import Charge, Charged
from payments.errors import AlreadyPaid, BillNotFound
from payments.models import AttemptState, BillState
from payments.models import Channel as Channels
from sandbox.pay import codes, sheet
from tests.payments.conftest import MCHID, MINI, Till

MEANS = Means(Channels.wechat, Way.code, MCHID, MINI)
START = 100_000
FEE = 900


def now() -> datetime:
    return datetime.now(UTC)


def shown(till: Till, *, asks_password: bool = False) -> str:
    person = till.channel.world.people.get("aqing")
    person.asks_password = asks_password
    return till.channel.world.pay_codes.new(person)


def charge(till: Till, order: Order, code: str) -> Charged:
    return counter.charge(
        till.cashier,
        order.id,
        MEANS,
        code,
        description="青禾茶铺",
        store_no="jingan",
        client_ip="10.0.0.1",
        now=now(),
    )


def purse(till: Till) -> int:
    return till.channel.world.people.get("aqing").balance_fen


def type_password(till: Till, order: Order, outcome: str = "ok") -> None:
    [attempt] = till.attempts(order)
    world = till.channel.world
    codes.answer(world, world.people.get("aqing"), attempt.out_trade_no, outcome)


def grow_old(till: Till, order: Order) -> None:
    """As if the last code had been charged forty seconds ago."""
    with database.transaction() as session:
        attempt = till.attempts(order)[-1]
        found = session.get_one(type(attempt), attempt.id)
        found.created_at = now() - timedelta(seconds=40)


def follow(till: Till) -> list[str]:
    return till.run_jobs("payments.follow_code")


def is_paid(till: Till, order: Order) -> bool:
    return till.read(order).payment_state is PaymentState.paid


def test_a_code_is_charged_and_the_order_paid(till: Till) -> None:
    order = till.order(FEE)

    assert charge(till, order, shown(till)) == Charged(Charge.paid)

    [attempt] = till.attempts(order)
    assert is_paid(till, order)
    assert (attempt.state, attempt.way, attempt.live) == (AttemptState.succeeded, Way.code, True)
    assert till.bill(order).state is BillState.paid
    assert till.ledger() == [("channel", FEE), ("sales", -FEE)]
    assert purse(till) == START - FEE
    assert follow(till) == ["done"]


def test_a_password_is_waited_for_and_then_it_is_paid(till: Till) -> None:
    order = till.order(FEE)
    assert charge(till, order, shown(till, asks_password=True)) == Charged(Charge.asking)
    assert follow(till) == ["later"]

    type_password(till, order)

    assert follow(till) == ["done"]
    assert is_paid(till, order)
    assert purse(till) == START - FEE


def test_a_password_that_never_comes_is_taken_back(till: Till) -> None:
    order = till.order(FEE)
    charge(till, order, shown(till, asks_password=True))
    grow_old(till, order)

    assert follow(till) == ["done"]

    [attempt] = till.attempts(order)
    assert (attempt.state, attempt.live) == (AttemptState.closed, None)
    assert not is_paid(till, order)
    assert till.channel.world.ledger.find_order(MCHID, attempt.out_trade_no).state == "REVOKED"
    assert (purse(till), till.ledger()) == (START, [])


def test_a_payer_who_goes_away_has_not_paid_and_may_show_another_code(till: Till) -> None:
    order = till.order(FEE)
    charge(till, order, shown(till, asks_password=True))
    type_password(till, order, "cancel")
    assert follow(till) == ["done"]

    assert charge(till, order, shown(till)) == Charged(Charge.paid)

    assert [each.state for each in till.attempts(order)] == [
        AttemptState.failed,
        AttemptState.succeeded,
    ]
    assert purse(till) == START - FEE


def test_a_second_code_is_not_charged_while_the_first_is_in_the_air(till: Till) -> None:
    order = till.order(FEE)
    charge(till, order, shown(till, asks_password=True))

    assert charge(till, order, shown(till)) == Charged(Charge.asking)

    assert len(till.attempts(order)) == 1
    assert purse(till) == START
    type_password(till, order)
    assert follow(till) == ["done"]
    assert purse(till) == START - FEE


def test_after_an_answer_that_was_lost_it_is_asked_not_charged_again(till: Till) -> None:
    order = till.order(FEE)
    till.channel.fault(api="pay.micropay", kind="drop_after")

    assert charge(till, order, shown(till)) == Charged(Charge.asking)
    assert charge(till, order, shown(till)) == Charged(Charge.asking)

    assert follow(till) == ["done"]
    assert is_paid(till, order)
    assert purse(till) == START - FEE


def test_a_question_that_never_arrived_is_taken_back_and_asked_anew(till: Till) -> None:
    order = till.order(FEE)
    till.channel.fault(api="pay.micropay", kind="drop_before")
    assert charge(till, order, shown(till)) == Charged(Charge.asking)
    assert follow(till) == ["later"]
    grow_old(till, order)
    assert follow(till) == ["done"]

    assert charge(till, order, shown(till)) == Charged(Charge.paid)

    assert purse(till) == START - FEE


def test_a_process_that_dies_after_charging_leaves_a_job_that_asks(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = till.order(FEE)

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr("payments.attempts.record_opening", die)
        with pytest.raises(SystemExit):
            charge(till, order, shown(till))
    assert purse(till) == START - FEE
    assert not is_paid(till, order)

    assert follow(till) == ["done"]

    assert is_paid(till, order)
    assert till.ledger() == [("channel", FEE), ("sales", -FEE)]


def test_taking_back_is_tried_until_it_is_done(till: Till) -> None:
    order = till.order(FEE)
    charge(till, order, shown(till, asks_password=True))
    grow_old(till, order)
    till.channel.fault(api="pay.reverse_v2", kind="error", times=2)

    assert [follow(till), follow(till)] == [["later"], ["later"]]
    assert till.attempts(order)[0].state is AttemptState.pending
    assert follow(till) == ["done"]

    [attempt] = till.attempts(order)
    assert attempt.state is AttemptState.closed
    assert till.channel.world.ledger.find_order(MCHID, attempt.out_trade_no).state == "REVOKED"


def test_what_was_paid_at_the_last_moment_stays_paid(till: Till) -> None:
    order = till.order(FEE)
    charge(till, order, shown(till, asks_password=True))
    grow_old(till, order)
    type_password(till, order)

    assert follow(till) == ["done"]

    assert is_paid(till, order)
    assert purse(till) == START - FEE


@pytest.mark.parametrize(
    ("code", "why", "state"),
    [
        ("139999999999999999", "AUTH_CODE_ERROR", AttemptState.failed),
        ("", "LACK_PARAMS", AttemptState.closed),
    ],
)
def test_a_code_that_is_none_is_a_no_and_the_next_one_counts(
    till: Till, code: str, why: str, state: AttemptState
) -> None:
    order = till.order(FEE)

    assert charge(till, order, code) == Charged(Charge.refused, why)

    [attempt] = till.attempts(order)
    assert (attempt.state, attempt.live) == (state, None)
    assert charge(till, order, shown(till)) == Charged(Charge.paid)


UNSIGNED = {"return_code": "FAIL", "return_msg": "系统繁忙", "err_code": "AUTH_CODE_ERROR"}
NEW_WORD = {"return_code": "SUCCESS", "result_code": "FAIL", "err_code": "NEW_WORD"}


def hide_yes(monkeypatch: pytest.MonkeyPatch, told: dict[str, str], *, signed: bool) -> None:
    """The next code is charged, and WeChat tells us something else."""
    real, left = PayV2._believed, [told]

    def believed(self: PayV2, path: str, answer: Answer) -> dict[str, str]:
        if path == "/pay/micropay" and left:
            fields = left.pop()
            if signed:
                fields = {**fields, "mch_id": MCHID}
                fields["sign"] = pay_v2.sign(fields, self._key)
            answer = replace(answer, body=pay_v2.to_xml(fields))
        return real(self, path, answer)

    monkeypatch.setattr(PayV2, "_believed", believed)


@pytest.mark.parametrize(("told", "signed"), [(UNSIGNED, False), (NEW_WORD, True)])
def test_a_no_that_proves_nothing_is_asked_after(
    till: Till, monkeypatch: pytest.MonkeyPatch, told: dict[str, str], signed: bool
) -> None:
    order = till.order(FEE)
    hide_yes(monkeypatch, told, signed=signed)

    assert charge(till, order, shown(till)) == Charged(Charge.paid)

    assert is_paid(till, order)
    assert (purse(till), till.ledger()) == (START - FEE, [("channel", FEE), ("sales", -FEE)])
    with pytest.raises(AlreadyPaid):
        charge(till, order, shown(till))


def test_a_no_that_proves_nothing_stays_open_while_nobody_can_be_asked(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = till.order(FEE)
    hide_yes(monkeypatch, UNSIGNED, signed=False)
    till.channel.fault(api="pay.orderquery", kind="error")

    assert charge(till, order, shown(till)) == Charged(Charge.asking)
    assert charge(till, order, shown(till)) == Charged(Charge.asking)

    assert purse(till) == START - FEE
    assert follow(till) == ["done"]
    assert is_paid(till, order)
    assert len(till.attempts(order)) == 1


def test_a_purse_that_is_too_small_is_a_no(till: Till) -> None:
    till.channel.world.people.get("aqing").balance_fen = 100
    order = till.order(FEE)

    assert charge(till, order, shown(till)) == Charged(Charge.refused, "PAYER_NOT_ENOUGH")

    assert not is_paid(till, order)
    assert till.ledger() == []


def test_a_paid_order_takes_no_code(till: Till) -> None:
    order = till.order(FEE)
    charge(till, order, shown(till))
    with pytest.raises(AlreadyPaid):
        charge(till, order, shown(till))
    assert purse(till) == START - FEE


def test_a_code_that_was_shown_to_be_scanned_is_closed_before_one_is_charged(till: Till) -> None:
    order = till.order(FEE)
    native = Means(Channels.wechat, Way.native, MCHID, MINI)
    qr = till.open(order, native)["code_url"]

    assert charge(till, order, shown(till)) == Charged(Charge.paid)

    first, second = till.attempts(order)
    assert (first.state, second.state) == (AttemptState.closed, AttemptState.succeeded)
    world = till.channel.world
    with pytest.raises(Exception, match="已关闭"):
        sheet.pay_unsigned(world, world.people.get("xiaozhou"), qr, "ok")


def test_a_clerk_who_gives_up_takes_it_back_at_once(till: Till) -> None:
    order = till.order(FEE)
    charge(till, order, shown(till, asks_password=True))

    remote.cancel_order(
        till.cashier, order.id, actor="staff:1", reason="不收了", now=now(), keep_paid=True
    )

    assert till.read(order).state is OrderState.cancelled
    [attempt] = till.attempts(order)
    assert till.channel.world.ledger.find_order(MCHID, attempt.out_trade_no).state == "REVOKED"
    with pytest.raises(Exception, match="已经结束"):
        type_password(till, order)


def test_giving_up_waits_until_the_code_is_taken_back(till: Till) -> None:
    order = till.order(FEE)
    charge(till, order, shown(till, asks_password=True))
    till.channel.fault(api="pay.reverse_v2", kind="error")

    with pytest.raises(ChannelUnavailable):
        remote.cancel_order(
            till.cashier, order.id, actor="staff:1", reason="不收了", now=now(), keep_paid=True
        )

    [attempt] = till.attempts(order)
    assert (attempt.state, attempt.live) == (AttemptState.pending, True)
    assert till.read(order).state is OrderState.placed
    assert charge(till, order, shown(till)) == Charged(Charge.asking)
    assert purse(till) == START


def test_the_code_itself_is_kept_nowhere(till: Till) -> None:
    order, code = till.order(FEE), shown(till, asks_password=True)
    charge(till, order, code)

    with database.reading() as session:
        jobs = session.scalars(select(OutboxJob).where(OutboxJob.state == JobState.waiting))
        kept = [str(job.args) for job in jobs]
    kept += [str(vars(attempt)) for attempt in till.attempts(order)]
    assert not any(code in each for each in kept)


@pytest.mark.parametrize(
    ("code", "channel"),
    [
        ("130000000000000000", Channels.wechat),
        ("160000000000000000", None),
        ("13000000000000000", None),
        ("2812345678901234", Channels.alipay),
        ("310000000000000000", None),
        ("6220000000000000000", Channels.unionpay),
        ("１３0000000000000000", None),
        ("", None),
        ("abc", None),
    ],
)
def test_whose_code_it_is(code: str, channel: Channels | None) -> None:
    assert counter.channel_of(code) is channel


def test_each_code_pays_one_of_several_bills(till: Till) -> None:
    order = till.order(FEE)
    with database.transaction() as session:
        billing.split(session, session.get_one(Order, order.id), [400, 500], now=now())

    assert charge(till, order, shown(till)) == Charged(Charge.paid)
    part = till.read(order)
    assert (part.payment_state, part.paid_fen) == (PaymentState.part_paid, 400)
    assert charge(till, order, shown(till, asks_password=True)) == Charged(Charge.asking)
    assert charge(till, order, shown(till)) == Charged(Charge.asking)

    with database.reading() as session:
        live = queries.find_live_attempt_of(session, order.id)
    first, second = till.attempts(order)
    assert live is not None
    assert (live.id, first.amount_fen, second.amount_fen) == (second.id, 400, 500)
    assert purse(till) == START - 400
    with pytest.raises(BillNotFound):
        counter.charge(
            till.cashier, order.id, MEANS, shown(till), seq=9,
            description="", store_no="jingan", client_ip="10.0.0.1", now=now(),
        )  # fmt: skip
    assert len(till.attempts(order)) == 2
