"""The quick way through a flat message: whatever it reads, the parser reads the same."""

from typing import Any

import pytest
from defusedxml.ElementTree import DefusedXMLParser
from hypothesis import given, settings
from hypothesis import strategies as some

from gateways.wechat import wire
from gateways.wechat.errors import MalformedMessage

PIECES = (
    *("<a>", "</a>", "<b>", "</b>", "<A_1>", "</A_1>", "<a/>", "<a b='c'>", "<!-- c -->", "<?p?>"),
    *("<![CDATA[", "]]>", "]]", "]", "&amp;", "&", "<", "茶", "👋", "x", " ", "\n", "\t"),
    *("\r", "\x00", "\x01", "\x1f", "\x7f", "\x85", "\ufffe", "\uffff", "xml", "<xml>", "</xml>"),
)
WHOLE = "<xml><a>1</a>\n<b><![CDATA[<茶>&]]] ]]></b><c></c></xml>"


def parsed(raw: bytes) -> Any:
    parser = DefusedXMLParser(target=wire._Fields(), forbid_dtd=True)
    parser.feed(raw)
    return wire.checked(parser.close())


def frames() -> some.SearchStrategy[str]:
    inside = some.lists(some.sampled_from(PIECES), max_size=5).map("".join)
    shapes = ("<xml>{}</xml>", "<xml><a>{}</a></xml>", "<xml><a><![CDATA[{}]]></a><b>1</b></xml>")
    return some.tuples(some.sampled_from(shapes), inside).map(lambda made: made[0].format(made[1]))


@given(frames())
@settings(max_examples=300, deadline=None)
def test_it_agrees_with_the_parser_or_leaves_it_to_it(text: str) -> None:
    found = wire._read_flat(text.encode())
    if found is not None:
        assert found == parsed(text.encode())


def test_what_wechat_sends_goes_the_quick_way() -> None:
    assert wire._read_flat(WHOLE.encode()) == {"a": "1", "b": "<茶>&]]] ", "c": ""}
    assert parsed(WHOLE.encode()) == {"a": "1", "b": "<茶>&]]] ", "c": ""}


@pytest.mark.parametrize(
    "text",
    [
        "<xml></xml>",
        "<xml><a>1</a><a>2</a></xml>",
        "<xml><a><b>1</b></a></xml>",
        "<xml><a>&lt;</a></xml>",
        "<xml><a x='1'>1</a></xml>",
        "<xml><a>1\r\n2</a></xml>",
        "<?xml version='1.0'?><xml><a>1</a></xml>",
        "<!DOCTYPE x [<!ENTITY e 'e'>]><xml><a>1</a></xml>",
        "<xml>" + "".join(f"<a{i}>1</a{i}>" for i in range(51)) + "</xml>",
    ],
)
def test_everything_else_is_the_parsers(text: str) -> None:
    assert wire._read_flat(text.encode()) is None


@pytest.mark.parametrize("raw", [b"<xml><a>\xff</a></xml>", b"<xml><a>\x00</a></xml>"])
def test_what_is_no_text_is_refused_as_ever(raw: bytes) -> None:
    assert wire._read_flat(raw) is None
    with pytest.raises(MalformedMessage):
        wire.read_xml(raw)
