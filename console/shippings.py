"""Shipping information: what is due first, the one correction, and what WeChat refused."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import reply, shipping_view
from console.access import me, staff
from console.forms import Form
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import LinliError
from gateways.pay.shipping import Logistics, Parcel
from messaging.accounts import minis_of
from orders.models import Order
from payments.shipping import owing, queries, wishes
from payments.shipping.models import PaymentShipping, ShippingState, TellAt
from payments.shipping.wishes import Wish

page = Blueprint("shippings", __name__, url_prefix="/shippings")

TABS = {
    "open": ("要录的", shipping_view.OPEN),
    "failed": ("没录上", (ShippingState.failed,)),
    "told": ("已录", (ShippingState.uploaded, ShippingState.corrected)),
    "settled": ("已到账", (ShippingState.settled,)),
    "void": ("不用录", (ShippingState.void,)),
}
COUNTED = (*shipping_view.OPEN, ShippingState.failed)
ACTS = {
    ShippingState.uploaded: "correct",
    ShippingState.failed: "mend",
    ShippingState.waiting: "ship",
    ShippingState.part: "ship",
}


@page.get("/")
@staff("shipping.manage")
def index() -> Response:
    now, who = clock_now(), me()
    tab = request.args.get("tab", "open")
    tab = tab if tab in TABS else "open"
    cursor = request.args.get("cursor", "")
    appids = [mini.appid for mini in minis_of(who.merchant_code)]
    with reading() as session:
        counted = queries.counts(session, who.merchant_id, who.store_ids, COUNTED)
        found = queries.page(
            session,
            who.merchant_id,
            who.store_ids,
            TABS[tab][1],
            oldest_first=tab in ("open", "failed"),
            cursor=cursor,
        )
        controls = queries.controls(session, appids)
        tell_at = owing.tell_at(session, who.merchant_id)
    tabs = [
        (
            words,
            url_for("console.shippings.index", tab=name),
            sum(counted.get(state, 0) for state in states) if name in ("open", "failed") else None,
            name == tab,
        )
        for name, (words, states) in TABS.items()
    ]
    here = url_for("console.shippings.index", tab=tab)
    return reply.page(
        "money/shippings.html",
        rows=[shipping_view.row(each, who, now) for each in found.rows],
        tabs=tabs,
        tab=tab,
        control=shipping_view.control(controls, now),
        rule=Form(when=tell_at.value),
        next=url_for("console.shippings.index", tab=tab, cursor=found.next) if found.next else "",
        first=here if cursor else "",
    )


@page.get("/<int:shipping_id>")
@staff("shipping.manage")
def edit(shipping_id: int) -> Response:
    return _page(shipping_id, None)


@page.post("/<int:shipping_id>")
@staff("shipping.manage")
def change(shipping_id: int) -> Response:
    """Ship by hand, mend what was refused, or correct what was told: once, and only once."""
    form, now, who = Form(request.form), clock_now(), me()
    wish = _wish(form)
    if wish is None:
        return _page(shipping_id, form, 422)
    try:
        with transaction() as session:
            row = _mine(session, shipping_id)
            act = ACTS.get(row.state, "")
            if act != form["act"]:
                raise owing.NotCorrectable
            if act == "correct" and form["sure"] != "on":
                form.refuse("sure", "只能改这一次，确定的话勾上")
                return _page(shipping_id, form, 422)
            before = {"shipping": shipping_view.wish_words(row.told or row.wanted)}
            if act == "ship":
                _refuse_told(row, wish)
            if act == "correct":
                owing.correct(session, row.id, wish, now=now)
            elif act == "mend":
                owing.retry(session, row.id, now=now, wish=wish)
            else:
                owing.ship(session, row.id, wish, now=now)
            _note(session, row, act, before, wish, now)
    except LinliError as refusal:
        if refusal.status not in (409, 422):
            raise
        form.refuse_with(refusal, "item")
        return _page(shipping_id, form, 422)
    said = {"correct": "已改，正在告诉微信", "mend": "正在重新录", "ship": "正在告诉微信"}[act]
    return reply.done(url_for("console.shippings.index"), f"{said}（{who.scope_words}）")


@page.post("/<int:shipping_id>/retry")
@staff("shipping.manage")
def retry(shipping_id: int) -> Response:
    """What WeChat refused is told once more as it is."""
    now = clock_now()
    with transaction() as session:
        row = _mine(session, shipping_id)
        owing.retry(session, row.id, now=now)
        _note(session, row, "mend", {}, wishes.from_row(row.wanted), now)
    return reply.done(url_for("console.shippings.index", tab="failed"), "正在重新录")


@page.post("/rule")
@staff("settings.manage")
def rule() -> Response:
    """When goods that are fetched in the shop are told."""
    form, now, who = Form(request.form), clock_now(), me()
    chosen = form.one_of("when", [each.value for each in TellAt])
    if chosen is None:
        raise owing.NotCorrectable("选一个时候")
    with transaction() as session:
        before = owing.tell_at(session, who.merchant_id)
        owing.choose(session, who.merchant_id, TellAt(chosen), now=now)
        audit.record(
            session,
            actor=who.actor,
            action="shipping.rule",
            subject=f"merchant:{who.merchant_id}",
            before={"when": shipping_view.TELL_AT[before]},
            after={"when": shipping_view.TELL_AT[TellAt(chosen)]},
            merchant_id=who.merchant_id,
            now=now,
        )
    return reply.done(url_for("console.shippings.index"), "已保存，以后付款的订单按它来")


def _mine(session: Session, shipping_id: int) -> PaymentShipping:
    row = owing.get_of(session, me().merchant_id, shipping_id)
    if row.store_id not in me().all_store_ids:
        raise owing.NotCorrectable("这一单不是你的门店的")
    return row


def _wish(form: Form) -> Wish | None:
    """What was typed; None: the form says what is missing."""
    chosen = form.one_of("logistics", [each.value for each in Logistics])
    item = form.text("item", longest=wishes.LONGEST)
    if chosen is None or item is None:
        return None
    if chosen != Logistics.parcel:
        return Wish(Logistics(chosen), (Parcel(item),))
    digits = form["contact"].strip()
    contact = f"****{digits[-4:]}" if len(digits) >= 4 and digits[-4:].isdigit() else ""
    number = form["tracking_no"].strip().upper()
    more = form["more"] == "on"
    parcel = Parcel(item, form["company"], number, contact)
    return Wish(Logistics.parcel, (parcel,), split=more, complete=not more)


def _refuse_told(row: PaymentShipping, wish: Wish) -> None:
    """One parcel is told once: what WeChat has of it already cannot be the next one."""
    told = wishes.from_row(row.told).parcels if row.told else ()
    known = {each.tracking_no for each in told if each.tracking_no}
    if known & {each.tracking_no for each in wish.parcels}:
        raise wishes.WrongShipping(errors={"tracking_no": "这个包裹已经录过了，填下一个的单号"})


def _note(
    session: Session,
    row: PaymentShipping,
    act: str,
    before: dict[str, Any],
    wish: Wish,
    now: datetime,
) -> None:
    order = session.get_one(Order, row.order_id)
    audit.record(
        session,
        actor=me().actor,
        action=f"shipping.{act}",
        subject=f"order:{order.no}",
        before=before,
        after={"shipping": shipping_view.wish_words(wish.as_row())},
        merchant_id=me().merchant_id,
        now=now,
    )


def _page(shipping_id: int, form: Form | None, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        row = _mine(session, shipping_id)
        order = session.get_one(Order, row.order_id)
        shown = shipping_view.row(
            queries.Row(row, order.no, order.pickup_number or order.no[-6:]), me(), now
        )
        known = wishes.from_row(row.told or row.wanted)
    if form is None:
        # Of an order in several parcels the next one is asked for, never what was told again.
        first, next_one = known.parcels[0], row.state is ShippingState.part
        form = Form(
            logistics=known.logistics.value,
            item="" if next_one else first.item,
            company="" if next_one else first.company,
            tracking_no="" if next_one else first.tracking_no,
            contact="" if next_one else first.contact,
        )
    return reply.page(
        "money/shipping.html",
        status,
        s=shown,
        act=ACTS.get(row.state, ""),
        form=form,
        ways=[(way.value, words) for way, words in shipping_view.WAYS.items()],
        carriers=[("", "选快递公司"), *shipping_view.CARRIERS.items()],
    )
