"""Telling WeChat how far an order is: claim, call, record."""

from datetime import timedelta

import gateways
from core.clock import now as clock_now
from core.database import retrying, transaction
from core.logs import log
from gateways.wechat.errors import WechatError, WechatUnavailable
from gateways.wechat.mini import Card
from messaging.cards import content, keeping
from messaging.cards.models import ServiceCard
from messaging.cards.notices import REFUSED

UNKNOWN_CODE = 85437
PERSON_REFUSED = 10


class NotKnownYet(Exception):
    """WeChat has not heard of the payment yet: in `seconds` it may. The older the payment, the
    longer: a minute at first, a quarter of its age in the end."""

    def __init__(self, age: timedelta) -> None:
        super().__init__(f"unknown after {age}")
        self.seconds = max(60.0, age.total_seconds() / 4)


def show(card_id: int) -> bool:
    """Say what the card should say; False: nothing is left to say.

    WeChat's being busy or silent is raised, CardBusy and NotKnownYet: the job comes back.
    """
    now = clock_now()
    card = retrying(_take, card_id)
    if card is None:
        return False
    if not _says_the_same(card):
        try:
            _call(card)
        except WechatUnavailable:
            retrying(_put_back, card)
            raise
        except WechatError as error:
            if error.transient:
                retrying(_put_back, card)
                raise
            if error.errcode == UNKNOWN_CODE and now < card.paid_at + keeping.IN_TIME:
                retrying(_put_back, card)
                raise NotKnownYet(now - card.paid_at) from None
            try:
                at_wechat = _ask(card)
            except (WechatError, WechatUnavailable):
                retrying(_put_back, card)
                raise
            if at_wechat is None or not _shows(at_wechat, card):
                log.info("service_card_refused", card_id=card.id, errcode=error.errcode)
                retrying(_fail, card, _why(at_wechat), error.errcode)
                return False
    retrying(_told, card)
    return True


def _says_the_same(card: ServiceCard) -> bool:
    """Two steps of ours that are one of WeChat's are told once: the second would be refused."""
    if not card.shown or card.again:
        return False
    before = content.status_of(keeping.settings_of(card.appid), card.kind, card.shown)
    return _status(card) == before


def _status(card: ServiceCard) -> int:
    """WeChat's number of what is told now."""
    settings = keeping.settings_of(card.appid)
    return content.status_of(settings, card.kind, keeping.next_step(card))


def _call(card: ServiceCard) -> None:
    payment = None
    if not card.shown:
        payment = {"pay_amount": card.amount_fen, "pay_time": int(card.paid_at.timestamp())}
    said = {**card.content, "cur_status": _status(card)}
    gateways.wechat().mini(card.appid).show_card(
        card.openid, card.kind, card.code, said, payment=payment
    )


def _ask(card: ServiceCard) -> Card | None:
    """What WeChat shows, where it refused: perhaps it had taken that before, and we never knew.

    None: it has no such card. That it is busy or silent is raised, and no answer.
    """
    try:
        return gateways.wechat().mini(card.appid).read_card(card.openid, card.kind, card.code)
    except WechatError as error:
        if error.transient:
            raise
        return None


def _shows(at_wechat: Card, card: ServiceCard) -> bool:
    return bool(at_wechat.content.get("cur_status") == _status(card))


def _why(at_wechat: Card | None) -> str:
    refused = at_wechat is not None and at_wechat.state == PERSON_REFUSED
    return REFUSED if refused else "微信没有收"


def _take(card_id: int) -> ServiceCard | None:
    with transaction() as session:
        return keeping.take(session, card_id, now=clock_now())


def _told(card: ServiceCard) -> None:
    with transaction() as session:
        keeping.told(session, card, now=clock_now())


def _put_back(card: ServiceCard) -> None:
    with transaction() as session:
        keeping.put_back(session, card, now=clock_now())


def _fail(card: ServiceCard, reason: str, errcode: int) -> None:
    with transaction() as session:
        keeping.fail(session, card.id, reason, errcode=errcode, now=clock_now())
