"""Jobs of membership: tiers that run out, changed rules, birthdays."""

from datetime import date
from functools import partial
from typing import Any

from sqlalchemy import select

from core import clock
from core.clock import business_day
from core.database import reading
from core.logs import log
from core.outbox import enqueue
from coupons.errors import NotClaimable
from crm import plans, points
from crm.models import Expiry, Loyalty
from crm.play import referring
from crm.tiers import birthdays, editing, keeping
from merchants.models import Merchant
from payments.queries import share_a_payer
from tasks.each import each
from tasks.registry import Run, job


@job("crm.expire_points")
def expire_points(run: Run) -> None:
    """Points whose day is over lapse: a job for each merchant."""
    with reading() as session:
        merchants = points.merchants_to_expire(session, now=clock.now())
    each(run, "crm.expire_points_of", "merchant_id", merchants)


@job("crm.expire_points_of", timeout=600)
def expire_points_of(run: Run, merchant_id: int) -> None:
    """A merchant's, slice by slice."""
    now, gone = clock.now(), 1
    while gone:
        with run.transaction() as session:
            gone = points.expire_due(session, merchant_id, now=now)


@job("crm.tell_of_points")
def tell_of_points(run: Run) -> None:
    """Whose points lapse soon is told, once: a job for each merchant that wants it."""
    with reading() as session:
        ask = select(Loyalty.merchant_id)
        reminding = session.scalars(
            ask.where(Loyalty.expiry != Expiry.never, Loyalty.remind_days > 0)
        ).all()
    each(run, "crm.remind_points", "merchant_id", reminding)


@job("crm.remind_points", timeout=600)
def remind_points(run: Run, merchant_id: int) -> None:
    """Whose points of a merchant lapse soon is told, slice by slice."""
    with reading() as session:
        ask = select(Loyalty.remind_days).where(Loyalty.merchant_id == merchant_id)
        days = session.scalars(ask).one()
    told = 1
    while told:
        with run.transaction() as session:
            told = points.remind_due(session, merchant_id, days, now=clock.now())


@job("crm.keep_terms")
def keep_terms(run: Run) -> None:
    """Paid memberships give the coupons of their month, and end on their day: a job for each
    merchant."""
    with reading() as session:
        merchants = plans.merchants_due(session, now=clock.now())
    each(run, "crm.keep_terms_of", "merchant_id", merchants)


@job("crm.keep_terms_of", timeout=600)
def keep_terms_of(run: Run, merchant_id: int) -> None:
    """A merchant's, slice by slice."""
    now = clock.now()
    given = ended = 1
    while given:
        with run.transaction() as session:
            given = plans.give_due(session, merchant_id, now=now)
    while ended:
        with run.transaction() as session:
            ended = plans.end_due(session, merchant_id, now=now)


@job("crm.reward_referrals")
def reward_referrals(run: Run) -> None:
    """Friends whose first order can no longer be refunded bring both their points: a job for each
    merchant."""
    with reading() as session:
        merchants = referring.merchants_waiting(session)
    each(run, "crm.reward_referrals_of", "merchant_id", merchants)


@job("crm.reward_referrals_of", timeout=600)
def reward_referrals_of(run: Run, merchant_id: int) -> None:
    """A merchant's, slice by slice."""
    now, last, more = clock.now(), 0, True
    while more:
        with run.transaction() as session:
            alike = partial(share_a_payer, session)
            last = referring.settle_due(
                session, merchant_id, now=now, same_payer=alike, after_id=last
            )
        more = last != 0


@job("crm.review_tiers", timeout=600)
def review_tiers(run: Run) -> None:
    """Tiers whose term is over are earned again or fall: a job for each merchant."""
    with reading() as session:
        terms = select(Loyalty.merchant_id).where(Loyalty.valid_days > 0)
        merchants = session.scalars(terms.order_by(Loyalty.merchant_id)).all()
    each(run, "crm.review_members", "merchant_id", merchants)


@job("crm.review_members", timeout=600)
def review_members(run: Run, merchant_id: int) -> None:
    """A merchant's members whose term is over, a thousand a transaction."""
    now, looked = clock.now(), keeping.SLICE
    while looked == keeping.SLICE:
        with run.transaction() as session:
            looked = keeping.review_due(session, merchant_id, now=now)


@job("crm.reweigh_tiers", queue="bulk", timeout=1_800)
def reweigh_tiers(run: Run, merchant_id: int, may_fall: bool) -> None:
    """The members of a merchant that changed its rules, slice by slice; again: nothing moves."""
    now, last, more = clock.now(), 0, True
    with reading() as session:
        since = editing.weighing_since(session, merchant_id)
    while more:
        with run.transaction() as session:
            last = keeping.reweigh(session, merchant_id, after_id=last, may_fall=may_fall, now=now)
        more = last != 0
    with run.finish() as session:
        editing.weighed(session, merchant_id, since)


@job("crm.give_birthday_coupons", queue="bulk")
def give_birthday_coupons(run: Run) -> None:
    """A job for each merchant and day, today's and those that nothing ran on."""
    with run.finish() as session:
        for merchant_id in session.scalars(select(Merchant.id).order_by(Merchant.id)).all():
            if not keeping.birthday_templates(session, merchant_id):
                continue
            for day in birthdays.days(business_day(clock.now())):
                key = f"crm.birthdays_of:{merchant_id}:{day}"
                args: dict[str, Any] = {"merchant_id": merchant_id, "day": day.isoformat()}
                enqueue(session, "crm.birthdays_of", key=key, **args)


@job("crm.birthdays_of", queue="bulk", timeout=1_800)
def birthdays_of(run: Run, merchant_id: int, day: str) -> None:
    """Who was born on this day gets what their tier gives, once a year whatever the tier."""
    born_on = date.fromisoformat(day)
    with reading() as session:
        wanted = keeping.birthday_templates(session, merchant_id)
    for tier, template_id in wanted.items():
        after, more = 0, True
        while more:
            with reading() as session:
                born = keeping.list_birthdays(session, merchant_id, tier, born_on, after_id=after)
            if not born:
                break
            after = born[-1]
            try:
                with run.transaction() as session:
                    more = birthdays.give(session, template_id, born, born_on, now=clock.now())
            except NotClaimable as refused:
                log.warning("birthday_coupons_refused", template_id=template_id, why=refused.detail)
                break
            if not more:
                log.warning("birthday_coupons_used_up", template_id=template_id)
