"""A form that a channel posts to us: a notice, or what the payer brings back."""

from collections.abc import Callable
from urllib.parse import parse_qsl

from gateways.pay.errors import MalformedMessage

MAX_BYTES = 64 * 1024
MAX_FIELDS = 100


def read_form(raw: bytes, charset_of: Callable[[str], str] | None = None) -> dict[str, str]:
    """Its fields, each once. `charset_of`: where the form itself says what its letters are; else
    they are UTF-8. Raises MalformedMessage.
    """
    if len(raw) > MAX_BYTES:
        raise MalformedMessage("通知过长")
    try:
        text = raw.decode("ascii")
        pairs = parse_qsl(
            text,
            keep_blank_values=True,
            strict_parsing=True,
            encoding=charset_of(text) if charset_of else "utf-8",
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except (UnicodeDecodeError, ValueError) as error:
        raise MalformedMessage("不是有效的表单") from error
    fields = dict(pairs)
    if len(fields) != len(pairs) or any("\x00" in each for pair in pairs for each in pair):
        raise MalformedMessage("不是有效的表单")
    return fields
