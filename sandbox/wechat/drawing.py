"""A picture that a customer might send, drawn without a file: a cup on its side, tea run out."""

import struct
import zlib
from functools import cache

WIDTH, HEIGHT = 360, 270
TABLE, SHADOW, TEA, CUP, LID, LABEL = (
    (222, 205, 182),
    (201, 182, 156),
    (178, 116, 58),
    (250, 248, 243),
    (36, 96, 90),
    (15, 95, 99),
)
Colour = tuple[int, int, int]


@cache
def spilt_cup() -> bytes:
    rows = (b"\x00" + b"".join(bytes(_at(x, y)) for x in range(WIDTH)) for y in range(HEIGHT))
    return _png(b"".join(rows))


def _at(x: int, y: int) -> Colour:
    if 60 <= x <= 210 and abs(y - 130) <= 52 - (x - 60) * 0.10:  # the cup, lying
        return LABEL if 105 <= x <= 165 and abs(y - 130) <= 24 else CUP
    if 250 <= x <= 282 and abs(y - 92) <= 42 and (x - 266) ** 2 / 256 + (y - 92) ** 2 / 1764 <= 1:
        return LID
    in_puddle = ((x - 268) / 88) ** 2 + ((y - 168) / 46) ** 2 <= 1
    in_stream = 205 <= x <= 262 and abs(y - 152) <= 20
    if in_puddle or in_stream or ((x - 190) / 70) ** 2 + ((y - 196) / 20) ** 2 <= 1:
        return TEA
    if 52 <= x <= 222 and 182 <= y <= 192:
        return SHADOW
    return TABLE


def _png(rows: bytes) -> bytes:
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
