"""What the counter sees of a member: how far to the next tier, a word to them, who is staff."""

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from flask import Flask

from core.clock import now as clock_now
from core.config import Config
from crm.models import Member
from merchants.models import Staff
from messaging.models import Conversation, Direction, Follower, MessageWindow, WindowKind
from tests.console.conftest import Chain
from tests.factories.campaigns import OFFICIAL, make_follower, make_identity
from tests.tables import running

ACCOUNT = {"appid": OFFICIAL, "secret": "s", "merchant": "qinghe"}


@pytest.fixture
def app(make_config: Callable[..., Config]) -> Iterator[Flask]:
    with running(make_config(wechat={"official_accounts": [ACCOUNT]})) as app:
        yield app


def test_how_far_it_is_to_the_next_tier(chain: Chain) -> None:
    member = chain.member(spent_fen=16_400, orders_count=3)

    page = chain.browser("owner").get(f"/members/{member.no}").text

    assert "再消费 ¥136 升银毫" in page
    assert "¥164 / ¥300" in page
    assert 'width="55%"' in page


def test_staff_are_shown_by_the_name_they_work_under(chain: Chain) -> None:
    member = chain.member("爱喝茶的")
    with chain.writing() as session:
        session.get_one(Staff, chain.clerk.id).person_id = member.person_id
    owner = chain.browser("owner")

    for page in (owner.get("/members/").text, owner.get(f"/members/{member.no}").text):
        assert "小周" in page
        assert "店员" in page


def test_nobody_learns_whom_another_shops_account_is_followed_by(chain: Chain) -> None:
    member, owner = chain.member(), chain.browser("owner")
    with chain.writing() as session:
        known = session.get_one(Member, member.id)
        theirs = make_identity(session, known, "wx-rival")
        shared = make_identity(session, known)
        for identity in (theirs, shared):
            row = Follower(
                appid=identity.appid,
                openid=identity.openid,
                merchant_id=chain.rival_merchant_id,
                identity_id=identity.id,
                subscribed=True,
                subscribed_at=chain.now,
            )
            session.add(row)

    page = owner.get(f"/members/{member.no}/chat").text

    assert "他没有关注公众号，公众号里发不了消息给他。" in page
    assert "他关注了公众号" not in page


def test_a_message_leads_to_the_chat_while_wechat_lets_us_write(chain: Chain) -> None:
    member, owner = chain.member(), chain.browser("owner")
    address = f"/members/{member.no}/chat"
    assert "没有关注公众号" in owner.get(address).text
    with chain.writing() as session:
        openid = make_follower(session, session.get_one(Member, member.id)).openid
    assert "还没有在里面说过话" in owner.get(address).text
    with chain.writing() as session:
        whose = {"appid": OFFICIAL, "openid": openid}
        talk = Conversation(
            **whose, last_text="在吗", last_direction=Direction.inbound, last_at=clock_now()
        )
        window = MessageWindow(
            **whose,
            kind=WindowKind.user_message,
            opened_at=clock_now() - timedelta(hours=1),
            expires_at=clock_now() + timedelta(hours=47),
            remaining=2,
        )
        session.add_all([talk, window])

    response = owner.get(address)
    assert response.status_code == 303
    assert response.location == f"/console/inbox/{talk.id}"

    for values, why in (
        ({"remaining": 0}, "这一轮 5 条用完了"),
        ({"expires_at": clock_now() - timedelta(minutes=1)}, "过了 48 小时"),
    ):
        with chain.writing() as session:
            kept = session.get_one(MessageWindow, window.id)
            for name, value in values.items():
                setattr(kept, name, value)
        assert why in owner.get(address).text
