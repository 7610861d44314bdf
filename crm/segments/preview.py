"""What the editor of a segment shows while the rule is being written: counts and samples."""

import functools
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, literal, literal_column, select
from sqlalchemy.orm import Session

from crm.models import Member
from crm.segments import reasons, refs
from crm.segments.compiling import compile_rule, customers, everyone, looks_at, matches, tree
from crm.segments.fields import Condition
from crm.segments.rules import Group, Node, conditions
from crm.segments.slicing import end_of_slice

EXACT_UP_TO = 200_000
NOT_ASKED = -1
SPREAD, PRIME = 1_588_635_695, 2**31 - 1  # id × SPREAD modulo PRIME: neighbours land far apart


@dataclass(frozen=True)
class Preview:
    """`alone` maps a node's path to how many members it matches by itself; `steps` is how many are
    left after each rule of an `and` at the root, in the order written. `members` and `matched` are
    exact; the others are `estimated` when there are more than EXACT_UP_TO members.
    """

    members: int
    matched: int
    alone: dict[str, int]
    steps: list[int]
    estimated: bool


@dataclass(frozen=True)
class Sample:
    member: Member
    reasons: list[str]


def count(session: Session, rule: Any, merchant_id: int, now: datetime) -> int:
    """How many members are in. Raises RuleInvalid."""
    found = compile_rule(rule, merchant_id, now).subquery()
    return session.scalar(select(func.count()).select_from(found)) or 0


def preview(
    session: Session,
    rule: Any,
    merchant_id: int,
    now: datetime,
    *,
    exact_up_to: int = EXACT_UP_TO,
) -> Preview:
    """Every number of the editor. The members are gone through once: each is asked every condition
    once, those with the same answers are counted together, and the rest is logic.

    Of a million members every twentieth is asked, which is good to half a percent of them all; the
    others are counted in passing.
    """
    root = tree(rule)
    one_in = _sampled(session, merchant_id, exact_up_to)
    answers, members = _answers(session, list(conditions(root)), merchant_id, now, one_in)

    def number(*nodes: Node) -> int:
        alike = (people for yes, people in answers if all(_holds(node, yes) for node in nodes))
        return min(members, sum(alike) * one_in)

    alone = {node.path: number(node) for node in _nodes(root)}
    steps: list[int] = []
    if isinstance(root, Group) and root.op == "and":
        steps = [number(*root.rules[: index + 1]) for index in range(len(root.rules))]
    if one_in > 1:
        alone[""] = count(session, rule, merchant_id, now)
        steps[-1:] = [alone[""]] if steps else []
    return Preview(members, alone[""], alone, steps, estimated=one_in > 1)


def _sampled(session: Session, merchant_id: int, exact_up_to: int) -> int:
    """One in how many members is asked: about a quarter of `exact_up_to` of them, where there are
    more than that. How many there are is guessed from how far their ids reach."""
    edge = end_of_slice(session, merchant_id, 0, exact_up_to + 1)
    if edge is None:
        return 1
    ends = select(func.min(Member.id), func.max(Member.id)).where(Member.merchant_id == merchant_id)
    first, last = session.execute(ends).one()
    members = exact_up_to * (last - first + 1) // max(edge - first, 1)
    return max(2, members * 4 // exact_up_to)


def _answers(
    session: Session, asked: list[Condition], merchant_id: int, now: datetime, one_in: int
) -> tuple[list[tuple[frozenset[str], int]], int]:
    """The paths of the conditions that hold, and for how many of the members asked; and how many
    members there are."""
    bits = [case((matches(one, now), 1 << bit), else_=0) for bit, one in enumerate(asked)]
    answer: ColumnElement[int] = functools.reduce(operator.add, bits, literal(0))
    if one_in > 1:
        answer = case((Member.id % PRIME * SPREAD % PRIME % one_in == 0, answer), else_=NOT_ASKED)
    people = select(answer.label("answer"), func.count()).where(customers(merchant_id))
    rows = session.execute(people.select_from(Member).group_by(literal_column("answer"))).all()
    answers = [
        (frozenset(one.path for bit, one in enumerate(asked) if yes >> bit & 1), number)
        for yes, number in rows
        if yes != NOT_ASKED
    ]
    return answers, sum(number for _, number in rows)


def _holds(node: Node, yes: frozenset[str]) -> bool:
    if isinstance(node, Condition):
        return node.path in yes
    if node.op == "not":
        return not _holds(node.rules[0], yes)
    inner = (_holds(rule, yes) for rule in node.rules)
    return any(inner) if node.op == "or" and node.rules else all(inner)


def sample(
    session: Session, rule: Any, merchant_id: int, now: datetime, limit: int = 5
) -> list[Sample]:
    """Some of the members who are in, the newest first, each with the reason in words.

    Who they are is asked first, so that the facts are looked up for those few alone.
    """
    found = compile_rule(rule, merchant_id, now).order_by(Member.id.desc()).limit(limit)
    return explain(session, rule, merchant_id, list(session.scalars(found)), now)


def explain(
    session: Session, rule: Any, merchant_id: int, member_ids: Sequence[int], now: datetime
) -> list[Sample]:
    """Why each of these members is in, in the order given; who is not in has what is not true."""
    root = tree(rule)
    asked = list(conditions(root))
    rows = session.execute(
        select(
            Member,
            *(matches(condition, now).label(f"in_{i}") for i, condition in enumerate(asked)),
            *(looks_at(condition, now).label(f"is_{i}") for i, condition in enumerate(asked)),
        ).where(everyone(merchant_id), Member.id.in_(member_ids))
    ).all()
    people = {row[0].id: row for row in rows}
    names = refs.names(session, merchant_id, asked)
    names |= dict(_facts_names(session, merchant_id, asked, rows))
    explained = []
    for row in (people[id_] for id_ in member_ids if id_ in people):
        facts = {
            condition.path: (bool(row[1 + i]), row[1 + len(asked) + i])
            for i, condition in enumerate(asked)
        }
        explained.append(Sample(row[0], reasons.explain(root, facts, names, now)))
    return explained


def _facts_names(
    session: Session, merchant_id: int, asked: Sequence[Condition], rows: Sequence[Any]
) -> dict[tuple[str, int | str], str]:
    """Names of what the members themselves have: the store they came from, the tier they are in."""
    own = {"source_store": "store", "tier": "tier"}
    return {
        (ref, key): name
        for ref in {own[condition.field] for condition in asked if condition.field in own}
        if rows
        for key, name in refs.choices(session, merchant_id, ref)
    }


def _nodes(node: Node) -> list[Node]:
    if isinstance(node, Condition):
        return [node]
    return [node, *(inner for rule in node.rules for inner in _nodes(rule))]
