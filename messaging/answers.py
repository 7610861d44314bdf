"""What is said in answer: parts of a few kinds, kept as JSON. Pure.

The first part that a passive reply can carry is the reply; what it cannot carry follows as messages
of customer service, out of the window that the person has just opened.
"""

from typing import Any

from core.config import MiniProgram
from gateways.wechat import replies
from messaging.words import mini_link

Part = dict[str, Any]
MOST_PARTS = 3

FIELDS: dict[str, tuple[str, ...]] = {
    "text": ("text",),
    "human": ("text",),
    "news": ("title", "description", "url", "pic_url"),
    "mini_card": ("title", "page"),
    "image": ("media_id",),
    "voice": ("media_id",),
    "video": ("media_id", "title", "description"),
    "music": ("title", "description", "url", "thumb_media_id"),
    "transfer": ("account",),
}
"""The kinds of parts and the texts that each holds."""
OPTIONAL = {"description", "pic_url", "account"}
LONGEST = {"text": 600, "title": 64, "description": 120, "url": 1000, "pic_url": 1000}


def of(stored: Any) -> list[Part]:
    """The parts of what was stored: nothing, a text of former times, or a list."""
    if isinstance(stored, str):
        return [text(stored)] if stored else []
    return list(stored or [])


def text(said: str) -> Part:
    return {"type": "text", "text": said}


def check(part: Part) -> dict[str, str]:
    """What is wrong with a part, by field, in words; empty: nothing."""
    wrong: dict[str, str] = {}
    for name in FIELDS.get(part.get("type", ""), ()):
        value = str(part.get(name, "")).strip()
        if not value and name not in OPTIONAL:
            wrong[name] = "要填"
        elif len(value) > LONGEST.get(name, 128):
            wrong[name] = f"最多 {LONGEST.get(name, 128)} 个字"
        elif name in ("url", "pic_url") and value and not value.startswith(("http://", "https://")):
            wrong[name] = "填 https:// 开头的网址"
    return wrong


def is_passive(part: Part) -> bool:
    return str(part["type"]) != "mini_card"


def split(parts: list[Part]) -> tuple[Part | None, list[Part]]:
    """What is answered at once, and what follows."""
    first = next((part for part in parts if is_passive(part)), None)
    return first, [part for part in parts if part is not first]


def reply(parts: list[Part]) -> replies.Reply | None:
    """The passive reply. None: accepted in silence."""
    part, _ = split(parts)
    if part is None:
        return None
    match part["type"]:
        case "text" | "human":
            return replies.Text(part["text"])
        case "news":
            given = [part.get(name, "") for name in FIELDS["news"]]
            return replies.News(*given)
        case "image":
            return replies.Image(part["media_id"])
        case "voice":
            return replies.Voice(part["media_id"])
        case "video":
            return replies.Video(*(part.get(name, "") for name in FIELDS["video"]))
        case "music":
            return replies.Music(*(part.get(name, "") for name in FIELDS["music"]))
        case "transfer":
            return replies.Transfer(part.get("account", ""))
    return None


def describe(part: Part) -> str:
    """The part in the chat log."""
    match part["type"]:
        case "text" | "human":
            return str(part["text"])
        case "news":
            return f"[图文] {part['title']}"
        case "mini_card":
            return f"[小程序] {part['title']}"
        case "image":
            return "[图片]"
        case "voice":
            return "[语音]"
        case "video":
            return f"[视频] {part['title']}"
        case "music":
            return f"[音乐] {part['title']}"
    return "转给微信客服"


def payload(part: Part, *, mini: MiniProgram | None, picture: str, base_url: str) -> dict[str, Any]:
    """The part as a message of customer service; `picture` is the account's for cards."""
    match part["type"]:
        case "news":
            return {name: part.get(name, "") for name in ("type", *FIELDS["news"])}
        case "mini_card":
            said = mini_link(part["title"], part["page"], mini=mini, base_url=base_url)
            if mini is None or not picture:
                return {"type": "text", "text": said}
            card = {"title": part["title"], "page": part["page"], "appid": mini.appid}
            return {"type": "mini_card", **card, "thumb_media_id": picture, "instead": said}
        case "image" | "voice":
            return {"type": part["type"], "media_id": part["media_id"]}
        case "video":
            thumb = part.get("thumb_media_id") or picture
            return {name: part.get(name, "") for name in ("type", *FIELDS["video"])} | {
                "thumb_media_id": thumb
            }
        case "music":
            return {name: part.get(name, "") for name in ("type", *FIELDS["music"])}
    return {"type": "text", "text": part.get("text", "")}
