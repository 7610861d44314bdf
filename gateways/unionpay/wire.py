"""Fields of an answer of UnionPay, which is bare text; notices and returns are forms."""


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
