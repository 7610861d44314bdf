"""A refund as the shop sees it: a row of the list, or all that happened to it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import order_view, people, refund_history, words
from console.access import Me
from console.money_words import CHANNELS, REFUNDS
from core.clock import local
from crm.models import Member
from merchants.models import Staff
from orders.models import OrderLine
from payments import asking
from payments.models import (
    ABNORMAL,
    HOLDING,
    REDIRECTED,
    AttemptState,
    Channel,
    Refund,
    RefundLine,
    RefundState,
)
from payments.refunding import listing, stuck
from payments.refunding.listing import Listed

HEADINGS = [
    *("退款单号", "订单号", "门店", "退款", "退到", "状态", "原因"),
    *("提交时间", "到账时间", "渠道退款号", "说明"),
]


def row(found: Listed, who: Me, now: datetime) -> dict[str, Any]:
    refund, order = found.refund, found.order
    state, kind = _state(refund)
    why = stuck.why(refund, now)
    return {
        "no": refund.out_refund_no,
        "href": url_for("console.refunds.show", no=refund.out_refund_no),
        "number": order_view.number_of(order),
        "order_no": order.no,
        "store": who.name_of(refund.store_id),
        "amount": words.yuan(refund.amount_fen),
        "to": to_words(found),
        "reason": refund.reason,
        "at": words.when(refund.requested_at, now),
        "state": state,
        "kind": kind,
        "why": "" if why == state else why,
    }


def to_words(found: Listed) -> str:
    way = Channel.balance if found.refund.balance_fen else found.attempt.channel
    return CHANNELS[way]


def cells(found: Listed, who: Me, now: datetime) -> list[str]:
    refund = found.refund
    moment = "%Y-%m-%d %H:%M:%S"
    return [
        refund.out_refund_no,
        found.order.no,
        who.name_of(refund.store_id),
        f"{refund.amount_fen / 100:.2f}",
        to_words(found),
        _state(refund)[0],
        refund.reason,
        f"{local(refund.requested_at):{moment}}",
        f"{local(refund.settled_at):{moment}}" if refund.settled_at else "",
        refund.refund_id or "",
        refund.note or stuck.why(refund, now),
    ]


def whole(session: Session, found: Listed, who: Me, now: datetime) -> dict[str, Any]:
    refund, order, attempt = found.refund, found.order, found.attempt
    member = session.get(Member, order.member_id) if order.member_id else None
    batch = listing.siblings(session, refund)
    mine = _chain(batch, refund)
    jobs = listing.jobs_of(session, [each.id for each in mine])
    names = _names(session, batch)
    held = stuck.is_stuck(session, refund, now)
    failed = refund.state is RefundState.failed
    lines = session.execute(
        select(OrderLine.name, RefundLine.pieces, RefundLine.amount_fen)
        .join(RefundLine, RefundLine.order_line_id == OrderLine.id)
        .where(RefundLine.refund_id == refund.id)
        .order_by(OrderLine.position)
    ).all()
    free = refund.amount_fen - refund.delivery_fen - sum(line[2] for line in lines)
    parts = [(f"{name} ×{n}" if n else name, words.yuan(fen)) for name, n, fen in lines]
    if refund.delivery_fen:
        parts.append(("配送费", words.yuan(refund.delivery_fen)))
    if free:
        parts.append(("不分商品", words.yuan(free)))
    return {
        **row(found, who, now),
        "who": people.name_of(member),
        "order_href": url_for("console.orders.show", no=order.no),
        "late": attempt.state is AttemptState.succeeded_late,
        "parts": parts,
        "paid_no": attempt.out_trade_no,
        "transaction": attempt.transaction_id or "",
        "refund_id": refund.refund_id or "",
        "note": refund.note,
        "actor": _who(session, refund, names),
        "others": [
            {
                "href": url_for("console.refunds.show", no=each.out_refund_no),
                "words": CHANNELS[Channel.balance] if each.balance_fen else "原路",
                "amount": words.yuan(each.amount_fen),
                "state": _state(each)[0],
                "kind": _state(each)[1],
            }
            for each in batch
            if each not in mine
        ],
        "may_restart": held and not (failed and refund.error in HOLDING),
        "restart_words": "再退一次" if failed else "现在去问渠道",
        "may_finish": held and failed and refund.error != REDIRECTED,
        "may_redirect": held and failed and refund.error == ABNORMAL,
        "history": refund_history.told(mine, jobs, names, now),
    }


def _state(refund: Refund) -> tuple[str, str]:
    if refund.finished_by:
        return "线下已退", "ok"
    return REFUNDS[refund.state]


def _chain(batch: Sequence[Refund], refund: Refund) -> list[Refund]:
    """The refund with those it replaced and those that replaced it, in order."""
    of = {each.id: each for each in batch}
    after = {each.replaces_id: each for each in batch if each.replaces_id}
    first = refund
    while first.replaces_id in of:
        first = of[first.replaces_id]
    found = [first]
    while found[-1].id in after:
        found.append(after[found[-1].id])
    return found


def _who(session: Session, refund: Refund, names: dict[str, str]) -> str:
    """Whoever gave it back, and before them whoever had asked for it."""
    agreed = names.get(refund.actor, "系统")
    asker = asking.who_asked(session, refund.order_id).get((refund.batch, refund.actor))
    if asker is None:
        return agreed
    staff = session.get_one(Staff, int(asker.removeprefix("staff:")))
    return f"{staff.name} 申请，{agreed} 同意"


def _names(session: Session, batch: Sequence[Refund]) -> dict[str, str]:
    actors = {actor for each in batch for actor in (each.actor, each.finished_by or "")}
    ids = {int(actor[6:]) for actor in actors if actor.startswith("staff:")}
    found = session.execute(select(Staff.id, Staff.name).where(Staff.id.in_(ids)))
    names = {f"staff:{id_}": name for id_, name in found}
    return names | {actor: "顾客" for actor in actors if actor.startswith("member:")}
