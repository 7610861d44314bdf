"""What the editor of a segment shows while the rule is being written: counts and samples."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, func, select
from sqlalchemy.orm import Session

from crm.models import Member, Tag
from crm.segments import reasons
from crm.segments.compiling import compile_rule, everyone, matches, tree, value_of
from crm.segments.rules import Condition, Group, Node, conditions
from merchants.models import Store


@dataclass(frozen=True)
class Preview:
    """`alone` maps a node's path to how many members it matches by itself; `steps` is how many are
    left after each rule of an `and` at the root, in the order written."""

    members: int
    matched: int
    alone: dict[str, int]
    steps: list[int]


@dataclass(frozen=True)
class Sample:
    member: Member
    reasons: list[str]


def count(session: Session, rule: Any, merchant_id: int, now: datetime) -> int:
    """How many members are in. Raises RuleInvalid."""
    found = compile_rule(rule, merchant_id, now).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def preview(session: Session, rule: Any, merchant_id: int, now: datetime) -> Preview:
    """Every number of the editor in one statement, one pass over the members."""
    root = tree(rule)
    nodes = {node.path: matches(node, now) for node in _nodes(root)}
    steps = list(root.rules) if isinstance(root, Group) and root.op == "and" else []
    narrowing = [
        and_(*(matches(node, now) for node in steps[: index + 1])) for index in range(len(steps))
    ]
    row = session.execute(
        select(
            func.count(),
            *(func.coalesce(func.sum(case((part, 1), else_=0)), 0) for part in nodes.values()),
            *(func.coalesce(func.sum(case((part, 1), else_=0)), 0) for part in narrowing),
        )
        .select_from(Member)
        .where(everyone(merchant_id))
    ).one()
    numbers = [int(number) for number in row]
    alone = dict(zip(nodes, numbers[1:], strict=False))
    return Preview(
        members=numbers[0],
        matched=alone[""],
        alone=alone,
        steps=numbers[1 + len(nodes) :],
    )


def sample(
    session: Session, rule: Any, merchant_id: int, now: datetime, limit: int = 5
) -> list[Sample]:
    """Some of the members who are in, each with the reason in words."""
    root = tree(rule)
    asked = list(conditions(root))
    rows = session.execute(
        select(
            Member,
            *(matches(condition, now).label(f"in_{i}") for i, condition in enumerate(asked)),
            *(value_of(condition, now).label(f"is_{i}") for i, condition in enumerate(asked)),
        )
        .where(everyone(merchant_id), matches(root, now))
        .order_by(Member.id.desc())
        .limit(limit)
    ).all()
    names = _names(session, asked, {row[0].source_store_id for row in rows})
    found = []
    for row in rows:
        facts = {
            condition.path: (bool(row[1 + i]), row[1 + len(asked) + i])
            for i, condition in enumerate(asked)
        }
        found.append(Sample(row[0], reasons.explain(root, facts, names, now)))
    return found


def _nodes(node: Node) -> list[Node]:
    if isinstance(node, Condition):
        return [node]
    return [node, *(inner for rule in node.rules for inner in _nodes(rule))]


def _names(
    session: Session, asked: list[Condition], store_ids: set[int | None]
) -> Mapping[tuple[str, int], str]:
    tags = {condition.value for condition in asked if condition.field == "tag"}
    stores = store_ids | {
        condition.value for condition in asked if condition.field == "source_store"
    }
    names: dict[tuple[str, int], str] = {}
    if tags:
        for key, name in session.execute(select(Tag.id, Tag.name).where(Tag.id.in_(tags))):
            names["tag", key] = name
    wanted = [key for key in stores if key is not None]
    if wanted:
        for key, name in session.execute(select(Store.id, Store.name).where(Store.id.in_(wanted))):
            names["store", key] = name
    return names
