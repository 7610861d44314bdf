"""From a member to the chat with them: while WeChat lets us write, and why not when it does not."""

from datetime import datetime

from flask import Blueprint, Response, url_for
from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from console import cookies, people, reply, words
from console.access import me, staff
from console.home import YEAR
from console.members import get_member
from core.clock import now as clock_now
from core.database import reading
from crm.models import Member
from messaging.accounts import ruled_officials
from messaging.models import Conversation, Follower, MessageWindow, WindowKind
from people.models import Identity

page = Blueprint("chat_with", __name__, url_prefix="/members")


@page.get("/<no>/chat")
@staff("chats.reply")
def show(no: str) -> Response:
    """The conversation while its window is open; otherwise what is in the way."""
    now = clock_now()
    with reading() as session:
        member = get_member(session, no)
        known = _conversation(session, member)
        why = _why_not(session, member, known, now)
    to = url_for("console.inbox.show", conversation_id=known.id) if known else ""
    if why:
        person = {"no": no, "name": people.name_of(member)}
        return reply.page("members/chat.html", m=person, why=why, said=to)
    assert known is not None
    response = reply.done(to)
    cookies.write(response, cookies.ACCOUNT, known.appid, YEAR)
    return response


def _conversation(session: Session, member: Member) -> Conversation | None:
    """The latest of theirs, in whichever of the shop's accounts."""
    found = (
        select(Conversation)
        .join(
            Identity,
            and_(Identity.appid == Conversation.appid, Identity.openid == Conversation.openid),
        )
        .where(Identity.person_id == member.person_id, Conversation.appid.in_(_ours(session)))
        .order_by(Conversation.last_at.desc())
        .limit(1)
    )
    return session.scalars(found).first()


def _ours(session: Session) -> list[str]:
    return [account.appid for account in ruled_officials(session, me().merchant_code)]


def _why_not(session: Session, member: Member, known: Conversation | None, now: datetime) -> str:
    """What to tell whoever wants to write; "" while WeChat lets them."""
    if known is None:
        following = (
            select(Follower.id)
            .join(Identity, Identity.id == Follower.identity_id)
            .where(
                Identity.person_id == member.person_id,
                Follower.appid.in_(_ours(session)),
                Follower.merchant_id == me().merchant_id,
                Follower.subscribed.is_(True),
            )
        )
        if session.scalar(following.limit(1)) is None:
            return "他没有关注公众号，公众号里发不了消息给他。"
        return "他关注了公众号，还没有在里面说过话。微信只让我们回复先开口的人。"
    window = session.scalar(
        select(MessageWindow).where(
            MessageWindow.appid == known.appid,
            MessageWindow.openid == known.openid,
            MessageWindow.kind == WindowKind.user_message,
        )
    )
    if window is None or window.expires_at <= now:
        last = words.when(window.opened_at, now) if window else ""
        spoke = f"他上一次说话是 {last}，" if last else ""
        return f"{spoke}过了 48 小时，微信不让主动发。等他再说一句就能回。"
    return "" if window.remaining else "这一轮 5 条用完了，他再说一句就能接着回。"
