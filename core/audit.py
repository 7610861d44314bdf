"""The audit log: who did what to what, before and after, when, from where. It only grows."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import cursors, rows
from core.database import Base, Code, Id


class AuditEntry(Base):
    """One act. `actor` is `staff:12`, `member:5`, `system`; `subject` is `order:20261122…`."""

    __tablename__ = "audit_entries"
    __table_args__ = (
        Index("ix_audit_entries_merchant_id_id", "merchant_id", "id"),
        Index("ix_audit_entries_merchant_id_actor_id", "merchant_id", "actor", "id"),
        Index("ix_audit_entries_subject", "subject"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int | None]
    actor: Mapped[str] = mapped_column(Code(64))
    action: Mapped[str] = mapped_column(Code(64))
    subject: Mapped[str] = mapped_column(Code(128))
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    reason: Mapped[str] = mapped_column(String(255), default="")
    request_id: Mapped[str] = mapped_column(String(64), default="")
    ip: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[datetime]


@dataclass(frozen=True)
class AuditPage:
    entries: list[AuditEntry]
    next: str | None


def read_page(
    session: Session,
    merchant_id: int,
    *,
    actor: str = "",
    actions: Sequence[str] | None = None,
    cursor: str = "",
    limit: int = 50,
) -> AuditPage:
    """A merchant's entries, newest first; of one actor, of some acts. Raises Malformed."""
    wanted = select(AuditEntry).where(AuditEntry.merchant_id == merchant_id)
    if actor:
        wanted = wanted.where(AuditEntry.actor == actor)
    if actions is not None:
        wanted = wanted.where(AuditEntry.action.in_(actions))
    if cursor:
        wanted = wanted.where(AuditEntry.id < cursors.number(cursors.decode(cursor, 1)[0]))
    found = list(session.scalars(wanted.order_by(AuditEntry.id.desc()).limit(limit + 1)))
    shown = found[:limit]
    return AuditPage(shown, cursors.encode([shown[-1].id]) if len(found) > limit else None)


_PHONE = re.compile(r"(?<![0-9])(1[3-9][0-9])[ -]?[0-9]{4}[ -]?([0-9]{4})(?![0-9])")


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return _PHONE.sub(r"\1****\2", value)
    if isinstance(value, dict):
        return {name: _masked(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(each) for each in value]
    return value


_origin: Callable[[], tuple[str, str]] = lambda: ("", "")  # noqa: E731


def name_origins(origin: Callable[[], tuple[str, str]]) -> None:
    """Let entries remember the (request id, IP address) they came from."""
    global _origin
    _origin = origin


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    subject: str,
    now: datetime,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    merchant_id: int | None = None,
    reason: str = "",
) -> None:
    """Write one entry in the transaction of the act. Neither snapshot may hold personal values;
    a phone number that somebody typed where it does not belong is masked, for this is for ever."""
    request_id, ip = _origin()
    entry = {
        "merchant_id": merchant_id,
        "actor": actor,
        "action": action,
        "subject": subject,
        "before": _masked(before),
        "after": _masked(after),
        "reason": _masked(reason),
        "request_id": request_id,
        "ip": ip,
        "at": now,
    }
    rows.add(session, AuditEntry, entry)
