"""Until a week ago the demo's shop was paid through a service provider, which kept a commission and
gave its head office a share: what was shared, what came back of it for refunds, and what did not.
Only rows: WeChat is not asked."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

import gateways
from cli import demo_orders, demo_refunds
from core.clock import business_day
from gateways.pay.records import Transaction, Way
from gateways.pay.sharing import PartResult, Party, PartyKind, ReturnResult, SharingResult
from merchants.models import Merchant, Staff, Store
from messaging.accounts import minis_of
from orders.collecting import place_amount
from orders.models import Order
from payments import attempts, billing, refunding, settling
from payments.attempts import Means
from payments.models import (
    Channel,
    ReceiverPurpose,
    ReceiverState,
    Refund,
    Sharing,
    SharingReceiver,
)
from payments.settlement import terms
from payments.sharing import asking, receivers, recording, returning

ACTOR, COMMISSION_BP = "system", 60
OFFICE, TEAS = "1900008001", "1900008002"
NAMES = {OFFICE: "青禾茶饮管理有限公司", TEAS: "云雾茶叶供应链有限公司"}


@dataclass(frozen=True)
class Sale:
    """`back_fen` went back to the payer; `kept`: the head office did not give back its part."""

    fen: int
    days: int
    back_fen: int = 0
    kept: bool = False


SALES = (
    Sale(2_800, days=13),
    Sale(16_800, days=12, back_fen=16_800),
    Sale(3_600, days=11),
    Sale(24_000, days=10, back_fen=12_000, kept=True),
    Sale(6_000, days=9),
)
SINCE, UNTIL = timedelta(days=14), timedelta(days=8)


def run(session: Session, merchant: Merchant, store: Store, now: datetime) -> None:
    """Nothing where no provider's number is configured."""
    account = _former(merchant)
    if not account:
        return
    parties = _agree(session, merchant, account, now - SINCE)
    for number, sale in enumerate(SALES):
        at = now - timedelta(days=sale.days, minutes=13 * number)
        order = _sell(session, merchant, store, sale.fen, account, at)
        sharing = session.scalars(select(Sharing).where(Sharing.order_id == order.id)).one()
        _share(session, sharing, at + timedelta(days=1))
        if sale.back_fen:
            _give_back(session, order, sale, at + timedelta(days=2))
    _end(session, merchant, parties, now - UNTIL)


def _former(merchant: Merchant) -> str:
    """The account whose payments can be shared."""
    cashier = gateways.cashier()
    found = (
        pay.account
        for pay, whose in cashier.list_billed()
        if whose == merchant.code and cashier.can_share(pay.channel, pay.account)
    )
    return next(found, "")


def _agree(
    session: Session, merchant: Merchant, account: str, at: datetime
) -> dict[str, SharingReceiver]:
    """The platform's commission and two shares, of which WeChat refused the one."""
    appid = minis_of(merchant.code)[0].appid
    _terms(session, merchant, COMMISSION_BP, at)
    provider = account.partition("-")[0]
    wanted = (
        (provider, "邻里科技有限公司", "SERVICE_PROVIDER", ReceiverPurpose.commission, 0),
        (OFFICE, NAMES[OFFICE], "HEADQUARTER", ReceiverPurpose.share, 500),
        (TEAS, NAMES[TEAS], "SUPPLIER", ReceiverPurpose.share, 800),
    )
    found = {}
    for number, name, relation, purpose, share_bp in wanted:
        found[number] = receivers.add(
            session,
            merchant.id,
            Party(PartyKind.merchant, number, appid, name, relation),
            purpose=purpose,
            share_bp=share_bp,
            actor=ACTOR,
            now=at,
        )
    receivers.refuse(session, found[TEAS], "RECEIVER_REAL_NAME_NOT_VERIFIED")
    for number in (provider, OFFICE):
        receivers.move(session, found[number], ReceiverState.active)
    return found


def _terms(session: Session, merchant: Merchant, commission_bp: int, at: datetime) -> None:
    terms.agree(
        session,
        merchant.id,
        since=business_day(at),
        commission_bp=commission_bp,
        coupon_platform_bp=0,
        actor=ACTOR,
        now=at,
    )


def _sell(
    session: Session, merchant: Merchant, store: Store, fen: int, account: str, at: datetime
) -> Order:
    staff = session.scalars(select(Staff).where(Staff.username == "xiaozhou")).one()
    actor, key = f"staff:{staff.id}", f"demo:shared:{fen}"
    order, _ = place_amount(session, store, fen, member=None, actor=actor, key=key, now=at)
    billing.open_bill(session, order)
    appid = minis_of(merchant.code)[0].appid
    means = Means(Channel.wechat, Way.native, account, appid)
    attempt, _ = attempts.start(session, order, means, may_share=True, now=at)
    paid = Transaction(
        out_trade_no=attempt.out_trade_no,
        transaction_id=demo_orders.transaction_id(attempt),
        state="SUCCESS",
        amount_fen=attempt.channel_fen,
        currency="CNY",
        account=account,
        appid=appid,
        payer=f"demo-shared-{fen}",
        success_at=at,
    )
    settling.settle(session, paid, at)
    return order


def _share(session: Session, sharing: Sharing, at: datetime) -> None:
    """The commission, then the shares, then the rest is the shop's."""
    ask = asking.prepare(session, sharing.id, now=at)
    while ask.step is asking.Step.share:
        parts = (PartResult(one.party.account, one.amount_fen, "SUCCESS") for one in ask.parts)
        said = SharingResult(ask.no, "", is_finished=True, parts=tuple(parts))
        recording.sharing(session, sharing.id, said, now=at)
        ask = asking.prepare(session, sharing.id, now=at)
    recording.release(session, sharing.id, now=at)


def _give_back(session: Session, order: Order, sale: Sale, at: datetime) -> None:
    refund: Refund = refunding.request(session, order, sale.back_fen, "顾客不要了", ACTOR, at)
    for one in returning.prepare(session, refund.id, now=at).asked:
        kept = sale.kept and one.party_account == OFFICE
        end, why = ("FAILED", "PAYER_ACCOUNT_ABNORMAL") if kept else ("SUCCESS", "")
        said = ReturnResult(one.no, end, one.amount_fen, why)
        recording.give_back(session, one.id, one.no, said, now=at)
    demo_refunds.end(session, refund, "SUCCESS", at + timedelta(minutes=1))


def _end(
    session: Session, merchant: Merchant, parties: dict[str, SharingReceiver], at: datetime
) -> None:
    """The shop has a number of its own, of which nothing is shared."""
    _terms(session, merchant, 0, at)
    for party in parties.values():
        if party.state is ReceiverState.active:
            receivers.move(session, party, ReceiverState.ending)
            receivers.move(session, party, ReceiverState.ended)
