"""Fields of a message of UnionPay: answers are bare text, notices and returns are forms."""

from urllib.parse import parse_qsl

from gateways.pay.errors import MalformedMessage

MAX_BYTES = 64 * 1024
MAX_FIELDS = 100


def read_answer(raw: bytes) -> dict[str, str]:
    """`k=v&k=v` as it stands: nothing is escaped, and a value may hold `=` (base64 does).

    An ampersand inside braces or brackets belongs to the value. Raises ValueError.
    """
    fields: dict[str, str] = {}
    depth, begin = 0, 0
    text = raw.decode("utf-8")
    for at, sign in enumerate(text + "&"):
        if sign in "{[":
            depth += 1
        elif sign in "}]":
            depth -= 1
        elif sign == "&" and (depth <= 0 or at == len(text)):
            name, equals, value = text[begin:at].partition("=")
            if not equals or not name or name in fields:
                raise ValueError("not fields")
            fields[name] = value
            begin = at + 1
    return fields


def read_form(raw: bytes) -> dict[str, str]:
    """The fields of a notice or a return. Raises MalformedMessage."""
    if len(raw) > MAX_BYTES:
        raise MalformedMessage("通知过长")
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise MalformedMessage("不是有效的表单") from error
    fields = dict(pairs)
    if len(fields) != len(pairs) or any("\x00" in each for pair in pairs for each in pair):
        raise MalformedMessage("不是有效的表单")
    return fields
