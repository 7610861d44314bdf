"""What pages ask about service cards."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from messaging.cards.content import STEPS
from messaging.cards.models import CardState, ServiceCard

LATELY = timedelta(days=30)


@dataclass(frozen=True)
class LiveCard:
    """A card that may still be changed, until `until`; `step` is what it says."""

    kind: int
    step: str
    until: datetime


@dataclass(frozen=True)
class CardTotals:
    """Of a merchant's orders of the last thirty days; `failed`: by reason, the most first."""

    live: int
    over: int
    failed: dict[str, int]

    @property
    def all(self) -> int:
        return self.live + self.over + sum(self.failed.values())


def live_of(
    session: Session, appids: Collection[str], openids: Collection[str], now: datetime
) -> list[LiveCard]:
    """The cards on one person's phone, the latest first."""
    found = session.scalars(
        select(ServiceCard)
        .where(
            ServiceCard.appid.in_(appids),
            ServiceCard.openid.in_(openids),
            ServiceCard.state.in_((CardState.live, CardState.asking)),
            ServiceCard.shown > 0,
            ServiceCard.until > now,
        )
        .order_by(ServiceCard.paid_at.desc())
    )
    return [LiveCard(card.kind, STEPS[card.shown - 1], card.until) for card in found]


def totals_of(session: Session, merchant_id: int, now: datetime) -> CardTotals:
    rows = session.execute(
        select(ServiceCard.state, ServiceCard.reason, func.count())
        .where(ServiceCard.merchant_id == merchant_id, ServiceCard.paid_at > now - LATELY)
        .group_by(ServiceCard.state, ServiceCard.reason)
    ).all()
    failed = {reason: int(count) for state, reason, count in rows if state is CardState.failed}
    over = sum(int(count) for state, _, count in rows if state is CardState.over)
    live = sum(
        int(count) for state, _, count in rows if state not in (CardState.over, CardState.failed)
    )
    return CardTotals(live, over, dict(sorted(failed.items(), key=lambda each: -each[1])))
