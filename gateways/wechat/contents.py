"""What a message or an event holds, typed: one class for each thing that WeChat tells.

`read` never raises: a field that is missing or of another shape is empty, because WeChat adds kinds
and forgets fields, and a message that nobody understands must still be kept.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from gateways.wechat.card_events import CardLost, read_lost
from gateways.wechat.messages import Message
from gateways.wechat.trade_events import EVENTS as TRADE_EVENTS
from gateways.wechat.trade_events import TradeTold, read_trade

Fields = dict[str, Any]


@dataclass(frozen=True)
class Words:
    """`menu_id` when a choice was tapped in a message that offers some."""

    text: str
    menu_id: str = ""


@dataclass(frozen=True)
class Picture:
    url: str
    media_id: str


@dataclass(frozen=True)
class Voice:
    media_id: str
    format: str
    words: str = ""


@dataclass(frozen=True)
class Film:
    media_id: str
    thumb_media_id: str
    short: bool


@dataclass(frozen=True)
class Place:
    latitude: float
    longitude: float
    label: str = ""
    name: str = ""


@dataclass(frozen=True)
class Link:
    title: str
    description: str
    url: str


@dataclass(frozen=True)
class MiniPage:
    title: str
    appid: str
    page: str


@dataclass(frozen=True)
class Followed:
    """`scene` is what the code says that was scanned, "" without one."""

    scene: str
    ticket: str


@dataclass(frozen=True)
class Left:
    pass


@dataclass(frozen=True)
class Scanned:
    scene: str
    ticket: str


@dataclass(frozen=True)
class Tapped:
    """A menu button: its key, address or page."""

    key: str
    menu_id: str = ""


@dataclass(frozen=True)
class CodeRead:
    """A menu button opened the camera, and this is what it read."""

    key: str
    kind: str
    result: str


@dataclass(frozen=True)
class PicturesChosen:
    """The pictures follow as messages of their own."""

    key: str
    count: int


@dataclass(frozen=True)
class PlaceChosen:
    key: str
    place: Place


@dataclass(frozen=True)
class Position:
    latitude: float
    longitude: float
    precision: float


@dataclass(frozen=True)
class TemplateSent:
    message_id: str
    status: str

    @property
    def arrived(self) -> bool:
        return self.status == "success"


@dataclass(frozen=True)
class MassSent:
    """A broadcast has ended; the numbers are WeChat's and approximate."""

    message_id: str
    status: str
    total: int
    filtered: int
    sent: int
    failed: int

    @property
    def succeeded(self) -> bool:
        return self.status in ("send success", "sendsuccess")


@dataclass(frozen=True)
class Answer:
    """What somebody said to one template of subscribe messages: accept, reject, …"""

    template_id: str
    status: str


@dataclass(frozen=True)
class Answers:
    items: tuple[Answer, ...]


@dataclass(frozen=True)
class Arrival:
    template_id: str
    message_id: str
    errcode: int | None
    status: str


@dataclass(frozen=True)
class Arrivals:
    items: tuple[Arrival, ...]


@dataclass(frozen=True)
class Withdrawn:
    """Somebody takes back what they allowed, or all of it: we must forget it.

    `kinds` are WeChat's numbers (6 nickname and picture, 8 phone number, …); none: everything.
    """

    openid: str
    appid: str
    kinds: tuple[str, ...]
    everything: bool


@dataclass(frozen=True)
class Unknown:
    """Kept in the inbox as it came."""

    kind: str


Content = (
    Words
    | Picture
    | Voice
    | Film
    | Place
    | Link
    | MiniPage
    | Followed
    | Left
    | Scanned
    | Tapped
    | CodeRead
    | PicturesChosen
    | PlaceChosen
    | Position
    | TemplateSent
    | MassSent
    | Answers
    | Arrivals
    | Withdrawn
    | CardLost
    | TradeTold
    | Unknown
)


def read(message: Message) -> Content:
    """What the message holds; Unknown for a kind that we have no name for."""
    known = _MESSAGES if message.event is None else _EVENTS
    kind = message.kind if message.event is None else message.event
    reader = known.get(kind)
    return reader(message.fields) if reader else Unknown(kind)


def text(item: Fields, key: str) -> str:
    """A field as text, "" when it is none."""
    value = item.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _words(fields: Fields) -> Words:
    said = fields.get("Content")
    return Words(said if isinstance(said, str) else "", text(fields, "bizmsgmenuid"))


def _film(short: bool) -> Callable[[Fields], Film]:
    return lambda f: Film(text(f, "MediaId"), text(f, "ThumbMediaId"), short)


def _place(fields: Fields) -> Place:
    return Place(
        _degrees(fields, "Location_X"),
        _degrees(fields, "Location_Y"),
        text(fields, "Label"),
        text(fields, "Poiname"),
    )


def _followed(fields: Fields) -> Followed:
    return Followed(text(fields, "EventKey").removeprefix("qrscene_"), text(fields, "Ticket"))


def _tapped(fields: Fields) -> Tapped:
    return Tapped(text(fields, "EventKey"), text(fields, "MenuId"))


def _code_read(fields: Fields) -> CodeRead:
    code = _inner(fields, "ScanCodeInfo")
    return CodeRead(text(fields, "EventKey"), text(code, "ScanType"), text(code, "ScanResult"))


def _pictures(fields: Fields) -> PicturesChosen:
    return PicturesChosen(
        text(fields, "EventKey"), _number(_inner(fields, "SendPicsInfo"), "Count")
    )


def _place_chosen(fields: Fields) -> PlaceChosen:
    return PlaceChosen(text(fields, "EventKey"), _place(_inner(fields, "SendLocationInfo")))


def _position(fields: Fields) -> Position:
    return Position(*(_degrees(fields, name) for name in ("Latitude", "Longitude", "Precision")))


def _template_sent(fields: Fields) -> TemplateSent:
    return TemplateSent(text(fields, "MsgID"), text(fields, "Status").replace(" ", ""))


def _mass_sent(fields: Fields) -> MassSent:
    counts = (_number(fields, f"{name}Count") for name in ("Total", "Filter", "Sent", "Error"))
    return MassSent(text(fields, "MsgID") or text(fields, "MsgId"), text(fields, "Status"), *counts)


def _answers(name: str) -> Callable[[Fields], Answers]:
    def read_answers(fields: Fields) -> Answers:
        return Answers(
            tuple(
                Answer(text(item, "TemplateId"), text(item, "SubscribeStatusString"))
                for item in _items(fields, name)
            )
        )

    return read_answers


def _arrivals(fields: Fields) -> Arrivals:
    return Arrivals(
        tuple(
            Arrival(
                text(item, "TemplateId"),
                text(item, "MsgID"),
                _errcode(text(item, "ErrorCode")),
                text(item, "ErrorStatus"),
            )
            for item in _items(fields, "SubscribeMsgSentEvent")
        )
    )


def _withdrawn(everything: bool) -> Callable[[Fields], Withdrawn]:
    def read_withdrawn(fields: Fields) -> Withdrawn:
        kinds = tuple(part for part in text(fields, "RevokeInfo").split(",") if part.strip())
        return Withdrawn(text(fields, "OpenID"), text(fields, "AppID"), kinds, everything)

    return read_withdrawn


def _items(fields: Fields, name: str) -> Iterator[Fields]:
    """`List` is one object or several, in XML directly, in JSON under the event's own name."""
    outer = fields.get(name)
    given = outer.get("List") if isinstance(outer, dict) else fields.get("List", outer)
    for item in given if isinstance(given, list) else [given]:
        if isinstance(item, dict):
            yield item


def _inner(fields: Fields, name: str) -> Fields:
    inner = fields.get(name)
    return inner if isinstance(inner, dict) else {}


def _number(fields: Fields, key: str) -> int:
    value = text(fields, key)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 16 else 0


def _errcode(code: str) -> int | None:
    """Nothing said is a success; None for what is no number."""
    if not code:
        return 0
    return int(code) if code.isascii() and code.isdigit() and len(code) < 9 else None


def _degrees(fields: Fields, key: str) -> float:
    try:
        value = float(text(fields, key) or fields.get(key) or 0)
    except (TypeError, ValueError):
        return 0.0
    return value if math.isfinite(value) else 0.0


_MESSAGES: dict[str, Callable[[Fields], Content]] = {
    "text": _words,
    "image": lambda f: Picture(text(f, "PicUrl"), text(f, "MediaId")),
    "voice": lambda f: Voice(text(f, "MediaId"), text(f, "Format"), text(f, "Recognition")),
    "video": _film(short=False),
    "shortvideo": _film(short=True),
    "location": _place,
    "link": lambda f: Link(text(f, "Title"), text(f, "Description"), text(f, "Url")),
    "miniprogrampage": lambda f: MiniPage(text(f, "Title"), text(f, "AppId"), text(f, "PagePath")),
}
_EVENTS: dict[str, Callable[[Fields], Content]] = {
    "subscribe": _followed,
    "unsubscribe": lambda _: Left(),
    "scan": lambda f: Scanned(text(f, "EventKey"), text(f, "Ticket")),
    "location": _position,
    "click": _tapped,
    "view": _tapped,
    "view_miniprogram": _tapped,
    "scancode_push": _code_read,
    "scancode_waitmsg": _code_read,
    "pic_sysphoto": _pictures,
    "pic_photo_or_album": _pictures,
    "pic_weixin": _pictures,
    "location_select": _place_chosen,
    "templatesendjobfinish": _template_sent,
    "masssendjobfinish": _mass_sent,
    "subscribe_msg_popup_event": _answers("SubscribeMsgPopupEvent"),
    "subscribe_msg_change_event": _answers("SubscribeMsgChangeEvent"),
    "subscribe_msg_sent_event": _arrivals,
    "notify_service_msg_send_result": read_lost,
    **dict.fromkeys(TRADE_EVENTS, read_trade),
    "user_info_modified": _withdrawn(everything=False),
    "user_authorization_revoke": _withdrawn(everything=False),
    "user_authorize_revoke": _withdrawn(everything=False),  # both spellings are told of
    "user_authorization_cancellation": _withdrawn(everything=True),
}
