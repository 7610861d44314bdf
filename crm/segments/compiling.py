"""A rule becomes one set-based SELECT over crm's own tables.

No condition is ever NULL, so `not` means the rest of the members. Inside a group the cheap ones
come first: columns of the member, then tags, then sums over purchases. A sum over the last days is
asked only of members whose totals allow it, which spares nearly everybody the look-up.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    func,
    not_,
    or_,
    select,
    true,
)

from crm.errors import RuleInvalid
from crm.models import Member, MemberTag, Purchase
from crm.segments.rules import Condition, Group, Node, read


def compile_rule(rule: Any, merchant_id: int, now: datetime) -> Select[int]:
    """A SELECT of the ids of the merchant's members in the segment. Raises RuleInvalid."""
    return select(Member.id).where(everyone(merchant_id), matches(tree(rule), now))


def tree(rule: Any) -> Node:
    """The checked tree of a rule. Raises RuleInvalid with every fault."""
    node, errors = read(rule)
    if errors:
        raise RuleInvalid(errors=errors)
    return node


def everyone(merchant_id: int) -> ColumnElement[bool]:
    """The merchant's members, without those that were merged into another."""
    return and_(Member.merchant_id == merchant_id, Member.merged_into_id.is_(None))


def matches(node: Node, now: datetime) -> ColumnElement[bool]:
    """The condition on a row of `members`."""
    if isinstance(node, Condition):
        return _condition(node, now)
    if not node.rules:
        return true()
    parts = [matches(rule, now) for rule in sorted(node.rules, key=cost)]
    if node.op == "not":
        return not_(parts[0])
    return and_(*parts) if node.op == "and" else or_(*parts)


def value_of(condition: Condition, now: datetime) -> ColumnElement[Any]:
    """What the condition looks at, for telling a person why a member is in."""
    match condition.field:
        case "spent":
            if condition.days is None:
                return Member.spent_fen - Member.refunded_fen
            return func.coalesce(_spent_since(_ago(now, condition.days)), 0)
        case "orders":
            if condition.days is None:
                return Member.orders_count.expression
            return _orders_since(_ago(now, condition.days))
        case "last_visit":
            return Member.last_visit_at.expression
        case "tag":
            return _tagged(condition.value)
        case "source_store":
            return Member.source_store_id.expression
        case _:
            return Member.joined_at.expression


def _condition(condition: Condition, now: datetime) -> ColumnElement[bool]:
    days = condition.days
    match condition.field, condition.op:
        case "spent", ">=":
            return _spent_at_least(condition.value, days, now)
        case "spent", _:
            return not_(_spent_at_least(condition.value + 1, days, now))
        case "orders", ">=":
            return _orders_at_least(condition.value, days, now)
        case "orders", _:
            return not_(_orders_at_least(condition.value + 1, days, now))
        case "last_visit", "never":
            return Member.last_visit_at.is_(None)
        case "last_visit", "before":
            return and_(Member.last_visit_at.is_not(None), Member.last_visit_at < _ago(now, days))
        case "last_visit", _:
            return and_(Member.last_visit_at.is_not(None), Member.last_visit_at >= _ago(now, days))
        case "tag", op:
            tagged = _tagged(condition.value)
            return tagged if op == "has" else not_(tagged)
        case "source_store", op:
            here = and_(
                Member.source_store_id.is_not(None), Member.source_store_id == condition.value
            )
            return here if op == "is" else not_(here)
        case _, "before":
            return Member.joined_at < _ago(now, days)
        case _:
            return Member.joined_at >= _ago(now, days)


def _spent_at_least(fen: int, days: int | None, now: datetime) -> ColumnElement[bool]:
    if fen <= 0:
        return true()
    ever = Member.spent_fen - Member.refunded_fen >= fen
    if days is None:
        return ever
    since = _ago(now, days)
    return and_(ever, Member.last_paid_at >= since, _spent_since(since) >= fen)


def _orders_at_least(number: int, days: int | None, now: datetime) -> ColumnElement[bool]:
    if number <= 0:
        return true()
    ever = Member.orders_count >= number
    if days is None:
        return ever
    since = _ago(now, days)
    return and_(ever, Member.last_paid_at >= since, _orders_since(since) >= number)


def _spent_since(since: datetime) -> ScalarSelect[int]:
    return (
        select(func.sum(Purchase.amount_fen - Purchase.refunded_fen))
        .where(Purchase.member_id == Member.id, Purchase.paid_at >= since)
        .correlate(Member)
        .scalar_subquery()
    )


def _orders_since(since: datetime) -> ScalarSelect[int]:
    return (
        select(func.count())
        .select_from(Purchase)
        .where(
            Purchase.member_id == Member.id,
            Purchase.paid_at >= since,
            Purchase.counted.is_(True),
        )
        .correlate(Member)
        .scalar_subquery()
    )


def _tagged(tag_id: int) -> ColumnElement[bool]:
    return Member.id.in_(select(MemberTag.member_id).where(MemberTag.tag_id == tag_id))


def _ago(now: datetime, days: int | None) -> datetime:
    return now - timedelta(days=days or 0)


def cost(node: Node) -> int:
    """How dear it is to ask: columns, then tags, then sums over purchases."""
    if isinstance(node, Group):
        return max((cost(rule) for rule in node.rules), default=0)
    if node.field in ("spent", "orders") and node.days is not None:
        return 2
    return 1 if node.field == "tag" else 0
