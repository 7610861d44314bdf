"""Reading what strangers send: XML or JSON into plain values, or MalformedMessage.

Entities, document types, NUL, lone surrogates, endless nesting, numbers that are none: all of them
are refused here, so that nothing behind this module meets them.
"""

import json
import math
from typing import Any, NoReturn
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from gateways.wechat.errors import MalformedMessage

MAX_BYTES = 1024 * 1024
_MAX_DEPTH = 16
_MAX_VALUES = 5000


def read_xml(raw: bytes) -> dict[str, Any]:
    """Children of the root as a dict; a repeated tag becomes a list."""
    _check_size(raw)
    try:
        root = fromstring(raw, forbid_dtd=True)
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise MalformedMessage("不是有效的 XML") from error
    return checked(_children(root, 0))


def read_json(raw: bytes) -> dict[str, Any]:
    """A JSON object."""
    _check_size(raw)
    try:
        value = json.loads(raw, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MalformedMessage("不是有效的 JSON") from error
    return checked(value)


def checked(value: Any) -> dict[str, Any]:
    """The value itself if it is a dict of ordinary values, all the way down."""
    if not isinstance(value, dict):
        raise MalformedMessage("消息应是一个对象")
    waiting: list[tuple[Any, int]] = [(value, 0)]
    seen = 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if depth > _MAX_DEPTH or seen > _MAX_VALUES:
            raise MalformedMessage("消息嵌套过深或字段过多")
        if isinstance(item, dict):
            waiting.extend((part, depth + 1) for part in (*item.keys(), *item.values()))
        elif isinstance(item, list):
            waiting.extend((part, depth + 1) for part in item)
        elif isinstance(item, str):
            _check_text(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise MalformedMessage("数字不正确")
        elif isinstance(item, int) and abs(item) >= 2**64:
            raise MalformedMessage("数字过大")
    return value


def is_json(raw: bytes) -> bool:
    """Mini-programs may be set to push JSON; everything else is XML."""
    return raw[:64].lstrip().startswith(b"{")


def _children(element: Element, depth: int) -> Any:
    if len(element) == 0:
        return element.text or ""
    if depth > _MAX_DEPTH:
        raise MalformedMessage("消息嵌套过深")
    found: dict[str, Any] = {}
    for child in element:
        value = _children(child, depth + 1)
        if child.tag not in found:
            found[child.tag] = value
        elif isinstance(found[child.tag], list):
            found[child.tag].append(value)
        else:
            found[child.tag] = [found[child.tag], value]
    return found


def _check_size(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        raise MalformedMessage("消息过长")


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise MalformedMessage("消息含有非法字符")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise MalformedMessage("消息含有非法字符") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
