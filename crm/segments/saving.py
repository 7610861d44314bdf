"""Saved segments of a merchant."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm.errors import RuleInvalid, SegmentNotFound
from crm.models import Segment
from crm.segments import refs
from crm.segments.rules import conditions, read

MAX_NAME = 32


def create(
    session: Session, merchant_id: int, *, name: str, rule: Any, actor: str, now: datetime
) -> Segment:
    """A new segment. Raises RuleInvalid with every fault of name and rule."""
    name = name.strip()
    _check(session, merchant_id, name, rule)
    segment = Segment(
        merchant_id=merchant_id,
        name=name,
        rule=rule,
        created_by=actor,
        created_at=now,
        updated_at=now,
    )
    session.add(segment)
    session.flush()
    return segment


def change(session: Session, segment: Segment, *, name: str, rule: Any, now: datetime) -> None:
    """Rename or redraw; campaigns that were launched keep the rule they were launched with."""
    name = name.strip()
    _check(session, segment.merchant_id, name, rule, but=segment.id)
    segment.name, segment.rule, segment.updated_at = name, rule, now
    session.flush()


def get_segment(session: Session, merchant_id: int, segment_id: int) -> Segment:
    segment = session.get(Segment, segment_id)
    if segment is None or segment.merchant_id != merchant_id:
        raise SegmentNotFound
    return segment


def list_segments(session: Session, merchant_id: int) -> list[Segment]:
    return list(
        session.scalars(
            select(Segment).where(Segment.merchant_id == merchant_id).order_by(Segment.id.desc())
        )
    )


def check(session: Session, merchant_id: int, rule: Any) -> dict[str, str]:
    """The faults of a rule, by path; pointing at what is not the merchant's is one."""
    root, errors = read(rule)
    return errors or refs.strangers(session, merchant_id, conditions(root))


def _check(session: Session, merchant_id: int, name: str, rule: Any, but: int = 0) -> None:
    errors = check(session, merchant_id, rule)
    same = select(Segment.id).where(
        Segment.merchant_id == merchant_id, Segment.name == name, Segment.id != but
    )
    if not 1 <= len(name) <= MAX_NAME:
        errors["name"] = f"名字要 1 到 {MAX_NAME} 个字"
    elif session.scalars(same).first() is not None:
        errors["name"] = "已经有同名的人群"
    if errors:
        raise RuleInvalid(errors=errors)
