"""Saved segments of a merchant."""

from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.database import claim
from crm import tags
from crm.errors import RuleInvalid, SegmentNotFound
from crm.models import MemberTag, Segment
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
    """Rename or redraw; campaigns that were launched keep the rule they were launched with.

    Whom a redrawn rule takes in or lets go did not come or go: the next refresh looks anew.
    """
    name = name.strip()
    _check(session, segment.merchant_id, name, rule, but=segment.id)
    _refuse_own_tag(segment.tag_id, rule)
    if rule != segment.rule:
        segment.refreshed_at = None
    segment.name, segment.rule, segment.updated_at = name, rule, now
    session.flush()


def wear(session: Session, segment: Segment, name: str, now: datetime) -> None:
    """Let the members wear a tag for as long as they are in; "" ends it and takes it off them.

    What staff put on by hand stays. Raises RuleInvalid when the rule asks for that very tag.
    """
    tag = tags.ensure_tag(session, segment.merchant_id, name, now=now) if name.strip() else None
    if (tag and tag.id) == segment.tag_id:
        return
    if tag is not None:
        _refuse_own_tag(tag.id, segment.rule)
    if segment.tag_id is not None:
        mine = (
            MemberTag.tag_id == segment.tag_id,
            MemberTag.tagged_by == f"segment:{segment.id}",
        )
        claim(session, delete(MemberTag).where(*mine))
    segment.tag_id = tag.id if tag else None
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


def _refuse_own_tag(tag_id: int | None, rule: Any) -> None:
    """A segment that looked at the tag that it puts on would keep whoever it once had."""
    asked = [node for node in conditions(read(rule)[0]) if node.field == "tag"]
    if tag_id is not None and any(node.value == tag_id for node in asked):
        raise RuleInvalid(errors={"tag": "条件里用了这个标签，不能再由这个人群来打"})


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
