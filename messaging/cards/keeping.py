"""The moves of a service card: written down, claimed for a call, and what came of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from core.config import ServiceCards, current_config
from core.database import claim, insert_ignore
from messaging import rules
from messaging.accounts import find_mini
from messaging.cards import content
from messaging.cards.content import Progress
from messaging.cards.models import NEXT_CARD, CardState, ServiceCard

IN_TIME = timedelta(hours=24)
"""How long after the payment a card can be put up."""
KEPT = timedelta(days=30)
"""How long WeChat takes changes of it."""
CUT_OFF = timedelta(minutes=2)
ADVERT, LATE = "advert", "late"
_CLAIMABLE = (CardState.waiting, CardState.live)
_ENDED = (CardState.over, CardState.failed)


class CardBusy(Exception):
    """Somebody else is talking to WeChat about it, or died doing so: look again in a while."""


@dataclass(frozen=True)
class Paid:
    """A payment through WeChat, whose transaction a card is found by."""

    appid: str
    openid: str
    transaction_id: str
    amount_fen: int
    at: datetime


def are_on() -> bool:
    """Whether any mini-program of the configuration has cards: without one nobody asks further."""
    minis = current_config().wechat.mini_programs
    return any(mini.service_cards.pickup or mini.service_cards.dine_in for mini in minis)


def settings_of(appid: str) -> ServiceCards:
    mini = find_mini(appid)
    return mini.service_cards if mini else ServiceCards()


def kind_for(appid: str, fulfilment: str) -> int | None:
    """The kind of card for orders handed over in this way; None: none."""
    kinds = settings_of(appid)
    return {"pickup": kinds.pickup, "dine_in": kinds.dine_in}.get(fulfilment)


def keep(
    session: Session,
    merchant_id: int,
    order_id: int,
    kind: int,
    paid: Paid,
    progress: Progress,
    *,
    now: datetime,
) -> int | None:
    """The order's card, told how far the order is; None: there is nothing (more) to be told.

    An order that was told further before stays there: jobs may come in any order.
    """
    rank = content.rank_of(progress.step)
    given = content.build(settings_of(paid.appid), kind, progress)
    row = {
        "merchant_id": merchant_id,
        "order_id": order_id,
        "appid": paid.appid,
        "openid": paid.openid,
        "kind": kind,
        "code": paid.transaction_id,
        "amount_fen": paid.amount_fen,
        "paid_at": paid.at,
        "until": paid.at + KEPT,
        "state": CardState.waiting,
        "wanted": rank,
        "shown": 0,
        "content": given,
        "reason": "",
        "again": False,
        "lost": 0,
        "changed_at": now,
    }
    insert_ignore(session, ServiceCard, [row])
    mine = select(ServiceCard).where(ServiceCard.order_id == order_id)
    card = session.scalars(mine.execution_options(populate_existing=True)).one()
    if word := rules.find_word(content.words(given)):
        fail(session, card.id, f"{ADVERT}：{word}", now=now)
        return None
    further = update(ServiceCard).where(ServiceCard.id == card.id, ServiceCard.wanted < rank)
    claim(session, further.values(wanted=rank, content=given))
    return None if card.state in _ENDED else card.id


def take(session: Session, card_id: int, *, now: datetime) -> ServiceCard | None:
    """Claim the card for a call; None: there is nothing to say. Raises CardBusy.

    Too late is written down: WeChat takes a new card for a day, changes for thirty.
    """
    card = session.get_one(ServiceCard, card_id, populate_existing=True)
    if card.state in _ENDED or (card.wanted <= card.shown and not card.again):
        return None
    if card.shown == 0 and now >= card.paid_at + IN_TIME:
        fail(session, card.id, LATE, now=now)
        return None
    over = now >= card.until if card.shown else card.wanted == content.CANCELLED
    if over:  # what was cancelled before it was shown needs no card
        _move(session, card.id, CardState.over, now)
        return None
    cut_off = (ServiceCard.state == CardState.asking) & (ServiceCard.changed_at < now - CUT_OFF)
    free = update(ServiceCard).where(
        ServiceCard.id == card_id, or_(ServiceCard.state.in_(_CLAIMABLE), cut_off)
    )
    if not claim(session, free.values(state=CardState.asking, changed_at=now)):
        raise CardBusy
    return session.get_one(ServiceCard, card_id, populate_existing=True)


def next_step(card: ServiceCard) -> int:
    """How far WeChat is told now: a card is put up at its beginning, however far the order is."""
    return card.wanted if card.shown else min(card.wanted, content.BEGUN)


def told(session: Session, card: ServiceCard, *, now: datetime) -> None:
    """WeChat shows the next step of `card`, as it was claimed."""
    shown = next_step(card)
    to = CardState.over if shown >= content.LAST else CardState.live
    _move(session, card.id, to, now, shown=shown, again=False, errcode=None)


def put_back(session: Session, card: ServiceCard, *, now: datetime) -> None:
    """Nothing was shown, or nobody knows: it will be asked for again."""
    _move(session, card.id, CardState.live if card.shown else CardState.waiting, now)


def fail(
    session: Session, card_id: int, reason: str, *, now: datetime, errcode: int | None = None
) -> None:
    _move(session, card_id, CardState.failed, now, reason=reason[:64], errcode=errcode)


def _move(session: Session, card_id: int, to: CardState, now: datetime, **values: object) -> bool:
    sources = [state for state, targets in NEXT_CARD.items() if to in targets]
    moving = update(ServiceCard).where(ServiceCard.id == card_id, ServiceCard.state.in_(sources))
    return claim(session, moving.values(state=to, changed_at=now, **values)) == 1
