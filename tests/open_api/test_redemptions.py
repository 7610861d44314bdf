"""A till at the counter: looks a code up, redeems it once, takes a mistake back."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from core import clock
from core.audit import AuditEntry
from core.database import reading, transaction
from coupons import codes
from coupons.models import Coupon, CouponEntry, CouponState, EntryKind
from merchants import api_keys
from merchants.models import ApiKey
from open_api import access
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.open_api.conftest import Counter, Till


def state_of(coupon: Coupon) -> CouponState:
    with reading() as session:
        return session.get_one(Coupon, coupon.id).state


def said(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_a_code_is_looked_up_and_nothing_changes(till: Till, counter: Counter) -> None:
    coupon = counter.coupon()
    token = codes.rotating(coupon.code, clock.now())[0]

    bare: Any = till.get(f"coupons/{coupon.code}").json
    rotating: Any = till.get(f"coupons/{token}").json

    assert (bare["id"], bare["usable"], bare["fresh"]) == (str(coupon.id), True, False)
    assert rotating["fresh"] is True
    assert (bare["face_text"], bare["store_ids"]) == ("¥8", [str(counter.store.id)])
    assert "member" not in str(bare)
    assert state_of(coupon) is CouponState.issued


def test_it_is_redeemed_once_and_a_repeat_is_answered_the_same(
    till: Till, counter: Counter
) -> None:
    coupon = counter.coupon()
    body = {"code": coupon.code, "bill_fen": 5_000, "device": "pos-1"}

    answers = [till.post("redemptions", "tap-00001", json=body) for _ in range(2)]
    other = till.post("redemptions", "tap-00002", json=body)

    first: Any = answers[0].json
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[1].json == first
    assert (first["discount_fen"], first["bill_fen"], first["late"]) == (800, 5_000, False)
    refused: Any = other.json
    assert said(other) == (409, "coupon_already_redeemed")
    assert (refused["store"], refused["redeemed_at"]) == ("静安寺店", first["redeemed_at"])
    with reading() as session:
        entries = session.scalars(
            select(CouponEntry).where(CouponEntry.kind == EntryKind.redeemed)
        ).all()
        assert [(e.actor, e.device) for e in entries] == [(f"key:{till.key_id}", "pos-1")]
        audited = select(AuditEntry.actor).where(AuditEntry.action == "coupon.redeem")
        assert session.scalars(audited).all() == [f"key:{till.key_id}"]
        used = session.get_one(ApiKey, till.key_id).last_used_at
        assert used is not None


def test_a_till_that_was_offline_is_marked_late(till: Till, counter: Counter) -> None:
    coupon = counter.coupon()
    took = clock.now() - timedelta(minutes=30)

    answer: Any = till.post(
        "redemptions", "tap-00001", json={"code": coupon.code, "redeemed_at": took.isoformat()}
    )
    too_old = till.post(
        "redemptions",
        "tap-00002",
        json={
            "code": counter.coupon().code,
            "redeemed_at": (took - timedelta(hours=72)).isoformat(),
        },
    )
    again: Any = till.post(
        "redemptions", "tap-00001", json={"code": coupon.code, "redeemed_at": took.isoformat()}
    )

    assert (answer.json["late"], answer.json["redeemed_at"]) == (True, took.isoformat())
    assert again.json == answer.json
    assert said(too_old) == (422, "redeemed_at_out_of_range")


def test_what_was_scanned_offline_was_fresh_when_it_was_scanned(
    till: Till, counter: Counter
) -> None:
    scanned, typed, old = (counter.coupon() for _ in range(3))
    took = clock.now() - timedelta(minutes=30)
    slow = took - timedelta(minutes=4)  # the till's clock
    older = took - timedelta(minutes=7)
    given = (
        (codes.rotating(scanned.code, took)[0], slow),
        (codes.typed(typed.code, took), took),
        (codes.rotating(old.code, older)[0], took),
    )

    answers = [
        till.post("redemptions", f"tap-0000{at}", json={"code": code, "redeemed_at": f"{when}"})
        for at, (code, when) in enumerate(given)
    ]

    assert [answer.status_code for answer in answers] == [200, 200, 410]
    assert [answer.json["late"] for answer in answers[:2]] == [True, True]
    states = [state_of(each) for each in (scanned, typed, old)]
    assert states == [CouponState.redeemed, CouponState.redeemed, CouponState.issued]


def test_it_takes_back_its_own_and_no_more_than_three_a_day(
    make_till: Callable[..., Till], counter: Counter
) -> None:
    till, neighbour = make_till(), make_till()
    coupon = counter.coupon()
    till.post("redemptions", "tap-00000", json={"code": coupon.code})
    assert said(neighbour.post(f"coupons/{coupon.code}/undo", json={"reason": "错"})) == (
        404,
        "coupon_not_found",
    )
    assert said(till.post(f"coupons/{coupon.code}/undo", json={"reason": " "}))[0] == 422
    assert state_of(coupon) is CouponState.redeemed

    undone: Any = till.post(f"coupons/{coupon.code}/undo", json={"reason": "按错了"})
    assert (undone.status_code, undone.json["state"]) == (200, "issued")
    stale = till.post("redemptions", "tap-00000", json={"code": coupon.code})
    assert said(stale) == (409, "redemption_undone")
    for number in (1, 2):
        assert till.post("redemptions", f"tap-0000{number}", json={"code": coupon.code})
        assert till.post(f"coupons/{coupon.code}/undo", json={"reason": "错"}).status_code == 200
    till.post("redemptions", "tap-00009", json={"code": coupon.code})
    fourth = till.post(f"coupons/{coupon.code}/undo", json={"reason": "错"})

    assert said(fourth) == (403, "undo_quota")
    assert state_of(coupon) is CouponState.redeemed


def test_a_key_of_no_store_says_for_which_and_of_one_is_only_for_that(
    make_till: Callable[..., Till], counter: Counter
) -> None:
    with transaction() as session:
        other = make_store(session, counter.merchant, name="徐汇店")
        strange = make_store(session, make_merchant(session))
    anywhere, here = make_till(store_id=None), make_till()
    coupon = counter.coupon()

    def redeem(till: Till, key: str, store_id: int | None) -> Any:
        given = {"store_id": str(store_id)} if store_id else {}
        return till.post("redemptions", key, json={"code": coupon.code, **given})

    assert said(redeem(anywhere, "tap-00001", None)) == (422, "invalid")
    assert said(redeem(anywhere, "tap-00002", strange.id)) == (404, "store_not_found")
    assert said(redeem(here, "tap-00003", other.id)) == (422, "invalid")
    assert state_of(coupon) is CouponState.issued
    assert redeem(anywhere, "tap-00004", other.id).json["store_id"] == str(other.id)


def test_another_merchants_coupon_is_not_found(till: Till, counter: Counter) -> None:
    with transaction() as session:
        rival = make_merchant(session)
        member = make_member(session, merchant=rival)
        coupon = make_coupon(session, member, make_template(session, rival))

    assert said(till.get(f"coupons/{coupon.code}")) == (404, "coupon_not_found")
    assert said(till.post("redemptions", "tap-00001", json={"code": coupon.code})) == (
        404,
        "coupon_not_found",
    )
    assert state_of(coupon) is CouponState.issued


def test_guessing_codes_locks_the_key_out(till: Till, counter: Counter) -> None:
    good = counter.coupon()
    guesses = [till.get("coupons/123456789012").status_code for _ in range(10)]

    assert guesses == [404] * 10
    assert said(till.get(f"coupons/{good.code}")) == (429, "locked_out")


def test_old_screenshots_lock_nobody_out_and_one_store_not_another(
    make_till: Callable[..., Till], counter: Counter
) -> None:
    with transaction() as session:
        other = make_store(session, counter.merchant)
    till, coupon = make_till(store_id=None), counter.coupon()
    old = codes.rotating(coupon.code, clock.now() - timedelta(minutes=5))[0]

    def redeem(number: int, code: str, store_id: int) -> tuple[int, str]:
        body = {"code": code, "store_id": str(store_id)}
        return said(till.post("redemptions", f"tap-{number:05}", json=body))

    stale = {redeem(number, old, counter.store.id) for number in range(10)}
    wrong = [redeem(20 + number, "123456789012", counter.store.id)[0] for number in range(10)]

    assert stale == {(410, "coupon_code_expired")}
    assert wrong == [404] * 10
    assert redeem(40, coupon.code, counter.store.id) == (429, "locked_out")
    there = till.post(
        "redemptions", "tap-00041", json={"code": coupon.code, "store_id": str(other.id)}
    )
    assert (there.status_code, state_of(coupon)) == (200, CouponState.redeemed)


def test_a_revoked_key_and_one_without_the_scope_open_nothing(
    make_till: Callable[..., Till], counter: Counter
) -> None:
    reader, gone = make_till(("coupons.read",)), make_till()
    coupon = counter.coupon()
    with transaction() as session:
        api_keys.revoke(
            session, counter.merchant.id, gone.key_id, staff_id=counter.owner_id, now=clock.now()
        )

    assert said(reader.post("redemptions", "tap-00001", json={"code": coupon.code})) == (
        403,
        "api_key_scope",
    )
    assert said(gone.get(f"coupons/{coupon.code}")) == (401, "api_key_unknown")
    assert said(Till(gone.client, "linli_nonsense", 0).get("coupon-templates")) == (
        401,
        "api_key_unknown",
    )
    assert state_of(coupon) is CouponState.issued


def test_templates_are_listed_page_by_page(till: Till, counter: Counter) -> None:
    with transaction() as session:
        for number in range(4):
            make_template(session, counter.merchant, name=f"券{number}", total_limit=number + 1)
        make_template(session, make_merchant(session), name="别人的")

    first: Any = till.get("coupon-templates?limit=3").json
    second: Any = till.get(f"coupon-templates?limit=3&cursor={first['next']}").json

    assert [each["name"] for each in first["items"]] == ["券3", "券2", "券1"]
    assert [each["name"] for each in second["items"]] == ["券0", "见面礼"]
    assert [each["left"] for each in second["items"]] == [1, None]
    assert second["next"] is None


def test_a_member_is_given_one_by_number_and_once(till: Till, counter: Counter) -> None:
    body = {"template_id": str(counter.template.id), "member_no": counter.member.no}

    answers: list[Any] = [till.post("coupons", "give-00001", json=body) for _ in range(2)]
    other = till.post("coupons", "give-00001", json={**body, "member_no": "0"})
    unknown = till.post("coupons", "give-00002", json={**body, "member_no": "0"})
    both = till.post("coupons", "give-00003", json={**body, "phone": "13800000000"})
    nobody = till.post("coupons", "give-00004", json={"template_id": "1", "phone": "13800000000"})

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json == answers[1].json
    assert said(other) == (409, "idempotency_conflict")
    assert said(unknown) == (404, "member_not_found")
    assert said(both) == (422, "invalid")
    assert said(nobody) == (404, "member_not_found")
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Coupon)) == 1
        coupon = session.scalars(select(Coupon)).one()
        assert (coupon.member_id, coupon.source) == (counter.member.id, f"open:{till.key_id}")


@pytest.mark.parametrize("key", ["", "short", "x" * 65])
def test_a_write_needs_a_key_of_its_own(till: Till, counter: Counter, key: str) -> None:
    coupon = counter.coupon()

    assert till.post("redemptions", key, json={"code": coupon.code}).status_code == 422
    assert state_of(coupon) is CouponState.issued


def test_a_chains_guesses_are_not_multiplied_by_its_stores(
    make_till: Callable[..., Till], counter: Counter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MOST_OF_A_KEY", 8)
    with transaction() as session:
        stores = [make_store(session, counter.merchant).id for _ in range(2)]
    till, coupon = make_till(store_id=None), counter.coupon()

    wrong = [
        till.get(f"coupons/123456789012?store_id={store_id}").status_code
        for store_id in stores
        for _ in range(4)
    ]
    assert wrong == [404] * 8
    for store_id in (*stores, counter.store.id):
        answer = till.get(f"coupons/{coupon.code}?store_id={store_id}")
        assert said(answer) == (429, "locked_out")
    assert said(till.get(f"coupons/{coupon.code}")) == (429, "locked_out")
    another: Any = make_till(store_id=None).get(f"coupons/{coupon.code}")
    assert another.status_code == 200


def test_a_chains_look_ups_count_for_the_store_that_they_are_made_in(
    make_till: Callable[..., Till], counter: Counter
) -> None:
    with transaction() as session:
        other = make_store(session, counter.merchant)
    till, coupon = make_till(store_id=None), counter.coupon()
    here, there = counter.store.id, other.id

    wrong = [till.get(f"coupons/123456789012?store_id={here}").status_code for _ in range(10)]
    assert wrong == [404] * 10
    assert said(till.get(f"coupons/{coupon.code}?store_id={here}")) == (429, "locked_out")
    seen: Any = till.get(f"coupons/{coupon.code}?store_id={there}")
    assert (seen.status_code, seen.json["store_ids"]) == (200, [str(there)])
    assert till.get(f"coupons/{coupon.code}?store_id=999999").status_code == 404
