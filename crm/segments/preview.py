"""What the editor of a segment shows while the rule is being written: counts and samples."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm.models import Member, Tag
from crm.segments import reasons
from crm.segments.compiling import compile_rule, cost, everyone, matches, tree, value_of
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


def counts(session: Session, rules: Sequence[Any], merchant_id: int, now: datetime) -> list[int]:
    """How many members are in each of several, in one statement."""
    if not rules:
        return []
    numbers = (
        select(func.count()).select_from(compile_rule(rule, merchant_id, now).subquery())
        for rule in rules
    )
    row = session.execute(select(*(number.scalar_subquery() for number in numbers))).one()
    return [int(number) for number in row]


def preview(session: Session, rule: Any, merchant_id: int, now: datetime) -> Preview:
    """Every number of the editor, each by a statement of its own.

    One pass that sums a CASE for every number takes twice as long: the server then looks up tags
    and purchases of every member for each of them.
    """
    root = tree(rule)

    def number(*nodes: Node) -> int:
        parts = [matches(node, now) for node in sorted(nodes, key=cost)]
        people = select(func.count()).select_from(Member).where(everyone(merchant_id), *parts)
        return session.scalar(people) or 0

    alone = {node.path: number(node) for node in _nodes(root)}
    steps: list[int] = []
    if isinstance(root, Group) and root.op == "and":
        for index in range(1, len(root.rules) + 1):
            known = index in (1, len(root.rules))  # the first rule alone, and the whole
            path = root.rules[0].path if index == 1 else root.path
            steps.append(alone[path] if known else number(*root.rules[:index]))
    return Preview(number(), alone[""], alone, steps)


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
