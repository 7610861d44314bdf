"""How large a batch one person may give out alone: as large as a campaign that needs no second."""

from datetime import datetime

from sqlalchemy.orm import Session

from coupons.models import CouponTemplate
from crm.campaigns import offers, thresholds
from crm.errors import BatchInvalid
from crm.models import CouponBatch


def why_too_large(
    session: Session,
    template: CouponTemplate,
    people: int,
    *,
    batch: CouponBatch | None,
    now: datetime,
) -> str:
    """In words; empty: one person may. Printed and imported codes are nobody's, and not counted.

    `batch` is None while it is only looked at; else nobody takes the same room meanwhile.
    """
    size = thresholds.Size(people, people * offers.worth_fen(template))
    if batch is not None:
        thresholds.hold(session, template.merchant_id)
    own_id = batch.id if batch else None
    why = thresholds.why_large(session, template.merchant_id, size, now=now, batch_id=own_id)
    return f"{why}。这么大的一批请建营销活动来发，另一个人同意了才发" if why else ""


def check(
    session: Session,
    template: CouponTemplate,
    people: int,
    *,
    batch: CouponBatch | None = None,
    now: datetime,
) -> None:
    """Raises BatchInvalid."""
    if why := why_too_large(session, template, people, batch=batch, now=now):
        raise BatchInvalid(why, errors={"template": why})
