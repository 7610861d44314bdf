"""What a template's typed fields may hold (thing1, amount2, …)."""

import re
from typing import Any

from sandbox.wechat.door import ApiError

_DAY = r"\d{4}(?:年\d{1,2}月\d{1,2}日|-\d{1,2}-\d{1,2}|/\d{1,2}/\d{1,2}|\.\d{1,2}\.\d{1,2})"
_HOUR = r"\d{1,2}:\d{2}(?::\d{2})?"
_MOMENT = rf"(?:{_DAY}(?: ?{_HOUR})?|{_HOUR})"

_PATTERNS = {
    "thing": re.compile(r".{1,20}"),
    "number": re.compile(r"(?=.{1,32}\Z)\d+(?:\.\d+)?"),
    "letter": re.compile(r"[A-Za-z]{1,32}"),
    "symbol": re.compile(r"[^\w\s]{1,5}"),
    "character_string": re.compile(r"[\x20-\x7e]{1,32}"),
    "time": re.compile(rf"{_MOMENT}(?: ?~ ?{_MOMENT})?"),
    "date": re.compile(rf"{_MOMENT}(?: ?~ ?{_MOMENT})?"),
    "amount": re.compile(r"[¥￥$€£]?\d{1,10}(?:\.\d+)?元?"),
    "phone_number": re.compile(r"[\d+\- ()*]{1,17}"),
    "car_number": re.compile(r".{1,8}"),
    "name": re.compile(r"(?:[\u4e00-\u9fff·]{1,10}|[A-Za-z ·.]{1,20})"),
    "phrase": re.compile(r"[\u4e00-\u9fff]{1,5}"),
    "short_thing": re.compile(r".{1,5}"),
    "const": re.compile(r".{1,20}"),
    "enum": re.compile(r".{1,20}"),
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEY = re.compile(r"([a-z_]+?)(\d+)\Z")
_LABELS = {
    "thing": "内容",
    "short_thing": "内容",
    "number": "数量",
    "character_string": "编号",
    "time": "时间",
    "date": "时间",
    "amount": "金额",
    "phone_number": "电话",
    "name": "名称",
    "phrase": "状态",
    "const": "状态",
    "enum": "状态",
}


def check(data: Any, fields: "dict[str, str] | Any", *, historical: bool = False) -> None:
    """Raises 47003 that names the field. `fields` of the template, where they are known.

    `historical`: templates of official accounts may still have first, remark and keyword fields.
    """
    if not isinstance(data, dict) or not data:
        raise ApiError(47003, "argument invalid! data is empty")
    for key in fields:
        if key not in data:
            raise ApiError(47003, f"argument invalid! data.{key}.value is empty")
    for key, holder in data.items():
        value = holder.get("value") if isinstance(holder, dict) else None
        if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
            raise ApiError(47003, f"argument invalid! data.{key}.value is empty")
        if historical and (key in ("first", "remark") or key.startswith("keyword")):
            continue
        if (fields and key not in fields) or not _fits(key, str(value)):
            raise ApiError(47003, f"argument invalid! data.{key}.value invalid")


def rows(data: dict[str, Any], labels: Any) -> list[list[str]]:
    """The fields as the message shows them: label and value."""
    shown: list[list[str]] = []
    for key, holder in data.items():
        if key in ("first", "remark"):
            continue
        kind = match.group(1) if (match := _KEY.match(key)) else key
        label = labels.get(key) or _LABELS.get(kind, "内容")
        shown.append([label, str(holder["value"])])
    return shown


def _fits(key: str, value: str) -> bool:
    match = _KEY.match(key)
    pattern = _PATTERNS.get(match.group(1)) if match else None
    return bool(pattern and pattern.fullmatch(value) and not _CONTROL.search(value))
