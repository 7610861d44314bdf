"""Stored value that pays a part, beside a channel: frozen, spent and given back once."""

from typing import Any

import pytest
from sqlalchemy import select

from core import clock
from core.database import transaction
from crm import balance
from crm.models import BalanceEntry, BalanceHold, HoldState, Member
from orders.models import OrderState
from payments.models import AttemptState
from scripts.player import Person
from tests.faults import money
from tests.faults.test_campaigns import PAST_EVERY_LEASE
from tests.faults.test_payment_killed import HANGING, kill_worker_during
from tests.faults.world import World, attempts_of, fetch, get_order, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

STORED, PART = 1_000, 700  # fen


def test_twenty_copies_of_its_notice_spend_the_part_once(world: World) -> None:
    guest = world.guest("二十遍余额")
    no, sheet = begun(world, guest)
    world.fault("pay.notify", "duplicate", copies=20)

    guest.act("pay", appid=guest.mini, **sheet)

    guest.wait_paid(no, seconds=60)
    (attempt,) = attempts_of(no)

    def answers() -> list[int]:
        (notice,) = world.notices_of(attempt.out_trade_no, "TRANSACTION.SUCCESS")
        return list(notice["statuses"])

    wait(lambda: len(answers()) == 20, "all copies to be answered")
    assert answers() == [204] * 20
    money.assert_paid_once(no)
    assert books(guest, no) == (HoldState.spent, STORED - PART, [-PART])


def test_a_worker_that_dies_while_it_closes_gives_the_part_back_once(world: World) -> None:
    guest = world.guest("断线余额")
    no, _ = begun(world, guest)
    assert books(guest, no) == (HoldState.held, STORED - PART, [-PART])
    world.fault("pay.close", "late_answer", seconds=HANGING)

    kill_worker_during(world, "pay.close", lambda: world.sandbox.advance(16 * 60))
    assert books(guest, no)[0] is HoldState.held
    world.tree.start_worker("worker-1")
    world.sandbox.advance(PAST_EVERY_LEASE)

    wait(lambda: get_order(no).state is OrderState.cancelled, "the order to end")
    assert [attempt.state for attempt in attempts_of(no)] == [AttemptState.closed]
    assert books(guest, no) == (HoldState.returned, STORED, [-PART, PART])
    money.assert_balanced(get_order(no))


def begun(world: World, guest: Person) -> tuple[str, dict[str, Any]]:
    """An order of which the balance pays a part, and the sheet for the rest."""
    with transaction() as session:
        number = guest.call("GET", "me")["no"]
        member = session.scalars(select(Member).where(Member.no == number)).one()
        brought = {"principal_fen": STORED, "bonus_fen": 0, "now": clock.now()}
        balance.bring(session, member.id, f"fault:{guest.id}", **brought)
    no = money.placed(world, guest)
    how = {"channel": "wechat", "balance_fen": PART}
    return no, guest.call("POST", f"orders/{no}/payment", json=how)["params"]


def books(guest: Person, no: str) -> tuple[HoldState, int, list[int]]:
    """What became of the part, what the member has, and the movements for this order."""
    (attempt,) = attempts_of(no)
    cause = f"attempt:{attempt.id}"
    (state,) = fetch(select(BalanceHold.state).where(BalanceHold.cause == cause))
    moves = select(BalanceEntry.principal_fen).where(
        BalanceEntry.cause.in_([f"keep:{cause}", f"back:{cause}"])
    )
    have = guest.call("GET", "membership")["balance_fen"]
    return state, have, fetch(moves.order_by(BalanceEntry.id))
