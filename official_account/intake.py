"""One verified message: stored and acted upon once, answered. Whatever fails, WeChat is answered.

An error page would only make WeChat repeat the message and tell the user that the account is out
of order; what could not be done stays in the inbox, or in Redis with the database away, and is
done by the sweep.
"""

from collections.abc import Callable

from redis.exceptions import RedisError

from core.clock import now as clock_now
from core.database import DATABASE_AWAY, retrying, transaction
from core.errors import Unavailable
from core.logs import log
from gateways.wechat.callback import Callback
from gateways.wechat.messages import Message
from gateways.wechat.replies import Text
from messaging import chat, inbox, parking
from official_account import wording

Keep = Callable[[str, Message], None]


def take_in(callback: Callback, source: str, message: Message) -> tuple[str, str]:
    """Body and content type of the answer. Raises Unavailable only with nowhere left to keep it."""
    text = None
    try:
        text = retrying(_act_once, source, message)
    except DATABASE_AWAY as error:
        log.warning("message_parked", source=source, error=type(error).__name__)
        _keep(source, message, _park, _store)
    except Exception as error:  # noqa: BLE001 - the message is kept and the sweep takes it up
        log.error("message_not_acted_upon", source=source, exc_info=error)
        _keep(source, message, _store, _park)
    return callback.reply(message, Text(text) if text else None, now=clock_now())


def _act_once(source: str, message: Message) -> str | None:
    """The reply: written now, or the one that an earlier copy of the message was given."""
    now = clock_now()
    key = inbox.reply_key(source, message)
    with transaction() as session:
        happened = inbox.act_once(session, source, message, now=now)
        if happened is None:
            return chat.find_reply(session, key)
        text = wording.write_reply(session, message, happened, now=now)
        if text:
            chat.log_outbound(
                session,
                appid=message.appid,
                openid=message.openid,
                kind="reply",
                text=text,
                at=now,
                reply_key=key,
            )
        return text


def _keep(source: str, message: Message, *places: Keep) -> None:
    """In the first place that takes it."""
    for place in places:
        try:
            return place(source, message)
        except (*DATABASE_AWAY, RedisError, Unavailable) as error:
            log.warning("message_not_kept", place=place.__name__, error=type(error).__name__)
    raise Unavailable("服务正在恢复", retry_after=5)


def _store(source: str, message: Message) -> None:
    with transaction() as session:
        inbox.store(session, source, message, now=clock_now())


def _park(source: str, message: Message) -> None:
    parking.park(source, message)
