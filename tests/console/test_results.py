"""活动报告 and 活动一览: revenue and profit with intervals, the margin asked once, a table."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from analytics import measuring
from catalogue.models import Option, Sku
from core.database import reading
from crm.campaigns import tallies
from crm.models import Arm, Campaign, CampaignState, Recipient, RecipientState
from merchants.models import Merchant, Store
from tests.console.conftest import Chain
from tests.factories.campaigns import make_campaign
from tests.factories.catalogue import make_group
from tests.factories.crm import make_member, make_purchase


@pytest.fixture
def told(chain: Chain) -> Campaign:
    """Two hundred people a side; one in two of the reached bought, one in five of the others."""
    with chain.writing() as session:
        campaign = make_campaign(session, name="=冬季回店")
        campaign.state = CampaignState.finished
        campaign.launched_at = chain.now - timedelta(days=3)
        campaign.audience_count = 400
        store = session.get_one(Store, chain.here.id)
        merchant = session.get_one(Merchant, chain.merchant_id)
        for number in range(400):
            member = make_member(session, merchant=merchant)
            reached = number % 2 == 0
            session.add(
                Recipient(
                    campaign_id=campaign.id,
                    member_id=member.id,
                    arm=Arm.reach if reached else Arm.holdout,
                    state=RecipientState.sent if reached else RecipientState.skipped,
                    skip_reason=None if reached else "holdout",
                    state_at=chain.now,
                )
            )
            if number % 4 == 0 or number % 10 == 1:
                at = chain.now - timedelta(days=2)
                make_purchase(session, member, store, amount_fen=2_000 + 10 * number, at=at)
        session.flush()
        tallies.recount(session, campaign.id)
        return campaign


def test_a_margin_is_asked_once_and_profit_stands_in_the_report(
    chain: Chain, told: Campaign
) -> None:
    owner = chain.browser("owner")
    report = f"/campaigns/{told.id}/report"
    before = owner.get(report).text
    assert "填毛利率" in before
    assert "多带来约 ¥" in before
    assert "没有扣掉券和原料的成本" in before

    wrong = owner.post("/campaigns/margin", margin="120", message_cost="x", to=f"/console{report}")
    nan = owner.post("/campaigns/margin", margin="nan", message_cost="", to="")
    right = owner.post("/campaigns/margin", margin="65", message_cost="", to=f"/console{report}")

    assert (wrong.status_code, nan.status_code, right.status_code) == (422, 422, 303)
    assert right.location.endswith(report)
    page = owner.get(report).text
    assert "填毛利率" not in page
    assert "按毛利率 65% 估" in page
    assert "多赚约 ¥" in page
    assert chain.browser("clerk").get("/campaigns/margin").status_code == 403


def test_costs_of_goods_are_asked_beside_the_margin(chain: Chain, told: Campaign) -> None:
    owner = chain.browser("owner")
    chain.order()
    with chain.writing() as session:
        sku_id, product_id = session.execute(select(Sku.id, Sku.product_id)).one()
        _, (pearls, _hot) = make_group(session, product_id, options={"珍珠": 300, "热": 0})
        option_id = pearls.id
    assert "已填 0 / 2 样" in owner.get("/campaigns/margin").text

    wrong = owner.post("/campaigns/costs", **{f"cost_{sku_id}": "贵"})
    assert "加 ¥3.00" in owner.get("/campaigns/costs").text
    right = owner.post(
        "/campaigns/costs",
        **{f"cost_{sku_id}": "8.5", "cost_x": "3", f"option_{option_id}": "0.9"},
    )

    assert (wrong.status_code, "填金额，最多两位小数" in wrong.text) == (422, True)
    assert right.status_code == 303
    assert 'value="8.50"' in owner.get("/campaigns/costs").text
    assert "已填 2 / 2 样" in owner.get("/campaigns/margin").text
    assert "改商品成本" in owner.get("/audit/").text
    chain.browser("rival").post("/campaigns/costs", **{f"cost_{sku_id}": "1"})
    with reading() as session:
        assert session.scalars(select(Sku.cost_fen)).one() == 850
        assert session.scalars(select(Option.cost_fen).order_by(Option.id)).all() == [90, None]


def test_all_campaigns_stand_on_one_axis_and_cost_the_same_queries(
    chain: Chain, told: Campaign, count_queries: Callable[[Callable[[], Any]], int]
) -> None:
    owner = chain.browser("owner")
    with chain.writing() as session:
        measuring.keep(session, told, measuring.measure(session, told, chain.now))
    one = count_queries(lambda: owner.get("/campaigns/results"))
    with chain.writing() as session:
        for _ in range(6):
            other = make_campaign(session)
            other.state, other.launched_at = CampaignState.finished, chain.now - timedelta(days=2)
            measuring.keep(session, other, measuring.measure(session, told, chain.now))

    many = count_queries(lambda: owner.get("/campaigns/results"))

    assert many == one
    page = owner.get("/campaigns/results").text
    assert "每人多花多少" in page
    assert "＋¥" in page
    assert "=冬季回店" not in chain.browser("rival").get("/campaigns/results").text


def test_the_table_has_the_figures_and_no_formula(chain: Chain, told: Campaign) -> None:
    table = chain.browser("owner").get(f"/campaigns/{told.id}/report.csv")

    assert table.content_type == "text/csv; charset=utf-8"
    lines = table.get_data(as_text=True).splitlines()
    assert lines[0] == "\ufeff活动,'=冬季回店"
    assert "应发,200" in lines
    assert "对照组,200" in lines
    revenue = next(line for line in lines if line.startswith("收入,")).split(",")
    assert revenue[-1] == "是"
    assert float(revenue[2]) < float(revenue[1]) < float(revenue[3])
    rival = chain.browser("rival").get(f"/campaigns/{told.id}/report.csv")
    assert rival.status_code == 404


def test_what_is_not_counted_yet_says_so(chain: Chain, told: Campaign) -> None:
    with chain.writing() as session:
        session.get_one(Campaign, told.id).audience_count = measuring.SMALL + 1

    page = chain.browser("owner").get(f"/campaigns/{told.id}/report")

    assert page.status_code == 200
    assert "还没有可看的数字" in page.text
