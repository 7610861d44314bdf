"""Reading what comes from Alipay, byte for byte: what is signed is the text as it was sent."""

import json
import re
from collections.abc import Iterator
from typing import Any

_MEMBER = re.compile(r"\s*(\{|,)\s*")
_COLON = re.compile(r"\s*:\s*")
_END = re.compile(r"\s*\}\s*")
_CHARSET = re.compile(r"charset=([\w-]+)", re.IGNORECASE)
_DECODER = json.JSONDecoder()


class Unreadable(Exception):
    """Not an answer of the gateway."""


def charset_of(text: str) -> str:
    """Alipay's GBK is read as the larger set that it belongs to, which gives every byte back."""
    found = _CHARSET.search(text)
    named = found.group(1).lower() if found else "utf-8"
    return "gb18030" if named.startswith("gb") else "utf-8"


def split_answer(raw: bytes, charset: str) -> tuple[bytes, dict[str, Any], dict[str, str]]:
    """The response object as bytes and as a dict, and the texts beside it. Raises Unreadable."""
    members: dict[str, tuple[str, Any]] = {}
    try:
        text = raw.decode(charset)
        for name, written, value in _members(text):
            if name in members:
                raise Unreadable("a name stands twice")
            members[name] = (written, value)
    except (ValueError, RecursionError) as error:
        raise Unreadable(type(error).__name__) from None
    answers = [each for each in members if each.endswith("_response")]
    if len(answers) != 1 or not isinstance(members[answers[0]][1], dict):
        raise Unreadable("no response object")
    written, answer = members.pop(answers[0])
    beside = {name: value for name, (_, value) in members.items() if isinstance(value, str)}
    return written.encode(charset), answer, beside


def _members(text: str) -> Iterator[tuple[str, str, Any]]:
    """The members of the outermost object, each with its value as written."""
    at, opening = 0, "{"
    while found := _MEMBER.match(text, at):
        if found.group(1) != opening:
            break
        opening = ","
        name, at = _DECODER.raw_decode(text, found.end())
        colon = _COLON.match(text, at)
        if not isinstance(name, str) or colon is None:
            raise Unreadable("not an object")
        value, at = _DECODER.raw_decode(text, begin := colon.end())
        yield name, text[begin:at], value
    if not _END.fullmatch(text, at):
        raise Unreadable("not an object")
