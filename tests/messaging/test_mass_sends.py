"""Requests that WeChat would not take yet, and broadcasts that end before it hears of them."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from core import clock
from core.database import claim, transaction
from gateways.wechat.errors import WechatError
from messaging import broadcasts
from messaging.broadcasts import remote
from messaging.broadcasts.models import Broadcast, MassSend, MassState
from tests.messaging.test_broadcasts import drafted, follow_all, launched, only_mass
from tests.wechat_world import Shop
from tests.working import run_inline


def test_a_request_that_the_quota_puts_off_for_days_is_new_every_time(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant)
    remote.preview(broadcast.id, actor="staff:1", openid=shop.openid("aqing"))
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast.id)
        broadcasts.launch(session, fresh, actor="staff:1", now=clock.now())
    run_inline("messaging.broadcast_gather", broadcast_id=broadcast.id)
    mass = only_mass()

    def full(*_: object) -> None:
        raise WechatError(45009)

    with monkeypatch.context() as patched:
        patched.setattr(remote, "_call", full)
        with pytest.raises(WechatError):
            remote.send(mass.id)
    assert (only_mass().state, only_mass().first_sent_at) == (MassState.prepared, None)

    monkeypatch.setattr(remote, "clock_now", lambda: clock.now() + timedelta(days=2))
    assert remote.send(mass.id) is MassState.accepted
    assert len(shop.world.masses.list()) == 1


def test_a_busy_answer_to_the_second_question_leaves_the_first_one_open(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    merchant = follow_all(shop)
    launched(shop, drafted(merchant))
    asked = clock.now() - timedelta(hours=5)
    with transaction() as session:
        claim(
            session,
            update(MassSend).values(state=MassState.unknown, first_sent_at=asked, msg_id=""),
        )

    def full(*_: object) -> None:
        raise WechatError(45009)

    monkeypatch.setattr(remote, "_call", full)
    with pytest.raises(WechatError):
        remote.send(only_mass().id)

    assert (only_mass().state, only_mass().first_sent_at) == (MassState.unknown, asked)
