"""What the clerks of the demo noted of the guests they know: tags by hand, true to their past."""

import random
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from catalogue.models import Category
from crm import segments, tags
from merchants.models import Merchant, Staff

NOTED = 0.7
"""Of those whom a tag would fit, so many were noted."""


def put(session: Session, merchant: Merchant, now: datetime) -> None:
    """Who drinks the same again and again, and who comes at weekends or on the way to work."""
    clerk = session.scalars(select(Staff).where(Staff.username == "xiaozhou")).one()
    chance = random.Random(5)
    for name, rule in _rules(session, merchant.id):
        fits = session.scalars(segments.compile(rule, merchant.id, now)).all()
        noted = [id_ for id_ in sorted(fits) if chance.random() < NOTED]
        tag = tags.ensure_tag(session, merchant.id, name, now=now)
        tags.put(session, tag, noted, actor=f"staff:{clerk.id}", now=now)


def _rules(session: Session, merchant_id: int) -> list[tuple[str, dict[str, Any]]]:
    fruit = session.scalars(
        select(Category.id).where(Category.merchant_id == merchant_id, Category.name == "鲜果茶")
    ).one()
    return [
        ("爱喝鲜果茶", {"field": "category", "op": "bought", "value": fruit, "count": 4}),
        ("周末常来", {"field": "visit_time", "op": "on", "value": "weekend", "count": 3}),
        ("上班路上", {"field": "visit_time", "op": "at", "value": "morning", "count": 3}),
    ]
