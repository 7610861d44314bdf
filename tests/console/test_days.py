"""Another day than today, the story of an order on a timeline, and badges that keep up."""

from datetime import timedelta

from console import words
from console.campaign_forecast import forecast
from core.clock import business_day, day_bounds
from crm import events
from crm.campaigns.reach import Forecast
from crm.visits import record_visit
from messaging.models import Channel
from orders.handover import complete
from orders.models import Order, OrderState
from tests.console.conftest import Chain


def test_yesterday_has_its_own_figures_and_today_offers_the_way_there(chain: Chain) -> None:
    today = business_day(chain.now)
    yesterday = today - timedelta(days=1)
    noon = day_bounds(yesterday)[0] + timedelta(hours=12)
    chain.order(paid_at=noon, state=OrderState.completed)
    chain.order(paid_at=noon - timedelta(days=7), state=OrderState.completed)
    chain.order(paid_at=noon - timedelta(days=7), state=OrderState.completed)
    owner = chain.browser("owner")

    now = owner.get("/home").text
    then = owner.get(f"/home?day={yesterday}").text

    assert "<dd>¥0.00</dd>" in now
    assert f"/console/home?day={yesterday}" in now
    assert "昨天 周" in now
    assert "实收 ¥26，1 单" in now
    assert "console/stream" in now
    assert "<dd>¥26.00</dd>" in then
    assert "↓ 50.0%" in then
    assert f"<h1>{words.date_of(yesterday)}</h1>" in then
    assert "console/stream" not in then


def test_a_day_that_cannot_be_shown_is_today(chain: Chain) -> None:
    chain.order()
    owner = chain.browser("owner")
    long_ago = business_day(chain.now) - timedelta(days=14)

    for wanted in ("gestern", "2999-01-01", long_ago.isoformat()):
        assert "<h1>今日</h1>" in owner.get(f"/home?day={wanted}").text


def test_an_order_is_one_row_of_the_timeline(chain: Chain) -> None:
    member = chain.member()
    order = chain.order(member=member, state=OrderState.ready, pickup_code="482915")
    with chain.writing() as session:
        told = {"order_id": order.id, "paid_fen": 2600}
        events.record(session, member.id, "paid", now=chain.now, store_id=chain.here.id, data=told)
    later = chain.now + timedelta(minutes=9)
    with chain.writing() as session:
        kept = session.get_one(Order, order.id)
        complete(session, kept, code="482915", actor="staff:1", now=later)

    page = chain.browser("owner").get(f"/members/{member.no}").text

    assert "消费 ¥26.00" in page
    assert "静安寺店 · 杨枝甘露" in page
    assert f'href="/console/orders/{order.no}"' in page
    assert ">到店<" not in page


def test_what_a_phone_reports_of_itself_does_not_push_out_a_purchase(chain: Chain) -> None:
    member = chain.member()
    order = chain.order(member=member)
    with chain.writing() as session:
        told = {"order_id": order.id, "paid_fen": 2600}
        events.record(session, member.id, "paid", now=chain.now, store_id=chain.here.id, data=told)
        later = chain.now + timedelta(minutes=1)
        events.record_many(session, member.id, [events.Event("viewed", later)] * 100, now=later)

    page = chain.browser("owner").get(f"/members/{member.no}").text

    assert "消费 ¥26.00" in page
    assert page.count("看了商品") == 10
    assert page.index("看了商品") < page.index("消费 ¥26.00")


def test_a_visit_that_nothing_else_tells_of_stays(chain: Chain) -> None:
    member = chain.member()
    with chain.writing() as session:
        cause = {"order_id": 999}
        record_visit(session, member.id, chain.here.id, chain.now, cause=cause)

    page = chain.browser("owner").get(f"/members/{member.no}").text

    assert ">到店<" in page


def test_a_list_that_reloads_brings_heading_and_badges_along(chain: Chain) -> None:
    first, _ = chain.order(), chain.order()
    clerk = chain.browser("clerk")

    clerk.touch(f"/orders/{first.no}/accept")
    fragment = clerk.get("/orders/", **{"HX-Request": "true"}).text

    assert '<div class="sub" id="head-sub">1 单待接</div>' in fragment
    assert '<span class="count" id="waiting-side" hx-swap-oob="true" >1</span>' in fragment
    assert "<nav" not in fragment.replace('<nav class="tabs"', "")


def test_a_forecast_says_when_there_are_too_few_to_compare() -> None:
    tiny = Forecast(20, 8, 0, {Channel.customer_service: 8}, {})
    small = Forecast(300, 200, 20, {Channel.customer_service: 200}, {})
    enough = Forecast(900, 600, 60, {Channel.customer_service: 600}, {})

    [none, few] = [forecast(each, None, 1_000)["few"] for each in (tiny, small)]
    assert len(none) == len(few) == 1
    assert "对照组可能一个人也没有" in none[0]
    assert "对照组 不到 1" in forecast(tiny, None, 1_000)["words"]
    assert "对照组不到 50 人" in few[0]
    assert forecast(enough, None, 1_000)["few"] == []
    assert forecast(tiny, None, 0)["few"] == ["没有留对照组：跑完只知道用了多少券，量不出增量。"]


def test_a_forecast_says_when_variants_share_too_few_people() -> None:
    ten, hundreds = (Forecast(number, number, 0) for number in (10, 400))
    [_, said] = forecast(ten, None, 0, variants=2)["few"]
    assert "一种只有约 5 人，跑完多半看不出哪种更好" in said
    assert forecast(hundreds, None, 2_000, variants=4)["few"] == []
    [cut] = forecast(hundreds, None, 6_000, variants=4)["few"]
    assert "一种只有约 40 人" in cut
