"""How long a voice is, by its file: WeChat names only the file. Pure.

People's voices come as AMR, frames of 20 ms whose first byte tells how long each is; Speex, which
only WeChat itself plays, is not measured.
"""

FRAMES_A_SECOND = 50
_NARROW, _WIDE = b"#!AMR\n", b"#!AMR-WB\n"
_NARROW_SIZES = (12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0)
_WIDE_SIZES = (17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0)


def seconds(raw: bytes) -> int | None:
    """Whole seconds, at least one; None for what is no AMR."""
    for head, sizes in ((_WIDE, _WIDE_SIZES), (_NARROW, _NARROW_SIZES)):
        if raw.startswith(head):
            return max(round(_frames(raw, len(head), sizes) / FRAMES_A_SECOND), 1)
    return None


def _frames(raw: bytes, at: int, sizes: tuple[int, ...]) -> int:
    number = 0
    while at < len(raw):
        at += 1 + sizes[raw[at] >> 3 & 0x0F]
        number += at <= len(raw)
    return number
