"""The demo's ready-made segments: the groups that a shop owner asks for first."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from crm import contacts, segments
from merchants.models import Merchant

LOST: dict[str, Any] = {
    "op": "and",
    "rules": [
        {"field": "spent", "op": ">=", "value": 10_000, "days": 90},
        {"field": "last_visit", "op": "before", "days": 30},
    ],
}
SECOND_VISIT: dict[str, Any] = {
    "op": "and",
    "rules": [
        {"field": "orders", "op": ">=", "value": 1},
        {"field": "orders", "op": "<=", "value": 1},
    ],
}
REGULARS: dict[str, Any] = {
    "op": "and",
    "rules": [{"field": "orders", "op": ">=", "value": 4, "days": 30}],
}
NEVER_ORDERED: dict[str, Any] = {
    "op": "and",
    "rules": [{"field": "orders", "op": "<=", "value": 0}],
}
READY_MADE = {
    "关注了还没下单的": NEVER_ORDERED,
    "快要流失的老客": LOST,
    "等着来第二次的": SECOND_VISIT,
    "常客": REGULARS,
}


def load(session: Session, merchant: Merchant, now: datetime) -> dict[str, int]:
    """Write the ready-made segments and the rules that are missing; the segments by name."""
    known = {segment.name: segment.id for segment in segments.list_segments(session, merchant.id)}
    for name, rule in READY_MADE.items():
        if name not in known:
            made = segments.create(
                session, merchant.id, name=name, rule=rule, actor="system", now=now
            )
            known[name] = made.id
    if contacts.rules_of(session, merchant.id) == contacts.Rules():
        # A newcomer who tries the demo at night, and more than once, wants to see it sent.
        contacts.set_rules(session, merchant.id, most=20, quiet_hours=None, actor="system", now=now)
    return known
