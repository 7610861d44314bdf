"""What a mini-program may ask the person to allow, and when: seldom, and where it helps them.

WeChat's dialog comes only from a tap, so a page learns beforehand what its button would ask. The
rule: at most three templates at once; a service (the cup that is being made) whenever there is
none left to use; anything about offers at most once a day and only while fewer than two are left.
Who said no is left alone with that template, for a week about a service, for a month about offers.
"""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.database import claim, insert_ignore
from messaging.accounts import find_mini
from messaging.models import SubscribeAnswer, SubscribeGrant
from messaging.templates import is_for_marketing

MOST = 3
OFFERS_KEPT = 2
A_DAY = timedelta(hours=20)
AFTER_NO = {False: timedelta(days=7), True: timedelta(days=30)}  # about offers?

OCCASIONS: dict[str, tuple[str, ...]] = {
    "after_pay": ("order_ready", "order_changed", "coupon_arrived"),
    "after_claim": ("coupon_expiring", "coupon_arrived"),
    "after_pickup": ("coupon_arrived", "coupon_expiring"),
    "after_booking": ("booking_soon", "order_changed"),
    "after_sign_in": ("points_changed", "coupon_arrived", "coupon_expiring"),
}
"""The moments' templates that suit an occasion, the most useful first."""


def what_to_ask(
    session: Session, *, appid: str, openid: str, occasion: str, now: datetime
) -> list[str]:
    """Template ids for one dialog; none: do not ask now."""
    account = find_mini(appid)
    bound = account.subscribe_templates if account else {}
    wanted = {bound[m]: m for m in OCCASIONS.get(occasion, ()) if m in bound}
    if not wanted:
        return []
    mine = {
        answer.template_id: answer
        for answer in session.scalars(
            select(SubscribeAnswer).where(
                SubscribeAnswer.appid == appid,
                SubscribeAnswer.openid == openid,
                SubscribeAnswer.template_id.in_(wanted),
            )
        )
    }
    left = dict(
        session.execute(
            select(SubscribeGrant.template_id, SubscribeGrant.remaining).where(
                SubscribeGrant.appid == appid,
                SubscribeGrant.openid == openid,
                SubscribeGrant.template_id.in_(wanted),
            )
        ).all()
    )
    return [
        template_id
        for template_id, moment in wanted.items()
        if _may_ask(mine.get(template_id), left.get(template_id, 0), moment, now)
    ][:MOST]


def note_answer(
    session: Session, *, appid: str, openid: str, template_id: str, accepted: bool, at: datetime
) -> None:
    """The person was asked and answered; a late copy of an older answer changes no date."""
    count = {"accepts": int(accepted), "rejects": int(not accepted)}
    row = {"appid": appid, "openid": openid, "template_id": template_id}
    fresh = {**row, **count, "asked_at": at, "refused_at": None if accepted else at}
    if insert_ignore(session, SubscribeAnswer, [fresh]):
        return
    mine = (
        SubscribeAnswer.appid == appid,
        SubscribeAnswer.openid == openid,
        SubscribeAnswer.template_id == template_id,
    )
    counting = update(SubscribeAnswer).where(*mine)
    claim(
        session,
        counting.values(
            accepts=SubscribeAnswer.accepts + count["accepts"],
            rejects=SubscribeAnswer.rejects + count["rejects"],
        ),
    )
    newest = update(SubscribeAnswer).where(*mine, SubscribeAnswer.asked_at <= at)
    claim(session, newest.values(asked_at=at, refused_at=None if accepted else at))


def _may_ask(answer: SubscribeAnswer | None, left: int, moment: str, now: datetime) -> bool:
    offers = is_for_marketing(moment)
    if left >= (OFFERS_KEPT if offers else 1):
        return False
    if answer is None:
        return True
    if answer.refused_at is not None and now - answer.refused_at < AFTER_NO[offers]:
        return False
    return not offers or now - answer.asked_at >= A_DAY
