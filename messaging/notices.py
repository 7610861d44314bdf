"""WeChat's notices about messages: what people allowed, and what arrived."""

from datetime import datetime

from sqlalchemy.orm import Session

from gateways.wechat import contents
from gateways.wechat.card_events import CardLost
from gateways.wechat.messages import Message
from messaging import asking, grants, sending
from messaging.cards import notices as cards

_MAX_ID = 64


def act(session: Session, message: Message, *, now: datetime) -> None:
    """Follow a subscribe_msg_* event, TEMPLATESENDJOBFINISH, or a service card's that was lost;
    unreadable fields are skipped."""
    match contents.read(message):
        case contents.Answers(items):
            for item in items:
                _allow(session, message, item, now)
        case contents.Arrivals(items):
            for arrival in items:
                if arrival.errcode != 0:
                    _lost(session, message, arrival, now)
        case contents.TemplateSent(message_id, status) as result if not result.arrived:
            told = contents.Arrival("", message_id, None, status)
            _lost(session, message, told, now)
        case CardLost() as lost:
            cards.act(session, message.appid, lost, now=now)


def _allow(session: Session, message: Message, item: contents.Answer, now: datetime) -> None:
    template_id = item.template_id
    if not template_id or len(template_id) > _MAX_ID:
        return
    whose = {"appid": message.appid, "openid": message.openid, "template_id": template_id}
    if item.status in ("accept", "reject"):
        accepted = item.status == "accept"
        asking.note_answer(session, **whose, accepted=accepted, at=message.created_at)
    if item.status == "accept" and message.event == "subscribe_msg_popup_event":
        grants.add(session, **whose, now=now, count=1)
    elif item.status == "reject" and message.event == "subscribe_msg_change_event":
        grants.withdraw(session, **whose, now=now)


def _lost(session: Session, message: Message, told: contents.Arrival, now: datetime) -> None:
    if told.message_id and len(told.message_id) <= _MAX_ID:
        sending.record_receipt(
            session,
            appid=message.appid,
            remote_id=told.message_id,
            errcode=told.errcode,
            reason=told.status[:64],
            now=now,
        )
