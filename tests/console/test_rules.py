"""The rule builder: what is typed, pressed and saved is the same tree."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from console import rules
from crm.segments.rules import validate
from tests.crm.rules import condition

trees = st.recursive(
    condition,
    lambda inner: st.fixed_dictionaries(
        {"op": st.sampled_from(["and", "or"]), "rules": st.lists(inner, min_size=1, max_size=3)}
    ),
    max_leaves=6,
).filter(lambda rule: "rules" in rule and _depth(rule) <= 4)


def _depth(rule: dict[str, Any]) -> int:
    return 1 + max((_depth(child) for child in rule.get("rules", [])), default=0)


def form_of(node: rules.Node) -> dict[str, str]:
    """The form as a browser would post it."""
    if not node.is_group:
        return {f"{node.path}.{name}": value for name, value in node.typed.items()}
    inner = [form_of(child) for child in node.children]
    return {f"{node.path}.op": node.op, **{k: v for part in inner for k, v in part.items()}}


@settings(deadline=None)
@given(trees)
def test_a_rule_survives_the_form(rule: dict[str, Any]) -> None:
    assert validate(rule) == {}

    assert rules.to_rule(rules.read(form_of(rules.from_rule(rule)))) == rule


@settings(deadline=None)
@given(st.dictionaries(st.text(max_size=12), st.text(max_size=8)), st.text(max_size=12))
def test_nothing_that_is_posted_breaks_it(form: dict[str, str], do: str) -> None:
    validate(rules.to_rule(rules.edit(rules.read(form), do)))


def test_buttons_add_nest_and_remove() -> None:
    tree = rules.empty()

    rules.edit(tree, "group 0")
    rules.edit(tree, "rule 0-2")
    rules.edit(tree, "drop 0-0")

    assert [child.is_group for child in tree.children] == [False, True]
    assert [child.path for child in tree.children[1].children] == ["0-1-0", "0-1-1"]
    assert rules.to_rule(tree)["rules"][1]["op"] == "or"


def test_a_condition_that_changes_its_kind_gets_that_kinds_questions() -> None:
    tree = rules.read(
        {"0.op": "all", "0-0.field": "last_visit", "0-0.cmp": ">=", "0-0.value": "200"}
    )

    assert rules.to_rule(tree)["rules"] == [{"field": "last_visit", "op": "before", "days": 30}]


def test_yuan_are_kept_in_fen() -> None:
    tree = rules.read({"0-0.field": "spent", "0-0.cmp": ">=", "0-0.value": "200.5", "0-0.days": ""})

    assert rules.to_rule(tree)["rules"] == [{"field": "spent", "op": ">=", "value": 20050}]
