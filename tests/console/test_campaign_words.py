"""What the campaign pages promise: never more certain than it is."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from core.config import Config
from core.database import reading
from core.outbox import OutboxJob
from coupons.issuing import get_template
from coupons.models import Coupon, CouponState
from crm import campaigns, contacts
from crm.models import CampaignState, Recipient, RecipientState
from messaging import policies
from messaging.models import MessageWindow
from tests.console.conftest import Chain
from tests.crm.conftest import ACCOUNTS
from tests.factories.campaigns import make_campaign, make_follower, open_window
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member, make_merchant, make_person
from tests.tables import running
from tests.working import run_inline

FORM = {"name": "", "message": "{昵称}，给你「{券名}」", "holdout": "1000"}


@pytest.fixture
def app(make_config: Callable[..., Config]) -> Iterator[Flask]:
    """As everywhere, with an official account and a mini-program."""
    with running(make_config(wechat=ACCOUNTS)) as app:
        yield app


def make_talkers(session: Any, chain: Chain, number: int) -> None:
    """Followers who wrote a moment ago."""
    for _ in range(number):
        member = make_member(session, person=make_person(session))
        open_window(session, make_follower(session, member), until=chain.now + timedelta(hours=40))


def facts(page: str) -> str:
    return page.replace("<dt>", "").replace("</dt><dd>", " ").replace("</dd>", "；")


def test_a_launch_says_the_most_it_can_cost(chain: Chain) -> None:
    with chain.writing() as session:
        make_talkers(session, chain, 11)
        campaign = make_campaign(session, holdout_bp=1_000, template={"face_fen": 1_000})

    page = chain.browser("owner").get(f"/campaigns/{campaign.id}/launch").text

    assert "最多 11 人收到券和消息，对照约 1 人，可能没有，其余" in page
    assert "发券，最多 11 张；要是全部核销，最多 ¥110.00；" in facts(page)
    assert "启动，最多发给 11 人" in page
    assert "按以往核销率" not in page


def test_a_large_audience_has_its_control_and_none_is_said_where_none_is_kept(
    chain: Chain,
) -> None:
    with chain.writing() as session:
        make_talkers(session, chain, 60)
        compared = make_campaign(session, holdout_bp=1_000)
        plain = make_campaign(session, holdout_bp=0)

    owner = chain.browser("owner")

    assert "对照约 6 人，其余" in owner.get(f"/campaigns/{compared.id}/launch").text
    assert "不留对照，其余" in owner.get(f"/campaigns/{plain.id}/launch").text


def test_earlier_coupons_tell_how_many_will_be_used(chain: Chain) -> None:
    with chain.writing() as session:
        campaign = make_campaign(session, template={"per_member_limit": 99})
        make_talkers(session, chain, 8)
        member = make_member(session, merchant=make_merchant(session))
        row = get_template(session, campaign.template_id)
        for number in range(20):
            coupon = make_coupon(session, member, row)
            coupon.expires_at = chain.now - timedelta(days=1)
            coupon.state = CouponState.redeemed if number < 5 else CouponState.expired

    page = chain.browser("owner").get(f"/campaigns/{campaign.id}/launch").text
    with chain.writing() as session:
        open_again = {"state": CouponState.issued, "expires_at": chain.now + timedelta(days=9)}
        session.execute(update(Coupon).where(Coupon.id == coupon.id).values(**open_again))
    fewer = chain.browser("owner").get(f"/campaigns/{campaign.id}/launch").text

    assert "按以往核销率 约 2 张会用掉；" in facts(page)
    assert "按以往核销率" not in fewer


def test_a_new_campaign_chooses_nothing_for_you(chain: Chain) -> None:
    with chain.writing() as session:
        make_campaign(session)

    page = chain.browser("owner").get("/campaigns/new").text

    assert page.count('<option value="" selected>') == 5  # whom, what, when
    assert "选好人群，这里会算出能送到多少人、哪些人跳过、为什么" in page


def test_both_channels_are_shown_as_they_will_look(chain: Chain) -> None:
    with chain.writing() as session:
        template = make_template(session, make_merchant(session), name="回店券")
    text = "{昵称}，好久不见，给你留了「{券名}」，来坐坐吧，新到的茶也想请你尝尝"

    page = (
        chain.browser("owner")
        .touch("/campaigns/forecast", **{**FORM, "message": text, "template": str(template.id)})
        .text
    )

    whole = "小满，好久不见，给你留了「回店券」，来坐坐吧，新到的茶也想请你尝尝"
    assert whole in page
    assert "说明 小满，好久不见，给你留了「回店券」；" in facts(page)  # no half of a clause
    assert "只放得下 20 个字，对方看到的是「小满，好久不见，给你留了「回店券」」" in page
    assert "优惠券 回店券；" in facts(page)


def test_the_quiet_hours_of_the_rules_are_named_and_a_campaign_adds_to_them(chain: Chain) -> None:
    owner = chain.browser("owner")

    plain = owner.touch("/campaigns/forecast", **FORM).text
    stricter = owner.touch("/campaigns/forecast", **FORM, latest="20", earliest="9").text
    with chain.writing() as session:
        contacts.set_rules(
            session, chain.merchant_id, quiet_hours=None, actor="staff:1", now=chain.now
        )
    loud = owner.touch("/campaigns/forecast", **FORM).text

    assert "22 点到 8 点不发，没发完的到点接着发" in plain
    assert "22 点到 8 点、20 点到 9 点不发" in stricter
    assert "没有设安静的钟点，全天都发" in loud


def test_whom_only_a_broadcast_reaches_is_a_part_of_the_forecast(chain: Chain) -> None:
    with chain.writing() as session:
        for _ in range(3):
            make_follower(session, make_member(session, person=make_person(session)))
        campaign = make_campaign(session, approved=False)
        ways = policies.Policy(broadcast=True)
        policies.set_policy(session, chain.merchant_id, ways, actor="staff:1", now=chain.now)

    given = {**FORM, "holdout": "0", "segment": str(campaign.segment_id)}
    owner = chain.browser("owner")
    card = owner.touch("/campaigns/forecast", **given, template=str(campaign.template_id)).text

    assert owner.get(f"/campaigns/{campaign.id}/launch").status_code == 200
    assert "群发 3" in card


def test_people_without_number_make_no_page_wait(chain: Chain) -> None:
    with chain.writing() as session:
        make_talkers(session, chain, 1)
        campaign = make_campaign(session, approved=False)
        connection = session.connection()
        connection.exec_driver_sql("ALTER TABLE members RENAME TO few")
        connection.exec_driver_sql(
            "CREATE VIEW members AS WITH RECURSIVE n(i) AS"
            " (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT few.* FROM n JOIN few"
        )
    owner = chain.browser("owner")
    chosen = {"segment": str(campaign.segment_id), "template": str(campaign.template_id)}

    asked = owner.get(f"/campaigns/{campaign.id}/launch")
    beside = owner.touch("/campaigns/forecast", **{**FORM, **chosen})

    for answer in (asked, beside):
        assert answer.status_code == 200
        assert "人群很大，这会儿算不出能送到多少人" in answer.text
        assert "refresh" not in answer.text
    assert ">启动</button>" in asked.text
    assert owner.post(f"/campaigns/{campaign.id}/launch").status_code == 303
    assert "正在准备名单…" in owner.get(f"/campaigns/{campaign.id}").text


def test_a_stopped_campaign_counts_those_it_left_by_and_by(chain: Chain) -> None:
    with chain.writing() as session:
        make_talkers(session, chain, 3)
        campaign = make_campaign(session)
        campaigns.launch(session, campaign, actor="staff:1", now=chain.now)
    owner, path = chain.browser("owner"), f"/campaigns/{campaign.id}"

    owner.post(f"{path}/pause")
    owner.post(f"{path}/resume")
    assert states(campaign.id) == {RecipientState.planned: 3}
    assert [jobs("crm.campaign_resume"), jobs("crm.campaign_send")] == [1, 0]
    run_inline("crm.campaign_resume", campaign_id=campaign.id)
    assert jobs("crm.campaign_batch") == 2  # the launch's and the one at the cursor

    owner.post(f"{path}/kill", name=campaign.name)
    assert states(campaign.id) == {RecipientState.planned: 3}  # not in the request
    during = owner.get(path).text
    run_inline("crm.campaign_stop", campaign_id=campaign.id)

    assert "已经不再发，正在记下没发到的人…" in during
    assert 'hx-trigger="every 2s"' in during
    assert states(campaign.id) == {RecipientState.skipped: 3}
    after = owner.get(path).text
    assert "活动已终止" in after
    assert 'hx-trigger="every 2s"' not in after


def states(campaign_id: int) -> dict[RecipientState, int]:
    each = select(Recipient.state, func.count()).where(Recipient.campaign_id == campaign_id)
    with reading() as session:
        return dict(session.execute(each.group_by(Recipient.state)).all())


def jobs(name: str) -> int:
    with reading() as session:
        found = select(func.count()).select_from(OutboxJob).where(OutboxJob.name == name)
        return session.scalar(found) or 0


def test_sent_is_not_over_until_the_measuring_window_closes(chain: Chain) -> None:
    with chain.writing() as session:
        fresh, old = make_campaign(session), make_campaign(session)
        for campaign, days in ((fresh, 13), (old, 14)):
            campaign.state = CampaignState.finished
            campaign.launched_at = chain.now - timedelta(days=days)

    owner = chain.browser("owner")

    for campaign, word in ((fresh, "已发完"), (old, "已结束")):
        page = owner.get(f"/campaigns/{campaign.id}").text
        assert f'dot">{word}</span>' in page
    rows = owner.get("/campaigns/").text.split("<tr>")
    assert sum("已发完</span>" in row for row in rows) == 1
    assert sum("已结束</span>" in row for row in rows) == 1


def test_who_is_out_of_reach_is_told_what_opens_the_door(chain: Chain) -> None:
    with chain.writing() as session:
        make_talkers(session, chain, 1)
        session.execute(update(MessageWindow).values(expires_at=chain.now - timedelta(hours=1)))
        campaign = make_campaign(session)

    owner = chain.browser("owner")
    owner.post(f"/campaigns/{campaign.id}/launch")
    run_inline("crm.campaign_launch", campaign_id=campaign.id)
    page = owner.get(f"/campaigns/{campaign.id}/report").text

    assert "48 小时内没给公众号发过消息，也没允许订阅消息" in page
    assert "他们下次给公众号发消息后 48 小时内可以" in page
