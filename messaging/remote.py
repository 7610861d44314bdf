"""Conversations with WeChat: prepare, call, record. No transaction here spans a call.

Called by jobs. Whatever WeChat says becomes a state of the row; only what may be asked again is
raised, so that the job comes back.
"""

from contextlib import suppress
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

import gateways
from core.clock import now as clock_now
from core.database import reading, retrying, transaction
from core.logs import log
from gateways.wechat.errors import WechatError, WechatUnavailable
from gateways.wechat.official import OfficialAccount
from messaging import chat, conversations, grants, scenes, sending, suppression, windows
from messaging.models import Channel, OutboundMessage, OutboundState, Scene
from messaging.scenes import LONGEST, scene_text

WINDOW_OVER = frozenset({45015, 45047})
NOTHING_GRANTED = 43101
SENT_BEFORE = 45065
_MEDIA = {"image": "[图片]", "voice": "[语音]", "video": "[视频]"}


def deliver(message_id: int) -> OutboundState:
    """Send a prepared message once; returns where it ended.

    A message that is not prepared (any more) is left alone. When WeChat is busy it goes back to
    `prepared` and the error is raised for the job to come back; no answer leaves it `unknown`.
    """
    begun = retrying(_begin, message_id)
    if isinstance(begun, OutboundState):
        return begun
    message, window_ids = begun
    try:
        remote_id = call(message, with_card=len(window_ids) > 1)
    except WechatUnavailable as error:
        if not error.sent:
            retrying(_put_back, message, window_ids)
            raise
        return retrying(_record, message, OutboundState.unknown, reason="no_answer")
    except WechatError as error:
        if error.errcode == SENT_BEFORE:
            return retrying(_record, message, OutboundState.sent, reason="sent_before")
        if error.transient:
            retrying(_put_back, message, window_ids)
            raise
        log.info("message_refused", message_id=message.id, errcode=error.errcode)
        return retrying(_record, message, OutboundState.failed, errcode=error.errcode)
    return retrying(_record, message, OutboundState.sent, remote_id=remote_id)


def create_scene_qr(scene_id: int) -> None:
    """Have WeChat make the QR code of a scene; a scene that has run out is left alone."""
    now = clock_now()
    with reading() as session:
        scene = session.get_one(Scene, scene_id)
    seconds = None
    if scene.expires_at is not None:
        seconds = int(min(scene.expires_at - now, LONGEST).total_seconds())
        if seconds <= 0:
            return
    made = gateways.wechat().official(scene.appid).create_qr(scene_text(scene), seconds)
    with transaction() as session:
        scenes.record_qr(
            session, scene_id, ticket=made.ticket, url=made.url, image_url=made.image_url
        )


def _begin(message_id: int) -> tuple[OutboundMessage, list[int]] | OutboundState:
    """Claim the message and spend what it costs, together: nobody else may send it now."""
    now = clock_now()
    with transaction() as session:
        if not sending.start(session, message_id, now=now):
            return sending.get_message(session, message_id).state
        message = sending.get_message(session, message_id)
        window_ids, reason = [], ""
        if now - message.prepared_at > sending.WAITS:
            reason = "too_late"
        elif message.channel is Channel.customer_service:
            window_ids = _take(session, message, 2 if "card" in message.payload else 1, now)
            reason = "" if window_ids else "window_closed"
        elif message.channel is Channel.subscribe and not grants.spend(
            session,
            appid=message.appid,
            openid=message.openid,
            template_id=message.payload["template_id"],
            now=now,
        ):
            reason = "not_granted"
        if reason:
            failed = OutboundState.failed
            sending.record_result(session, message_id, failed, now=now, reason=reason)
            return failed
    return message, window_ids


def _take(session: Session, message: OutboundMessage, most: int, now: datetime) -> list[int]:
    """The windows that up to `most` messages come out of."""
    taken: list[int] = []
    while len(taken) < most:
        window = windows.spend(session, message.appid, message.openid, now)
        if window is None:
            break
        taken.append(window.id)
    return taken


def call(message: OutboundMessage, *, with_card: bool) -> str:
    """One request, for a card one more; WeChat's message id where it gives one. No transaction."""
    payload, openid = message.payload, message.openid
    if message.channel is Channel.subscribe:
        gateways.wechat().mini(message.appid).send_subscribe(
            openid, payload["template_id"], payload["data"], payload.get("page", "")
        )
        return ""
    official = gateways.wechat().official(message.appid)
    if message.channel is Channel.template:
        mini = payload.get("mini")
        return official.send_template(
            openid,
            payload["template_id"],
            payload["data"],
            url=payload.get("url"),
            mini=(mini[0], mini[1]) if mini else None,
            client_msg_id=f"linli-{message.id}",
        )
    match payload["type"]:
        case "text":
            card = payload.get("card")
            text = payload["text"]
            if card and not with_card:
                text += f"\n{card['instead']}"
            official.send_text(openid, text)
            if card and with_card:
                _send_card(official, openid, card)
        case "news":
            official.send_news(
                openid,
                payload["title"],
                payload["description"],
                payload["url"],
                payload.get("pic_url", ""),
            )
        case "mini_card":
            _send_card_alone(official, openid, payload)
        case "image" | "voice":
            official.send_media(openid, payload["type"], payload["media_id"])
        case "video":
            names = ("media_id", "thumb_media_id", "title", "description")
            official.send_video(openid, *(payload.get(name, "") for name in names))
        case "music":
            names = ("title", "description", "url", "thumb_media_id")
            official.send_music(openid, *(payload.get(name, "") for name in names))
    return ""


def _send_card_alone(official: OfficialAccount, openid: str, card: dict[str, str]) -> None:
    """A card that WeChat refuses was not shown: words and a link go instead, where it has them."""
    try:
        official.send_mini_card(
            openid, card["title"], card["appid"], card["page"], card["thumb_media_id"]
        )
    except WechatError as error:
        if error.transient or error.errcode in WINDOW_OVER or "instead" not in card:
            raise
        log.info("card_refused", code=error.code, errcode=error.errcode)
        official.send_text(openid, card["instead"])


def _send_card(official: OfficialAccount, openid: str, card: dict[str, str]) -> None:
    """After words that have arrived: a card that is refused becomes the link, at most."""
    try:
        official.send_mini_card(
            openid, card["title"], card["appid"], card["page"], card["thumb_media_id"]
        )
    except (WechatError, WechatUnavailable) as error:
        log.info("card_refused", code=error.code, errcode=getattr(error, "errcode", None))
        with suppress(WechatError, WechatUnavailable):
            official.send_text(openid, card["instead"])


def _record(
    message: OutboundMessage,
    state: OutboundState,
    *,
    errcode: int | None = None,
    reason: str = "",
    remote_id: str = "",
) -> OutboundState:
    now = clock_now()
    with transaction() as session:
        sending.record_result(
            session,
            message.id,
            state,
            now=now,
            errcode=errcode,
            reason=reason,
            remote_id=remote_id,
        )
        if state is OutboundState.sent:
            _log(session, message, now)
        if errcode in WINDOW_OVER:
            windows.close_windows(session, message.appid, message.openid)
        if errcode is not None:
            suppression.note(session, [(message.appid, message.openid, errcode)], now=now)
        if errcode == NOTHING_GRANTED:
            grants.withdraw(
                session,
                appid=message.appid,
                openid=message.openid,
                template_id=message.payload["template_id"],
                now=now,
            )
    return state


def _put_back(message: OutboundMessage, window_ids: list[int]) -> None:
    """Nothing was sent: the message waits again, and what it cost is returned."""
    now = clock_now()
    with transaction() as session:
        sending.record_result(
            session, message.id, OutboundState.prepared, now=now, reason="wechat_busy"
        )
        for window_id in window_ids:
            windows.give_back(session, window_id)
        if message.channel is Channel.subscribe:
            grants.give_back(
                session,
                appid=message.appid,
                openid=message.openid,
                template_id=message.payload["template_id"],
                now=now,
            )


def words_of(payload: dict[str, Any]) -> str:
    """What a message says, for the chat log."""
    words = payload.get("text") or payload.get("title") or _MEDIA.get(payload.get("type", ""))
    if words is None:
        words = " ".join(str(value) for value in (payload.get("data") or {}).values())
    return str(words)


def _log(session: Any, message: OutboundMessage, now: datetime) -> None:
    by, words = message.payload.get("by", ""), words_of(message.payload)
    picture = message.payload["media_id"] if message.payload.get("type") == "image" else ""
    chat.log_outbound(
        session,
        appid=message.appid,
        openid=message.openid,
        kind="image" if picture else message.channel.value,
        text=words,
        at=now,
        by=by,
        media_id=picture,
    )
    if by:
        conversations.spoke(session, message.appid, message.openid, words, now=now)
