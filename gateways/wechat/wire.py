"""Reading what strangers send: XML or JSON into plain values, or MalformedMessage.

Entities, document types, NUL, lone surrogates, endless nesting, numbers that are none: all of them
are refused here, so that nothing behind this module meets them.
"""

import json
import math
import re
from typing import Any, NoReturn
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from gateways.wechat.errors import MalformedMessage

MAX_BYTES = 64 * 1024
"""What WeChat pushes has a few thousand bytes; anybody may make us read this many."""
_MAX_DEPTH = 16
_MAX_VALUES = 5000
_MAX_ELEMENTS = 1000
_MAX_FLAT = 50

_TEXT = r"\t\n\x20-%\x27-;=-\\^-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"
"""What XML may hold, but `&`, `<`, `]` and the carriage return, which parsers look at twice."""
_VALUE = (
    r"<([A-Za-z][A-Za-z0-9_]{0,63}+)>(?:"
    rf"<!\[CDATA\[((?:[{_TEXT}&<]++|\](?!\]>))*+)\]\]>|((?:[{_TEXT}]++|\](?!\]>))*+)"
    r")</\1>"
)
_ELEMENT = re.compile(_VALUE)
_FLAT = re.compile(rf"<xml>[ \t\n]*+(?:{_VALUE}[ \t\n]*+)++</xml>[ \t\n]*+")


def read_xml(raw: bytes) -> dict[str, Any]:
    """Children of the root as a dict; a repeated tag becomes a list."""
    _check_size(raw)
    if (flat := _read_flat(raw)) is not None:
        return flat
    parser = DefusedXMLParser(target=_Fields(), forbid_dtd=True)
    try:
        parser.feed(raw)
        value = parser.close()
    except (ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise MalformedMessage("不是有效的 XML") from error
    return checked(value)


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


def _read_flat(raw: bytes) -> dict[str, str] | None:
    """What the parser makes of the shape that nearly every message has: one level of elements, each
    once, without attributes, entities or comments. None: anything else, for the parser to judge."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return None
    if _FLAT.fullmatch(text) is None:
        return None
    found = _ELEMENT.findall(text)
    fields = {tag: cdata or plain for tag, cdata, plain in found}
    return fields if len(fields) == len(found) <= _MAX_FLAT else None


class _Fields:
    """Builds the dict while the parser reads, so that what is too much ends where it begins.

    A message has to be parsed before its signature can be checked: there is never a tree.
    """

    def __init__(self) -> None:
        self._open: list[tuple[str, list[str], dict[str, Any]]] = []
        self._seen = 0
        self._root: Any = ""

    def start(self, tag: str, _attributes: dict[str, str]) -> None:
        self._seen += 1
        if len(self._open) >= _MAX_DEPTH or self._seen > _MAX_ELEMENTS:
            raise MalformedMessage("消息嵌套过深或字段过多")
        self._open.append((tag, [], {}))

    def data(self, text: str) -> None:
        self._open[-1][1].append(text)

    def end(self, _tag: str) -> None:
        tag, text, children = self._open.pop()
        value: Any = children or "".join(text)
        if not self._open:
            self._root = value
            return
        siblings = self._open[-1][2]
        if tag not in siblings:
            siblings[tag] = value
        elif isinstance(siblings[tag], list):
            siblings[tag].append(value)
        else:
            siblings[tag] = [siblings[tag], value]

    def close(self) -> Any:
        return self._root


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
