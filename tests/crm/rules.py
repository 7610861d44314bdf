"""What a rule means, said naively in Python; and strategies that draw rules and members."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import strategies as st

TAGS, STORES = 3, 2


@dataclass(frozen=True)
class Bought:
    days_ago: int
    amount_fen: int
    refunded_fen: int

    @property
    def counted(self) -> bool:
        return self.refunded_fen < self.amount_fen


@dataclass(frozen=True)
class Someone:
    joined_days_ago: int
    last_visit_days_ago: int | None
    store: int | None
    tags: frozenset[int]
    bought: tuple[Bought, ...]


def holds(rule: dict[str, Any], who: Someone) -> bool:
    """The evaluator that the compiled SELECT must agree with. Tags and stores are indices."""
    if "rules" in rule:
        answers = [holds(inner, who) for inner in rule["rules"]]
        return {"and": all(answers), "or": any(answers), "not": not any(answers)}[rule["op"]]
    field, op = rule["field"], rule["op"]
    if field in ("spent", "orders"):
        days = rule.get("days")
        within = [b for b in who.bought if days is None or b.days_ago <= days]
        if field == "spent":
            number = sum(b.amount_fen - b.refunded_fen for b in within)
        else:
            number = sum(b.counted for b in within)
        return number >= rule["value"] if op == ">=" else number <= rule["value"]
    if field == "tag":
        return (rule["value"] in who.tags) == (op == "has")
    if field == "source_store":
        return (rule["value"] == who.store) == (op == "is")
    if op == "never":
        return who.last_visit_days_ago is None
    ago = who.joined_days_ago if field == "joined" else who.last_visit_days_ago
    if ago is None:
        return False
    return ago > rule["days"] if op == "before" else ago <= rule["days"]


def last_paid(who: Someone, now: datetime) -> datetime | None:
    return max((now - timedelta(days=b.days_ago) for b in who.bought), default=None)


_days = st.integers(1, 40)
_ago = st.integers(0, 45)
_bought = st.builds(
    lambda ago, amount, share: Bought(ago, amount, amount * share // 4),
    _ago,
    st.integers(1, 500),
    st.sampled_from([0, 0, 0, 1, 4]),
)
someone = st.builds(
    Someone,
    joined_days_ago=_ago,
    last_visit_days_ago=st.none() | _ago,
    store=st.none() | st.integers(1, STORES),
    tags=st.frozensets(st.integers(1, TAGS)),
    bought=st.lists(_bought, max_size=4).map(tuple),
)

_number = st.sampled_from([">=", "<="])
_when = st.sampled_from(["before", "after"])
condition = st.one_of(
    st.fixed_dictionaries(
        {"field": st.just("spent"), "op": _number, "value": st.integers(0, 900)},
        optional={"days": _days},
    ),
    st.fixed_dictionaries(
        {"field": st.just("orders"), "op": _number, "value": st.integers(0, 4)},
        optional={"days": _days},
    ),
    st.fixed_dictionaries({"field": st.just("last_visit"), "op": _when, "days": _days}),
    st.just({"field": "last_visit", "op": "never"}),
    st.fixed_dictionaries(
        {
            "field": st.just("tag"),
            "op": st.sampled_from(["has", "has_not"]),
            "value": st.integers(1, TAGS),
        }
    ),
    st.fixed_dictionaries(
        {
            "field": st.just("source_store"),
            "op": st.sampled_from(["is", "is_not"]),
            "value": st.integers(1, STORES),
        }
    ),
    st.fixed_dictionaries({"field": st.just("joined"), "op": _when, "days": _days}),
)


def _groups(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    many = st.fixed_dictionaries(
        {"op": st.sampled_from(["and", "or"]), "rules": st.lists(inner, min_size=1, max_size=3)}
    )
    one = st.fixed_dictionaries(
        {"op": st.just("not"), "rules": st.lists(inner, min_size=1, max_size=1)}
    )
    return many | one


_two_deep = condition | _groups(condition)
rule = condition | _groups(_two_deep) | _groups(_groups(_two_deep))
