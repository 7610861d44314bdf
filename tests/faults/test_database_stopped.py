"""With the database away nothing is half-written: everybody is told to come again, and does."""

import pytest
import requests
from sqlalchemy import func, select

from core.database import Base
from core.inbox import EventState, InboundEvent
from coupons.models import Coupon
from crm.models import Member, Purchase
from messaging.models import ChatMessage, Follower, OutboundMessage
from orders.models import Order, PaymentState
from payments.models import AttemptState
from people.models import Identity
from tests.faults.world import World, attempts_of, fetch, get_order, postings_of, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]


@pytest.mark.parametrize("crash", [False, True], ids=["stopped", "killed"])
def test_a_notice_gets_a_503_comes_again_and_pays_once(world: World, crash: bool) -> None:
    guest = world.guest("停库付款")
    no = guest.order(world.cup(guest))["no"]
    sheet = guest.open_sheet(no)
    (attempt,) = attempts_of(no)
    world.tree.kill("worker-1")  # nobody asks the channel: it has to come again by itself
    world.server.kill() if crash else world.server.stop()

    guest.act("pay", appid=guest.mini, **sheet)
    (notice,) = wait(
        lambda: [n for n in notices(world, attempt.out_trade_no) if n["statuses"]], "the notice"
    )
    assert notice["statuses"] == [503]
    world.server.start()
    assert fetch(select(InboundEvent.id).where(InboundEvent.external_id == notice["id"])) == []
    assert get_order(no).payment_state is PaymentState.unpaid
    world.sandbox.advance(16)  # the ladder's first rung

    wait(lambda: get_order(no).payment_state is PaymentState.paid, "the order to be paid")
    (notice,) = wait(
        lambda: [n for n in notices(world, attempt.out_trade_no) if n["done"]], "the answer"
    )
    assert notice["statuses"] == [503, 204]
    (attempt,) = attempts_of(no)
    assert attempt.state is AttemptState.succeeded
    assert postings_of(get_order(no)) == {f"payment:{attempt.id}": 0}
    assert count(Purchase, Purchase.order_id == get_order(no).id) == 1


def test_a_follow_is_answered_kept_and_replayed_once(world: World) -> None:
    person, poster = world.person("停库关注"), world.poster()
    world.server.kill()
    world.fault("official.push", "duplicate", copies=3)

    scanned = person.scan(poster)
    assert (scanned["delivered"], scanned["tries"]) == (True, 1)
    world.server.start()
    openid = person.chat()["openid"]
    assert count(Follower, Follower.openid == openid) == 0
    world.sandbox.advance(31)  # the sweep of parked bodies

    wait(lambda: count(Follower, Follower.openid == openid) == 1, "the follower")
    wait(lambda: count(Identity, Identity.openid == openid) == 1, "the member")
    world.sandbox.advance(31)  # another sweep finds nothing
    (follower,) = fetch(select(Follower).where(Follower.openid == openid))
    assert (follower.subscribed, follower.source_store_id is not None) == (True, True)
    (member_id,) = fetch(
        select(Member.id)
        .join(Identity, Identity.person_id == Member.person_id)
        .where(Identity.openid == openid)
    )
    assert fetch(select(Coupon.source).where(Coupon.member_id == member_id)) == ["welcome"]
    assert count(OutboundMessage, OutboundMessage.openid == openid) == 1
    assert len(world.sandbox.get("state", openid=openid)["sent"]) <= 1  # a minute may be over
    followed = select(InboundEvent.state).where(
        InboundEvent.kind == "subscribe", InboundEvent.external_id.startswith(openid)
    )
    assert fetch(followed) == [EventState.done]


def test_a_frozen_database_keeps_nobody_waiting(world: World) -> None:
    """It holds its sockets open and answers nothing. WeChat hangs up after five seconds: one try
    each shows that we were faster.
    """
    guest, person, poster = world.guest("冻库付款"), world.person("冻库关注"), world.poster()
    fan = world.person("冻库说话")
    fan.scan(poster)
    no = guest.order(world.cup(guest))["no"]
    sheet = guest.open_sheet(no)
    (attempt,) = attempts_of(no)
    world.fault("official.push", "duplicate", copies=3)

    with world.frozen_database():
        scanned = person.scan(poster)
        said = fan.say("在吗")
        guest.act("pay", appid=guest.mini, **sheet)
        (notice,) = wait(
            lambda: [n for n in notices(world, attempt.out_trade_no) if n["statuses"]], "the notice"
        )
        refused = guest.request("GET", "me")

    assert (scanned["delivered"], scanned["tries"]) == (True, 1)
    assert (said["delivered"], said["tries"]) == (True, 1)
    assert notice["statuses"] == [503]
    assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
    openid = person.chat()["openid"]
    world.sandbox.advance(31)
    wait(lambda: count(Follower, Follower.openid == openid) == 1, "the follower")
    wait(lambda: get_order(no).payment_state is PaymentState.paid, "the order to be paid")
    heard = (ChatMessage.openid == fan.chat()["openid"]) & (ChatMessage.text == "在吗")
    wait(lambda: count(ChatMessage, heard) == 1, "what was said")
    world.sandbox.advance(31)
    assert count(ChatMessage, heard) == 1
    assert count(Follower, Follower.openid == openid) == 1
    (attempt,) = attempts_of(no)
    assert postings_of(get_order(no)) == {f"payment:{attempt.id}": 0}


def test_the_mini_program_is_told_when_to_come_again(world: World) -> None:
    guest = world.guest("停库下单")
    wanted = world.cup(guest)
    key = "database-away-1"
    before = count(Order)
    world.server.stop()

    asked = [
        guest.request("POST", "quotes", json=wanted),
        guest.request("POST", "orders", json=wanted, headers={"Idempotency-Key": key}),
        guest.request("GET", "me"),
        guest.request("GET", "stores?lat=31.2&lng=121.4"),
    ]

    for answer in asked:
        assert answer.status_code == 503, answer.text
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert int(answer.headers["Retry-After"]) > 0
        assert answer.json()["code"] == "unavailable"
        assert answer.json()["detail"] == "系统正在恢复，请稍等"
    world.server.start()
    assert count(Order) == before
    made = guest.order(wanted, key=key)
    assert guest.order(wanted, key=key)["no"] == made["no"]
    assert count(Order) == before + 1


def test_staff_see_a_page_that_tries_again(world: World) -> None:
    page = f"{world.tree.base_url}/console/orders/"
    staff = {"Cookie": "linli_staff=whatever"}
    world.server.stop()

    away = requests.get(page, headers=staff, timeout=20)

    assert (away.status_code, away.headers["Retry-After"]) == (503, "5")
    assert '<meta http-equiv="refresh" content="5">' in away.text
    assert "系统正在恢复，请稍等" in away.text
    world.server.start()
    assert requests.get(page, headers=staff, allow_redirects=False, timeout=20).status_code == 303


def notices(world: World, out_trade_no: str) -> list[dict[str, object]]:
    return world.notices_of(out_trade_no, "TRANSACTION.SUCCESS")


def count(table: type[Base], *where: object) -> int:
    return int(fetch(select(func.count()).select_from(table).where(*where))[0])  # type: ignore[arg-type]
