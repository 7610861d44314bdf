"""The demo's segments are the groups that every merchant is given."""

from datetime import datetime

from sqlalchemy.orm import Session

from crm import contacts, segments
from crm.contacts import Rules
from crm.segments import lifecycle, living, rfm
from merchants.models import Merchant


def load(session: Session, merchant: Merchant, now: datetime) -> dict[str, int]:
    """The ready-made segments, made if they are missing; their ids by name.

    No hour is quiet: the demo is played whenever somebody has time for it.
    """
    if contacts.rules_of(session, merchant.id) == Rules():
        contacts.set_rules(session, merchant.id, quiet_hours=None, actor="system", now=now)
    lifecycle.ensure(session, merchant.id, now)
    return {segment.name: segment.id for segment in segments.list_segments(session, merchant.id)}


def refresh(session: Session, merchant_id: int, now: datetime) -> None:
    """What the nightly jobs and the refreshes of a day would have done by then."""
    rfm.score(session, merchant_id, now)
    for segment in segments.list_segments(session, merchant_id):
        living.refresh(session, segment, now)
