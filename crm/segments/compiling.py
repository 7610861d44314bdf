"""A rule becomes one set-based SELECT over crm's own tables.

Who works for the merchant is in no segment: a rule is about customers.

What a condition means in SQL is in the catalogue, `crm.segments.fields`; none is ever NULL, so
`not` means the rest of the members. Inside a group the cheap ones come first: columns of the
member, then sets that an index finds, then look-ups for each member.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, not_, or_, select, true
from sqlalchemy.orm import aliased

from crm.errors import RuleInvalid
from crm.models import Member
from crm.segments.fields import FIELDS, Condition
from crm.segments.rules import Node, read
from merchants.models import Staff, StaffState
from people.models import Person


def compile_rule(rule: Any, merchant_id: int, now: datetime) -> Select[int]:
    """A SELECT of the ids of the merchant's members in the segment. Raises RuleInvalid."""
    return select(Member.id).where(customers(merchant_id), matches(tree(rule), now))


def tree(rule: Any) -> Node:
    """The checked tree of a rule. Raises RuleInvalid with every fault."""
    node, errors = read(rule)
    if errors:
        raise RuleInvalid(errors=errors)
    return node


def everyone(merchant_id: int) -> ColumnElement[bool]:
    """The merchant's members, without those that were merged into another."""
    return and_(Member.merchant_id == merchant_id, Member.merged_into_id.is_(None))


def customers(merchant_id: int) -> ColumnElement[bool]:
    """`everyone` but those who work there now: whom rules, audiences and journeys are about."""
    return and_(everyone(merchant_id), ~works_there(merchant_id))


def works_there(merchant_id: int) -> ColumnElement[bool]:
    """Asked by the members' own ids, of which there are few: the person is not in the index that
    a rule goes along."""
    own = aliased(Member)
    return Member.id.in_(
        select(own.id)
        .join(Person, own.person_id == func.coalesce(Person.merged_into_id, Person.id))
        .join(Staff, Staff.person_id == Person.id)
        .where(
            Staff.merchant_id == merchant_id,
            Staff.state == StaffState.active,
            own.merchant_id == merchant_id,
        )
    )


def matches(node: Node, now: datetime) -> ColumnElement[bool]:
    """The condition on a row of `members`."""
    if isinstance(node, Condition):
        return FIELDS[node.field].holds(node, now)
    if not node.rules:
        return true()
    parts = [matches(rule, now) for rule in sorted(node.rules, key=cost)]
    if node.op == "not":
        return not_(parts[0])
    return and_(*parts) if node.op == "and" else or_(*parts)


def looks_at(condition: Condition, now: datetime) -> ColumnElement[Any]:
    """The fact that the condition is about, for telling a person why a member is in."""
    return FIELDS[condition.field].looks_at(condition, now)


def cost(node: Node) -> int:
    """How dear it is to ask; a group is as dear as its dearest rule."""
    if isinstance(node, Condition):
        return FIELDS[node.field].cost(node)
    return max((cost(rule) for rule in node.rules), default=0)
