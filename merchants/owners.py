"""A merchant keeps somebody who may do everything, or nobody could ever be let in again."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from merchants.errors import LastOwner
from merchants.models import Role, Staff, StaffState


def keep_one(session: Session, staff: Staff) -> None:
    """Raise LastOwner when `staff` is the merchant's only active owner.

    It holds the owners' rows until the end of the transaction: of two owners who end or demote each
    other at once, the second finds themselves the last one.
    """
    owners = (
        select(Staff.id)
        .where(
            Staff.merchant_id == staff.merchant_id,
            Staff.role == Role.owner,
            Staff.state == StaffState.active,
        )
        .order_by(Staff.id)
        .with_for_update()
    )
    if session.scalars(owners).all() == [staff.id]:
        raise LastOwner()
