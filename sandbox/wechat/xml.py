"""The XML of messages: CDATA for text, numbers bare, lists as repeated elements."""

from typing import Any

from defusedxml import ElementTree


def render(fields: dict[str, Any]) -> str:
    return f"<xml>{_children(fields)}</xml>"


def parse(text: str) -> dict[str, Any]:
    """Raises ValueError. Repeated <item> elements become a list."""
    try:
        root = ElementTree.fromstring(text)
    except Exception as error:
        raise ValueError("not XML") from error
    if root.tag != "xml":
        raise ValueError("the root must be <xml>")
    value = _value(root)
    return value if isinstance(value, dict) else {}


def _children(fields: dict[str, Any]) -> str:
    parts: list[str] = []
    for name, value in fields.items():
        if isinstance(value, list):
            parts.extend(f"<{name}>{_text(item)}</{name}>" for item in value)
        else:
            parts.append(f"<{name}>{_text(value)}</{name}>")
    return "".join(parts)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return _children(value)
    if isinstance(value, int):
        return str(value)
    return "<![CDATA[" + str(value).replace("]]>", "]]]]><![CDATA[>") + "]]>"


def _value(element: Any) -> Any:
    if len(element) == 0:
        return element.text or ""
    if all(child.tag == "item" for child in element):
        return [_value(child) for child in element]
    return {child.tag: _value(child) for child in element}
