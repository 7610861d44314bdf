"""What an answer says besides the passive reply: messages of customer service, each once."""

from datetime import datetime

from sqlalchemy.orm import Session

from core.config import current_config
from core.outbox import enqueue
from gateways.wechat.messages import Message
from messaging import answers
from messaging.accounts import find_official, mini_for_official
from messaging.answers import Part
from messaging.models import Channel
from messaging.sending import prepare


def send(session: Session, message: Message, parts: list[Part], *, key: str, now: datetime) -> None:
    """Write down and queue what follows the reply under `key`; a repetition changes nothing."""
    _, rest = answers.split(parts)
    account = find_official(message.appid) if rest else None
    for number, part in enumerate(rest):
        payload = answers.payload(
            part,
            mini=mini_for_official(message.appid),
            picture=account.card_media_id if account else "",
            base_url=current_config().app.base_url,
        )
        prepared = prepare(
            session,
            key=f"reply:{key}:{number}",
            appid=message.appid,
            openid=message.openid,
            channel=Channel.customer_service,
            kind="reply",
            payload=payload,
            now=now,
        )
        if prepared is not None:
            enqueue(session, "messaging.deliver", message_id=prepared.id)
