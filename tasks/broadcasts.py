"""Jobs of broadcasts: who gets it, the requests, and what WeChat owes us an answer to."""

from collections.abc import Callable
from functools import partial

from sqlalchemy.orm import Session

from core import clock
from core.database import reading
from core.logs import log
from core.outbox import enqueue
from crm import broadcasting, contacts
from crm.campaigns import calling_back, sending
from crm.models import CampaignState
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging.broadcasts import cutting, launching, moving, queries, remote, reports
from messaging.broadcasts.models import (
    Audience,
    Broadcast,
    BroadcastState,
    MassSend,
    MassState,
)
from tasks.registry import Later, Run, job

DAILY_QUOTA = 45009
WAIT_BUSY, WAIT_SAME_ID, WAIT_QUOTA = 15, 65, 600


@job("messaging.broadcast_gather", timeout=1_800)
def broadcast_gather(run: Run, broadcast_id: int) -> None:
    """Write down everybody, take one of their four, cut into requests. Safe to begin again."""
    with reading() as session:
        broadcast = session.get_one(Broadcast, broadcast_id)
    if broadcast.state is not BroadcastState.gathering:
        return
    _keep_quiet(broadcast.merchant_id)
    if broadcast.audience is Audience.tag:
        remote.gather_tagged(broadcast)
    else:
        _walk(run, partial(_address, broadcast))
    _walk(run, partial(_spend, broadcast))
    _walk(run, partial(_cut, broadcast_id))
    with run.finish() as session:
        fresh = launching.hold(session, broadcast_id)
        if fresh is not None:
            cutting.send_off(session, fresh, now=clock.now())


def _address(broadcast: Broadcast, session: Session, after: int) -> int | None:
    return broadcasting.address(session, broadcast, after, now=clock.now())


def _spend(broadcast: Broadcast, session: Session, after: int) -> int | None:
    return broadcasting.spend_slice(session, broadcast, after, now=clock.now())


def _cut(broadcast_id: int, session: Session, after: int) -> int | None:
    fresh = launching.hold(session, broadcast_id)
    return None if fresh is None else cutting.cut_next(session, fresh, after, now=clock.now())


def _walk(run: Run, slice_: Callable[[Session, int], int | None]) -> None:
    """Slice after slice, each a transaction of its own, until none is left."""
    after: int | None = 0
    while after is not None:
        with run.transaction() as session:
            after = slice_(session, after)


@job("crm.broadcast_over", timeout=300)
def broadcast_over(run: Run, broadcast_id: int) -> None:
    """A broadcast was stopped before WeChat heard of it: what was taken of people is given back."""
    given = 1
    while given:
        with run.transaction() as session:
            broadcast = session.get_one(Broadcast, broadcast_id)
            given = broadcasting.give_back_stopped(session, broadcast)


@job("crm.broadcast_refused", timeout=300)
def broadcast_refused(run: Run, mass_send_id: int) -> None:
    """WeChat refused a whole request: its people were not written to, so no cap counts it."""

    def give_back(session: Session, after: int) -> int | None:
        mass = session.get_one(MassSend, mass_send_id)
        return broadcasting.give_back_refused(session, mass, after)

    _walk(run, give_back)


@job("messaging.mass_send", queue="bulk", timeout=120)
def mass_send(run: Run, mass_send_id: int) -> None:
    """One request; WeChat's being busy brings it back. What the night or the campaign's pause
    holds up is taken up by the sweep or by the resumption."""
    if not _may_go(run, mass_send_id):
        return
    _walk(run, partial(_leave_out, mass_send_id))
    try:
        remote.send(mass_send_id)
    except WechatError as refused:
        if refused.errcode == remote.TOO_SOON:
            raise Later(WAIT_SAME_ID) from None
        raise Later(WAIT_QUOTA if refused.errcode == DAILY_QUOTA else WAIT_BUSY) from None
    except WechatUnavailable:
        raise Later(WAIT_BUSY) from None


def _leave_out(mass_send_id: int, session: Session, after: int) -> int | None:
    mass = session.get_one(MassSend, mass_send_id, populate_existing=True, with_for_update=True)
    return broadcasting.leave_out(session, mass, after, now=clock.now())


def _may_go(run: Run, mass_send_id: int) -> bool:
    """A killed campaign's request is called back instead."""
    now = clock.now()
    with run.transaction() as session:
        mass = session.get_one(MassSend, mass_send_id)
        campaign = calling_back.campaign_of(session, mass_send_id)
        if campaign is None:
            merchant_id = session.get_one(Broadcast, mass.broadcast_id).merchant_id
            return contacts.held_until(session, merchant_id, now) is None
        if campaign.state is CampaignState.killed:
            calling_back.call_back(session, campaign.id, now=now)
        if campaign.state not in (CampaignState.running, CampaignState.finished):
            return False
        return sending.quiet_until(session, campaign, now) is None


@job("messaging.broadcast_take_back", timeout=300)
def broadcast_take_back(run: Run, broadcast_id: int) -> None:
    """Articles leave the followers' chats; what is still on its way to WeChat is waited for."""
    try:
        if not remote.take_back(broadcast_id):
            raise Later(WAIT_SAME_ID)
    except (WechatError, WechatUnavailable):
        raise Later(WAIT_BUSY) from None


@job("messaging.sweep_broadcasts")
def sweep_broadcasts(run: Run) -> None:
    """Requests without an answer are asked again, those without an event are asked after."""
    now = clock.now()
    with run.transaction() as session:
        for mass_id in queries.list_cut_off(session, now=now):
            moving.move_mass(session, mass_id, MassState.unknown, now=now)
    with run.transaction() as session:
        for mass_id in queries.list_to_ask_again(session, now=now):
            key = f"messaging.mass_send:{mass_id}:{int(now.timestamp()) // 60}"
            enqueue(session, "messaging.mass_send", key=key, mass_send_id=mass_id)
        overdue = reports.list_overdue(session, now=now)
    for mass in overdue:
        try:
            remote.ask(mass)
        except (WechatError, WechatUnavailable) as error:
            log.info("mass_send_not_told", mass_send_id=mass.id, error=str(error))
    with run.finish() as session:
        for mass in queries.list_given_up(session, now=now):
            moving.settled(session, mass, now=now)


def _keep_quiet(merchant_id: int) -> None:
    """Raises Later in the merchant's quiet hours: nobody's phone rings at night."""
    now = clock.now()
    with reading() as session:
        until = contacts.held_until(session, merchant_id, now)
    if until is not None:
        raise Later((until - now).total_seconds())
