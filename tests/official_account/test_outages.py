"""What is down must not cost a message: it waits, and is taken up once."""

import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from redis import Redis
from sqlalchemy import func, select

import gateways
from app import create_app
from core import clock, config
from core.database import reading, transaction
from core.inbox import EventState, InboundEvent
from messaging import inbox, parking, receiving, sending
from messaging.models import (
    ChatMessage,
    Follower,
    MessageWindow,
    OutboundMessage,
    OutboundState,
)
from sandbox import pushes
from sandbox.demo_config import OFFICIAL
from tests.factories.merchants import make_merchant
from tests.factories.messaging import make_message
from tests.official_account.conftest import TeaShop
from tests.official_account.test_following import event, post, subscribe
from tests.servers import MariaDB
from tests.wechat_world import Shop, Wechat, run_shop
from tests.working import run_inline

WITHIN = 5.0  # seconds in which WeChat wants an answer


def words(shop: Shop, text: str) -> pushes.Push:
    account = shop.world.settings.accounts[OFFICIAL]
    person, openid = shop.person("aqing"), shop.openid("aqing")
    return pushes.build(shop.world, account, person, openid, MsgType="text", Content=text, title="")


def count(table: type) -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


@pytest.mark.mariadb
def test_with_the_database_stopped_messages_wait_in_redis(
    wechat: Wechat, tmp_path: Path, redis: Redis, redis_url: str
) -> None:
    wechat.reset()
    with MariaDB(tmp_path / "own") as server, server.database() as url:
        sections = {"database": {"url": url}, "redis": {"url": redis_url}}
        with run_shop(wechat, tmp_path, **sections) as shop:
            with transaction() as session:
                make_merchant(session, code="qinghe")
            server.stop()
            hello, follow = words(shop, "你好"), subscribe(shop)

            began = time.monotonic()
            answers = [post(shop, push) for push in (follow, hello, hello, follow)]
            took = time.monotonic() - began
            forged = post(shop, hello, forged=True)

            assert answers == [(200, "success")] * 4
            assert took < WITHIN
            assert forged[0] == 403
            assert parking.count() == 4
            assert not any("你好".encode() in kept for kept in redis.lrange(parking.KEY, 0, -1))

            server.start()
            run_inline("messaging.sweep")
            run_inline("messaging.sweep")

            assert parking.count() == 0
            assert (count(InboundEvent), count(Follower), count(ChatMessage)) == (2, 1, 1)
            with reading() as session:
                assert set(session.scalars(select(InboundEvent.state))) == {EventState.done}
            later = post(shop, words(shop, "又好了"))
            run_inline("messaging.act_on_kept")
            assert later[0] == 200
            assert count(ChatMessage) == 2


def test_with_database_and_redis_away_wechat_is_told_to_come_again(
    wechat: Wechat,
) -> None:
    wechat.reset()
    nowhere = "mysql+pymysql://root@127.0.0.1:1/none"
    raw = {**wechat.raw, "database": {"url": nowhere}}
    wechat.switchboard.app = create_app(config.parse(raw))
    shop = Shop(wechat.switchboard.app, wechat)

    status, _ = post(shop, words(shop, "你好"))

    wechat.switchboard.app = None
    assert status == 503


def test_what_was_stored_and_not_acted_upon_is_swept_once(tea: TeaShop) -> None:
    """The web process died between its two transactions."""
    push = subscribe(tea.shop, tea.store_scene.code)
    tea.shop.wechat.set_mode("plain")
    query, body, _ = pushes.sealed(tea.shop.world, push)
    message = gateways.wechat().official(OFFICIAL).callback.read(query, body, clock.now())
    with transaction() as session:
        inbox.store(session, inbox.OFFICIAL + OFFICIAL, message, now=clock.now())
        session.query(InboundEvent).update(
            {InboundEvent.received_at: clock.now() - timedelta(minutes=1)}
        )

    run_inline("messaging.sweep")
    run_inline("messaging.sweep")

    with reading() as session:
        follower = session.scalars(select(Follower)).one()
        assert follower.source_store_id == tea.store.id
        window = session.scalars(select(MessageWindow)).one()
        assert window.opened_at == message.created_at
        assert session.scalars(select(InboundEvent.state)).one() is EventState.done
    assert post(tea.shop, push) == (200, "success")
    assert count(Follower) == 1


def test_a_failing_act_is_answered_and_left_for_the_sweep(tea: TeaShop) -> None:
    with transaction() as session:  # stands for any failure inside
        session.connection().exec_driver_sql(
            "create trigger broken before insert on message_windows"
            " begin select raise(abort, 'broken'); end"
        )

    said, clicked = words(tea.shop, "你好"), event(tea.shop, "CLICK", EventKey="contact")
    heard = post(tea.shop, said)
    answered = post(tea.shop, clicked)
    tea.shop.drain()

    assert (heard[0], heard[1] != "success") == (200, True)  # the words need no window
    assert answered == (200, "success")
    with transaction() as session:
        session.connection().exec_driver_sql("drop trigger broken")
        states = session.execute(select(InboundEvent.state, InboundEvent.outcome)).all()
        assert states == [(EventState.received, "")] * 2
        session.query(InboundEvent).update(
            {InboundEvent.received_at: clock.now() - timedelta(minutes=1)}
        )
    run_inline("messaging.sweep")
    with reading() as session:
        assert set(session.scalars(select(InboundEvent.state))) == {EventState.done}
        log = list(session.scalars(select(ChatMessage.text).order_by(ChatMessage.id)))
    assert log == ["你好", "收到啦"]
    assert count(MessageWindow) == 2


def test_messages_that_always_fail_hold_up_no_other_and_are_given_up_after_a_day(
    tea: TeaShop,
) -> None:
    tea.shop.follow("aqing")
    tea.shop.drain()
    with transaction() as session:
        good = receiving.from_body(session.scalars(select(InboundEvent.body)).one(), "")
        source, now = inbox.OFFICIAL + OFFICIAL, clock.now()
        for number in range(26):  # more than the sweep reads at once
            broken = replace(good, msg_id=f"broken-{number}")
            inbox.store(session, source, broken, now=now - timedelta(hours=25.05 - number / 10))
        session.query(InboundEvent).filter(InboundEvent.external_id.startswith("broken")).update(
            {InboundEvent.body: {}}, synchronize_session=False
        )
        late = replace(good, openid="o-late", msg_id="late")
        inbox.store(session, source, late, now=now - timedelta(minutes=1))

    run_inline("messaging.sweep")

    with reading() as session:
        left = select(InboundEvent.outcome).where(InboundEvent.state == EventState.received)
        told = sorted(session.scalars(left))
        assert told == [""] * 15 + ["given_up"] * 11
    assert count(Follower) == 2
    with reading() as session:
        again = inbox.list_unacted(session, before=clock.now(), limit=100)
        assert len(again) == 15


def test_a_sending_that_was_cut_off_is_unknown_and_stays_so(tea: TeaShop) -> None:
    tea.shop.follow("aqing")
    with transaction() as session:
        message = make_message(session, tea.shop.openid("aqing"), now=clock.now())
        long_ago = clock.now() - timedelta(minutes=10)
        assert sending.start(session, message.id, now=long_ago)

    run_inline("messaging.sweep")
    run_inline("messaging.deliver", message_id=message.id)

    with reading() as session:
        found = session.get_one(OutboundMessage, message.id)
        assert (found.state, found.reason) == (OutboundState.unknown, "interrupted")
    assert not [m for m in tea.shop.chat("aqing") if m["text"] == "你好"]
