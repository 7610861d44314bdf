"""The people that `tests.crm.rules` draws, written down as rows."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from catalogue.models import Category, Product
from coupons.models import Coupon, CouponState
from crm import tags
from crm.models import (
    Arm,
    Campaign,
    Member,
    MemberEvent,
    MemberPlace,
    MemberScore,
    MemberVisit,
    Purchase,
    PurchaseLine,
    Recipient,
    RecipientState,
    Segment,
)
from merchants.distance import METRES_PER_DEGREE
from merchants.models import Store
from tests.crm.rules import CAMPAIGNS, CITIES, PRODUCTS, STORES, TAGS, TEMPLATES, Held, Someone
from tests.factories.coupons import make_template
from tests.factories.crm import make_member, make_merchant, make_order_id, make_store, make_tag

Ids = dict[str, dict[Any, Any]]
REFS = {
    "tag": "tag",
    "source_store": "store",
    "store": "store",
    "near": "store",
    "product": "product",
    "category": "category",
    "coupon": "template",
    "campaign": "campaign",
}


def translated(node: dict[str, Any], ids: Ids) -> dict[str, Any]:
    """The rule with ids in place of indices."""
    if "rules" in node:
        return {**node, "rules": [translated(inner, ids) for inner in node["rules"]]}
    given = dict(node)
    if node["field"] in REFS and "value" in node:
        given["value"] = ids[REFS[node["field"]]][node["value"]]
    for name in ("product", "store", "template"):
        if name in node:
            given[name] = ids[name][node[name]]
    return given


def settle(session: Session, people: Sequence[Someone], now: datetime) -> Ids:
    """Write the people down; the ids that stand for their indices."""
    merchant = make_merchant(session)
    stores = {n: make_store(session, name=f"{n} 号店") for n in range(1, STORES + 1)}
    for n, store in stores.items():
        store.city = CITIES[n - 1]
    labels = {n: make_tag(session, name=f"标签{n}") for n in range(1, TAGS + 1)}
    goods = {}
    for n in range(1, PRODUCTS + 1):
        category = Category(merchant_id=merchant.id, name=f"分类{n}")
        session.add(category)
        session.flush()
        goods[n] = Product(merchant_id=merchant.id, category_id=category.id, name=f"商品{n}")
    session.add_all(goods.values())
    templates = {n: make_template(session, merchant) for n in range(1, TEMPLATES + 1)}
    nobodys = {n: _printed(merchant.id, template.id, now) for n, template in templates.items()}
    session.add_all(nobodys.values())
    segment = Segment(
        merchant_id=merchant.id,
        name="大家",
        rule={"op": "and", "rules": []},
        created_by="staff:1",
        created_at=now,
        updated_at=now,
    )
    session.add(segment)
    session.flush()
    told = {
        n: Campaign(
            merchant_id=merchant.id,
            name=f"活动{n}",
            segment_id=segment.id,
            template_id=templates[1].id,
            message="",
            seed=n,
            created_by="staff:1",
            created_at=now,
        )
        for n in range(1, CAMPAIGNS + 1)
    }
    session.add_all(told.values())
    session.flush()
    ids: Ids = {
        "store": {n: store.id for n, store in stores.items()},
        "tag": {n: tag.id for n, tag in labels.items()},
        "product": {n: product.id for n, product in goods.items()},
        "category": {n: product.category_id for n, product in goods.items()},
        "template": {n: template.id for n, template in templates.items()},
        "campaign": {n: campaign.id for n, campaign in told.items()},
        "used": {n: coupon.id for n, coupon in nobodys.items()},
        "member": {},
    }
    for index, who in enumerate(people):
        member = _member(session, who, ids, now)
        ids["member"][index] = member.id
        _bought(session, who, member, stores[1], ids, now)
        for tag in who.tags:
            tags.put(session, labels[tag], [member.id], actor="system", now=now)
        _facts(session, who, member, stores[1], ids, now)
    session.flush()
    return ids


def _member(session: Session, who: Someone, ids: Ids, now: datetime) -> Member:
    def ago(days: int | None) -> datetime | None:
        return None if days is None else now - timedelta(days=days)

    paid = [b.days_ago for b in who.bought]
    return make_member(
        session,
        joined_at=now - timedelta(days=who.joined_days_ago),
        last_visit_at=ago(who.seen_days_ago),
        first_paid_at=ago(max(paid, default=None)),
        last_paid_at=ago(min(paid, default=None)),
        source_store_id=who.store and ids["store"][who.store],
        source_scene=who.scene,
        orders_count=sum(b.counted for b in who.bought),
        spent_fen=sum(b.amount_fen for b in who.bought),
        refunded_fen=sum(b.refunded_fen for b in who.bought),
        points=who.points,
        balance_fen=who.balance_fen,
        tier=who.tier,
        birthday=who.birthday,
    )


def _bought(
    session: Session, who: Someone, member: Member, store: Store, ids: Ids, now: datetime
) -> None:
    for b in who.bought:
        order_id = make_order_id(session, member, store, at=now)
        at = now - timedelta(days=b.days_ago)
        session.add(
            Purchase(
                member_id=member.id,
                order_id=order_id,
                store_id=store.id,
                paid_at=at,
                amount_fen=b.amount_fen,
                refunded_fen=b.refunded_fen,
                counted=b.counted,
            )
        )
        session.add(
            PurchaseLine(
                order_id=order_id,
                position=0,
                member_id=member.id,
                product_id=ids["product"][b.product],
                category_id=ids["category"][b.product],
                paid_at=at,
                quantity=b.quantity,
                amount_fen=b.amount_fen,
                counted=b.counted,
            )
        )


def _facts(
    session: Session, who: Someone, member: Member, store: Store, ids: Ids, now: datetime
) -> None:
    for ago, place, weekday, hour in who.visits(now):
        at = now - timedelta(days=ago)
        session.add(
            MemberVisit(
                member_id=member.id,
                store_id=ids["store"][place],
                day=at.date(),
                at=at,
                weekday=weekday,
                hour=hour,
            )
        )
    coupons = [_coupon(member, ids, number, held, now) for number, held in enumerate(who.held)]
    session.add_all(coupons)
    session.flush()
    of_campaigns = iter(coupons[len(who.coupons) :])
    for sent in who.sent:
        at, reached = now - timedelta(days=sent.days_ago), sent.arm == "reach"
        session.add(
            Recipient(
                campaign_id=ids["campaign"][sent.campaign],
                member_id=member.id,
                arm=Arm(sent.arm),
                state=RecipientState.sent if reached else RecipientState.skipped,
                state_at=at,
                coupon_id=next(of_campaigns).id if sent.used and reached else None,
            )
        )
    for did in who.did:
        at, product = now - timedelta(days=did.days_ago), ids["product"][did.product]
        data = {
            "product_id": product if did.days_ago % 2 else str(product),
            "paid_fen": did.fen,
            "channel": did.how,
            "template_id": ids["template"][did.template],
            "coupon_id": ids["used"][did.template],
        }
        spot = ids["store"][did.store]
        event = MemberEvent(member_id=member.id, kind=did.kind, at=at, store_id=spot, data=data)
        session.add(event)
    if who.kilometres is not None:
        north = (who.kilometres * 1000 + 0.5) / METRES_PER_DEGREE
        session.add(
            MemberPlace(member_id=member.id, lat=store.lat + north, lng=store.lng, seen_at=now)
        )
    if who.scores is not None:
        recency, frequency, monetary = who.scores
        session.add(
            MemberScore(
                member_id=member.id,
                merchant_id=member.merchant_id,
                recency=recency,
                frequency=frequency,
                monetary=monetary,
                scored_at=now,
            )
        )


def _printed(merchant_id: int, template_id: int, now: datetime) -> Coupon:
    """A coupon of nobody's, for events to be about."""
    return Coupon(
        code=f"p{template_id}",
        template_id=template_id,
        merchant_id=merchant_id,
        valid_from=now,
        expires_at=now + timedelta(days=30),
        source="print",
        issue_key=f"p{template_id}",
        issued_at=now,
    )


def _coupon(member: Member, ids: Ids, number: int, held: Held, now: datetime) -> Coupon:
    at = now - timedelta(days=held.days_ago)
    return Coupon(
        code=f"c{member.id}-{number}",
        template_id=ids["template"][held.template],
        merchant_id=member.merchant_id,
        member_id=member.id,
        state=CouponState(held.state),
        valid_from=at,
        expires_at=now + timedelta(days=held.ends_in),
        source="staff",
        issue_key=f"c{member.id}-{number}",
        issued_at=at,
        redeemed_at=at + timedelta(days=1) if held.state == "redeemed" else None,
    )
