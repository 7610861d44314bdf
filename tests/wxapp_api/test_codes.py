"""A printed code typed into the mini-program."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from core import clock
from core.database import transaction
from coupons import anonymous
from coupons.issuing import lock_template
from coupons.models import Coupon
from crm.models import BatchKind, BatchState, CouponBatch
from tests.factories.coupons import make_template
from tests.factories.merchants import make_staff
from tests.wxapp_api.conftest import Phone, Stall


def printed(stall: Stall) -> str:
    """A code that is nobody's."""
    now = clock.now()
    with transaction() as session:
        template = make_template(session, stall.merchant)
        batch = CouponBatch(
            merchant_id=stall.merchant.id,
            template_id=template.id,
            kind=BatchKind.sheet,
            name="传单",
            state=BatchState.done,
            created_by_id=make_staff(session, stall.merchant).id,
            created_at=now,
        )
        session.add(batch)
        session.flush()
        locked = lock_template(session, template.id)
        anonymous.print_many(session, locked, batch.id, range(1, 2), now=now)
        return session.scalars(select(Coupon.code)).one()


def test_a_printed_code_becomes_the_members(make_phone: Callable[[], Phone], stall: Stall) -> None:
    phone, other = make_phone(), make_phone()
    code = printed(stall)
    spaced = f"{code[:4]} {code[4:8]} {code[8:]}"

    answers: list[Any] = [
        phone.post("coupons/claim-code", json={"code": text}) for text in (spaced, code)
    ]
    late: Any = other.post("coupons/claim-code", json={"code": code})

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json["source_text"] == "商家送的"
    listed: Any = phone.get("coupons").json["items"]
    assert [each["id"] for each in listed] == [answers[0].json["id"]]
    assert (late.status_code, late.json["code"]) == (409, "coupon_already_held")
    assert other.get("coupons").get_json()["items"] == []


def test_guessing_locks_the_member_out(phone: Phone, stall: Stall) -> None:
    code = printed(stall)
    guesses = [
        phone.post("coupons/claim-code", json={"code": f"{number:012}"}).status_code
        for number in range(10)
    ]

    locked: Any = phone.post("coupons/claim-code", json={"code": code})
    assert guesses == [404] * 10
    assert (locked.status_code, locked.json["code"]) == (429, "locked_out")
