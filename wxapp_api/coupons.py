"""Coupons of the member: what can be claimed, what they have, and the code to show in a store."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flask import g, request
from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.names import category_names, product_names
from core import idempotency, limits, lockouts
from core.clock import now as clock_now
from core.database import reading, transaction
from coupons import anonymous, codes, gifting, queries, words
from coupons.claiming import claim_one
from coupons.errors import CodeExpired, CouponNotFound
from coupons.locking import why_not
from coupons.models import CouponState, CouponTemplate
from coupons.queries import Claimable, CouponWithTemplate
from crm import events
from merchants.models import Store
from orders.models import Order
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.schemas.common import Page
from wxapp_api.schemas.coupons import (
    CodeIn,
    CodeOut,
    CouponCounts,
    CouponOut,
    CouponPath,
    CouponsOut,
    CouponsQuery,
    TemplateOut,
    TemplatePath,
    TemplatesQuery,
)

blueprint = make_blueprint("coupons", "优惠券")


class TemplatesOut(Page[TemplateOut]):
    """A page of templates that can be claimed."""


class Names(NamedTuple):
    """What stores and goods are called, for the words of any number of coupons."""

    stores: dict[int, str]
    products: dict[int, str]
    categories: dict[int, str]


@blueprint.get("/coupon-templates", responses={200: TemplatesOut}, security=MEMBER)
@member
def list_templates(query: TemplatesQuery) -> TemplatesOut:
    """What the member may claim now, newest first."""
    with reading() as session:
        found, more = queries.list_claimable(
            session,
            g.member.merchant_id,
            g.member.id,
            cursor=query.cursor,
            limit=query.limit,
            now=clock_now(),
        )
        names = names_of(session)
    return TemplatesOut(items=[template_out(each, names) for each in found], next=more)


@blueprint.post(
    "/coupon-templates/<template_id>/claim", responses={201: CouponOut}, security=MEMBER
)
@member
def claim(path: TemplatePath) -> tuple[CouponOut, int]:
    """Claim one; `Idempotency-Key` may be given, then a repeat answers the same coupon."""
    limits.check("claim", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id)
    now = clock_now()
    scope, key = f"coupons.claim:{g.member.id}", request.headers.get("Idempotency-Key", "")
    with transaction() as session:
        body = {"template_id": path.template_id}
        replay = key and idempotency.begin(session, scope=scope, key=key, body=body, now=now)
        if replay:
            coupon_id = int(replay.result["coupon_id"])
        else:
            merchant_id = g.member.merchant_id
            coupon = claim_one(
                session, int(path.template_id), g.member.id, merchant_id=merchant_id, now=now
            )
            coupon_id = coupon.id
            data = {"template_id": coupon.template_id}
            events.record(session, g.member.id, "claimed", now=now, data=data)
            if key:
                result = {"coupon_id": str(coupon_id)}
                idempotency.finish(session, scope=scope, key=key, result=result)
    with reading() as session:
        found = queries.get_for_member(session, g.member.id, coupon_id)
        return coupons_out(session, [found], now)[0], 201


@blueprint.post("/coupons/claim-code", responses={201: CouponOut}, security=MEMBER)
@member
def claim_code(body: CodeIn) -> tuple[CouponOut, int]:
    """A printed code becomes the member's; again: the same answer.

    Ten wrong codes a minute lock the member out for a while.
    """
    limits.check("claim", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id)
    now, me, subject = clock_now(), g.member, f"codes:member:{g.member.id}"
    with transaction() as session:
        lockouts.attempt(session, subject, now=now)
    try:
        with transaction() as session:
            coupon_id = anonymous.claim_code(
                session, body.code, member_id=me.id, merchant_id=me.merchant_id, now=now
            ).id
    except CouponNotFound:
        with transaction() as session:
            lockouts.missed(session, subject, now=now, merchant_id=me.merchant_id)
        raise
    except CodeExpired:  # a friend's old screenshot says nothing about other codes
        with transaction() as session:
            lockouts.take_back(session, subject)
        raise
    with transaction() as session:
        lockouts.take_back(session, subject)
    with reading() as session:
        found = queries.get_for_member(session, me.id, coupon_id)
        return coupons_out(session, [found], now)[0], 201


@blueprint.get("/coupons", responses={200: CouponsOut}, security=MEMBER)
@member
def list_coupons(query: CouponsQuery) -> CouponsOut:
    """One shelf of the member's coupons; locked ones are among the usable."""
    now = clock_now()
    with reading() as session:
        page = queries.list_for_member(
            session, g.member.id, shelf=query.state, cursor=query.cursor, limit=query.limit, now=now
        )
        counts = queries.count_for_member(session, g.member.id, now)
        items = coupons_out(session, page.items, now)
    return CouponsOut(items=items, next=page.next, counts=CouponCounts.model_validate(counts))


@blueprint.get("/coupons/<coupon_id>/code", responses={200: CodeOut}, security=MEMBER)
@member
def show_code(path: CouponPath) -> CodeOut:
    """The rotating code of a coupon that can be used now."""
    now = clock_now()
    with reading() as session:
        found = queries.get_for_member(session, g.member.id, int(path.coupon_id))
        coupon = coupons_out(session, [found], now)[0]
    if not coupon.usable:
        raise why_not(found.coupon, now)
    token, expires_at = codes.rotating(found.coupon.code, now)
    typed = codes.typed(found.coupon.code, now)
    return CodeOut(
        coupon=coupon,
        token=token,
        code=typed.replace(" ", ""),
        code_text=typed,
        expires_at=expires_at,
        seconds_left=max(0, int((expires_at - now).total_seconds())),
        step_seconds=codes.STEP,
    )


def coupons_out(
    session: Session, found: Sequence[CouponWithTemplate], now: datetime
) -> list[CouponOut]:
    """In four queries, however many."""
    names = names_of(session)
    order_ids = {each.coupon.order_id for each in found if each.coupon.order_id}
    rows = session.execute(select(Order.id, Order.no).where(Order.id.in_(order_ids)))
    numbers = {row.id: row.no for row in rows}
    return [coupon_out(each, names, numbers, now) for each in found]


def coupon_out(
    found: CouponWithTemplate, names: Names, numbers: dict[int, str], now: datetime
) -> CouponOut:
    coupon, template = found.coupon, found.template
    return CouponOut(
        id=str(coupon.id),
        template_id=str(template.id),
        **terms(template, names),
        state=coupon.state.value,
        state_text=words.state(coupon, now),
        usable=coupon.state is CouponState.issued and coupon.valid_from <= now < coupon.expires_at,
        valid_from=coupon.valid_from,
        expires_at=coupon.expires_at,
        order_no=numbers.get(coupon.order_id or 0),
        redeemed_at=coupon.redeemed_at,
        store_name=names.stores.get(coupon.store_id or 0, ""),
        discount_fen=coupon.discount_fen,
        uses_left=coupon.uses_left,
        uses_text=words.uses(template.uses_total, coupon.uses_left),
        source_text=words.source(coupon.source),
        giftable=gifting.may_give(coupon, template, now),
    )


def template_out(found: Claimable, names: Names) -> TemplateOut:
    template = found.template
    return TemplateOut(
        id=str(template.id),
        **terms(template, names),
        valid_text=words.validity(template),
        left=found.left,
        claimed=found.claimed,
        per_member_limit=template.per_member_limit,
        claimable=found.open,
    )


def names_of(session: Session) -> Names:
    merchant_id = g.member.merchant_id
    rows = session.execute(select(Store.id, Store.name).where(Store.merchant_id == merchant_id))
    return Names(
        {row.id: row.name for row in rows},
        product_names(session, merchant_id),
        category_names(session, merchant_id),
    )


def terms(template: CouponTemplate, names: Names) -> dict[str, Any]:
    return {
        "name": template.name,
        "kind": template.kind.value,
        "face_fen": template.face_fen,
        "off_bp": template.off_bp,
        "cap_fen": template.cap_fen,
        "min_spend_fen": template.min_spend_fen,
        "face_text": words.face(template),
        "condition_text": words.condition(template),
        "scope_text": words.scope(template, *names),
        "stacking_text": words.stacking(template),
        "uses_total": template.uses_total,
    }
