"""Consent switches: what a member allows. Every change is a row of its own, and on the timeline."""

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import rows
from core.errors import Conflict
from crm import events
from crm.models import ConsentChange, Member

MARKETING, PERSONAL = "marketing", "personal_recommendation"
NO_CONSENT = "no_consent"
"""Why somebody was not written to."""


class OnlyTheMember(Conflict):
    code = "only_the_member"
    title = "只有会员自己能打开，在小程序“我的资料”里"


def change(
    session: Session,
    member: Member,
    *,
    marketing: bool | None = None,
    personal_recommendation: bool | None = None,
    actor: str = "",
    now: datetime,
) -> None:
    """Set the switches that are given; those already so are left alone. Without `actor` it was
    the member."""
    wanted = {MARKETING: marketing, PERSONAL: personal_recommendation}
    held = {MARKETING: member.marketing_consent, PERSONAL: member.personal_recommendation}
    changed = {
        what: allowed
        for what, allowed in wanted.items()
        if allowed is not None and allowed != held[what]
    }
    if not changed:
        return
    member.marketing_consent = changed.get(MARKETING, member.marketing_consent)
    member.personal_recommendation = changed.get(PERSONAL, member.personal_recommendation)
    member.consent_changed_at = now
    session.flush()
    who = {"member_id": member.id, "actor": actor or f"member:{member.id}", "at": now}
    turned = [{**who, "what": what, "allowed": allowed} for what, allowed in changed.items()]
    rows.add_all(session, ConsentChange, turned)
    events.record(session, member.id, "consent_changed", now=now, data=dict(changed))


def said(session: Session, member_id: int, what: str) -> bool:
    """Whether the member or somebody for them ever turned it. Where nobody did, a closed switch
    means that they were not asked yet, and is no refusal."""
    turned = select(ConsentChange.id).where(
        ConsentChange.member_id == member_id, ConsentChange.what == what
    )
    return session.scalar(turned.limit(1)) is not None


def joined(session: Session, one: Member, other: Member) -> bool:
    """Whether two who are one take marketing: a refusal under either name counts, and who was not
    asked yet yields to the other."""
    if one.marketing_consent == other.marketing_consent:
        return one.marketing_consent
    closed = other if one.marketing_consent else one
    return not said(session, closed.id, MARKETING)


def refusing(session: Session, member_ids: Collection[int]) -> set[int]:
    """Those of them who take no marketing. Asked before every message, not only before the offer:
    it may have waited for hours."""
    refusals = select(Member.id).where(
        Member.id.in_(member_ids), Member.marketing_consent.is_(False)
    )
    return set(session.scalars(refusals))


def refuse_for(session: Session, member: Member, what: str, *, actor: str, now: datetime) -> None:
    """Somebody said at the counter that they want no more of it. To allow is the member's own. Of
    who was not asked yet it is written down too: from now on it is a refusal."""
    if what not in (MARKETING, PERSONAL):
        raise OnlyTheMember
    unasked = what == MARKETING and not member.marketing_consent
    if unasked and not said(session, member.id, what):
        no = {"what": what, "allowed": False, "actor": actor, "at": now}
        rows.add_all(session, ConsentChange, [{"member_id": member.id, **no}])
        return
    change(
        session,
        member,
        marketing=False if what == MARKETING else None,
        personal_recommendation=False if what == PERSONAL else None,
        actor=actor,
        now=now,
    )


def history(session: Session, member_id: int, limit: int = 20) -> list[ConsentChange]:
    """The newest first."""
    found = select(ConsentChange).where(ConsentChange.member_id == member_id)
    return list(session.scalars(found.order_by(ConsentChange.id.desc()).limit(limit)))
