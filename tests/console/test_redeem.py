"""Coupons at the counter: look, confirm, undo; exactly once."""

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from core import lockouts
from core.audit import AuditEntry
from core.clock import now as clock_now
from core.database import reading
from core.lockouts import Lockout
from coupons.codes import rotating, typed
from coupons.models import Coupon, CouponState, CouponTemplate
from coupons.redemption import guesses_of
from crm.models import Member
from merchants.models import Merchant, Store
from tests.console.conftest import Chain
from tests.factories.catalogue import make_product
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member


@pytest.fixture
def coupon(chain: Chain) -> Coupon:
    """¥12 off, of 陈思雨, good in both stores for another week."""
    with chain.writing() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        template = make_template(
            session, merchant, name="老客回店券", face_fen=1200, min_spend_fen=8000
        )
        member = make_member(session, merchant=merchant, name="陈思雨")
        coupon = make_coupon(session, member, template)
        coupon.valid_from = chain.now - timedelta(days=1)
        coupon.expires_at = chain.now + timedelta(days=7)
    return coupon


def now_of(coupon: Coupon) -> Coupon:
    with reading() as session:
        return session.get_one(Coupon, coupon.id)


def confirm(
    chain: Chain, coupon: Coupon, *, key: str = "k1", who: str = "clerk", **more: str
) -> object:
    return chain.browser(who).post("/redeem/confirm", code=coupon.code, key=key, **more)


def test_a_clerk_sees_what_the_coupon_is_before_confirming(chain: Chain, coupon: Coupon) -> None:
    page = chain.browser("clerk").get(f"/redeem/check?code={coupon.code}").text

    for text in ("老客回店券", "满 80 可用", "陈思雨", "可以核销", "确认核销，抵 ¥12.00"):
        assert text in page, text
    assert f"{coupon.code[:4]} … {coupon.code[-4:]}" in page
    assert now_of(coupon).state is CouponState.issued


@pytest.mark.parametrize("form", ["token", "typed"])
def test_the_rotating_forms_are_known_to_be_fresh(chain: Chain, coupon: Coupon, form: str) -> None:
    now = chain.now
    text = rotating(coupon.code, now)[0] if form == "token" else typed(coupon.code, now)

    page = chain.browser("clerk").client.get("/console/redeem/check", query_string={"code": text})

    assert "二维码是刚生成的，不是旧截图" in page.text


def test_the_link_from_the_chat_leads_to_the_preview(chain: Chain, coupon: Coupon) -> None:
    answer = chain.browser("clerk").get("/redeem/?token=LL1.x.y.z")

    assert answer.location == "/console/redeem/check?token=LL1.x.y.z"


def test_confirming_redeems_once_however_often_it_is_pressed(chain: Chain, coupon: Coupon) -> None:
    first, again = confirm(chain, coupon), confirm(chain, coupon)
    other = confirm(chain, coupon, key="k2", who="manager", store=str(chain.there.id))

    assert (first.status_code, again.status_code) == (303, 303)
    assert first.location == f"/console/redeem/?done={coupon.code}"
    assert other.status_code == 422
    assert "在静安寺店用过了" in other.text
    found = now_of(coupon)
    assert (found.state, found.store_id) == (CouponState.redeemed, chain.here.id)
    done = chain.browser("clerk").get(f"/redeem/?done={coupon.code}").text
    assert "已核销，抵 ¥12.00" in done
    assert "1 张 · 抵 ¥12.00" in done


def percent_coupon(chain: Chain) -> Coupon:
    """15 % off from ¥30, at most ¥20."""
    with chain.writing() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        template = make_template(
            session, merchant, name="老客八五折", off_bp=1_500, cap_fen=2_000, min_spend_fen=3_000
        )
        coupon = make_coupon(session, make_member(session, merchant=merchant), template)
        coupon.valid_from = chain.now - timedelta(days=1)
        coupon.expires_at = chain.now + timedelta(days=7)
    return coupon


def test_a_percent_coupon_asks_for_the_bill_and_says_what_is_left_to_pay(chain: Chain) -> None:
    coupon, clerk = percent_coupon(chain), chain.browser("clerk")

    first = clerk.get(f"/redeem/check?code={coupon.code}").text
    low = clerk.get(f"/redeem/check?code={coupon.code}&bill=29.99")
    known = clerk.get(f"/redeem/check?code={coupon.code}&bill=85.30").text
    without = confirm(chain, coupon)
    wrong = confirm(chain, coupon, bill="一百")

    assert "算出抵多少" in first
    assert "确认核销" not in first
    assert low.status_code == 422
    assert "消费满 ¥30 才能用，还差 ¥0.01" in low.text
    for text in ("确认核销，抵 ¥12.80", "¥85.30", "¥72.50"):
        assert text in known, text
    assert (without.status_code, wrong.status_code) == (422, 422)
    assert "填一下消费金额" in without.text
    assert now_of(coupon).state is CouponState.issued

    assert confirm(chain, coupon, bill="85.30").status_code == 303
    found = now_of(coupon)
    assert (found.state, found.bill_fen, found.discount_fen) == (CouponState.redeemed, 8_530, 1_280)
    assert "已核销，抵 ¥12.80" in clerk.get(f"/redeem/?done={coupon.code}").text


def test_a_bill_below_the_threshold_is_refused_and_no_bill_is_the_clerks_word(
    chain: Chain, coupon: Coupon
) -> None:
    asked = chain.browser("clerk").get(f"/redeem/check?code={coupon.code}").text
    low = confirm(chain, coupon, bill="79.99")

    assert "消费金额" in asked
    assert low.status_code == 422
    assert "消费满 ¥80 才能用，还差 ¥0.01" in low.text
    assert 'value="79.99"' in low.text
    assert now_of(coupon).state is CouponState.issued
    assert confirm(chain, coupon, bill="¥80").status_code == 303
    assert (now_of(coupon).bill_fen, now_of(coupon).discount_fen) == (8_000, 1_200)


def test_somebody_with_two_stores_says_in_which(chain: Chain, coupon: Coupon) -> None:
    asked = chain.browser("manager").get(f"/redeem/check?code={coupon.code}").text
    without = confirm(chain, coupon, who="manager")
    with_rival = confirm(chain, coupon, who="manager", store=str(chain.rival_store.id))

    assert asked.index("在哪家店核销") < asked.index("已核对")
    assert "checked" not in asked.split("在哪家店核销")[1].split("</fieldset>")[0]
    assert (without.status_code, with_rival.status_code) == (422, 422)
    assert "选一家店" in without.text
    assert now_of(coupon).state is CouponState.issued

    there = confirm(chain, coupon, who="manager", store=str(chain.there.id))

    assert there.status_code == 303
    assert now_of(coupon).store_id == chain.there.id


def test_where_there_is_only_one_store_nobody_asks(chain: Chain, coupon: Coupon) -> None:
    chosen = chain.browser("manager")
    chosen.post("/store", store=str(chain.there.id))
    with_chosen = chosen.get(f"/redeem/check?code={coupon.code}").text
    with chain.writing() as session:
        session.get_one(CouponTemplate, coupon.template_id).store_ids = [chain.there.id]
    only_there = chain.browser("manager").get(f"/redeem/check?code={coupon.code}").text

    assert "在哪家店核销" not in with_chosen
    assert "在哪家店核销" not in only_there
    assert f'<input type="hidden" name="store" value="{chain.there.id}">' in only_there


def test_the_store_stays_chosen_while_the_bill_is_entered(chain: Chain) -> None:
    coupon = percent_coupon(chain)
    there = chain.there.id

    page = (
        chain.browser("manager")
        .get(f"/redeem/check?code={coupon.code}&bill=85.30&store={there}")
        .text
    )

    assert re.search(rf'name="store" value="{there}" checked', page)


def test_a_coupon_for_some_goods_names_them_wherever_it_is_shown(
    chain: Chain, coupon: Coupon
) -> None:
    with chain.writing() as session:
        store = session.get_one(Store, chain.here.id)
        goods = [make_product(session, store, name=name).id for name in ("燕麦拿铁", "桂花乌龙")]
        session.get_one(CouponTemplate, coupon.template_id).product_ids = goods
        member = session.get_one(Member, coupon.member_id).no

    preview = chain.browser("clerk").get(f"/redeem/check?code={coupon.code}").text
    owner = chain.browser("owner")

    assert "请确认买的是 燕麦拿铁 或 桂花乌龙" in preview
    assert "还要核对" in preview
    for page in (
        preview,
        owner.get("/coupons/").text,
        owner.get(f"/members/{member}").text,
        owner.get(f"/members/{member}/give").text,
    ):
        assert "仅限：燕麦拿铁、桂花乌龙" in page


def test_a_coupon_for_all_goods_asks_nothing_about_them(chain: Chain, coupon: Coupon) -> None:
    page = chain.browser("clerk").get(f"/redeem/check?code={coupon.code}").text

    assert "仅限" not in page
    assert "请确认" not in page
    assert "已核对" in page


def test_a_coupon_of_another_store_says_where_it_is_good(chain: Chain, coupon: Coupon) -> None:
    with chain.writing() as session:
        session.get_one(CouponTemplate, coupon.template_id).store_ids = [chain.there.id]

    page = chain.browser("clerk").get(f"/redeem/check?code={coupon.code}").text
    answer = confirm(chain, coupon)

    assert "不能核销" in page
    assert "这张券只能在徐汇店用" in page
    assert answer.status_code == 422
    assert now_of(coupon).state is CouponState.issued


def test_an_old_screenshot_is_refused_with_the_way_out(chain: Chain, coupon: Coupon) -> None:
    stale = rotating(coupon.code, chain.now - timedelta(minutes=5))[0]

    answer = chain.browser("clerk").get(f"/redeem/check?token={stale}")

    assert answer.status_code == 422
    assert now_of(coupon).state is CouponState.issued


def test_ten_wrong_codes_stop_the_guessing(chain: Chain, coupon: Coupon) -> None:
    clerk = chain.browser("clerk")
    for number in range(10):
        assert clerk.get(f"/redeem/check?code=12345678{number:04}").status_code == 422

    answer = clerk.get(f"/redeem/check?code={coupon.code}")

    assert answer.status_code == 429
    assert answer.headers["Retry-After"]
    with reading() as session:
        found = session.scalars(select(Lockout).where(Lockout.subject.like("codes:%"))).one()
    assert found.locked_until is not None
    assert chain.browser("manager").get(f"/redeem/check?code={coupon.code}").status_code == 200


def test_guesses_under_way_count_before_they_are_answered(chain: Chain, coupon: Coupon) -> None:
    clerk, subject = chain.browser("clerk"), guesses_of(chain.clerk.id)
    for _ in range(10):
        with chain.writing() as session:
            lockouts.attempt(session, subject, now=clock_now())

    looked = clerk.get(f"/redeem/check?code={coupon.code}")
    confirmed = confirm(chain, coupon)

    assert (looked.status_code, confirmed.status_code) == (429, 429)
    assert now_of(coupon).state is CouponState.issued
    with chain.writing() as session:
        lockouts.take_back(session, subject)
    assert clerk.get(f"/redeem/check?code={coupon.code}").status_code == 200


def test_looking_at_a_good_code_is_no_guess_and_wins_none_back(
    chain: Chain, coupon: Coupon
) -> None:
    clerk = chain.browser("clerk")
    for number in range(9):
        clerk.get(f"/redeem/check?code=12345678{number:04}")
        assert clerk.get(f"/redeem/check?code={coupon.code}").status_code == 200

    clerk.get("/redeem/check?code=123456780009")

    assert clerk.get(f"/redeem/check?code={coupon.code}").status_code == 429


def test_a_mistake_is_undone_with_a_reason(chain: Chain, coupon: Coupon) -> None:
    confirm(chain, coupon)
    manager = chain.browser("manager")

    without = manager.post(f"/redeem/{coupon.code}/undo")
    undone = manager.post(f"/redeem/{coupon.code}/undo", reason="核错了券")

    assert without.status_code == 422
    assert undone.status_code == 303
    assert now_of(coupon).state is CouponState.issued
    with reading() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "coupon.undo")).one()
    assert entry.reason == "核错了券"


def test_after_ten_minutes_it_stays(chain: Chain, coupon: Coupon) -> None:
    confirm(chain, coupon)
    with chain.writing() as session:
        session.get_one(Coupon, coupon.id).redeemed_at = chain.now - timedelta(minutes=11)

    answer = chain.browser("manager").post(f"/redeem/{coupon.code}/undo", reason="核错了券")

    assert answer.status_code in (409, 410)
    assert now_of(coupon).state is CouponState.redeemed


def test_what_i_redeemed_can_be_undone_from_the_list_while_it_is_fresh(
    chain: Chain, coupon: Coupon
) -> None:
    manager = chain.browser("manager")
    manager.post("/redeem/confirm", code=coupon.code, key="k1", store=str(chain.here.id))

    fresh = manager.get("/redeem/").text
    with chain.writing() as session:
        kept = session.get_one(Coupon, coupon.id)
        kept.redeemed_at = chain.now - timedelta(minutes=11)
    stale = manager.get("/redeem/").text

    assert f"/console/redeem/{coupon.code}/undo" in fresh
    assert f"/console/redeem/{coupon.code}/undo" not in stale
