"""WeChat's word that a card did not reach its person."""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim
from core.outbox import enqueue
from gateways.wechat import card_events
from gateways.wechat.card_events import CardLost
from messaging.cards import content, keeping
from messaging.cards.models import CardState, ServiceCard

REFUSED = "本人关掉了服务卡片"
REASONS = {
    card_events.CONTENT: "微信审核没通过",
    card_events.NO_TEMPLATE: "小程序没有选用这种卡片的模板",
    card_events.REFUSED: REFUSED,
}
AGAIN = (card_events.SYSTEM, card_events.TOO_OFTEN)
WAIT, MOST = timedelta(minutes=1), 5


def act(session: Session, appid: str, lost: CardLost, *, now: datetime) -> None:
    """What will never work ends the card, what may work is said once more in a minute."""
    if not lost.code or not lost.openid:
        return
    mine = (ServiceCard.appid == appid, ServiceCard.code == lost.code)
    card = session.scalar(select(ServiceCard).where(*mine, ServiceCard.openid == lost.openid))
    if card is None:
        return
    if lost.error not in AGAIN:
        why = REASONS.get(lost.error, f"微信没有送到（{lost.error}）")
        keeping.fail(session, card.id, why, errcode=lost.error, now=now)
        return
    settings = keeping.settings_of(appid)
    if card.shown == 0 or content.status_of(settings, card.kind, card.shown) != lost.status:
        return  # of a step that is past
    again = update(ServiceCard).where(
        ServiceCard.id == card.id,
        ServiceCard.state.in_((CardState.live, CardState.over)),
        ServiceCard.shown == card.shown,
        ServiceCard.lost < MOST,
    )
    values = {
        "state": CardState.live,
        "again": True,
        "lost": ServiceCard.lost + 1,
        "errcode": lost.error,
    }
    if claim(session, again.values(**values)):
        enqueue(session, "messaging.show_card", run_at=now + WAIT, card_id=card.id)
