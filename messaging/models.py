"""Tables of messaging."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto import Sealed
from core.database import Base, Code, Id, LongText, State
from messaging.reply_rules import DAY_MINUTES, EVERY_DAY, Match


class WindowKind(StrEnum):
    """What the person did that lets us write to them for a while."""

    user_message = "user_message"
    menu = "menu"
    follow = "follow"
    scan = "scan"


class SceneKind(StrEnum):
    store = "store"
    table = "table"
    staff_invite = "staff_invite"
    poster = "poster"
    staff = "staff"


class Direction(StrEnum):
    inbound = "in"
    outbound = "out"


class Channel(StrEnum):
    customer_service = "customer_service"
    template = "template"
    subscribe = "subscribe"
    broadcast = "broadcast"  # one message to many, see messaging.broadcasts


class OutboundState(StrEnum):
    prepared = "prepared"
    sending = "sending"
    sent = "sent"
    failed = "failed"
    unknown = "unknown"


NEXT: dict[OutboundState, frozenset[OutboundState]] = {
    OutboundState.prepared: frozenset({OutboundState.sending, OutboundState.failed}),
    OutboundState.sending: frozenset(
        {
            OutboundState.prepared,  # WeChat was busy: nothing was sent, try again later
            OutboundState.sent,
            OutboundState.failed,
            OutboundState.unknown,
        }
    ),
    # Only a template message: WeChat de-duplicates it by client id for ten minutes.
    OutboundState.unknown: frozenset({OutboundState.sending}),
    # WeChat's receipt may say later that it did not arrive.
    OutboundState.sent: frozenset({OutboundState.failed}),
    OutboundState.failed: frozenset(),
}


class Follower(Base):
    """`merchant_id` is empty only on a shared account, until a scene tells whose it is."""

    __tablename__ = "followers"
    __table_args__ = (
        UniqueConstraint("appid", "openid"),
        Index(None, "merchant_id", "subscribed"),
        Index(None, "appid", "subscribed", "seen_run"),
        Index(None, "appid", "detailed_at", "id"),
    )

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    merchant_id: Mapped[int | None] = mapped_column(ForeignKey("merchants.id"))
    identity_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id"), index=True)
    subscribed: Mapped[bool] = mapped_column(default=True)
    subscribed_at: Mapped[datetime]
    unsubscribed_at: Mapped[datetime | None]
    source_scene: Mapped[str] = mapped_column(Code(64), default="")
    source_store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    seen_run: Mapped[int] = mapped_column(Integer, default=0)
    detailed_at: Mapped[datetime | None]


class SyncState(StrEnum):
    running = "running"
    done = "done"


class FollowerSync(Base):
    """How far reading an account's followers has come; `run` numbers the readings.

    `next_openid` is WeChat's cursor: a reading that was cut off goes on from there.
    """

    __tablename__ = "follower_syncs"

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64), unique=True)
    run: Mapped[int] = mapped_column(Integer, default=0)
    state: Mapped[SyncState] = mapped_column(State(SyncState))
    next_openid: Mapped[str] = mapped_column(Code(64), default="")
    total: Mapped[int] = mapped_column(Integer, default=0)
    seen: Mapped[int] = mapped_column(Integer, default=0)
    fresh: Mapped[int] = mapped_column(Integer, default=0)
    gone: Mapped[int] = mapped_column(Integer, default=0)
    started_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class MirroredTag(Base):
    """Who wore a tag here and at WeChat when both were last made the same."""

    __tablename__ = "mirrored_tags"

    appid: Mapped[str] = mapped_column(Code(64), primary_key=True)
    tag_id: Mapped[int] = mapped_column(Integer, primary_key=True)  # WeChat's
    openid: Mapped[str] = mapped_column(Code(64), primary_key=True)


class MessageWindow(Base):
    """One row per person and kind, renewed each time."""

    __tablename__ = "message_windows"
    __table_args__ = (UniqueConstraint("appid", "openid", "kind"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[WindowKind] = mapped_column(State(WindowKind))
    opened_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    remaining: Mapped[int | None] = mapped_column(Integer)


class SubscribeGrant(Base):
    """How many subscribe messages of a template a person has allowed and we have not sent."""

    __tablename__ = "subscribe_grants"
    __table_args__ = (UniqueConstraint("appid", "openid", "template_id"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    template_id: Mapped[str] = mapped_column(Code(64))
    remaining: Mapped[int] = mapped_column(Integer, default=0)
    updated_at: Mapped[datetime]


class Suppression(Base):
    """An address that WeChat said is not to be written to, or not there; see `suppression`."""

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("appid", "openid"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    reason: Mapped[str] = mapped_column(Code(16))
    errcode: Mapped[int] = mapped_column(Integer)
    at: Mapped[datetime]
    until: Mapped[datetime]


class SubscribeAnswer(Base):
    """How somebody answered when asked for a template; `refused_at`: the last answer was no."""

    __tablename__ = "subscribe_answers"
    __table_args__ = (UniqueConstraint("appid", "openid", "template_id"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    template_id: Mapped[str] = mapped_column(Code(64))
    accepts: Mapped[int] = mapped_column(Integer)
    rejects: Mapped[int] = mapped_column(Integer)
    asked_at: Mapped[datetime]
    refused_at: Mapped[datetime | None]


class Scene(Base):
    """A QR code with a parameter. A secret scene (an invite) is found by its hash in `code`.

    `ticket`, `url` and `image_url` are WeChat's, filled by a job; sealed, since they stand for the
    scene. `url_index` finds the scene by its `url`, which is the text of the printed code. Who
    follows through it gets the tag and the coupon.
    """

    __tablename__ = "scenes"
    __table_args__ = (Index(None, "merchant_id", "kind"),)

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(Code(64), unique=True)
    secret: Mapped[str | None] = mapped_column(Sealed())
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    appid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[SceneKind] = mapped_column(State(SceneKind))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    table_id: Mapped[int | None] = mapped_column(ForeignKey("store_tables.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ref: Mapped[str] = mapped_column(Code(64), default="")
    name: Mapped[str] = mapped_column(String(32), default="")
    tag_id: Mapped[int | None] = mapped_column(ForeignKey("tags.id"))
    template_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_templates.id"))
    ticket: Mapped[str | None] = mapped_column(Sealed())
    url: Mapped[str | None] = mapped_column(Sealed())
    url_index: Mapped[str | None] = mapped_column(Code(64), index=True)
    image_url: Mapped[str | None] = mapped_column(Sealed())
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class SceneDay(Base):
    """How often a code was scanned on a day, and by how many who followed with it."""

    __tablename__ = "scene_days"

    scene_id: Mapped[int] = mapped_column(ForeignKey("scenes.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    scans: Mapped[int] = mapped_column(Integer, default=0)
    follows: Mapped[int] = mapped_column(Integer, default=0)


class ChatMessage(Base):
    """What was said in the chat. A passive reply has the key of the message it answers.

    `data` holds what is no text: `url` and `media_id` of a picture, the part of a reply.
    """

    __tablename__ = "chat_messages"
    __table_args__ = (Index(None, "appid", "openid", "at"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    direction: Mapped[Direction] = mapped_column(State(Direction))
    kind: Mapped[str] = mapped_column(Code(32))
    text: Mapped[LongText]
    data: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reply_key: Mapped[str | None] = mapped_column(Code(64), unique=True)
    at: Mapped[datetime]


class OutboundMessage(Base):
    __tablename__ = "outbound_messages"
    __table_args__ = (
        Index(None, "state", "changed_at"),
        Index(None, "appid", "remote_id"),
    )

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(Code(128), unique=True)
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    channel: Mapped[Channel] = mapped_column(State(Channel))
    kind: Mapped[str] = mapped_column(Code(32))
    payload: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[OutboundState] = mapped_column(State(OutboundState))
    reason: Mapped[str] = mapped_column(String(64), default="")
    errcode: Mapped[int | None] = mapped_column(Integer)
    remote_id: Mapped[str] = mapped_column(Code(64), default="")
    prepared_at: Mapped[datetime]
    first_sent_at: Mapped[datetime | None]
    changed_at: Mapped[datetime]


class ReplyRule(Base):
    """An automatic answer: to words, to a menu key, a scan, a follow, or to anything (`default`).

    `word` holds one word per line, or a pattern; `parts` are `messaging.answers`' parts. The hours
    are minutes of the business day; `weekdays` has Monday in its lowest bit.
    """

    __tablename__ = "reply_rules"
    __table_args__ = (Index(None, "appid", "kind", "word"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[str] = mapped_column(Code(16))  # keyword | click | scan | default | welcome
    match: Mapped[Match] = mapped_column(State(Match), default=Match.contains)
    word: Mapped[str] = mapped_column(Code(200), default="")
    parts: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    priority: Mapped[int] = mapped_column(Integer, default=0)
    weekdays: Mapped[int] = mapped_column(Integer, default=EVERY_DAY)
    from_minute: Mapped[int] = mapped_column(Integer, default=0)
    until_minute: Mapped[int] = mapped_column(Integer, default=DAY_MINUTES)
    enabled: Mapped[bool] = mapped_column(default=True)


class Conversation(Base):
    """What waits for a human in the chat with one person.

    `waiting_since` is set while nobody has answered, `quiet_until` while the automatic answers are
    silent, `staff_id` names who has taken it on.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        UniqueConstraint("appid", "openid"),
        Index(None, "appid", "last_at", "id"),
        Index(None, "appid", "waiting_since", "id"),
        Index(None, "appid", "quiet_until"),
        Index(None, "staff_id", "last_at"),
    )

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    last_text: Mapped[str] = mapped_column(String(200), default="")
    last_direction: Mapped[Direction] = mapped_column(State(Direction))
    last_at: Mapped[datetime]
    unread: Mapped[int] = mapped_column(Integer, default=0)
    waiting_since: Mapped[datetime | None]
    quiet_until: Mapped[datetime | None]
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))


class QuickReply(Base):
    """Something that staff say often."""

    __tablename__ = "quick_replies"
    __table_args__ = (UniqueConstraint("appid", "place"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    place: Mapped[int] = mapped_column(Integer)
    text: Mapped[str] = mapped_column(String(300))


class AccountTag(Base):
    """WeChat's id of a tag that we made on an account."""

    __tablename__ = "account_tags"
    __table_args__ = (UniqueConstraint("appid", "name"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    name: Mapped[str] = mapped_column(String(32))
    tag_id: Mapped[int] = mapped_column(Integer)


class MenuState(StrEnum):
    draft = "draft"
    publishing = "publishing"
    published = "published"
    failed = "failed"


NEXT_MENU: dict[MenuState, frozenset[MenuState]] = {
    MenuState.draft: frozenset({MenuState.publishing}),
    MenuState.publishing: frozenset({MenuState.published, MenuState.failed}),
    MenuState.published: frozenset(),
    MenuState.failed: frozenset({MenuState.publishing}),
}


class MenuVersion(Base):
    """The menus of an account at one time: `default` for everybody, `staff` for the staff's tag.

    A draft is changed in place; what was published stays as it was.
    """

    __tablename__ = "menu_versions"
    __table_args__ = (UniqueConstraint("appid", "number"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    number: Mapped[int] = mapped_column(Integer)
    menus: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[MenuState] = mapped_column(State(MenuState))
    actor: Mapped[str] = mapped_column(Code(64))
    problem: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]
    published_at: Mapped[datetime | None]


class ChannelPolicy(Base):
    """Which ways a merchant's campaigns may take; see `messaging.policies.Policy`."""

    __tablename__ = "channel_policies"

    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), primary_key=True)
    customer_service: Mapped[bool]
    subscribe: Mapped[bool]
    broadcast: Mapped[bool]
    keep_broadcasts: Mapped[int] = mapped_column(Integer)


class Dialogue(Base):
    """The question a chat is in the middle of (`messaging.dialogues`).

    `token` names this very dialogue: what it ends in is done once under it.
    """

    __tablename__ = "chat_dialogues"
    __table_args__ = (UniqueConstraint("appid", "openid"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[str] = mapped_column(Code(32))
    token: Mapped[str] = mapped_column(Code(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    expires_at: Mapped[datetime]
