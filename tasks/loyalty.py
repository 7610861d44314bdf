"""Jobs of membership: tiers that run out, changed rules, birthdays."""

from functools import partial

from sqlalchemy import select

from core import clock
from core.clock import business_day
from core.database import reading
from core.logs import log
from coupons import issuing
from coupons.errors import GoneAlready, NotClaimable
from crm import plans, points
from crm.models import Expiry, Loyalty
from crm.play import referring
from crm.tiers import keeping
from merchants.models import Merchant
from payments.queries import share_a_payer
from tasks.registry import Run, job


@job("crm.expire_points", timeout=600)
def expire_points(run: Run) -> None:
    """Points whose day is over lapse; those whose day is near are told, once."""
    now = clock.now()
    while True:
        with run.transaction() as session:
            if points.expire_due(session, now=now) == 0:
                break
    with reading() as session:
        ask = select(Loyalty.merchant_id, Loyalty.remind_days)
        reminding = session.execute(
            ask.where(Loyalty.expiry != Expiry.never, Loyalty.remind_days > 0)
        ).all()
    for merchant_id, days in reminding:
        told = 1
        while told:
            with run.transaction() as session:
                told = points.remind_due(session, merchant_id, days, now=now)


@job("crm.keep_terms", timeout=600)
def keep_terms(run: Run) -> None:
    """Paid memberships give the coupons of their month, and end on their day."""
    now = clock.now()
    given = ended = 1
    while given:
        with run.transaction() as session:
            given = plans.give_due(session, now=now)
    while ended:
        with run.transaction() as session:
            ended = plans.end_due(session, now=now)


@job("crm.reward_referrals", timeout=600)
def reward_referrals(run: Run) -> None:
    """Friends whose first order can no longer be refunded bring both their points."""
    now, last = clock.now(), 0
    while True:
        with run.transaction() as session:
            alike = partial(share_a_payer, session)
            last = referring.settle_due(session, now=now, same_payer=alike, after_id=last)
        if last == 0:
            return


@job("crm.review_tiers", timeout=600)
def review_tiers(run: Run) -> None:
    """Tiers whose term is over are earned again or fall, a thousand members a transaction."""
    now = clock.now()
    with reading() as session:
        terms = select(Loyalty.merchant_id).where(Loyalty.valid_days > 0)
        merchants = session.scalars(terms.order_by(Loyalty.merchant_id)).all()
    for merchant_id in merchants:
        looked = keeping.SLICE
        while looked == keeping.SLICE:
            with run.transaction() as session:
                looked = keeping.review_due(session, merchant_id, now=now)


@job("crm.reweigh_tiers", queue="bulk", timeout=1_800)
def reweigh_tiers(run: Run, merchant_id: int, may_fall: bool) -> None:
    """The members of a merchant that changed its rules, slice by slice; again: nothing moves."""
    now, last = clock.now(), 0
    while True:
        with run.transaction() as session:
            last = keeping.reweigh(session, merchant_id, after_id=last, may_fall=may_fall, now=now)
        if last == 0:
            return


@job("crm.give_birthday_coupons", queue="bulk", timeout=1_800)
def give_birthday_coupons(run: Run) -> None:
    """Who was born on this day gets what their tier gives, once a year whatever the tier."""
    now = clock.now()
    day = business_day(now)
    with reading() as session:
        merchants = session.scalars(select(Merchant.id).order_by(Merchant.id)).all()
        wanted = [
            (merchant_id, *each)
            for merchant_id in merchants
            for each in keeping.birthday_templates(session, merchant_id).items()
        ]
    for merchant_id, tier, template_id in wanted:
        after = 0
        while True:
            with reading() as session:
                born = keeping.list_birthdays(session, merchant_id, tier, day, after_id=after)
            if not born:
                break
            after = born[-1]
            try:
                with run.transaction() as session:
                    template = issuing.get_template(session, template_id)
                    source = f"birthday:{day.year}"
                    issuing.issue_many(session, template, born, source=source, now=now)
            except (GoneAlready, NotClaimable) as refused:
                log.warning("birthday_coupons_refused", template_id=template_id, why=refused.detail)
                break
