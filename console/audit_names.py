"""What the things are called that the records name by id: one query per kind of thing."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.models import Product, Sku, StoreSku
from console import people
from console.access import ROLES
from coupons.models import Coupon, CouponTemplate, Promotion
from crm.models import Campaign, CouponBatch, Journey, Member, Segment
from merchants.models import ApiKey, Role, Staff, Store
from orders.models import Order


@dataclass
class Names:
    """What things are called, by `kind:key` as the records name them; with where they are shown."""

    known: dict[str, tuple[str, str]] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)

    def of(self, subject: str) -> tuple[str, str]:
        return self.known.get(subject, ("", ""))


def look_up(session: Session, merchant_id: int, subjects: set[str]) -> Names:
    """Names of everything that `subjects` mention and that belongs to the merchant."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for subject in subjects:
        kind, _, key = subject.partition(":")
        wanted[kind].add(key)
    names = Names()
    for kind, (statement, column, name) in _SOURCES.items():
        keys = wanted.get(kind)
        if not keys:
            continue
        values = keys if kind == "order" else {int(key) for key in keys if key.isdigit()}
        for row in session.execute(statement(merchant_id).where(column.in_(values))):
            names.known[f"{kind}:{row[0]}"] = name(row)
            if kind == "staff":
                names.roles[f"staff:{row[0]}"] = ROLES[Role(row[2])]
    return names


def _order(row: Any) -> tuple[str, str]:
    number = row[1] or row[0][-6:]
    return f"订单 {number}", url_for("console.orders.show", no=row[0]) if row[2] else ""


def _member(row: Any) -> tuple[str, str]:
    member: Member = row[1]
    return people.name_of(member), url_for("console.members.show", no=member.no)


def _sku(row: Any) -> tuple[str, str]:
    product = f"{row[1]} {row[2]}".strip()
    return f"{product}，{row[3]}", ""


# kind → (everything of a merchant, the column its key stands in, what a row is called and shown at)
_SOURCES: dict[str, Any] = {
    "staff": (
        lambda mine: select(Staff.id, Staff.name, Staff.role).where(Staff.merchant_id == mine),
        Staff.id,
        lambda row: (row[1], ""),
    ),
    "key": (
        lambda mine: select(ApiKey.id, ApiKey.name).where(ApiKey.merchant_id == mine),
        ApiKey.id,
        lambda row: (f"收银机「{row[1]}」", ""),
    ),
    "store": (
        lambda mine: select(Store.id, Store.name).where(Store.merchant_id == mine),
        Store.id,
        lambda row: (row[1], ""),
    ),
    "member": (
        lambda mine: select(Member.id, Member).where(Member.merchant_id == mine),
        Member.id,
        _member,
    ),
    "order": (
        lambda mine: select(Order.no, Order.pickup_number, Order.paid_at).where(
            Order.merchant_id == mine
        ),
        Order.no,
        _order,
    ),
    "coupon": (
        lambda mine: (
            select(Coupon.id, CouponTemplate.name)
            .join(CouponTemplate, CouponTemplate.id == Coupon.template_id)
            .where(Coupon.merchant_id == mine)
        ),
        Coupon.id,
        lambda row: (f"券「{row[1]}」", url_for("console.coupon.show", coupon_id=row[0])),
    ),
    "template": (
        lambda mine: select(CouponTemplate.id, CouponTemplate.name).where(
            CouponTemplate.merchant_id == mine
        ),
        CouponTemplate.id,
        lambda row: (f"券「{row[1]}」", ""),
    ),
    "promotion": (
        lambda mine: select(Promotion.id, Promotion.name).where(Promotion.merchant_id == mine),
        Promotion.id,
        lambda row: (f"促销「{row[1]}」", ""),
    ),
    "batch": (
        lambda mine: select(CouponBatch.id, CouponBatch.name).where(
            CouponBatch.merchant_id == mine
        ),
        CouponBatch.id,
        lambda row: (f"批次「{row[1]}」", url_for("console.batches.show", batch_id=row[0])),
    ),
    "campaign": (
        lambda mine: select(Campaign.id, Campaign.name).where(Campaign.merchant_id == mine),
        Campaign.id,
        lambda row: (
            f"活动「{row[1]}」",
            url_for("console.campaigns.show", campaign_id=row[0]),
        ),
    ),
    "journey": (
        lambda mine: select(Journey.id, Journey.name).where(Journey.merchant_id == mine),
        Journey.id,
        lambda row: (f"旅程「{row[1]}」", url_for("console.journeys.show", journey_id=row[0])),
    ),
    "segment": (
        lambda mine: select(Segment.id, Segment.name).where(Segment.merchant_id == mine),
        Segment.id,
        lambda row: (f"人群「{row[1]}」", url_for("console.segments.edit", segment_id=row[0])),
    ),
    "store_sku": (
        lambda mine: (
            select(StoreSku.id, Product.name, Sku.name, Store.name)
            .join(Store, Store.id == StoreSku.store_id)
            .join(Sku, Sku.id == StoreSku.sku_id)
            .join(Product, Product.id == Sku.product_id)
            .where(Store.merchant_id == mine)
        ),
        StoreSku.id,
        _sku,
    ),
}
