"""Consent switches: what a member allows. Every change is remembered on the timeline."""

from datetime import datetime

from sqlalchemy.orm import Session

from crm import events
from crm.models import Member


def change(
    session: Session,
    member: Member,
    *,
    marketing: bool | None = None,
    personal_recommendation: bool | None = None,
    now: datetime,
) -> None:
    """Set the switches that are given; those already so are left alone."""
    changed: dict[str, bool] = {}
    if marketing is not None and marketing != member.marketing_consent:
        member.marketing_consent = changed["marketing"] = marketing
    if (
        personal_recommendation is not None
        and personal_recommendation != member.personal_recommendation
    ):
        member.personal_recommendation = personal_recommendation
        changed["personal_recommendation"] = personal_recommendation
    if changed:
        member.consent_changed_at = now
        events.record(session, member.id, "consent_changed", now=now, data=dict(changed))
