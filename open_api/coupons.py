"""Coupons for other systems: what there is, what a code is, and one for a member."""

from flask import g

from core import audit, idempotency
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import Invalid
from coupons import issuing, queries, redemption, templates, words
from coupons.models import Coupon, CouponTemplate, TemplateState
from coupons.redemption import Preview
from crm import lookup
from open_api.access import API_KEY, actor, api_key, guess, make_blueprint, store_ids, store_of
from open_api.schemas import (
    CodePath,
    IssuedOut,
    IssueIn,
    KeyHeader,
    LookUpQuery,
    TemplatesQuery,
    TillCouponOut,
    TillTemplateOut,
    TillTemplatesOut,
)

blueprint = make_blueprint("coupons", "Coupons: templates, look-up, issuing.")


@blueprint.get("/coupon-templates", responses={200: TillTemplatesOut}, security=API_KEY)
@api_key("coupons.read")
def list_templates(query: TemplatesQuery) -> TillTemplatesOut:
    """The merchant's templates, newest first."""
    with reading() as session:
        found, more = queries.page_of_templates(
            session, g.key.merchant_id, cursor=query.cursor, limit=query.limit
        )
    now = clock_now()
    items = [
        TillTemplateOut(
            id=str(each.id),
            name=each.name,
            kind=each.kind.value,
            face_text=words.face(each),
            condition_text=words.condition(each),
            valid_text=words.validity(each),
            left=each.left,
            active=each.state is TemplateState.active
            and (each.valid_until is None or each.valid_until > now),
        )
        for each in found
    ]
    return TillTemplatesOut(items=items, next=more)


@blueprint.get("/coupons/<code>", responses={200: TillCouponOut}, security=API_KEY)
@api_key("coupons.read")
def look_up(path: CodePath, query: LookUpQuery) -> TillCouponOut:
    """What a scanned or typed code is, and whether it can be redeemed now; nothing changes.

    A till with the key of a whole chain says its store: wrong codes count for that store alone.
    """
    now = clock_now()
    with guess(now, query.store_id), reading() as session:
        there = [store_of(session, query.store_id)] if query.store_id else store_ids(session)
        return _coupon_out(redemption.preview(session, path.code, there, now))


@blueprint.post("/coupons", responses={201: IssuedOut}, security=API_KEY)
@api_key("coupons.issue")
def issue(header: KeyHeader, body: IssueIn) -> tuple[IssuedOut, int]:
    """Give a member one coupon, by phone number or member number."""
    if (body.phone is None) == (body.member_no is None):
        raise Invalid("手机号和会员号填一个", errors={"phone": "和 member_no 二选一"})
    now, key = clock_now(), g.key
    scope = f"open.issue:{key.id}"
    with transaction() as session:
        replay = idempotency.begin(
            session, scope=scope, key=header.idempotency_key, body=body.model_dump(), now=now
        )
        if replay:
            coupon = session.get_one(Coupon, int(replay.result["coupon_id"]))
        else:
            template = templates.get_template_of(session, key.merchant_id, int(body.template_id))
            member = lookup.get_member(
                session, key.merchant_id, no=body.member_no, phone=body.phone
            )
            made = issuing.issue(
                session,
                template.id,
                member.id,
                source=f"open:{key.id}",
                key=f"open:{key.id}:{header.idempotency_key}",
                actor=actor(),
                now=now,
            )
            assert made is not None  # the idempotency key is ours in this transaction
            coupon = made
            audit.record(
                session,
                actor=actor(),
                action="coupon.give",
                subject=f"member:{member.id}",
                after={"template_id": template.id, "coupon_id": coupon.id},
                merchant_id=key.merchant_id,
                now=now,
            )
            result = {"coupon_id": str(coupon.id)}
            idempotency.finish(session, scope=scope, key=header.idempotency_key, result=result)
        name = session.get_one(CouponTemplate, coupon.template_id).name
    return (
        IssuedOut(
            coupon_id=str(coupon.id), code=coupon.code, name=name, expires_at=coupon.expires_at
        ),
        201,
    )


def _coupon_out(found: Preview) -> TillCouponOut:
    coupon, template = found.coupon, found.template
    return TillCouponOut(
        id=str(coupon.id),
        code=coupon.code,
        template_id=str(template.id),
        name=template.name,
        kind=template.kind.value,
        face_text=words.face(template),
        condition_text=words.condition(template),
        state=coupon.state.value,
        usable=not found.problem,
        problem=found.problem,
        fresh=found.fresh,
        store_ids=[str(id_) for id_ in found.store_ids],
        claimed=coupon.member_id is not None,
        valid_from=coupon.valid_from,
        expires_at=coupon.expires_at,
    )
