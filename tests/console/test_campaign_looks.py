"""What a campaign's pages say of its variants, of a list that is not written yet, of its result."""

import pytest
from sqlalchemy import select, update

from crm import campaigns
from crm.campaigns.drafting import Other
from crm.models import Campaign, CampaignState, Recipient, RecipientState
from tests.console.conftest import Chain
from tests.factories.campaigns import make_campaign, make_template
from tests.factories.crm import make_merchant


def test_before_the_launch_there_is_no_list_and_the_page_says_so(chain: Chain) -> None:
    with chain.writing() as session:
        campaign = make_campaign(session, approved=False)
        id_ = campaign.id

    page = chain.browser("owner").get(f"/campaigns/{id_}/people/").text

    assert "启动那一刻才定名单" in page
    assert f'href="/console/campaigns/{id_}/edit">看预计能送到多少人' in page
    assert "看全部名单" not in page


def test_every_variant_is_shown_as_it_will_look(chain: Chain) -> None:
    with chain.writing() as session:
        other = make_template(session, make_merchant(session), name="第二杯券")
        draft = {"others": (Other(other.id, "B 组的话：「{券名}」"),), "approved": False}
        campaign = make_campaign(session, template={"name": "第一杯券"}, **draft)
        id_ = campaign.id

    page = chain.browser("owner").get(f"/campaigns/{id_}").text

    assert "「第一杯券」" in page
    assert "B 组的话：「第二杯券」" in page
    assert page.count('name="shown"') == 2


def test_letters_stand_beside_people_only_where_there_is_something_to_tell_apart(
    chain: Chain,
) -> None:
    chain.member()
    with chain.writing() as session:
        plain = make_campaign(session, now=chain.now)
        campaigns.launch(session, plain, actor="staff:1", now=chain.now)
        session.execute(update(Recipient).values(arm="reach"))
        id_ = plain.id

    page = chain.browser("owner").get(f"/campaigns/{id_}/people/").text

    assert "A 组" not in page


@pytest.mark.parametrize(
    ("gift", "given", "costs"),
    [
        ({"gift": "words"}, (None, 0), "没有，只发消息"),
        ({"gift": "points", "points": "50"}, (None, 50), "送积分，最多"),
    ],
)
def test_a_campaign_may_give_points_or_only_speak(
    chain: Chain, gift: dict[str, str], given: tuple[None, int], costs: str
) -> None:
    with chain.writing() as session:
        segment = make_campaign(session, approved=False).segment_id
    fields = {"name": "新茶到了", "segment": str(segment), "message": "{昵称}，来尝尝", **gift}
    owner = chain.browser("owner")

    beside = owner.touch("/campaigns/forecast", **fields).text
    owner.touch("/campaigns/new", **fields)

    assert costs in beside
    assert "优惠券到账提醒" not in beside
    with chain.writing() as session:
        made = session.scalars(select(Campaign).where(Campaign.name == "新茶到了")).all()
        assert {(each.template_id, each.points) for each in made} == {given}
        id_ = made[-1].id
    page, form = owner.get(f"/campaigns/{id_}").text, owner.get(f"/campaigns/{id_}/edit").text
    assert "小满，来尝尝" in page
    assert f'value="{gift["gift"]}" checked' in form


def test_words_promise_no_coupon_that_is_not_given(chain: Chain) -> None:
    with chain.writing() as session:
        segment = make_campaign(session, approved=False).segment_id
    fields = {"name": "空话", "segment": str(segment), "message": "给你「{券名}」", "gift": "words"}

    refused = chain.browser("owner").touch("/campaigns/new", **fields)

    assert refused.status_code == 422
    assert "文字里的 {券名} 填不上" in refused.text
    with chain.writing() as session:
        assert session.scalar(select(Campaign).where(Campaign.name == "空话")) is None


def test_the_report_of_words_follows_people_to_an_order(chain: Chain) -> None:
    chain.member()
    with chain.writing() as session:
        campaign = make_campaign(session, now=chain.now, template_id=None, message="来坐坐")
        campaigns.launch(session, campaign, actor="staff:1", now=chain.now)
        session.execute(update(Recipient).values(arm="reach", state=RecipientState.sent))
        campaign.state = CampaignState.finished
        id_ = campaign.id
    owner = chain.browser("owner")

    report, page = owner.get(f"/campaigns/{id_}/report").text, owner.get(f"/campaigns/{id_}").text

    assert "买过的人" in report
    assert "用券消费实付" not in report
    assert "发券" not in report
    assert "只说话，不送东西" in page
