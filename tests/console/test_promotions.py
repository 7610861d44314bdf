"""Promotions at the console: written, kept, started after a second look, stopped; the calendar."""

from datetime import timedelta

from sqlalchemy import select

from core.clock import business_day, day_bounds
from core.database import reading, transaction
from coupons.floors import OfferRules
from coupons.models import (
    CouponKind,
    CouponTemplate,
    Promotion,
    PromotionKind,
    PromotionState,
    StackGroup,
)
from merchants.models import Merchant
from tests.console.conftest import Chain
from tests.console.test_pages import assert_says
from tests.factories.catalogue import make_product, make_sku
from tests.factories.coupons import make_promotion, make_template

GOOD = {
    "kind": "spend",
    "name": "天天满减",
    "t1": "60",
    "o1": "8",
    "t2": "30",
    "o2": "3",
    "starts": "2026-01-01T00:00",
    "ends": "",
    "stacking": "promotion",
    "goods": "all",
}


def only() -> Promotion:
    with reading() as session:
        return session.scalars(select(Promotion)).one()


def test_a_promotion_is_kept_changed_started_and_stopped(chain: Chain) -> None:
    owner = chain.browser("owner")
    good = GOOD | {"stores": str(chain.here.id)}

    assert owner.post("/promotions/new", **good, do="keep").status_code == 303
    kept = only()
    assert (kept.state, kept.kind) == (PromotionState.draft, PromotionKind.spend)
    assert kept.steps == [[3000, 300], [6000, 800]]
    assert kept.store_ids == [chain.here.id]
    assert_says(owner.get("/promotions/").text, "天天满减", "草稿", "满 30 减 3，满 60 减 8")

    changed = good | {"o1": "9", "from": "14:00", "until": "17:00"}
    assert owner.post(f"/promotions/{kept.id}", **changed, do="start").status_code == 303
    running = only()
    assert running.state is PromotionState.running
    assert (running.steps[1], running.from_minute) == ([6000, 900], 840)
    refused = owner.post(f"/promotions/{kept.id}", **good, do="keep")
    assert refused.status_code == 409
    assert only().steps[1] == [6000, 900]

    owner.post(f"/promotions/{kept.id}/state", state="stopped")
    assert only().state is PromotionState.stopped
    assert_says(owner.get("/promotions/").text, "已停", "上线")


def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_kept(chain: Chain) -> None:
    owner = chain.browser("owner")
    wrong = [
        (GOOD | {"o2": "9"}, "门槛越高，要减得越多"),
        (GOOD | {"t1": "", "t2": ""}, "至少写一档"),
        (GOOD | {"from": "14:00"}, "开始和结束都要填"),
        (GOOD | {"ends": "2025-01-01T00:00"}, "结束要在开始和现在之后"),
        (GOOD | {"kind": "price", "tenths": "8"}, "选打折的商品"),
        (GOOD | {"kind": "nth", "nth": "1", "tenths": "5"}, "在 2 到 9 之间"),
    ]
    for fields, why in wrong:
        answer = owner.post("/promotions/new", **fields, stores=str(chain.here.id), do="start")
        assert answer.status_code == 422
        assert_says(answer.text, why)
    with reading() as session:
        assert session.scalars(select(Promotion)).all() == []


def test_a_price_below_the_floor_wants_a_second_look(chain: Chain) -> None:
    with transaction() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        product = make_product(session, chain.here, name="桂花乌龙")
        make_sku(session, chain.here, product=product, price_fen=1_200)
        make_template(session, merchant, name="见面礼", face_fen=800, min_spend_fen=1_800)
    owner = chain.browser("owner")
    fields = GOOD | {"kind": "nth", "nth": "2", "tenths": "5", "stacking": "goods"}
    fields |= {"name": "第二杯半价", "stores": str(chain.here.id), "do": "start"}

    warned = owner.post("/promotions/new", **fields)
    assert warned.status_code == 422
    assert_says(warned.text, "每件合 ¥5.00，只有原价的 4.2 折", "看过了，就这样上线")
    assert_says(owner.post("/promotions/preview", **fields).text, "第 2 件半价", "4.2 折")
    assert owner.post("/promotions/new", **fields, anyway="on").status_code == 303
    assert only().stack_group is StackGroup.goods
    assert_says(owner.get("/promotions/calendar").text, "4.2 折", "有重叠")


def test_the_calendar_shows_a_month_and_somebody_elses_is_not_found(chain: Chain) -> None:
    with transaction() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        soon = chain.now + timedelta(days=2)
        make_promotion(session, merchant, name="快来了", starts_at=soon, created_at=chain.now)
        make_template(session, merchant, name="见面礼", created_at=chain.now)
        theirs = make_promotion(session, session.get_one(Merchant, chain.rival_merchant_id))
    owner = chain.browser("owner")

    day = business_day(soon)
    page = owner.get(f"/promotions/calendar?month={day:%Y-%m}").text
    assert_says(page, "快来了", "见面礼", "「快来了」开始")
    assert owner.get("/promotions/calendar?month=wrong").status_code == 200
    before, on = (
        owner.get(f"/promotions/calendar?month={day:%Y-%m}&day={shown}").text
        for shown in (day - timedelta(days=1), day)
    )
    week = [page.split('<nav class="day-strip"')[1].split("gantt-key")[0] for page in (before, on)]
    assert ["快来了" in shown for shown in week] == [False, True]
    assert owner.get(f"/promotions/{theirs.id}").status_code == 404
    assert owner.post(f"/promotions/{theirs.id}/state", state="stopped").status_code == 404


def test_a_coupon_of_each_kind_is_written(chain: Chain) -> None:
    with transaction() as session:
        product = make_product(session, chain.here, name="桂花冻")
        make_sku(session, chain.here, product=product, price_fen=1_200)
        product_id = product.id
    owner = chain.browser("owner")
    common = {"days": "8", "each": "1", "stores": str(chain.here.id)}
    forms = [
        {"kind": "exchange", "name": "换桂花冻", "pay": "2", "goods": "some", "uses": "5"}
        | {"products": str(product_id), "stacking": "extra"},
        {"kind": "nth", "name": "第二件半价", "nth": "2", "tenths": "5", "first": "on"},
        {"kind": "delivery", "name": "免配送", "stacking": "exclusive", "channel": "online"},
    ]
    for fields in forms:
        assert owner.post("/coupons/new", **common, **fields).status_code == 303

    with reading() as session:
        found = session.scalars(select(CouponTemplate).order_by(CouponTemplate.id)).all()
    swap, nth, delivery = found
    assert (swap.kind, swap.pay_fen, swap.product_ids) == (CouponKind.exchange, 200, [product_id])
    assert (swap.worth_fen, swap.uses_total) == (1_000, 5)
    assert swap.stack_group is StackGroup.extra
    assert (nth.nth, nth.off_bp, nth.first_order, nth.worth_fen) == (2, 5_000, True, 600)
    assert (delivery.exclusive, delivery.stack_group) == (True, StackGroup.delivery)
    page = owner.get("/coupons/").text
    assert_says(page, "元换", "共 5 次", "仅限：桂花冻", "半价", "同款第 2 件", "免配送")
    nothing = owner.post("/coupons/new", **common, kind="exchange", name="换", goods="some")
    assert nothing.status_code == 422
    assert_says(nothing.text, "至少选一种商品")


def test_the_floor_is_set_on_the_calendar_and_asked_before_an_offer_starts(chain: Chain) -> None:
    owner = chain.browser("owner")
    with chain.writing() as session:
        product = make_product(session, chain.here, name="桂花乌龙")
        make_sku(session, chain.here, product=product, price_fen=1_200)
        make_template(
            session, session.get_one(Merchant, chain.merchant_id), face_fen=300, min_spend_fen=0
        )
    timed = {**GOOD, "kind": "price", "tenths": "8", "goods": "some"}
    timed |= {"products": str(product.id), "stores": str(chain.here.id)}
    low = "只有原价的 5.5 折"
    assert low not in owner.post("/promotions/preview", **timed).get_data(as_text=True)

    assert owner.post("/promotions/floor", floor="6").status_code == 303
    assert low in owner.post("/promotions/preview", **timed).get_data(as_text=True)
    assert_says(owner.get("/promotions/calendar").get_data(as_text=True), "底线")

    assert owner.post("/promotions/floor", floor="12").status_code == 422
    with reading() as session:
        assert [rules.floor_bp for rules in session.scalars(select(OfferRules))] == [6_000]


def test_a_timed_price_for_so_many_pieces_says_how_many_and_what_was_sold(chain: Chain) -> None:
    owner = chain.browser("owner")
    with chain.writing() as session:
        product = make_product(session, chain.here, name="桂花乌龙")
        make_sku(session, chain.here, product=product, price_fen=1_200)
    timed = {**GOOD, "kind": "price", "tenths": "8", "goods": "some", "do": "start"}
    timed |= {"products": str(product.id), "stores": str(chain.here.id), "stock": "50"}

    wrong = owner.post("/promotions/new", **timed, each="0")
    made = owner.post("/promotions/new", **timed, each="2")

    assert (wrong.status_code, made.status_code) == (422, 303)
    assert (only().pieces_each, only().pieces_per_member) == (50, 2)
    page = owner.get("/promotions/").get_data(as_text=True)
    assert_says(page, "每种限 50 件，每人限 2 件", "按特价卖了 0 件")


def test_a_half_written_coupon_is_drawn_with_the_example_and_nothing_is_typed_for_anybody(
    chain: Chain,
) -> None:
    owner = chain.browser("owner")
    empty = owner.get("/coupons/new").text
    common = {"kind": "amount", "days": "8", "each": "1", "stores": str(chain.here.id)}

    assert 'value="12"' not in empty
    assert 'placeholder="12"' in empty
    assert_says(empty, "ticket sketch", "满 80 可用", "老客回店券")
    half = owner.post("/coupons/preview", **common, face="5").text
    assert_says(half, "ticket sketch", "5</b>", "满 80 可用", "领取后 8 天内可用")
    whole = owner.post("/coupons/preview", **common, name="雨天券", face="5").text
    assert_says(whole, "雨天券", "无门槛")
    assert "sketch" not in whole
    refused = owner.post("/coupons/new", **common)
    assert refused.status_code == 422
    with reading() as session:
        assert session.scalars(select(CouponTemplate)).all() == []


def test_what_is_seldom_set_is_folded_until_something_of_it_is(chain: Chain) -> None:
    owner = chain.browser("owner")
    plain = {"kind": "amount", "days": "8", "each": "1", "stores": str(chain.here.id)}

    def folds(**more: str) -> list[bool]:
        page = owner.post("/coupons/new", **plain, **more).text
        return [part.lstrip().startswith("open") for part in page.split('class="seldom"')[1:]]

    assert folds() == [False, False]
    assert folds(first="on") == [True, False]
    assert folds(daily="x") == [False, True]


def test_more_of_a_coupon_is_given_and_never_fewer_than_are_out(chain: Chain) -> None:
    owner = chain.browser("owner")
    with transaction() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        mine = make_template(session, merchant, total_limit=5, issued_count=5)
        theirs = make_template(session, session.get_one(Merchant, chain.rival_merchant_id))
    path = f"/coupons/{mine.id}/total"

    fewer = owner.post(path, total="4")
    assert (fewer.status_code, "已经发了 5 张，不能再少" in fewer.text) == (422, True)
    assert owner.post(f"/coupons/{theirs.id}/total", total="9").status_code == 404
    totals = []
    for typed in ("8", ""):
        assert owner.post(path, total=typed).status_code == 303
        with reading() as session:
            totals.append(session.get_one(CouponTemplate, mine.id).total_limit)
    assert totals == [8, None]


def test_a_coupon_may_end_on_a_day_instead_of_after_some(chain: Chain) -> None:
    owner = chain.browser("owner")
    fields = {"kind": "amount", "name": "年底券", "face": "5", "each": "1", "daily_each": "1"}
    fields["stores"] = str(chain.here.id)
    day = business_day(chain.now) + timedelta(days=30)

    for wrong, why in (({}, "填一个整数"), ({"ends": "2020-01-01"}, "截止时间要在现在之后")):
        refused = owner.post("/coupons/new", **fields, **wrong)
        assert (refused.status_code, why in refused.text) == (422, True)
    assert owner.post("/coupons/new", **fields, ends=day.isoformat()).status_code == 303
    with reading() as session:
        made = session.scalars(select(CouponTemplate)).one()
    assert (made.valid_days, made.valid_until) == (None, day_bounds(day)[1])
    assert made.member_daily_limit == 1
