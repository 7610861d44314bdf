"""Conversations of the demo: one whose window runs out, one that asks for a human, one that a human
holds, one that is over. Every line goes through the verbs that WeChat's callbacks go through.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

from sqlalchemy import select
from sqlalchemy.orm import Session

from gateways.wechat.messages import Message, build_message
from merchants.models import Merchant, Staff
from messaging import chat, conversations, inbox, replies, windows
from messaging.accounts import officials_of
from messaging.answers import Part
from messaging.models import Conversation, Follower, MessageWindow
from messaging.receiving import Happened

SPILT = "sandbox-picture-spilt"
"""The sandbox draws what this media id shows."""


class Line(NamedTuple):
    """What was said so many minutes ago: by the guest, or, with `by`, by one of the staff."""

    ago: float
    text: str = ""
    picture: str = ""
    by: str = ""


WAITS_LONG = (
    Line(47 * 60 - 24, "昨天在静安寺店买的桂花乌龙，杯盖没盖紧，洒了一包"),
    Line(47 * 60 - 25, picture=SPILT),
    Line(47 * 60 - 27, "包也湿了，你们看怎么办吧"),
)
ASKS = (
    Line(9, "你们营业时间到几点"),
    Line(7, "转人工"),
    Line(6, "周六下午想订 20 杯送到愚园路，能提前做好吗"),
)
HELD = (
    Line(38, "有没有不含咖啡因的？孕妇想喝"),
    Line(33, "有的，洛神花茶和姜汁撞奶都不含茶底，可以放心喝", by="owner"),
    Line(31, "太好了，那今天下午过去"),
    Line(30, "好，到店跟店员说一声，给你少放糖", by="owner"),
    Line(12, "请问可以带自己的杯子吗"),
)
OVER = (
    Line(28 * 60, "我的会员卡积分怎么少了"),
    Line(28 * 60 - 8, "查到了，那一单退款，相应的 32 分收回了。补你一张 5 元券", by="owner"),
    Line(28 * 60 - 11, "好的谢谢"),
)
TOLD: tuple[tuple[tuple[Line, ...], bool], ...] = (
    (WAITS_LONG, False),
    (ASKS, False),
    (HELD, False),
    (OVER, True),
)
"""Each conversation, and whether it was closed in the end."""


def run(session: Session, merchant: Merchant, now: datetime) -> None:
    accounts = officials_of(merchant.code)
    if not accounts:
        return
    appid = accounts[0].appid
    people = _quiet_ones(session, appid, len(TOLD))
    talks = list(zip(people, TOLD, strict=False))
    said = [(openid, line) for openid, (lines, _) in talks for line in lines]
    for openid, line in sorted(said, key=lambda each: -each[1].ago):  # as the records show it
        at = now - timedelta(minutes=line.ago)
        if line.by:
            _answered(session, appid, openid, line, at)
        else:
            _wrote(session, appid, openid, line, at)
    for openid, (_, closed) in talks:
        if closed:
            conversations.close(session, _conversation(session, appid, openid))


def _quiet_ones(session: Session, appid: str, number: int) -> Sequence[str]:
    """Followers who have not talked lately: an open window of theirs would be another's."""
    talked = select(MessageWindow.openid).where(MessageWindow.appid == appid)
    found = (
        select(Follower.openid)
        .where(
            Follower.appid == appid,
            Follower.subscribed.is_(True),
            Follower.openid.not_in(talked),
        )
        .order_by(Follower.id.desc())
    )
    return session.scalars(found.limit(number)).all()


def _wrote(session: Session, appid: str, openid: str, line: Line, at: datetime) -> None:
    message = _message(appid, openid, line, at)
    inbox.act_once(session, inbox.OFFICIAL + appid, message, now=at, answer=_reply)


def _reply(session: Session, message: Message, _happened: Happened, at: datetime) -> list[Part]:
    """What the rules say; nothing where a human has the word."""
    conversation = _find(session, message.appid, message.openid)
    if conversation is not None and conversation.quiet_until and conversation.quiet_until > at:
        return []
    found = replies.find_answer(session, message.appid, replies.KEYWORD, message.text, now=at)
    return found or replies.find_answer(session, message.appid, replies.DEFAULT, now=at)


def _message(appid: str, openid: str, line: Line, at: datetime) -> Message:
    """As WeChat would have pushed it."""
    fields: dict[str, Any] = {
        "ToUserName": appid,
        "FromUserName": openid,
        "CreateTime": str(int(at.timestamp())),
        "MsgType": "image" if line.picture else "text",
        "MsgId": f"{int(at.timestamp() * 1_000_000)}",
    }
    if line.picture:
        fields |= {"PicUrl": "", "MediaId": line.picture}
    else:
        fields["Content"] = line.text
    raw = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in fields.items())
    return build_message(appid, fields, sealed=True, raw=f"<xml>{raw}</xml>", json=False)


def _answered(session: Session, appid: str, openid: str, line: Line, at: datetime) -> None:
    who = session.scalars(select(Staff).where(Staff.username == line.by)).one()
    windows.spend(session, appid, openid, at)
    chat.log_outbound(
        session, appid=appid, openid=openid, kind="staff", text=line.text, at=at, by=who.name
    )
    conversations.assign(session, _conversation(session, appid, openid), who.id, now=at)
    conversations.spoke(session, appid, openid, line.text, now=at)


def _conversation(session: Session, appid: str, openid: str) -> Conversation:
    found = _find(session, appid, openid)
    assert found is not None
    return found


def _find(session: Session, appid: str, openid: str) -> Conversation | None:
    mine = (Conversation.appid == appid, Conversation.openid == openid)
    found = select(Conversation).where(*mine).execution_options(populate_existing=True)
    return session.scalar(found)
