"""What the demo's tills took of late without a cart: a customer's code of WeChat, of Alipay or
of UnionPay, stored value, and stored value with the rest from WeChat."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

import gateways
from crm.models import Member
from gateways.pay.records import Transaction, Way
from merchants.models import Merchant, Staff, Store
from messaging.accounts import minis_of
from orders.collecting import place_amount
from orders.models import LineKind, Order
from payments import attempts, billing, settling, shifts
from payments.attempts import Means, Step
from payments.models import Channel


@dataclass(frozen=True)
class Sale:
    """`saver`: somebody who keeps stored value here; `part_fen` of the sum comes from there."""

    channel: Channel
    fen: int
    days: int
    saver: bool = False
    part_fen: int = 0


SALES = (
    Sale(Channel.wechat, 3_600, days=2),
    Sale(Channel.alipay, 4_800, days=2),
    Sale(Channel.alipay, 2_350, days=1),
    Sale(Channel.balance, 2_600, days=1, saver=True),
    Sale(Channel.wechat, 5_200, days=1, saver=True, part_fen=2_000),
    Sale(Channel.wechat, 1_800, days=0),
    Sale(Channel.alipay, 3_000, days=0),
    Sale(Channel.balance, 3_200, days=0, saver=True),
    Sale(Channel.unionpay, 2_900, days=1),
    Sale(Channel.unionpay, 1_650, days=0),
)


def run(session: Session, merchant: Merchant, store: Store, now: datetime) -> None:
    staff = session.scalars(select(Staff).where(Staff.username == "xiaozhou")).one()
    mine = select(Member).where(Member.merchant_id == merchant.id, Member.orders_count > 0)
    guests = session.scalars(mine.order_by(Member.id).limit(len(SALES))).all()
    bought = select(Order.member_id).where(
        Order.kind == LineKind.top_up, Order.paid_at < now - timedelta(days=2)
    )
    savers = session.scalars(mine.where(Member.id.in_(bought)).order_by(Member.id)).all()
    for number, sale in enumerate(SALES):
        of = savers if sale.saver else guests
        if not of:
            continue
        member, at = of[number % len(of)], now - timedelta(days=sale.days, minutes=7 * number + 4)
        order, _ = place_amount(
            session,
            store,
            sale.fen,
            member=member,
            actor=f"staff:{staff.id}",
            key=f"demo:{number}",
            now=at,
        )
        bill = billing.open_bill(session, order)
        shifts.taken_by(session, bill, order.store_id, staff.id, at)
        pay(session, merchant, order, sale, at)


def pay(session: Session, merchant: Merchant, order: Order, sale: Sale, at: datetime) -> None:
    means = Means(sale.channel, balance_fen=sale.part_fen)
    if channel := gateways.cashier().find_for(merchant.code, sale.channel):
        appid = minis_of(merchant.code)[0].appid if sale.channel is Channel.wechat else ""
        way = Way.code if Way.code in channel.ways else Way.page
        means = replace(means, way=way, account=channel.account, appid=appid)
    attempt, step = attempts.start(session, order, means, now=at)
    if step is Step.settle:
        settling.settle_balance(session, attempt, at)
        return
    told = Transaction(
        out_trade_no=attempt.out_trade_no,
        transaction_id=_number(sale.channel, attempt.id, at),
        state="SUCCESS",
        amount_fen=attempt.channel_fen,
        currency="CNY",
        account=means.account,
        appid=means.appid,
        payer=f"demo-{order.member_id}",
        success_at=at,
    )
    settling.settle(session, told, at)


def _number(channel: Channel, id_: int, at: datetime) -> str:
    """As long as the channel's own are."""
    if channel is Channel.unionpay:
        return f"{at:%Y%m%d%H%M%S}{id_:07}"
    return f"{'42000' if channel is Channel.wechat else '22000'}{id_:023}"
