"""Security events: forged callbacks, guessed codes, lockouts. Logged, counted, kept."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import cursors
from core.database import Base, Code, Id
from core.logs import log
from core.metrics import SECURITY_EVENTS


class SecurityEvent(Base):
    """`merchant_id` is empty for what concerns the installation, or nobody we know."""

    __tablename__ = "security_events"
    __table_args__ = (
        Index("ix_security_events_kind_at", "kind", "at"),
        Index("ix_security_events_merchant_id_id", "merchant_id", "id"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int | None]
    kind: Mapped[str] = mapped_column(Code(64))
    subject: Mapped[str] = mapped_column(Code(128))
    data: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    at: Mapped[datetime]


@dataclass(frozen=True)
class EventPage:
    events: list[SecurityEvent]
    next: str | None


def read_page(
    session: Session,
    merchant_id: int,
    *,
    installation: bool = False,
    cursor: str = "",
    limit: int = 50,
) -> EventPage:
    """A merchant's events, newest first; with `installation`, those of no merchant too."""
    whose = SecurityEvent.merchant_id == merchant_id
    if installation:
        whose = or_(whose, SecurityEvent.merchant_id.is_(None))
    wanted = select(SecurityEvent).where(whose)
    if cursor:
        wanted = wanted.where(SecurityEvent.id < cursors.number(cursors.decode(cursor, 1)[0]))
    found = list(session.scalars(wanted.order_by(SecurityEvent.id.desc()).limit(limit + 1)))
    shown = found[:limit]
    return EventPage(shown, cursors.encode([shown[-1].id]) if len(found) > limit else None)


def notice(kind: str, subject: str, **data: Any) -> None:
    """Log and count an event that must not cost a write: a flood of forgeries fills no table."""
    SECURITY_EVENTS.labels(kind).inc()
    log.warning("security_event", kind=kind, subject=subject, **data)


def record(
    session: Session,
    kind: str,
    subject: str,
    *,
    now: datetime,
    merchant_id: int | None = None,
    **data: Any,
) -> None:
    """Keep an event that somebody should look at: a lockout, a burst."""
    notice(kind, subject, **data)
    session.add(
        SecurityEvent(merchant_id=merchant_id, kind=kind, subject=subject, data=data, at=now)
    )
