"""WeChat's word about a request: totals, in an event that may come early, late, twice or never."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.database import insert_ignore
from gateways.wechat.messages import Message
from messaging.broadcasts import quotas
from messaging.broadcasts.models import MassReport, MassSend, MassState
from messaging.broadcasts.moving import move_mass, settled

SENT = ("send success", "sendsuccess")
OVERDUE = timedelta(hours=1)


def act(session: Session, message: Message, *, now: datetime) -> None:
    """Follow a MASSSENDJOBFINISH event; one without a number is nobody's."""
    fields = message.fields
    msg_id = _text(fields, "MsgID") or _text(fields, "MsgId")
    if not msg_id or len(msg_id) > 32:
        return
    report = {
        "appid": message.appid,
        "msg_id": msg_id,
        "status": _text(fields, "Status")[:64],
        "total_count": _number(fields, "TotalCount"),
        "sent_count": _number(fields, "SentCount"),
        "error_count": _number(fields, "ErrorCount"),
        "at": now,
    }
    insert_ignore(session, MassReport, [report])
    found = select(MassSend).where(MassSend.appid == message.appid, MassSend.msg_id == msg_id)
    for mass in session.scalars(found).all():
        settle(session, mass, now=now)


def settle(session: Session, mass: MassSend, *, now: datetime) -> bool:
    """accepted → finished or failed by what WeChat told, if it has."""
    report = session.scalar(
        select(MassReport).where(MassReport.appid == mass.appid, MassReport.msg_id == mass.msg_id)
    )
    if report is None:
        return False
    good = report.status.lower() in SENT
    moved = move_mass(
        session,
        mass.id,
        MassState.finished if good else MassState.failed,
        now=now,
        status=report.status,
        total_count=report.total_count,
        sent_count=report.sent_count,
        error_count=report.error_count,
    )
    if moved:
        if not good:
            quotas.give_back(session, mass)
        settled(session, mass, now=now)
    return moved


def conclude(session: Session, mass: MassSend, status: str, *, now: datetime) -> bool:
    """What WeChat answered to a question, where its event never came: there are no counts."""
    good = status == "SEND_SUCCESS"
    if not good and status not in ("SEND_FAIL", "DELETE"):
        return False
    to = MassState.failed if status == "SEND_FAIL" else MassState.finished
    moved = move_mass(session, mass.id, to, now=now, status=status)
    if moved:
        if to is MassState.failed:
            quotas.give_back(session, mass)
        settled(session, mass, now=now)
    return moved


def list_overdue(session: Session, *, now: datetime, limit: int = 50) -> list[MassSend]:
    """Accepted long ago, and no event since."""
    found = select(MassSend).where(
        MassSend.state == MassState.accepted, MassSend.changed_at < now - OVERDUE
    )
    return list(session.scalars(found.order_by(MassSend.changed_at).limit(limit)))


def _text(fields: dict[str, Any], key: str) -> str:
    value = fields.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def _number(fields: dict[str, Any], key: str) -> int:
    value = _text(fields, key)
    return int(value) if value.isascii() and value.isdigit() and len(value) < 10 else 0
