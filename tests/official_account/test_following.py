"""A person follows: one follower, one reply, one coupon, one message, whatever WeChat repeats."""

from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from sqlalchemy import func, select

from core.clock import local
from core.database import reading, transaction
from core.inbox import InboundEvent
from core.outbox import JobState, OutboxJob
from coupons.models import Coupon, CouponTemplate, TemplateState
from crm.models import Member, MemberEvent
from gateways.wechat.errors import WechatError
from gateways.wechat.official import OfficialAccount
from messaging.models import ChatMessage, Follower, OutboundMessage
from people.models import Identity
from sandbox import pushes
from sandbox.demo_config import OFFICIAL
from sandbox.wechat.followers import Follow
from tests.official_account.conftest import TeaShop
from tests.wechat_world import Shop


def counts() -> dict[str, int]:
    tables = (Follower, Member, Coupon, OutboundMessage, Identity)
    with reading() as session:
        return {
            table.__tablename__: session.scalar(select(func.count()).select_from(table)) or 0
            for table in tables
        }


ONE_OF_EACH = {
    "followers": 1,
    "members": 1,
    "coupons": 1,
    "outbound_messages": 1,
    "identities": 1,
}


def subscribe(shop: Shop, scene: str = "", person: str = "aqing", **values: Any) -> pushes.Push:
    fields = {"EventKey": f"qrscene_{scene}" if scene else "", "Ticket": "t", **values}
    return event(shop, "subscribe", person, **fields)


def event(shop: Shop, name: str, person: str = "aqing", **fields: Any) -> pushes.Push:
    account = shop.world.settings.accounts[OFFICIAL]
    return pushes.build(
        shop.world,
        account,
        shop.person(person),
        shop.openid(person),
        MsgType="event",
        Event=name,
        title="",
        **fields,
    )


def post(shop: Shop, push: pushes.Push, **values: Any) -> tuple[int, str]:
    """One delivery as WeChat makes it; every repetition is signed and sealed anew."""
    query, body, content_type = pushes.sealed(shop.world, push, **values)
    answer = shop.app.test_client().post(
        push.account.callback_path, query_string=query, data=body, content_type=content_type
    )
    return answer.status_code, answer.get_data(as_text=True)


@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
def test_scanning_a_stores_code_welcomes_a_follower(tea: TeaShop, mode: str) -> None:
    tea.shop.wechat.set_mode(mode)

    told = tea.shop.scan("aqing", tea.store_scene.code)
    first_words = tea.shop.chat("aqing")[0]["text"]
    ran = tea.shop.drain()

    assert told["delivered"] is True, told
    assert "欢迎来到青禾茶铺·静安寺店" in first_words
    assert f'pages/menu/menu?store_id={tea.store.id}"' in first_words
    assert {outcome.split(":")[1] for outcome in ran} == {"done"}
    assert counts() == ONE_OF_EACH
    with reading() as session:
        follower = session.scalars(select(Follower)).one()
        assert (follower.source_store_id, follower.source_scene, follower.merchant_id) == (
            tea.store.id,
            tea.store_scene.code,
            tea.merchant.id,
        )
        member = session.scalars(select(Member)).one()
        assert member.source_store_id == tea.store.id
        coupon = session.scalars(select(Coupon)).one()
        assert (coupon.member_id, coupon.template_id) == (member.id, tea.template.id)
        assert list(session.scalars(select(MemberEvent.kind))) == ["followed"]
        message = session.scalars(select(OutboundMessage)).one()
        assert (message.state, message.key) == ("sent", f"welcome:{follower.id}")
    gift = tea.shop.chat("aqing")[-1]["text"]
    assert "见面礼「新人 8 元券」已放进你的券包，" in gift
    assert 'data-miniprogram-path="pages/coupons/coupons"' in gift


def test_the_welcome_is_two_bubbles_and_the_card_says_until_when(
    tea: TeaShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictured = SimpleNamespace(card_media_id="a-picture")
    monkeypatch.setattr("messaging.welcome.find_official", lambda _appid: pictured)

    tea.shop.scan("aqing", tea.store_scene.code)
    tea.shop.drain()

    greeting, card = tea.shop.chat("aqing")
    assert "见面礼正在放进你的券包" in greeting["text"]
    with reading() as session:
        ends = local(session.scalars(select(Coupon)).one().expires_at)
        payload = session.scalars(select(OutboundMessage)).one().payload
    until = f"{ends.month}月{ends.day}日前用"
    assert (card["kind"], card["title"]) == ("mini", f"¥8 新人 8 元券，满 20 可用，{until}")
    assert payload["instead"].startswith(f"见面礼「新人 8 元券」已放进你的券包，{until}。\n<a ")


def test_a_refused_welcome_card_becomes_words_and_a_link(
    tea: TeaShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictured = SimpleNamespace(card_media_id="a-picture")
    monkeypatch.setattr("messaging.welcome.find_official", lambda _appid: pictured)
    refusal = Mock(side_effect=WechatError(40007, "invalid media_id"))
    monkeypatch.setattr(OfficialAccount, "send_mini_card", refusal)

    tea.shop.scan("aqing", tea.store_scene.code)
    tea.shop.drain()

    refusal.assert_called_once()
    _, words = tea.shop.chat("aqing")
    assert words["text"].startswith("见面礼「新人 8 元券」已放进你的券包，")
    assert 'data-miniprogram-path="pages/coupons/coupons"' in words["text"]
    with reading() as session:
        assert session.scalars(select(OutboundMessage)).one().state == "sent"


@pytest.mark.parametrize("mode", ["plain", "safe"])
def test_the_same_event_three_times_changes_nothing_and_hears_the_same(
    tea: TeaShop, mode: str
) -> None:
    tea.shop.wechat.set_mode(mode)
    openid, stamp = tea.shop.openid("aqing"), int(tea.shop.world.clock.stamp())
    tea.shop.world.followers.add(Follow(OFFICIAL, openid, stamp, "ADD_SCENE_QR_CODE", ""))
    tea.shop.world.windows.open(OFFICIAL, openid, "follow")
    push = subscribe(tea.shop, tea.store_scene.code)

    answers = [post(tea.shop, push) for _ in range(2)]
    tea.shop.drain()
    answers.append(post(tea.shop, push))
    tea.shop.drain()

    assert [status for status, _ in answers] == [200] * 3
    assert all("xml" in body for _, body in answers)
    if mode == "plain":
        texts = {body.split("<Content>")[1] for _, body in answers}
        assert len(texts) == 1
    assert counts() == ONE_OF_EACH
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(InboundEvent)) == 1
        replies = select(func.count()).where(ChatMessage.reply_key.is_not(None))
        assert session.scalar(replies) == 1
    said = [m for m in tea.shop.chat("aqing") if "新人 8 元券" in m["text"]]
    assert len(said) == 1


@pytest.mark.parametrize("kind", ["duplicate", "drop_after", "wrong_signature"])
def test_wechats_habits_end_in_one_follower_one_coupon_one_message(tea: TeaShop, kind: str) -> None:
    tea.shop.fault(api="official.push", kind=kind, times=1)

    tea.shop.scan("aqing", tea.store_scene.code)
    tea.shop.drain()

    assert counts() == ONE_OF_EACH


@pytest.mark.parametrize("mode", ["plain", "compatible", "safe"])
def test_a_bad_signature_is_refused_and_changes_nothing(tea: TeaShop, mode: str) -> None:
    tea.shop.wechat.set_mode(mode)

    status, body = post(tea.shop, subscribe(tea.shop, tea.store_scene.code), forged=True)

    assert status == 403
    assert "bad_signature" in body
    assert set(counts().values()) == {0}
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(InboundEvent)) == 0


def test_following_again_brings_no_second_gift(tea: TeaShop) -> None:
    tea.shop.scan("aqing", tea.store_scene.code)
    tea.shop.drain()
    tea.shop.unfollow("aqing")
    with reading() as session:
        gone = session.scalars(select(Follower)).one()
        assert (gone.subscribed, gone.unsubscribed_at is not None) == (False, True)

    with transaction() as session:  # WeChat's times have whole seconds
        session.query(Follower).update({Follower.unsubscribed_at: gone.subscribed_at})
    push = subscribe(tea.shop, CreateTime=int(tea.shop.world.clock.stamp()) + 5)
    assert post(tea.shop, push)[0] == 200
    tea.shop.drain()

    assert counts() == ONE_OF_EACH
    with reading() as session:
        back = session.scalars(select(Follower)).one()
        assert (back.subscribed, back.source_store_id) == (True, tea.store.id)
        greetings = select(ChatMessage.text).where(ChatMessage.kind == "reply")
        first, again = session.scalars(greetings.order_by(ChatMessage.id))
        promised = [each.partition("！")[2].splitlines()[0] for each in (first, again)]
        assert promised == ["见面礼正在放进你的券包。", ""]


def test_where_no_coupon_welcomes_none_is_promised(tea: TeaShop) -> None:
    with transaction() as session:
        session.query(CouponTemplate).update({CouponTemplate.moment: ""})

    tea.shop.scan("aqing", tea.store_scene.code)

    assert "见面礼" not in tea.shop.chat("aqing")[0]["text"]


def test_a_late_subscribe_does_not_undo_leaving(tea: TeaShop) -> None:
    stamp = int(tea.shop.world.clock.stamp())
    early = subscribe(tea.shop, CreateTime=stamp - 30)
    assert post(tea.shop, subscribe(tea.shop, CreateTime=stamp - 60))[0] == 200
    assert post(tea.shop, event(tea.shop, "unsubscribe", EventKey="", CreateTime=stamp))[0] == 200

    assert post(tea.shop, early)[0] == 200
    tea.shop.drain()

    with reading() as session:
        assert session.scalars(select(Follower.subscribed)).one() is False
    assert counts()["coupons"] == 0


def test_without_a_coupon_left_the_follower_is_still_greeted(tea: TeaShop) -> None:
    with transaction() as session:
        template = session.get_one(CouponTemplate, tea.template.id)
        template.state = TemplateState.paused

    tea.shop.follow("aqing")
    ran = tea.shop.drain()

    assert "messaging.welcome_follower:done" in ran
    assert counts() == {**ONE_OF_EACH, "coupons": 0}
    assert "点单" in tea.shop.chat("aqing")[-1]["text"]


def test_a_table_code_leads_to_the_table(tea: TeaShop) -> None:
    tea.shop.follow("aqing")
    tea.shop.drain()

    tea.shop.scan("aqing", tea.table_scene.code)
    ran = tea.shop.drain()

    words = tea.shop.chat("aqing")[-1]["text"]
    assert "静安寺店 A3" in words
    assert f"store_id={tea.store.id}&amp;table={tea.table.code}" in words
    assert ran == ["messaging.note_scan:done"]
    with reading() as session:
        kinds = session.scalars(select(MemberEvent.kind).order_by(MemberEvent.id)).all()
        assert kinds == ["followed", "scanned"]


def test_another_merchants_scene_counts_for_nothing(tea: TeaShop) -> None:
    assert post(tea.shop, subscribe(tea.shop, "store.OF-SOMEBODY"))[0] == 200

    with reading() as session:
        follower = session.scalars(select(Follower)).one()
        assert (follower.source_scene, follower.merchant_id) == ("", tea.merchant.id)


def test_wechat_busy_delays_the_welcome_but_loses_nothing(tea: TeaShop) -> None:
    tea.shop.fault(api="api.user_info", kind="error", errcode=-1, times=1)

    tea.shop.scan("aqing", tea.store_scene.code)

    assert "messaging.welcome_follower:later" in tea.shop.drain()
    with transaction() as session:
        session.query(OutboxJob).filter(OutboxJob.state == JobState.waiting).update(
            {OutboxJob.run_at: tea.store.created_at}
        )
    assert "messaging.welcome_follower:done" in tea.shop.drain()
    assert counts() == ONE_OF_EACH
