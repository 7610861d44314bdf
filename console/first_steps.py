"""What a merchant does on the first day, until the first order is paid."""

from flask import url_for
from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from console.access import Me
from coupons.models import CouponTemplate
from crm.models import Member
from merchants.models import Staff, StaffInvite, StaffState
from orders.models import Order

Step = dict[str, str | bool]


def of(session: Session, who: Me) -> list[Step]:
    """The steps that this person may take, each done or not; none once an order has been paid."""
    mine = Order.merchant_id == who.merchant_id
    if session.scalar(select(exists().where(mine, Order.paid_at.is_not(None)))):
        return []
    steps = (
        (
            "stores.view",
            "贴关注码",
            "顾客扫门店的码关注公众号，就成为会员",
            url_for("console.stores.index"),
            exists().where(Member.merchant_id == who.merchant_id),
        ),
        (
            "coupons.manage",
            "建券",
            "减多少、满多少能用、几天内有效",
            url_for("console.coupons.new"),
            exists().where(CouponTemplate.merchant_id == who.merchant_id),
        ),
        (
            "staff.manage",
            "邀请店员",
            "扫一下码就绑定微信，接单、核销都在手机上",
            url_for("console.stores.inviting"),
            exists().where(StaffInvite.merchant_id == who.merchant_id)
            | exists().where(
                Staff.merchant_id == who.merchant_id,
                Staff.id != who.staff_id,
                Staff.state == StaffState.active,
            ),
        ),
    )
    return [
        {"text": text, "detail": detail, "href": href, "done": bool(session.scalar(select(done)))}
        for permission, text, detail, href, done in steps
        if who.may(permission)
    ]
