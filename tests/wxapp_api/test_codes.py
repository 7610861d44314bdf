"""A printed code typed into the mini-program."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from core import clock
from core.database import transaction
from coupons import anonymous, gifting
from coupons.issuing import lock_template
from coupons.models import Coupon
from crm.models import BatchKind, BatchState, CouponBatch, Member
from tests.factories.coupons import make_template
from tests.factories.merchants import make_staff
from tests.wxapp_api.conftest import Phone, Stall


def printed(stall: Stall, number: int = 1) -> list[str]:
    """Codes that are nobody's, of a template of which one may have two."""
    now = clock.now()
    with transaction() as session:
        template = make_template(session, stall.merchant, per_member_limit=2, giftable=True)
        batch = CouponBatch(
            merchant_id=stall.merchant.id,
            template_id=template.id,
            kind=BatchKind.sheet,
            name="传单",
            state=BatchState.done,
            created_by_id=make_staff(session, stall.merchant).id,
            created_at=now,
            allowed_at=now,
        )
        session.add(batch)
        session.flush()
        locked = lock_template(session, template.id)
        anonymous.print_many(session, locked, batch.id, range(1, number + 1), now=now)
        return list(session.scalars(select(Coupon.code).order_by(Coupon.id)))


def test_a_printed_code_becomes_the_members(make_phone: Callable[[], Phone], stall: Stall) -> None:
    phone, other = make_phone(), make_phone()
    [code] = printed(stall)
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
    [code] = printed(stall)
    guesses = [
        phone.post("coupons/claim-code", json={"code": f"{number:012}"}).status_code
        for number in range(10)
    ]

    locked: Any = phone.post("coupons/claim-code", json={"code": code})
    assert guesses == [404] * 10
    assert (locked.status_code, locked.json["code"]) == (429, "locked_out")


def test_nobody_types_more_codes_than_one_may_have(
    make_phone: Callable[[], Phone], stall: Stall
) -> None:
    phone, friend = make_phone(), make_phone()
    codes = printed(stall, 4)
    first, second, third = (
        phone.post("coupons/claim-code", json={"code": code}) for code in codes[:3]
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert (third.status_code, third.get_json()["code"]) == (409, "claim_limit")

    with transaction() as session:
        mine = session.scalars(select(Coupon).order_by(Coupon.id)).first()
        assert mine is not None
        assert mine.member_id is not None
        other = session.scalars(select(Member).where(Member.id != mine.member_id)).one()
        _, secret = gifting.offer(session, mine.id, mine.member_id, now=clock.now())
        to = {"member_id": other.id, "merchant_id": stall.merchant.id}
        gifting.accept(session, secret, now=clock.now(), **to)
    gave_one_away: Any = phone.post("coupons/claim-code", json={"code": codes[2]})
    assert gave_one_away.json["code"] == "claim_limit"
    theirs = [friend.post("coupons/claim-code", json={"code": code}) for code in codes[2:]]
    assert [answer.status_code for answer in theirs] == [201, 201]
