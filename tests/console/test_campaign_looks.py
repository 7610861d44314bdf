"""What a campaign's pages say of its variants, of a list that is not written yet, of its result."""

from sqlalchemy import update

from crm import campaigns
from crm.campaigns.drafting import Other
from crm.models import Recipient
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
