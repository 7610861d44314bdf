"""Telling people about an order: the store's staff when it is paid, the member when it is ready.

Messages are written down and queued in the caller's transaction, each once for ever by its key.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import local
from core.config import current_config
from core.money import format_yuan
from core.outbox import enqueue
from crm.models import Member
from merchants.models import Merchant, Role, Staff, StaffState, StaffStore, Store
from messaging import grants
from messaging.accounts import minis_of, officials_of
from messaging.models import Channel
from messaging.planning import best_channel
from messaging.sending import prepare
from messaging.words import link, mini_link, plain
from orders.models import Fulfilment, Order, OrderLine
from people.identities import list_identities
from people.models import Identity, IdentityKind

PAGE = "pages/order/order?no={}"
FULFILMENTS = {Fulfilment.pickup: "自取", Fulfilment.dine_in: "堂食", Fulfilment.none: "线上"}


def alert_staff(session: Session, order: Order, now: datetime) -> int:
    """A paid order waits: every reachable clerk of the store hears of it; the number of messages.

    In an open customer-service window as a text, otherwise as the `new_order` service template.
    """
    merchant = session.get_one(Merchant, order.merchant_id)
    officials = {account.appid: account for account in officials_of(merchant.code)}
    summary = summarise(session, order)
    sent = 0
    for staff in _staff_of(session, order.store_id, merchant.id):
        mine = [
            identity
            for identity in list_identities(session, staff.person_id or 0)
            if identity.appid in officials
        ]
        plan = best_channel(
            session, merchant_id=merchant.id, identities=mine, template=None, now=now
        )
        key = f"order_paid:{order.id}:{staff.id}"
        url = f"{current_config().app.base_url.rstrip('/')}/console/orders/{order.no}"
        if plan.channel is Channel.customer_service:
            text = f"新订单 {order.pickup_number}：{plain(summary)}\n{link('去接单 →', url)}"
            payload: dict[str, Any] = {"type": "text", "text": text}
            sent += _send(session, key, plan.appid, plan.openid, plan.channel, payload, now)
        elif mine and (template_id := officials[mine[0].appid].templates.get("new_order")):
            payload = {"template_id": template_id, "data": _paid_fields(session, order), "url": url}
            sent += _send(
                session, key, mine[0].appid, mine[0].openid, Channel.template, payload, now
            )
    return sent


def tell_ready(session: Session, order: Order, now: datetime) -> bool:
    """The goods can be fetched: by the subscribe message that the member allowed, or in the chat.

    False: neither is open; the mini-program shows it anyway.
    """
    merchant = session.get_one(Merchant, order.merchant_id)
    member = session.get_one(Member, order.member_id)
    identities = list_identities(session, member.person_id)
    key, page = f"order_ready:{order.id}", PAGE.format(order.no)
    minis = {mini.appid: mini for mini in minis_of(merchant.code)}
    for identity in identities:
        mini = minis.get(identity.appid)
        template_id = mini.subscribe_templates.get("order_ready") if mini else None
        if (
            identity.kind is IdentityKind.mini
            and template_id
            and _granted(session, identity, template_id)
        ):
            payload = {
                "template_id": template_id,
                "data": _ready_fields(session, order),
                "page": page,
            }
            return _send(
                session, key, identity.appid, identity.openid, Channel.subscribe, payload, now
            )
    plan = best_channel(
        session, merchant_id=merchant.id, identities=identities, template=None, now=now
    )
    if plan.channel is not Channel.customer_service:
        return False
    way = mini_link(
        "看取餐码 →",
        page,
        mini=next(iter(minis.values()), None),
        base_url=current_config().app.base_url,
    )
    text = f"{order.pickup_number} 号做好了，来取吧。\n{way}"
    return _send(
        session, key, plan.appid, plan.openid, plan.channel, {"type": "text", "text": text}, now
    )


def summarise(session: Session, order: Order) -> str:
    """杨枝甘露 等 4 件，¥66.00，自取."""
    paid = format_yuan(order.payable_fen, symbol=True)
    return f"{title(_lines(session, order))}，{paid}，{FULFILMENTS[order.fulfilment]}"


def title(lines: Sequence[OrderLine]) -> str:
    """What was ordered, in a few words."""
    quantity = sum(line.quantity for line in lines)
    return lines[0].name if quantity == 1 else f"{lines[0].name} 等 {quantity} 件"


def _paid_fields(session: Session, order: Order) -> dict[str, str]:
    return {
        "character_string1": order.pickup_number or order.no,
        "thing2": title(_lines(session, order))[:20],
        "amount3": format_yuan(order.payable_fen, symbol=True).replace(",", ""),
        "time4": f"{local(order.paid_at or order.placed_at):%Y-%m-%d %H:%M}",
    }


def _ready_fields(session: Session, order: Order) -> dict[str, str]:
    store = session.get_one(Store, order.store_id)
    return {
        "character_string1": order.pickup_number or order.no,
        "thing2": title(_lines(session, order))[:20],
        "thing3": store.name[:20],
    }


def _send(
    session: Session,
    key: str,
    appid: str,
    openid: str,
    channel: Channel,
    payload: dict[str, Any],
    now: datetime,
) -> bool:
    message = prepare(
        session,
        key=key,
        appid=appid,
        openid=openid,
        channel=channel,
        kind=key.split(":", 1)[0],
        payload=payload,
        now=now,
    )
    if message is not None:
        enqueue(session, "messaging.deliver", message_id=message.id)
    return message is not None


def _granted(session: Session, identity: Identity, template_id: str) -> bool:
    appid, openid = identity.appid, identity.openid
    return grants.count(session, appid=appid, openid=openid, template_id=template_id) > 0


def _staff_of(session: Session, store_id: int, merchant_id: int) -> list[Staff]:
    """Who works in the store; where nobody does, the owner."""
    reachable = (Staff.state == StaffState.active, Staff.person_id.is_not(None))
    here = session.scalars(
        select(Staff)
        .join(StaffStore, StaffStore.staff_id == Staff.id)
        .where(StaffStore.store_id == store_id, *reachable)
        .order_by(Staff.id)
    ).all()
    if here:
        return list(here)
    owners = select(Staff).where(
        Staff.merchant_id == merchant_id, Staff.role == Role.owner, *reachable
    )
    return list(session.scalars(owners))


def _lines(session: Session, order: Order) -> list[OrderLine]:
    mine = select(OrderLine).where(OrderLine.order_id == order.id)
    return list(session.scalars(mine.order_by(OrderLine.position)))
