"""Acting on what WeChat tells: one verified message or event, in the caller's transaction.

The door records the message in the inbox first and calls `act` once per message; a sweep calls it
for what was left behind. `act` changes rows and queues jobs; the words of a reply are the door's.
Whatever has no handler here is accepted and stays recorded in the inbox.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.orm import Session

from core import audit
from core.outbox import enqueue
from gateways.wechat import contents
from gateways.wechat.messages import Message
from gateways.wechat.trade_events import EVENTS as TRADE_EVENTS
from gateways.wechat.trade_events import TradeTold
from merchants import staff as merchant_staff
from merchants.errors import AlreadyBound, InviteUnusable, LastOwner
from merchants.models import Staff
from messaging import followers, notices, windows
from messaging.accounts import find_owner
from messaging.broadcasts import reports
from messaging.models import Scene, SceneKind, WindowKind
from messaging.scenes import find_scene, invite_code
from people import identities
from people.models import IdentityKind

Fields = dict[str, Any]


@dataclass(frozen=True)
class Happened:
    """What became of a message, for whoever writes the reply."""

    scene: Scene | None = None
    staff: Staff | None = None
    refusal: str = ""


Handler = Callable[[Session, Message, datetime], Happened]


def act(session: Session, message: Message, *, now: datetime) -> Happened:
    """Do what a message means. To be called once per message: the caller holds its inbox row."""
    if message.event is None:
        return _said(session, message, now)
    handler = _HANDLERS.get(message.event)
    return handler(session, message, now) if handler else Happened()


def is_handled(message: Message) -> bool:
    """Whether `act` will do anything; what it will not stays recorded."""
    return message.event is None or message.event in _HANDLERS


_KEPT = (
    "appid",
    "to_user",
    "openid",
    "kind",
    "event",
    "event_key",
    "msg_id",
    "fields",
    "sealed",
    "json",
)


def to_body(message: Message) -> Fields:
    """A message as JSON for the inbox, without its raw text, which has a column of its own."""
    kept = {name: getattr(message, name) for name in _KEPT}
    return {**kept, "created_at": message.created_at.timestamp()}


def from_body(body: Fields, raw: str) -> Message:
    """The message that `to_body` wrote."""
    created_at = datetime.fromtimestamp(body["created_at"], UTC)
    known = {name: body[name] for name in _KEPT}
    return Message(**{**known, "created_at": created_at, "raw": raw})


def _subscribed(session: Session, message: Message, now: datetime) -> Happened:
    scene = find_scene(session, message.event_key.removeprefix("qrscene_"))
    owner = find_owner(session, message.appid)
    merchant_id = owner.id if owner else (scene.merchant_id if scene else None)
    foreign = scene is not None and scene.merchant_id != merchant_id
    scene = None if foreign else scene
    follower = followers.follow(
        session,
        appid=message.appid,
        openid=message.openid,
        at=message.created_at,
        merchant_id=merchant_id,
        scene=scene.code if scene else "",
        store_id=scene.store_id if scene else None,
    )
    _open(session, message, WindowKind.follow)
    if follower.subscribed:
        enqueue(session, "messaging.welcome_follower", follower_id=follower.id)
    _count(session, message, scene, followed=True)
    return _arrived(session, message, scene, now)


def _unsubscribed(session: Session, message: Message, now: datetime) -> Happened:
    followers.unfollow(session, appid=message.appid, openid=message.openid, at=message.created_at)
    windows.close_windows(session, message.appid, message.openid)
    return Happened()


def _scanned(session: Session, message: Message, now: datetime) -> Happened:
    """A follower scanned a code of ours; somebody we never saw follow is known from now on."""
    scene = find_scene(session, message.event_key)
    owner = find_owner(session, message.appid)
    if scene is not None and owner is not None and scene.merchant_id != owner.id:
        scene = None
    _open(session, message, WindowKind.scan)
    if followers.find_follower(session, message.appid, message.openid) is None:
        follower = followers.follow(
            session,
            appid=message.appid,
            openid=message.openid,
            at=message.created_at,
            merchant_id=owner.id if owner else (scene.merchant_id if scene else None),
            scene=scene.code if scene else "",
            store_id=scene.store_id if scene else None,
        )
        enqueue(session, "messaging.welcome_follower", follower_id=follower.id)
    _count(session, message, scene, followed=False)
    return _arrived(session, message, scene, now)


def _count(session: Session, message: Message, scene: Scene | None, *, followed: bool) -> None:
    """A code that many see is counted by a job, so that nobody waits for its row in the chat."""
    if scene is not None and scene.kind is not SceneKind.staff_invite:
        enqueue(
            session,
            "messaging.note_scan",
            appid=message.appid,
            openid=message.openid,
            scene_id=scene.id,
            at=message.created_at.isoformat(),
            followed=followed,
        )


def _arrived(session: Session, message: Message, scene: Scene | None, now: datetime) -> Happened:
    """After following or scanning: an invite makes the person staff."""
    if scene is None or scene.kind is not SceneKind.staff_invite:
        return Happened(scene=scene)
    known = identities.recognise(
        session,
        kind=IdentityKind.official,
        appid=message.appid,
        openid=message.openid,
        now=now,
    )
    try:
        with session.begin_nested():
            staff = merchant_staff.accept_invite(session, invite_code(scene), known.person, now)
    except (InviteUnusable, AlreadyBound, LastOwner) as refused:
        return Happened(scene=scene, refusal=refused.detail)
    audit.record(
        session,
        actor=f"staff:{staff.id}",
        action="staff.joined",
        subject=f"staff:{staff.id}",
        after={"role": staff.role, "identity": known.identity.id},
        merchant_id=staff.merchant_id,
        now=now,
    )
    enqueue(session, "messaging.tag_staff", appid=message.appid, openid=message.openid)
    return Happened(scene=scene, staff=staff)


def _clicked(session: Session, message: Message, now: datetime) -> Happened:
    _open(session, message, WindowKind.menu)
    return Happened()


def _scanned_in_menu(session: Session, message: Message, now: datetime) -> Happened:
    _open(session, message, WindowKind.menu)
    return Happened(staff=find_staff(session, message.appid, message.openid))


def _viewed(session: Session, message: Message, now: datetime) -> Happened:
    return Happened()


def _said(session: Session, message: Message, now: datetime) -> Happened:
    """An ordinary message of any type; the customer-service window is open for two days."""
    _open(session, message, WindowKind.user_message)
    told = contents.read(message) if message.kind == "voice" else None
    if isinstance(told, contents.Voice) and told.media_id:
        enqueue(
            session,
            "messaging.measure_voice",
            appid=message.appid,
            openid=message.openid,
            media_id=told.media_id,
        )
    return Happened()


def _noticed(session: Session, message: Message, now: datetime) -> Happened:
    notices.act(session, message, now=now)
    return Happened()


def _withdrawn(session: Session, message: Message, now: datetime) -> Happened:
    """What was allowed is taken back: whoever knows the person forgets it."""
    told = contents.read(message)
    if isinstance(told, contents.Withdrawn) and (told.kinds or told.everything):
        enqueue(
            session,
            "people.forget_withdrawn",
            appid=message.appid,
            openid=told.openid or message.openid,
            kinds=list(told.kinds),
            everything=told.everything,
        )
    return Happened()


def _mass_finished(session: Session, message: Message, now: datetime) -> Happened:
    reports.act(session, message, now=now)
    return Happened()


def _traded(session: Session, message: Message, now: datetime) -> Happened:
    """About a payment of the mini-program: whoever looks after payments acts on it."""
    told = contents.read(message)
    if isinstance(told, TradeTold):
        said = {name: value for name, value in asdict(told).items() if value}
        enqueue(
            session,
            "payments.hear_of_shipping",
            event=message.event,
            appid=message.appid,
            **said,
        )
    return Happened()


def find_staff(session: Session, appid: str, openid: str) -> Staff | None:
    """The active staff member who writes from this identity, at the account's own merchant."""
    identity = identities.find_identity(session, appid, openid)
    if identity is None:
        return None
    owner = find_owner(session, appid)
    return merchant_staff.find_by_person(
        session, identity.person_id, merchant_id=owner.id if owner else None
    )


def _open(session: Session, message: Message, kind: WindowKind) -> None:
    windows.open_window(
        session, appid=message.appid, openid=message.openid, kind=kind, at=message.created_at
    )


_HANDLERS: dict[str, Handler] = {
    "subscribe": _subscribed,
    "unsubscribe": _unsubscribed,
    "scan": _scanned,
    "click": _clicked,
    "scancode_push": _clicked,
    "scancode_waitmsg": _scanned_in_menu,
    "view": _viewed,
    "view_miniprogram": _viewed,
    "location": _viewed,
    "subscribe_msg_popup_event": _noticed,
    "subscribe_msg_change_event": _noticed,
    "subscribe_msg_sent_event": _noticed,
    "templatesendjobfinish": _noticed,
    "notify_service_msg_send_result": _noticed,
    # The pictures and the place that were chosen follow as messages of their own.
    "pic_sysphoto": _viewed,
    "pic_photo_or_album": _viewed,
    "pic_weixin": _viewed,
    "location_select": _viewed,
    "user_info_modified": _withdrawn,
    "user_authorization_revoke": _withdrawn,
    "user_authorize_revoke": _withdrawn,
    "user_authorization_cancellation": _withdrawn,
    "masssendjobfinish": _mass_finished,
    **dict.fromkeys(TRADE_EVENTS, _traded),
}
