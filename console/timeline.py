"""A member's timeline as stories: an order is one row, however many events it left."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import words
from console.access import Me
from crm import events
from crm.models import MemberEvent
from orders.models import Order, OrderLine

HOT = {"claimed", "redeemed", "followed"}
BAD = {"refunded", "unfollowed"}
SOON = timedelta(hours=3)
NAMED = 3
LOOKED = 10


def of_member(session: Session, who: Me, member_id: int, now: datetime) -> list[dict[str, str]]:
    """Newest first. Fetching what was paid, the coupon that it used, or standing at the counter, is
    no news of its own."""
    found = events.timeline(session, member_id, limit=60)
    told = [event for event in found if not _is_told(event, found)]
    told = told[:30] + events.timeline(session, member_id, browsing=True, limit=LOOKED)
    told.sort(key=lambda event: (event.at, event.id), reverse=True)
    ids = {event.data["order_id"] for event in told if "order_id" in event.data}
    numbers = dict(
        session.execute(
            select(Order.id, Order.no).where(
                Order.id.in_(ids), Order.store_id.in_(who.all_store_ids)
            )
        ).all()
    )
    goods = _goods(session, list(numbers))
    return [_row(event, who, numbers, goods, now) for event in told]


def _is_told(visit: MemberEvent, others: Sequence[MemberEvent]) -> bool:
    """Whether the order or the coupon that brought them here has its own row."""
    if visit.kind not in ("visited", "redeemed"):
        return False
    if "order_id" in visit.data:
        return any(
            other.kind == "paid" and other.data.get("order_id") == visit.data["order_id"]
            for other in others
        )
    if visit.kind == "redeemed":
        return False
    if "coupon_id" in visit.data:
        return any(
            other.kind == "redeemed" and other.data.get("coupon_id") == visit.data["coupon_id"]
            for other in others
        )
    return any(  # written before visits knew their cause
        other.kind in ("paid", "redeemed")
        and other.store_id == visit.store_id
        and other.at <= visit.at <= other.at + SOON
        for other in others
    )


def _goods(session: Session, order_ids: list[int]) -> dict[int, list[str]]:
    goods: dict[int, list[str]] = {order_id: [] for order_id in order_ids}
    lines = (
        select(OrderLine.order_id, OrderLine.name, OrderLine.quantity)
        .where(OrderLine.order_id.in_(order_ids))
        .order_by(OrderLine.order_id, OrderLine.position)
    )
    for order_id, name, quantity in session.execute(lines):
        goods[order_id].append(f"{name} ×{quantity}" if quantity > 1 else name)
    return goods


def _row(
    event: MemberEvent,
    who: Me,
    numbers: dict[int, str],
    goods: dict[int, list[str]],
    now: datetime,
) -> dict[str, str]:
    title = events.TITLES.get(event.kind, "有动静")
    amount = event.data.get("paid_fen") or event.data.get("refund_fen")
    if isinstance(amount, int):
        title = f"{title} ¥{words.yuan(amount)}"
    if event.kind == "tagged" and "name" in event.data:
        title = f"{title}「{event.data['name']}」"
    order_id = event.data.get("order_id", 0)
    names = goods.get(order_id, []) if event.kind == "paid" else []
    bought = "、".join(names[:NAMED]) + (f" 等 {len(names)} 样" if len(names) > NAMED else "")
    no = numbers.get(order_id, "")
    kind = "hot" if event.kind in HOT else "bad" if event.kind in BAD else "on"
    return {
        "time": words.when(event.at, now),
        "text": title,
        "detail": " · ".join(
            part for part in (who.name_of(event.store_id), bought, _more(event)) if part
        ),
        "href": url_for("console.orders.show", no=no) if no and who.may("orders.view") else "",
        "kind": kind if event.kind in HOT | BAD | {"paid", "visited"} else "",
    }


def _more(event: MemberEvent) -> str:
    """What the event itself says."""
    data = event.data
    match event.kind:
        case "tier_moved":
            return f"{'升到' if data.get('up') else '降到'}{data.get('name', '')}"
        case "balance_low":
            return f"还有 ¥{words.yuan(data.get('balance_fen', 0))}"
        case "searched":
            return str(data.get("words", ""))
        case "prize_won" | "membership_bought" | "viewed" | "carted":
            return str(data.get("name", ""))
    return ""
