"""Cards that are due: taken with what to ask about each, and what came of it written down.

Between `take` and `record` lies the call. A row that was taken says what was asked and that it may
have been done; whoever finds it after a crash asks before anything else.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import Base
from coupons import voiding
from coupons.models import Coupon, CouponState
from coupons.pack import steps
from coupons.pack.models import OPEN, BatchState, CardState, PackCard, PackTemplate
from coupons.pack.steps import Facts, Step
from people.models import Identity

LEASE = timedelta(minutes=2)
LONGEST_PAUSE = timedelta(hours=6)
USED_THERE = "在微信卡包里用掉了"


@dataclass(frozen=True)
class Ask:
    """One call. `at` and `transaction_id` are of the use."""

    coupon_id: int
    step: Step
    number: str
    code: str
    product_id: str
    stock_id: str
    openid: str
    at: datetime | None
    transaction_id: str


def take(
    session: Session,
    merchant_id: int,
    now: datetime,
    *,
    paid: Callable[[Session, Collection[int]], Mapping[int, str]],
    limit: int = 50,
) -> tuple[list[Ask], int]:
    """Calls to make about cards that are due, and how many were looked at.

    `paid`: of these orders, those paid through WeChat Pay, each with the payment's number.
    """
    members = Base.metadata.tables["members"]
    due = (
        select(PackCard, Coupon, PackTemplate, Identity, members.c.person_id)
        .join(Coupon, Coupon.id == PackCard.coupon_id)
        .join(PackTemplate, PackTemplate.template_id == PackCard.template_id)
        .join(Identity, Identity.id == PackCard.identity_id)
        .outerjoin(members, members.c.id == Coupon.member_id)
        .where(PackCard.due_at <= now, PackCard.merchant_id == merchant_id)
        .order_by(PackCard.due_at)
        .limit(limit)
        .with_for_update(of=PackCard, skip_locked=True)
    )
    found = session.execute(due).all()
    orders = {row[1].order_id for row in found if row[1].order_id}
    by_wechat = paid(session, orders) if orders else {}
    asks: list[Ask] = []
    for card, coupon, batch, identity, person_id in found:
        facts = Facts(
            ours=coupon.state,
            theirs=card.state,
            mine=person_id == identity.person_id and coupon.code == card.code,
            paid=coupon.order_id in by_wechat,
            open=batch.state is BatchState.live and coupon.expires_at > now,
            unsure=card.unsure,
            used_by_us=card.last in (Step.use, Step.back),
        )
        step = steps.next_step(facts)
        if step is Step.void:
            _void(session, card, coupon, now)
            step = None
        if step is None:
            card.due_at = None
            continue
        card.due_at = now + LEASE
        if step is Step.send or not card.product_id:
            card.product_id, card.stock_id = batch.product_id, batch.stock_id
        if step is not Step.ask:
            card.last, card.unsure = step, True
        asks.append(
            Ask(
                coupon.id,
                step,
                steps.number(step, card.code, card.uses),
                card.code,
                card.product_id,
                card.stock_id,
                identity.openid,
                coupon.redeemed_at,
                by_wechat.get(coupon.order_id or 0, ""),
            )
        )
    session.flush()
    return asks, len(found)


def record(session: Session, ask: Ask, said: str | None, now: datetime) -> None:
    """WeChat's answer about a card; what follows from it is looked at at once."""
    card = _lock(session, ask.coupon_id)
    state = steps.read(said)
    if state in OPEN:
        card.uses += card.state is CardState.used
        card.last = ""
        _say(card, "", now)
    if state is CardState.deleted:
        _say(card, "顾客从卡包里删掉了，券在小程序里照样能用", now)
    stuck = ask.step is not Step.ask and state is card.state
    card.failures = card.failures + 1 if stuck else 0
    card.due_at = now + _pause(card.failures) if stuck else now
    card.state, card.unsure, card.checked_at = state, False, now
    session.flush()


def record_no(session: Session, ask: Ask, why: str, now: datetime) -> None:
    """WeChat said no. It is asked how things stand; who refuses a card altogether is left alone."""
    card = _lock(session, ask.coupon_id)
    card.failures += 1
    _say(card, why, now)
    if ask.step is Step.send:
        card.state, card.unsure, card.due_at = CardState.refused, False, None
    elif card.failures >= 8:  # until the nightly comparison
        card.due_at, card.unsure = None, True
    else:
        card.due_at, card.unsure = now + _pause(card.failures), True
    card.checked_at = now
    session.flush()


def record_silence(session: Session, ask: Ask, now: datetime, *, sent: bool) -> None:
    """No answer. It may have been done: asked later; it certainly was not: done later."""
    card = _lock(session, ask.coupon_id)
    card.failures += 1
    card.unsure = sent or ask.step is Step.ask
    card.due_at = now + _pause(card.failures)
    session.flush()


def _void(session: Session, card: PackCard, coupon: Coupon, now: datetime) -> None:
    """It was used where we did not ask for it: ours must not count a second time."""
    if coupon.state is CouponState.issued:
        voiding.void_many(session, [coupon.id], actor="wechatpay", reason=USED_THERE, now=now)
        _say(card, f"{USED_THERE}，这张券就作废了", now)
    else:  # an order holds it: when that ends, the ledger moves and the card is looked at again
        _say(card, f"{USED_THERE}，可是有一单正占着这张券", now)


def _say(card: PackCard, why: str, now: datetime) -> None:
    card.why, card.odd_at = why[:200], now if why else None


def _lock(session: Session, coupon_id: int) -> PackCard:
    return session.scalars(
        select(PackCard)
        .where(PackCard.coupon_id == coupon_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()


def _pause(failures: int) -> timedelta:
    return min(timedelta(seconds=15 * 4 ** min(failures, 8)), LONGEST_PAUSE)
