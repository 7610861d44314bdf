"""The end of somebody's work: out of every device at once, with what they did kept."""

from flask import Blueprint, Response, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import reply
from console.access import ROLES, me, staff
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import Conflict, NotFound
from core.outbox import enqueue
from merchants import invites
from merchants.models import Staff, StaffInvite, StaffState
from merchants.staff import leave
from messaging.accounts import officials_of
from people.identities import list_identities

page = Blueprint("staffing", __name__, url_prefix="/stores/staff")


class NotYourself(Conflict):
    code, title = "not_yourself", "不能停用自己，请另一位店主来做"


class InviteOver(NotFound):
    title = "这个邀请已经用过、过期或作废"


@page.get("/<int:staff_id>/end")
@staff("staff.manage")
def ending(staff_id: int) -> Response:
    with reading() as session:
        found = _colleague(session, staff_id)
    return reply.page("stores/end.html", p=found, role=ROLES[found.role])


@page.post("/<int:staff_id>/end")
@staff("staff.manage")
def end(staff_id: int) -> Response:
    now, who = clock_now(), me()
    with transaction() as session:
        found = _colleague(session, staff_id)
        if leave(session, found, now):
            audit.record(
                session,
                actor=who.actor,
                action="staff.end",
                subject=f"staff:{found.id}",
                before={"state": StaffState.active, "role": found.role},
                after={"state": StaffState.left, "role": found.role},
                merchant_id=who.merchant_id,
                now=now,
            )
            _take_menu_back(session, found)
    return reply.done(url_for("console.stores.index"), f"已停用{found.name}，所有设备都退出了")


@page.get("/invites/<int:invite_id>/withdraw")
@staff("staff.manage")
def withdrawing(invite_id: int) -> Response:
    with reading() as session:
        found = _open_invite(session, invite_id)
    return reply.page("stores/withdraw.html", p=found, role=ROLES[found.role])


@page.post("/invites/<int:invite_id>/withdraw")
@staff("staff.manage")
def withdraw(invite_id: int) -> Response:
    now, who = clock_now(), me()
    with transaction() as session:
        found = _open_invite(session, invite_id)
        if not invites.cancel(session, found, now):
            raise InviteOver()
        audit.record(
            session,
            actor=who.actor,
            action="staff.invite_end",
            subject=f"invite:{found.id}",
            after={"name": found.name, "role": found.role},
            merchant_id=who.merchant_id,
            now=now,
        )
    return reply.done(url_for("console.stores.index"), f"已作废{found.name}的邀请，码扫了没用")


def _open_invite(session: Session, invite_id: int) -> StaffInvite:
    """The gate: an invite of my merchant that somebody may still accept."""
    for found in invites.list_open(session, me().merchant_id, clock_now()):
        if found.id == invite_id:
            return found
    raise InviteOver()


def _colleague(session: Session, staff_id: int) -> Staff:
    """The gate: somebody else who works for my merchant."""
    mine = (Staff.id == staff_id, Staff.merchant_id == me().merchant_id)
    found = session.scalar(select(Staff).where(*mine))
    if found is None or found.state is not StaffState.active:
        raise NotFound("没有这位员工")
    if found.id == me().staff_id:
        raise NotYourself()
    return found


def _take_menu_back(session: Session, found: Staff) -> None:
    ours = {account.appid for account in officials_of(me().merchant_code)}
    known = list_identities(session, found.person_id) if found.person_id else []
    for identity in known:
        if identity.appid in ours:
            enqueue(session, "messaging.untag_staff", appid=identity.appid, openid=identity.openid)
