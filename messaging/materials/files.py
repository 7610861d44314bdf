"""What a file is, by its first bytes, and whether WeChat takes it. Pure.

The sizes are WeChat's; how long a voice is (a minute at most) only WeChat measures.
"""

from typing import NamedTuple

IMAGE, VOICE, VIDEO, THUMB = "image", "voice", "video", "thumb"
MEGA = 1024 * 1024
MOST = {IMAGE: 10 * MEGA, VOICE: 2 * MEGA, VIDEO: 10 * MEGA, THUMB: 64 * 1024}
LARGEST = max(MOST.values())
WORDS = {IMAGE: "图片", VOICE: "语音", VIDEO: "视频", THUMB: "封面小图"}


class File(NamedTuple):
    """`ending` is how WeChat wants its name to end."""

    kind: str
    mime: str
    ending: str


_JPEG = File(IMAGE, "image/jpeg", "jpg")
_HEADS: tuple[tuple[int, bytes, File], ...] = (
    (0, b"\xff\xd8\xff", _JPEG),
    (0, b"\x89PNG\r\n\x1a\n", File(IMAGE, "image/png", "png")),
    (0, b"GIF8", File(IMAGE, "image/gif", "gif")),
    (0, b"#!AMR", File(VOICE, "audio/amr", "amr")),
    (0, b"ID3", File(VOICE, "audio/mpeg", "mp3")),
    (0, b"\xff\xfb", File(VOICE, "audio/mpeg", "mp3")),
    (0, b"\xff\xf3", File(VOICE, "audio/mpeg", "mp3")),
    (4, b"ftyp", File(VIDEO, "video/mp4", "mp4")),
)


class Refused(ValueError):
    """The file cannot be sent through WeChat; the message says why, in words."""


def recognise(raw: bytes) -> File | None:
    return next((file for at, head, file in _HEADS if raw[at:].startswith(head)), None)


def check(raw: bytes, *, as_thumb: bool = False) -> File:
    """What the file is. Raises Refused."""
    if not raw:
        raise Refused("选一个文件")
    found = recognise(raw)
    if found is None:
        raise Refused("微信只收 JPG、PNG、GIF 图片，MP3、AMR 语音，MP4 视频")
    if as_thumb:
        if found != _JPEG:
            raise Refused("封面小图要用 JPG")
        found = found._replace(kind=THUMB)
    most = MOST[found.kind]
    if len(raw) > most:
        size = f"{most // MEGA} MB" if most >= MEGA else f"{most // 1024} KB"
        raise Refused(f"{WORDS[found.kind]}最大 {size}，这个有 {len(raw) / MEGA:.1f} MB")
    return found
