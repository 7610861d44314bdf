"""What a field of a rule is made of. Everything that is known about a field hangs on it."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement

MAX_DAYS = 3_650
NAMED_BY_CODE = ("city", "tier")
"""Refs that a rule names by a code; all others by an id."""

MAX_NUMBER = 10**12

Names = Mapping[tuple[str, int | str], str]
"""What the things are called that conditions point at: ("tag", 7) → 爱喝手冲."""


@dataclass(frozen=True)
class Condition:
    """One condition as it was written; `args` are its checked values by name."""

    path: str
    field: str
    op: str
    args: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def value(self) -> Any:
        return self.args.get("value", 0)

    @property
    def days(self) -> int | None:
        return self.args.get("days")


@dataclass(frozen=True)
class Param:
    """One value that a condition takes.

    `fen` is money, `whole` a number, `choice` one of `choices`, `ref` the id (or code) of one of
    the merchant's own things, see `crm.segments.refs`. `before` and `after` are the words around it
    in a sentence; one that `leads` stands before the comparison. An optional one may be left out,
    and `empty` says what that means. One of some `kinds` only is asked where the condition's own
    kind is among them.
    """

    name: str
    label: str
    kind: Literal["fen", "whole", "choice", "ref"] = "whole"
    before: str = ""
    after: str = ""
    lowest: int = 0
    highest: int = MAX_NUMBER
    optional: bool = False
    empty: str = ""
    start: int | str = ""
    leads: bool = False
    choices: tuple[tuple[int | str, str], ...] = ()
    ref: str = ""
    kinds: tuple[str, ...] = ()

    def applies(self, args: Mapping[str, Any]) -> bool:
        return not self.kinds or args.get("kind") in self.kinds


@dataclass(frozen=True)
class Op:
    name: str
    words: str
    params: tuple[Param, ...] = ()


@dataclass(frozen=True)
class Field:
    """One thing that may be asked of a member.

    `holds` is the condition on a row of `members` and is never NULL; `looks_at` is the fact behind
    it, which `reason` puts into words whether the condition held or not. `cost`: 0 reads the
    member's row, 1 a set found by an index, 2 something of each member. A `plain` one is said
    without its label: 买过「杨枝甘露」, not 商品买过.
    """

    name: str
    label: str
    group: str
    about: str
    ops: tuple[Op, ...]
    holds: Callable[[Condition, datetime], ColumnElement[bool]]
    looks_at: Callable[[Condition, datetime], ColumnElement[Any]]
    reason: Callable[[Condition, Any, Names, datetime], str]
    cost: Callable[[Condition], int] = lambda _condition: 0
    plain: bool = False

    def op(self, name: str) -> Op | None:
        return next((op for op in self.ops if op.name == name), None)


def days_param(*, optional: bool = True, leads: bool = False, start: int | str = "") -> Param:
    """`在最近 90 天`; left out: ever."""
    return Param(
        "days",
        "天数",
        before="在最近",
        after="天",
        lowest=1,
        highest=MAX_DAYS,
        optional=optional,
        empty="不限",
        start=start,
        leads=leads,
    )


def span(condition: Condition) -> str:
    return f"近 {condition.days} 天" if condition.days else "累计"


def at_cost(cost: int) -> Callable[[Condition], int]:
    return lambda _condition: cost
