"""Coupons that members give to a friend: offer, look, take, take back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flask import g, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import limits
from core.clock import now as clock_now
from core.database import reading, transaction
from coupons import gifting
from coupons.gifting import Gift
from coupons.models import GiftState
from crm import events
from crm.models import Member
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.coupons import Names, names_of, terms
from wxapp_api.schemas.coupons import (
    CouponPath,
    GiftIn,
    GiftOfferedOut,
    GiftOut,
    GiftPath,
    GiftsOut,
    SecretPath,
    TermsOut,
)

blueprint = make_blueprint("gifts", "转送的券")

PAGE = "pages/gift/gift?secret={}"
STATES = {
    GiftState.offered: "等朋友来领",
    GiftState.accepted: "已被领走",
    GiftState.withdrawn: "已取回",
    GiftState.lapsed: "没人领，已退回",
}


@blueprint.post("/coupons/<coupon_id>/gift", responses={201: GiftOfferedOut}, security=MEMBER)
@member
def offer(path: CouponPath, body: GiftIn) -> tuple[GiftOfferedOut, int]:
    """Offer a coupon to whoever opens the link first; it is locked until then, a day at most."""
    _limit()
    now = clock_now()
    with transaction() as session:
        _, secret = gifting.offer(
            session, int(path.coupon_id), g.member.id, words=body.words, now=now
        )
    with reading() as session:
        found = gifting.find_by_secret(session, secret, g.member.merchant_id)
        shown = gifts_out(session, [found], now)[0]
    return (
        GiftOfferedOut(**shown.model_dump(), secret=secret, path=PAGE.format(secret)),
        201,
    )


@blueprint.get("/gifts", responses={200: GiftsOut}, security=MEMBER)
@member
def list_gifts() -> GiftsOut:
    """What the member gave and was given, newest first, fifty at most."""
    with reading() as session:
        found = gifting.list_of_member(session, g.member.id)
        return GiftsOut(items=gifts_out(session, found, clock_now()))


@blueprint.get("/gifts/by-secret/<secret>", responses={200: GiftOut}, security=MEMBER)
@member
def show(path: SecretPath) -> GiftOut:
    """What the link offers."""
    _limit()
    with reading() as session:
        found = gifting.find_by_secret(session, path.secret, g.member.merchant_id)
        return gifts_out(session, [found], clock_now())[0]


@blueprint.post("/gifts/by-secret/<secret>/accept", responses={200: GiftOut}, security=MEMBER)
@member
def accept(path: SecretPath) -> GiftOut:
    """Take it. Again: the same answer. 410 `gift_gone`: somebody else did, or it is over."""
    _limit()
    now, me = clock_now(), g.member
    with transaction() as session:
        found = gifting.accept(
            session, path.secret, member_id=me.id, merchant_id=me.merchant_id, now=now
        )
        if found.gift.ended_at == now:
            data = {"template_id": found.template.id, "coupon_id": found.coupon.id}
            events.record(session, me.id, "gift_received", now=now, data=data)
            events.record(session, found.gift.from_member_id, "gift_given", now=now, data=data)
    with reading() as session:
        found = gifting.find_by_secret(session, path.secret, me.merchant_id)
        return gifts_out(session, [found], now)[0]


@blueprint.post("/gifts/<gift_id>/withdraw", responses={200: GiftOut}, security=MEMBER)
@member
def withdraw(path: GiftPath) -> GiftOut:
    """Take back what nobody has taken yet."""
    now = clock_now()
    with transaction() as session:
        found = gifting.withdraw(session, int(path.gift_id), g.member.id, now=now)
    with reading() as session:
        return gifts_out(session, [found], now)[0]


def gifts_out(session: Session, found: Sequence[Gift], now: datetime) -> list[GiftOut]:
    """In two queries, however many."""
    places = names_of(session)
    ids = {
        id_ for each in found for id_ in (each.gift.from_member_id, each.gift.to_member_id) if id_
    }
    rows = session.execute(select(Member.id, Member.name).where(Member.id.in_(ids)))
    names = {row.id: row.name or "一位朋友" for row in rows}
    return [_gift_out(each, places, names, now) for each in found]


def _gift_out(found: Gift, places: Names, names: dict[int, str], now: datetime) -> GiftOut:
    gift, state = found.gift, found.gift.state
    if state is GiftState.offered and gift.expires_at <= now:
        state = GiftState.lapsed  # the sweep has not been round yet
    shown: dict[str, Any] = terms(found.template, places)
    return GiftOut(
        id=str(gift.id),
        state=state.value,
        state_text=STATES[state],
        mine=gift.from_member_id == g.member.id,
        from_name=names.get(gift.from_member_id, ""),
        to_name=names.get(gift.to_member_id or 0, ""),
        words=gift.words,
        expires_at=gift.expires_at,
        coupon=TermsOut(**shown),
        coupon_expires_at=found.coupon.expires_at,
    )


def _limit() -> None:
    limits.check("gift", ip=request.remote_addr, member=g.member.id)
