"""The worker dies while it shares a payment: shared once, and what is left is free at the end."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from core import clock
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob
from gateways.pay.sharing import Party, PartyKind
from payments import accounts, proof
from payments.models import (
    LedgerEntry,
    PartState,
    ReceiverPurpose,
    ReceiverState,
    Sharing,
    SharingPart,
    SharingReceiver,
    SharingState,
)
from payments.sharing import receivers
from sandbox.demo_config import MCHID, MINI, SUB_MCHID
from tasks.registry import find_job
from tasks.relay import lease
from tests.faults import money
from tests.faults.test_payment_killed import HANGING, kill_worker_during
from tests.faults.world import World, fetch, get_order, wait

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

DAY = 86_400
OFFICE = Party(PartyKind.merchant, "1900008001", MINI, "青禾总部有限公司", "HEADQUARTER")
COMMISSION_BP, OFFICE_BP = 60, 500
JOB = "payments.share"


def test_a_worker_dies_while_it_shares_and_while_it_releases(provider_world: World) -> None:
    world = provider_world
    agree(world)
    no = money.paid(world, world.guest("断在分账里"))
    paid_fen = get_order(no).paid_fen
    commission_fen = paid_fen * COMMISSION_BP // 10_000
    office_fen = paid_fen * OFFICE_BP // 10_000
    assert the_sharing().state is SharingState.due

    world.fault("pay.share", "late_answer", seconds=HANGING)
    kill_worker_during(world, "pay.share", lambda: world.sandbox.advance(DAY))
    asked = the_sharing()
    assert asked.state is SharingState.asked
    assert asked.no is not None
    died_with = in_flight(asked.id)
    assert died_with.attempt == 1
    assert shares_there(world) == [(asked.no, [(MCHID, commission_fen)])]
    assert parts() == [(asked.no, commission_fen, PartState.asked)]
    assert postings(asked) == {}

    world.fault("pay.release", "late_answer", seconds=HANGING)
    go_on(world, died_with)
    kill_worker_during(world, "pay.release", lambda: hurry(world, is_releasing))
    died_with = in_flight(asked.id)
    shared = the_sharing()
    assert shared.state is SharingState.releasing
    rest_fen = paid_fen - commission_fen - office_fen
    once = [
        (asked.no, [(MCHID, commission_fen)]),
        (shared.no, [(OFFICE.account, office_fen)]),
        (shared.release_no, [(SUB_MCHID, rest_fen)]),
    ]
    assert shares_there(world) == once

    go_on(world, died_with)
    hurry(world, lambda: the_sharing().state is SharingState.released)
    assert shares_there(world) == once
    assert the_sharing().release_no == shared.release_no
    assert parts() == [
        (asked.no, commission_fen, PartState.succeeded),
        (shared.no, office_fen, PartState.succeeded),
    ]
    merchant_id = shared.merchant_id
    assert postings(shared) == {
        accounts.commission(merchant_id): commission_fen,
        accounts.sharing(merchant_id): office_fen,
        accounts.channel("wechat", f"{MCHID}-{SUB_MCHID}"): -commission_fen - office_fen,
    }
    money.assert_balanced(get_order(no))
    with reading() as session:
        assert proof.wrong_sharings(session, range(shared.id, shared.id + 1)) == []


def agree(world: World) -> None:
    """The platform gets a commission and the head office a share, and the channel knows both."""
    rate = f"{COMMISSION_BP / 100}"
    named = ("--platform", "邻里科技有限公司")
    world.tree.flask("settlement-terms", "qinghe", "--commission", rate, *named)
    with transaction() as session:
        merchant_id = session.scalars(select(SharingReceiver.merchant_id)).one()
        receivers.add(
            session,
            merchant_id,
            OFFICE,
            purpose=ReceiverPurpose.share,
            share_bp=OFFICE_BP,
            actor="system",
            now=clock.now(),
        )
    active = [ReceiverState.active] * 2
    wait(lambda: fetch(select(SharingReceiver.state)) == active, "the receivers to be known")


def in_flight(sharing_id: int) -> OutboxJob:
    """What the worker died with was this job, and nobody else has begun it."""
    jobs = select(OutboxJob).where(OutboxJob.name == JOB, OutboxJob.state == JobState.pushed)
    (job,) = fetch(jobs)
    assert job.args == {"sharing_id": sharing_id}
    return OutboxJob(id=job.id, attempt=job.attempt)


def go_on(world: World, died_with: OutboxJob) -> None:
    """A new worker gets the job when the dead one's time is over."""
    world.tree.start_worker("worker-1")
    world.sandbox.advance(lease(find_job(JOB)).total_seconds() + 1)
    again = select(OutboxJob.attempt).where(OutboxJob.id == died_with.id)
    wait(lambda: fetch(again)[0] > died_with.attempt, "the job to be begun once more")


def hurry(world: World, there: Callable[[], bool]) -> None:
    """Until it is so; when a job sleeps, its time comes."""

    def look() -> bool:
        if there():
            return True
        sleeping = select(OutboxJob.run_at).where(
            OutboxJob.name == JOB, OutboxJob.state == JobState.waiting
        )
        left = [(at - clock.now()).total_seconds() for at in fetch(sleeping)]
        if left and min(left) > 0:
            world.sandbox.advance(min(left))
        return there()

    wait(look, "the sharing to go on")


def is_releasing() -> bool:
    return the_sharing().state is SharingState.releasing


def the_sharing() -> Sharing:
    (found,) = fetch(select(Sharing))
    return found  # type: ignore[no-any-return]


def parts() -> list[tuple[str, int, PartState]]:
    columns = (SharingPart.no, SharingPart.amount_fen, SharingPart.state)
    return fetch(select(*columns).order_by(SharingPart.id))


def postings(sharing: Sharing) -> dict[str, int]:
    """By account, what the sharing moved."""
    mine = LedgerEntry.order_id == sharing.order_id, LedgerEntry.cause.startswith("sharing:")
    sums: dict[str, int] = {}
    for account, fen in fetch(select(LedgerEntry.account, LedgerEntry.amount_fen).where(*mine)):
        sums[account] = sums.get(account, 0) + fen
    return sums


def shares_there(world: World) -> list[tuple[str, list[tuple[str, int]]]]:
    """By number, who was given how much at the channel; a release goes to the seller."""
    return [
        (share["out_order_no"], [(part["account"], part["amount"]) for part in share["portions"]])
        for share in world.sandbox.get("state")["shares"]
    ]
