"""How large a batch one person may give out alone: as large as a campaign that needs no second."""

from sqlalchemy.orm import Session

from coupons.models import CouponTemplate
from crm.campaigns import offers, thresholds
from crm.errors import BatchInvalid


def why_too_large(session: Session, template: CouponTemplate, people: int) -> str:
    """In words; empty: one person may. Printed and imported codes are nobody's, and not counted."""
    size = thresholds.Size(people, people * offers.worth_fen(template))
    why = thresholds.why_large(session, template.merchant_id, size)
    return f"{why}。这么大的一批请建营销活动来发，另一个人同意了才发" if why else ""


def check(session: Session, template: CouponTemplate, people: int) -> None:
    """Raises BatchInvalid."""
    if why := why_too_large(session, template, people):
        raise BatchInvalid(why, errors={"template": why})
