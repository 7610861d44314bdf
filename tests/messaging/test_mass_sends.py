"""Requests that WeChat would not take yet, and broadcasts that end before it hears of them."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select, update

from core import clock
from core.database import claim, reading, transaction
from crm import broadcasting, consent, members
from crm.models import MarketingContact
from gateways.wechat.errors import WechatError
from merchants.models import Merchant
from messaging import broadcasts
from messaging.broadcasts import cutting, launching, queries, remote
from messaging.broadcasts.errors import BroadcastMoved
from messaging.broadcasts.models import Broadcast, MassSend, MassState
from sandbox.demo_config import OFFICIAL
from tests.messaging.test_broadcasts import (
    PEOPLE,
    drafted,
    finish,
    follow_all,
    launched,
    member_of,
    only_mass,
    state,
    used,
)
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


def recognised(shop: Shop) -> Merchant:
    """Three followers who are members, so that each takes a contact of the cap."""
    merchant = follow_all(shop)
    for person in PEOPLE:
        with transaction() as session:
            members.recognise(
                session,
                merchant_id=merchant.id,
                kind="official",
                appid=OFFICIAL,
                openid=shop.openid(person),
                union_id=shop.person(person).union_id,
                now=clock.now(),
            )
    return merchant


def contacted() -> int:
    with reading() as session:
        return session.scalar(select(func.count()).select_from(MarketingContact)) or 0


def test_a_refused_request_gives_the_contacts_back_too(shop: Shop) -> None:
    launched(shop, drafted(recognised(shop)))
    assert (contacted(), set(used().values())) == (3, {1})

    finish(shop, "err(20002)")

    assert (contacted(), set(used().values())) == (0, {0})


def test_a_request_that_arrived_keeps_its_contacts(shop: Shop) -> None:
    launched(shop, drafted(recognised(shop)))

    finish(shop)

    assert (contacted(), set(used().values())) == (3, {1})


def test_a_stop_while_gathering_gives_everything_back(shop: Shop) -> None:
    merchant = recognised(shop)
    broadcast = drafted(merchant)
    remote.preview(broadcast.id, actor="staff:1", openid=shop.openid("aqing"))
    now = clock.now()
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast.id)
        broadcasts.launch(session, fresh, actor="staff:1", now=now)
    with transaction() as session:
        broadcasting.address(session, fresh, 0, now=now)
        after = broadcasting.spend_slice(session, fresh, 0, now=now)
    assert after is not None
    assert (contacted(), set(used().values())) == (3, {1})

    with transaction() as session:
        broadcasts.stop(session, session.get_one(Broadcast, broadcast.id), actor="staff:1", now=now)
    with transaction() as session:  # the worker that had read `gathering` goes on
        assert broadcasting.spend_slice(session, fresh, 0, now=now) is None
    shop.drain()

    assert state(broadcast) == ("stopped", "")
    assert (contacted(), set(used().values())) == (0, {0})
    assert shop.world.masses.list() == []
    with transaction() as session, pytest.raises(BroadcastMoved):
        broadcasts.stop(session, session.get_one(Broadcast, broadcast.id), actor="staff:1", now=now)


def held_request(shop: Shop, broadcast: Broadcast, *, waited: timedelta) -> None:
    """A request that the night or the quota has held for a while."""
    remote.preview(broadcast.id, actor="staff:1", openid=shop.openid("aqing"))
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast.id)
        broadcasts.launch(session, fresh, actor="staff:1", now=clock.now())
    shop.drain(but=("messaging.mass_send",))
    with transaction() as session:
        claim(session, update(MassSend).values(changed_at=clock.now() - waited))


def say_no(shop: Shop, *people: str) -> None:
    with transaction() as session:
        for person in people:
            known = member_of(session, shop, person)
            consent.change(session, known, marketing=False, now=clock.now())


def test_who_says_no_while_a_request_waits_is_left_out_and_gets_everything_back(shop: Shop) -> None:
    broadcast = drafted(recognised(shop))
    held_request(shop, broadcast, waited=timedelta(hours=9))
    say_no(shop, "zhixia")

    shop.drain()

    (mass,) = shop.world.masses.list()
    assert sorted(mass.touser) == sorted(shop.openid(each) for each in ("aqing", "xiaozhou"))
    with reading() as session:
        assert launching.count_addressed(session, broadcast.id) == {"": 2, "no_consent": 1}
    assert (only_mass().addressed, contacted()) == (2, 2)
    assert used() == {shop.openid(each): int(each != "zhixia") for each in PEOPLE}


def test_a_request_that_one_person_is_left_of_is_called_off(shop: Shop) -> None:
    broadcast = drafted(recognised(shop))
    held_request(shop, broadcast, waited=timedelta(hours=9))
    say_no(shop, "zhixia", "aqing")

    shop.drain()

    assert shop.world.masses.list() == []
    assert (state(broadcast), only_mass().status) == (("failed", ""), "broadcast_alone")
    assert (contacted(), set(used().values())) == (0, {0})


def cut_once(shop: Shop) -> tuple[Broadcast, datetime]:
    """A launched broadcast whose worker stopped after the first cut; when it was launched."""
    broadcast = drafted(recognised(shop))
    remote.preview(broadcast.id, actor="staff:1", openid=shop.openid("aqing"))
    now = clock.now()
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast.id)
        broadcasts.launch(session, fresh, actor="staff:1", now=now)
    with transaction() as session:
        broadcasting.address(session, fresh, 0, now=now)
        broadcasting.spend_slice(session, fresh, 0, now=now)
        assert cutting.cut_next(session, fresh, 0, now=now) is not None
    return broadcast, now


def test_a_worker_that_dies_while_requests_are_cut_leaves_them_unsent(shop: Shop) -> None:
    _, now = cut_once(shop)
    with reading() as session:
        long_after = now + timedelta(hours=1)
        assert queries.list_to_ask_again(session, now=long_after) == []

    shop.drain()

    assert (only_mass().addressed, len(shop.world.masses.list())) == (3, 1)


def test_a_stop_between_two_cuts_gives_everything_back(shop: Shop) -> None:
    broadcast, now = cut_once(shop)
    with transaction() as session:
        broadcasts.stop(session, session.get_one(Broadcast, broadcast.id), actor="staff:1", now=now)

    shop.drain()

    assert (state(broadcast), only_mass().state) == (("stopped", ""), MassState.failed)
    assert (contacted(), set(used().values()), shop.world.masses.list()) == (0, {0}, [])
