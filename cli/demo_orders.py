"""What an order of the demo's past goes through: chosen, paid, handed over."""

import random
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.menus import MenuProduct, get_menu
from catalogue.pricing import Item
from crm.models import Member
from gateways.pay.records import Transaction, Way
from merchants.models import Staff, Store
from messaging.accounts import minis_of
from orders import handover
from orders.models import Order
from payments import attempts, settling
from payments.models import Channel, PaymentAttempt

MERCHANT, MCHID = "qinghe", "1900006789"


def on_shelf(session: Session, store: Store) -> list[MenuProduct]:
    """What the past was made of: today's few cakes are not what was sold in two months."""
    categories = get_menu(session, store).categories
    return [
        one
        for category in categories
        for one in category.products
        if one.state == "on" and all(sku.stock is None for sku in one.skus if sku.state == "on")
    ]


def items(shelf: list[MenuProduct], chance: random.Random) -> tuple[Item, ...]:
    chosen = chance.sample(shelf, chance.choices((1, 2, 3), (6, 3, 1))[0])
    return tuple(
        Item(
            sku_id=chance.choice([sku.sku_id for sku in product.skus if sku.state == "on"]),
            quantity=chance.choices((1, 2), (4, 1))[0],
            option_ids=tuple(
                chance.choice([option.id for option in group.options if option.state == "on"])
                for group in product.option_groups
                if group.min > 0
            ),
        )
        for product in chosen
    )


def pay(
    session: Session,
    order: Order,
    at: datetime,
    *,
    seq: int | None = None,
    payer: Member | None = None,
) -> None:
    """By whoever ordered, or by `payer`; `seq`: the one of its bills that is paid."""
    mini, other = minis_of(MERCHANT)[0], payer.id if payer else None
    openid = f"demo-{other or order.member_id}"
    means = attempts.Means(Channel.wechat, Way.mini, MCHID, mini.appid, openid, member_id=other)
    attempt, _ = attempts.start(session, order, means, now=at, seq=seq)
    settling.settle(
        session,
        Transaction(
            out_trade_no=attempt.out_trade_no,
            transaction_id=transaction_id(attempt),
            state="SUCCESS",
            amount_fen=attempt.channel_fen,
            currency="CNY",
            account=means.account,
            appid=means.appid,
            payer=means.payer,
            success_at=at,
        ),
        at,
    )


def transaction_id(attempt: PaymentAttempt) -> str:
    """As long as WeChat's own."""
    return f"42000{attempt.id:023}"


def hand_over(session: Session, order: Order, paid: datetime, chance: random.Random) -> None:
    staff = session.scalars(select(Staff).where(Staff.username == "xiaozhou")).one()
    actor, at = f"staff:{staff.id}", paid + timedelta(seconds=chance.randint(20, 90))
    handover.accept(session, order, actor=actor, now=at)
    at += timedelta(minutes=chance.randint(3, 9))
    handover.ready(session, order, actor=actor, now=at)
    at += timedelta(minutes=chance.randint(1, 8))
    handover.complete(session, order, code=order.pickup_code, actor=actor, now=at)
