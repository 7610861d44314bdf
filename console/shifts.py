"""交班: what I took at the counter since my last one, handed over; past ones to look at."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for

from console import reply, words
from console.access import limit, me, staff
from console.forms import Form
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import Malformed
from merchants.models import Staff
from orders.models import Order
from payments import settling, shifts
from payments.models import Channel, Refund, Shift
from payments.refunding.listing import in_batches
from payments.shifts import NothingTaken, Open, ShiftMoved

page = Blueprint("shifts", __name__, url_prefix="/collect/shifts")


@page.get("/")
@staff("payments.collect")
def index() -> Response:
    return _index()


@page.post("/")
@staff("payments.collect")
def close() -> Response:
    """Hand over: the number of the shift in the form makes a second tap the same one."""
    form, now, who = Form(request.form), clock_now(), me()
    limit("collect")
    store_id = int(form.one_of("store", who.all_store_ids, "选一家店") or 0)
    if form.errors or not form["seq"].isdecimal() or len(form["seq"]) > 9:
        raise Malformed("没有这一班")
    try:
        with transaction() as session:
            mine = session.get_one(Staff, who.staff_id)
            shift, newly = shifts.close(session, mine, store_id, int(form["seq"]), now)
            if newly:
                audit.record(
                    session,
                    actor=who.actor,
                    action="shift.close",
                    subject=f"store:{store_id}",
                    after={"amount_fen": shift.amount_fen, "refund_fen": shift.refund_fen},
                    merchant_id=who.merchant_id,
                    now=now,
                )
            shift_id = shift.id
    except (NothingTaken, ShiftMoved) as refusal:
        return reply.done(url_for("console.shifts.index"), refusal.detail)
    return reply.done(url_for("console.shifts.show", shift_id=shift_id), "交好班了")


@page.get("/<int:shift_id>")
@staff("payments.collect")
def show(shift_id: int) -> Response:
    now, who = clock_now(), me()
    with reading() as session:
        found = shifts.get_of(
            session, who.merchant_id, who.all_store_ids, shift_id, staff_id=_whose()
        )
        taken = shifts.payments_of(session, shift_id)
        back = shifts.refunds_of(session, shift_id)
    shift = found.shift
    return reply.page(
        "collect/shift.html",
        s={
            **_shown(shift, found.name, now),
            "payments_rows": [
                {
                    "time": words.when(attempt.settled_at, now),
                    "no": order.no,
                    "way": settling.words_of(attempt),
                    "amount": words.yuan(attempt.amount_fen),
                }
                for attempt, order in taken
            ],
            "merchant": who.merchant_name,
            "refunds_rows": _given_back(back, now),
        },
    )


def _index() -> Response:
    now, who, cursor = clock_now(), me(), request.args.get("cursor", "")
    with reading() as session:
        mine = shifts.open_of(session, who.staff_id, who.store_ids, now)
        past = shifts.page(
            session, who.merchant_id, who.store_ids, staff_id=_whose(), cursor=cursor
        )
    here = url_for("console.shifts.index")
    return reply.page(
        "collect/shifts.html",
        mine=[_open(each, now) for each in mine if not each.is_empty],
        past=[_shown(row.shift, row.name, now) for row in past.rows],
        all=_whose() is None,
        next=url_for("console.shifts.index", cursor=past.next) if past.next else "",
        first=here if cursor else "",
    )


def _whose() -> int | None:
    """Managers see everybody's, a clerk their own."""
    return None if me().may("payments.view") else me().staff_id


def _open(mine: Open, now: datetime) -> dict[str, Any]:
    return {
        "store_id": mine.store_id,
        "store": me().name_of(mine.store_id),
        "seq": mine.seq,
        "since": words.when(mine.since, now) if mine.since else "",
        "payments": mine.payments,
        "amount": words.yuan(mine.amount_fen),
        "refunds": mine.refunds,
        "back": words.yuan(mine.refund_fen),
        "left": _left(mine.amount_fen, mine.refund_fen),
        "ways": _ways(mine.ways),
    }


def _shown(shift: Shift, name: str, now: datetime) -> dict[str, Any]:
    return {
        "href": url_for("console.shifts.show", shift_id=shift.id),
        "name": name,
        "store": me().name_of(shift.store_id),
        "seq": shift.seq,
        "since": words.when(shift.started_at, now),
        "until": words.when(shift.ended_at, now),
        "payments": shift.payments,
        "amount": words.yuan(shift.amount_fen),
        "refunds": shift.refunds,
        "back": words.yuan(shift.refund_fen),
        "left": _left(shift.amount_fen, shift.refund_fen),
        "ways": _ways(shift.ways),
    }


def _given_back(found: Sequence[tuple[Refund, Order]], now: datetime) -> list[dict[str, str]]:
    """As they were counted: what went back at once is one, with where its parts went."""
    numbers = {order.id: order.no for _, order in found}
    batches = in_batches([refund for refund, _ in found])
    return [
        {
            "time": words.when(batch[-1].settled_at, now),
            "no": numbers[batch[0].order_id],
            "why": _why(batch[0]),
            "amount": words.yuan(sum(refund.amount_fen for refund in batch)),
            "parts": " + ".join(_part(refund) for refund in batch) if len(batch) > 1 else "",
        }
        for batch in batches
    ]


def _why(refund: Refund) -> str:
    return f"线下退的 · {refund.note}" if refund.finished_by else refund.reason


def _part(refund: Refund) -> str:
    way = shifts.BY_HAND if refund.finished_by else refund.channel.value
    return f"{_name(way)} ¥{words.yuan(refund.amount_fen)}"


def _left(taken_fen: int, back_fen: int) -> str:
    """More may have gone back than came in: what others took."""
    sign = "−" if taken_fen < back_fen else ""
    return f"{sign}¥{words.yuan(abs(taken_fen - back_fen))}"


def _ways(ways: Mapping[str, Sequence[int]]) -> list[dict[str, str]]:
    return [
        {
            "name": _name(way),
            "amount": words.yuan(taken),
            "back": words.yuan(back) if back else "",
        }
        for way, (taken, back) in sorted(ways.items(), key=lambda each: -each[1][0])
    ]


def _name(way: str) -> str:
    return "线下" if way == shifts.BY_HAND else settling.WORDS[Channel(way)]
