"""Bodies are checked strictly: types, lengths, what is required, and nothing that is not known."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sandbox.pay.errors import bad_parameter


@dataclass(frozen=True)
class Text:
    most: int
    required: bool = False


@dataclass(frozen=True)
class Whole:
    least: int = 0
    required: bool = False


@dataclass(frozen=True)
class Flag:
    required: bool = False


@dataclass(frozen=True)
class Group:
    fields: Mapping[str, "Rule"]
    required: bool = False


@dataclass(frozen=True)
class Many:
    of: "Rule" = field(default_factory=lambda: Text(256))
    required: bool = False


Rule = Text | Whole | Flag | Group | Many


def check(body: Any, rules: Mapping[str, Rule], path: str = "") -> None:
    """Raises PayError 400 that names the first field in the wrong."""
    if not isinstance(body, dict):
        raise bad_parameter(path or "/", "应为对象", body)
    for name in body:
        if name not in rules:
            raise bad_parameter(
                f"{path}/{name}", "请求中含有未在API文档中定义的参数", body[name], number=270924358
            )
    for name, rule in rules.items():
        where, value = f"{path}/{name}", body.get(name)
        if value is None:
            if rule.required:
                raise bad_parameter(where, "缺少必填参数")
            continue
        _check_value(value, rule, where)


def _check_value(value: Any, rule: Rule, where: str) -> None:
    if isinstance(rule, Text):
        if not isinstance(value, str):
            raise bad_parameter(where, "应为字符串", value)
        if not value or len(value) > rule.most:
            raise bad_parameter(where, f"长度应为 1 至 {rule.most}", value, number=268435464)
    elif isinstance(rule, Whole):
        if not isinstance(value, int) or isinstance(value, bool):
            raise bad_parameter(where, "应为整数", value)
        if value < rule.least:
            raise bad_parameter(where, f"不能小于 {rule.least}", value, number=268435464)
    elif isinstance(rule, Flag):
        if not isinstance(value, bool):
            raise bad_parameter(where, "应为布尔值", value)
    elif isinstance(rule, Many):
        if not isinstance(value, list):
            raise bad_parameter(where, "应为数组", value)
        for index, item in enumerate(value):
            _check_value(item, rule.of, f"{where}/{index}")
    else:
        check(value, rule.fields, where)
