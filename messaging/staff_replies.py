"""What staff say in the chat: prepared, called, recorded; and why it could not be said."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.outbox import enqueue
from messaging.models import (
    Channel,
    Conversation,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    WindowKind,
)
from messaging.sending import prepare

LONGEST = 600
KIND = "staff"
_BY_CODE = {
    45015: "48 小时过了，等顾客再说话才能回",
    45047: "这一轮 5 条用完了，顾客再说一句就能接着回",
    43004: "顾客已经取消关注",
    50005: "顾客已经取消关注",
    43019: "顾客在公众号的黑名单里",
    48002: "顾客设了不收消息",
    45002: "太长了，分成两条发",
    45168: "有微信不让发的词，换个说法",
    48001: "公众号没有客服消息的权限，到公众平台认证",
    48004: "公众号的客服消息被微信封了，到公众平台看通知",
}
_BY_REASON = {
    "window_closed": "现在不能发：48 小时过了，或者这一轮 5 条用完了",
    "no_answer": "微信没有回应，不知道有没有送到",
    "too_late": "微信一直很忙，没有发出去，再发一次",
    "interrupted": "发到一半断了，不知道有没有送到",
}


def prepare_reply(
    session: Session,
    conversation: Conversation,
    said: dict[str, Any],
    *,
    by: str,
    key: str,
    now: datetime,
) -> OutboundMessage | None:
    """Write down what somebody called `by` says, a payload; None: this very form was sent before.

    The door delivers it at once; should it die before, the job does, and one of them only.
    """
    message = prepare(
        session,
        key=f"staff:{key}",
        appid=conversation.appid,
        openid=conversation.openid,
        channel=Channel.customer_service,
        kind=KIND,
        payload={**said, "by": by},
        now=now,
    )
    if message is not None:
        enqueue(session, "messaging.deliver", message_id=message.id)
    return message


def find_windows(session: Session, appid: str, openids: Sequence[str]) -> dict[str, MessageWindow]:
    """By openid, the two days after the last thing that each of them said, over or not."""
    found = session.scalars(
        select(MessageWindow)
        .where(
            MessageWindow.appid == appid,
            MessageWindow.openid.in_(openids),
            MessageWindow.kind == WindowKind.user_message,
        )
        .execution_options(populate_existing=True)
    )
    return {window.openid: window for window in found}


def list_unsent(
    session: Session, appid: str, openid: str, *, since: datetime
) -> list[OutboundMessage]:
    """What staff said that has not arrived, oldest first."""
    found = select(OutboundMessage).where(
        OutboundMessage.appid == appid,
        OutboundMessage.openid == openid,
        OutboundMessage.kind == KIND,
        OutboundMessage.state != OutboundState.sent,
        OutboundMessage.prepared_at >= since,
    )
    return list(session.scalars(found.order_by(OutboundMessage.id)))


def refusal(message: OutboundMessage) -> str:
    """Why it has not arrived, in words."""
    if message.state in (OutboundState.prepared, OutboundState.sending):
        return "正在发"
    by_code = _BY_CODE.get(message.errcode or 0)
    code = f"微信没有接受（{message.errcode}）" if message.errcode else "没有发出去"
    return by_code or _BY_REASON.get(message.reason, code)
