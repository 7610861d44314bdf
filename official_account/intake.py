"""One verified message: stored, acted upon once, answered. Whatever fails, WeChat is answered.

An error page would only make WeChat repeat the message and tell the user that the account is out
of order; what could not be done stays in the inbox (or in Redis) and is done by the sweep.
"""

from redis.exceptions import RedisError
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from core.clock import now as clock_now
from core.database import retrying, transaction
from core.errors import Unavailable
from core.logs import log
from gateways.wechat.callback import Callback
from gateways.wechat.messages import Message
from gateways.wechat.replies import Text
from messaging import chat, inbox, parking
from official_account import wording

DATABASE_AWAY = (OperationalError, InterfaceError, PoolTimeout)


def take_in(callback: Callback, source: str, message: Message) -> tuple[str, str]:
    """Body and content type of the answer. Raises Unavailable only with database and Redis away."""
    text = None
    try:
        event_id = retrying(_store, source, message)
    except DATABASE_AWAY as error:
        _park(source, message, error)
    else:
        text = _act(event_id, message)
    return callback.reply(message, Text(text) if text else None, now=clock_now())


def _store(source: str, message: Message) -> int:
    with transaction() as session:
        return inbox.store(session, source, message, now=clock_now())


def _act(event_id: int, message: Message) -> str | None:
    try:
        return retrying(_act_once, event_id, message)
    except Exception as error:  # noqa: BLE001 - the row waits in the inbox, the sweep comes back
        log.error("message_not_acted_upon", event_id=event_id, exc_info=error)
        return None


def _act_once(event_id: int, message: Message) -> str | None:
    """The reply: written now, or the one that an earlier copy of the message was given."""
    now = clock_now()
    with transaction() as session:
        happened = inbox.act_once(session, event_id, message, now=now)
        if happened is None:
            return chat.find_reply(session, event_id)
        text = wording.write_reply(session, message, happened, now=now)
        if text:
            chat.log_outbound(
                session,
                appid=message.appid,
                openid=message.openid,
                kind="reply",
                text=text,
                at=now,
                in_reply_to=event_id,
            )
        return text


def _park(source: str, message: Message, error: Exception) -> None:
    try:
        parking.park(source, message)
    except (RedisError, Unavailable):
        raise Unavailable("服务正在恢复", retry_after=5) from error
    log.warning("message_parked", source=source, error=type(error).__name__)
