"""What an owner does with a campaign at the console, beside starting and stopping it."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from core.clock import local
from core.config import Config
from core.database import reading
from crm import contacts
from crm.campaigns import drafting
from crm.models import (
    Approval,
    ApprovalState,
    Campaign,
    CampaignState,
    Member,
    Recipient,
    RecipientState,
)
from merchants.models import Staff
from messaging.models import OutboundMessage
from tests.console.conftest import Chain
from tests.crm.conftest import ACCOUNTS
from tests.factories.campaigns import make_campaign, make_follower, open_window
from tests.factories.crm import make_member, make_person
from tests.tables import running
from tests.working import run_inline


@pytest.fixture
def app(make_config: Callable[..., Config]) -> Iterator[Flask]:
    """As everywhere, with an official account and a mini-program."""
    with running(make_config(wechat=ACCOUNTS)) as app:
        yield app


def make_talker(session: Any, chain: Chain, **values: Any) -> Member:
    member = make_member(session, person=make_person(session), **values)
    open_window(session, make_follower(session, member), until=chain.now + timedelta(hours=40))
    return member


def campaign_of(chain: Chain, **values: Any) -> Campaign:
    with chain.writing() as session:
        return make_campaign(session, **values)


def draft_of(campaign_id: int) -> drafting.Draft:
    with reading() as session:
        return drafting.read(session, session.get_one(Campaign, campaign_id))


def state_of(campaign_id: int) -> CampaignState:
    with reading() as session:
        return session.get_one(Campaign, campaign_id).state


def typed(campaign: Campaign, **values: str) -> dict[str, str]:
    return {
        "name": "冬季回店",
        "segment": str(campaign.segment_id),
        "template": str(campaign.template_id),
        "message": "上午好",
        "holdout": "1000",
        **values,
    }


def test_a_whole_form_saves_itself_once_and_then_changes(chain: Chain) -> None:
    other = campaign_of(chain)
    owner = chain.browser("owner")
    before = other.id

    unfinished = owner.touch("/campaigns/forecast", **typed(other, name=""))
    first = owner.touch("/campaigns/forecast", **typed(other))
    with reading() as session:
        made = session.scalars(select(Campaign.id).where(Campaign.id > before)).one()
    again = owner.touch("/campaigns/forecast", **typed(other, id=str(made), message="下午好"))

    assert "已自动保存" not in unfinished.text
    assert "已自动保存" in first.text
    assert f'value="{made}"' in first.text
    assert first.headers["HX-Replace-Url"].endswith(f"/campaigns/{made}/edit")
    assert "HX-Replace-Url" not in again.headers
    assert draft_of(made).message == "下午好"
    with reading() as session:
        assert session.scalars(select(Campaign.id).where(Campaign.id > before)).all() == [made]

    said = owner.post("/campaigns/new", **typed(other, id=str(made), message="晚上好"))
    assert said.headers["Location"].endswith(f"/campaigns/{made}")
    assert draft_of(made).message == "晚上好"


def test_variants_and_caps_are_read_and_shown_again(chain: Chain) -> None:
    campaign = campaign_of(chain, approved=False)
    owner = chain.browser("owner")
    form = typed(
        campaign,
        variants="1",
        message_1="下午好",
        hour_1="18",
        winner_hours="4",
        pilot="2000",
        budget="600",
        daily="300",
        liability="1,000.50",
    )

    assert owner.post(f"/campaigns/{campaign.id}/edit", **form).status_code == 303

    draft = draft_of(campaign.id)
    assert draft.others == (drafting.Other(campaign.template_id, "下午好", 18),)
    assert (draft.winner_hours, draft.pilot_bp) == (4, 2_000)
    caps = (draft.budget_fen, draft.daily_people, draft.liability_fen)
    assert caps == (60_000, 300, 100_050)
    page = owner.get(f"/campaigns/{campaign.id}/edit").text
    assert "下午好" in page
    assert 'value="600.00"' in page
    shown = owner.get(f"/campaigns/{campaign.id}").text
    assert "先发给 20% 的人，4 小时后按结果发给其余的人。" in shown


def test_a_wrong_number_is_said_beside_it_and_nothing_is_kept(chain: Chain) -> None:
    campaign = campaign_of(chain, approved=False)
    owner = chain.browser("owner")

    refused = owner.post(
        f"/campaigns/{campaign.id}/edit", **typed(campaign, budget="很多", daily="0")
    )

    assert refused.status_code == 422
    assert "填金额，最多两位小数" in refused.text
    assert draft_of(campaign.id).message != "上午好"


def test_too_small_a_budget_says_where_it_will_stop(chain: Chain) -> None:
    with chain.writing() as session:
        for _ in range(3):
            make_talker(session, chain)
        campaign = make_campaign(session, template={"face_fen": 1_000})

    beside = chain.browser("owner").touch(
        "/campaigns/forecast", **typed(campaign, holdout="0", budget="20")
    )

    assert "不够预计花费 ¥30.00，约发到 2 人就会停" in beside.text


def test_a_time_is_set_taken_back_and_the_draft_too(chain: Chain) -> None:
    campaign = campaign_of(chain, approved=False)
    owner = chain.browser("owner")
    path, at = f"/campaigns/{campaign.id}", local(chain.now) + timedelta(days=2)

    past = owner.post(f"{path}/schedule", when=f"{local(chain.now):%Y-%m-%dT%H:%M}")
    nonsense = owner.post(f"{path}/schedule", when="明天")
    assert (past.status_code, nonsense.status_code) == (422, 422)
    assert state_of(campaign.id) is CampaignState.draft

    owner.post(f"{path}/schedule", when=f"{at:%Y-%m-%dT%H:%M}")
    with reading() as session:
        set_for = session.get_one(Campaign, campaign.id).scheduled_at
        assert set_for == at.replace(second=0, microsecond=0)
    assert "自动启动" in owner.get(path).text

    owner.post(f"{path}/unschedule")
    assert state_of(campaign.id) is CampaignState.approved
    owner.post(f"{path}/withdraw")
    assert state_of(campaign.id) is CampaignState.draft


def test_two_people_for_a_large_one(chain: Chain) -> None:
    with chain.writing() as session:
        contacts.set_rules(
            session, chain.merchant_id, approval_people=1, actor="system", now=chain.now
        )
        for _ in range(2):
            make_talker(session, chain)
        campaign = make_campaign(session, approved=False)
    path = f"/campaigns/{campaign.id}"
    manager, boss = chain.browser("manager"), chain.browser("owner")

    refused = boss.post(f"{path}/launch")
    assert refused.status_code == 422
    assert "要发给 2 人，超过 1 人，要另一个人同意" in refused.text
    assert "提交审核" in refused.text
    assert state_of(campaign.id) is CampaignState.draft

    manager.post(f"{path}/ask")
    with reading() as session:
        approval = session.scalars(select(Approval)).one()
    waiting = boss.get(path).text
    assert f"同意 {approval.code}" in waiting
    assert manager.post(f"{path}/approve", code=approval.code).status_code == 403
    boss.post(f"{path}/approve", code=approval.code)

    assert state_of(campaign.id) is CampaignState.approved
    with reading() as session:
        assert session.scalars(select(Approval.state)).one() is ApprovalState.approved
    assert boss.post(f"{path}/launch").status_code == 303


def test_a_trial_goes_to_the_one_who_asks(chain: Chain) -> None:
    with chain.writing() as session:
        talker = make_talker(session, chain)
        session.get_one(Staff, chain.owner.id).person_id = talker.person_id
        campaign = make_campaign(session, approved=False)
    owner = chain.browser("owner")

    said = owner.post(f"/campaigns/{campaign.id}/test")

    assert said.status_code == 303
    with reading() as session:
        [message] = session.scalars(select(OutboundMessage)).all()
        assert message.payload["text"].startswith("【试发】")
        assert session.scalars(select(Recipient)).all() == []
    assert chain.browser("manager").post(f"/campaigns/{campaign.id}/test").status_code == 409


def test_the_list_says_one_state_and_one_reason_each_and_is_exported(chain: Chain) -> None:
    with chain.writing() as session:
        for _ in range(2):
            make_talker(session, chain, name="=林小满")
        make_talker(session, chain, marketing_consent=False)
        campaign = make_campaign(session)
    owner = chain.browser("owner")
    path = f"/campaigns/{campaign.id}/people"
    owner.post(f"/campaigns/{campaign.id}/launch")
    run_inline("crm.campaign_launch", campaign_id=campaign.id)
    with chain.writing() as session:
        lost = session.scalars(
            select(Recipient).where(Recipient.state == RecipientState.planned).limit(1)
        ).one()
        lost.state, lost.errcode, lost.skip_reason = RecipientState.failed, 48002, "refused"

    everybody = owner.get(f"{path}/").text
    refused = owner.get(f"{path}/?state=skipped&reason=no_consent").text
    proof = owner.post(f"{path}/export", state="failed")
    exported = owner.post(f"{path}/export", state="failed", password="correct horse")

    assert everybody.count("<tr>") == 4  # with the head
    assert "对方不收消息" in everybody
    assert "微信 48002" in everybody
    assert refused.count("<tr>") == 2
    assert "不接收营销消息" in refused
    assert proof.status_code == 422
    lines = exported.get_data(as_text=True).splitlines()
    assert len(lines) == 2
    assert "'=林小满" in lines[1]
    assert "对方不收消息" in lines[1]
    assert owner.get(f"{path}/?state=nothing").status_code == 400
    assert chain.browser("clerk").get(f"{path}/").status_code == 403


def test_more_room_for_a_paused_one(chain: Chain) -> None:
    with chain.writing() as session:
        campaign = make_campaign(session, budget_fen=100)
        campaign.state = CampaignState.paused
    owner = chain.browser("owner")
    path = f"/campaigns/{campaign.id}"

    assert owner.post(f"{path}/caps", budget="0").status_code == 422
    owner.post(f"{path}/caps", budget="2000", daily="50")

    draft = draft_of(campaign.id)
    assert (draft.budget_fen, draft.daily_people, draft.liability_fen) == (200_000, 50, None)


def test_the_rules_are_changed_whole_or_not(chain: Chain) -> None:
    owner = chain.browser("owner")
    good = {"days": "14", "most": "2", "quiet_from": "21", "quiet_until": "9"}

    wrong = owner.post("/campaigns/rules/", **{**good, "most": "100", "quiet_until": ""})
    assert wrong.status_code == 422
    with reading() as session:
        assert contacts.rules_of(session, chain.merchant_id) == contacts.Rules()

    owner.post("/campaigns/rules/", **good, approval_people="1000", approval_fen="500")

    with reading() as session:
        assert contacts.rules_of(session, chain.merchant_id) == contacts.Rules(
            most=2, days=14, quiet_hours=(21, 9), approval_people=1_000, approval_fen=50_000
        )
