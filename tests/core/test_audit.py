"""The log is for ever: what was typed into it by mistake is not legible."""

from datetime import datetime

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("13800138097", "138****8097"),
        ("客人 138 0013 8097 投诉", "客人 138****8097 投诉"),
        ("+86 138-0013-8097", "+86 138****8097"),
        ("213800138097", "213800138097"),  # a coupon's number, an order's
        ("20261122138001380971", "20261122138001380971"),
    ],
)
def test_a_phone_number_is_masked_wherever_it_stands(
    session: Session, now: datetime, typed: str, kept: str
) -> None:
    audit.record(
        session,
        actor="staff:1",
        action="member.note",
        subject="member:1",
        before=None,
        after={"filters": {"q": typed}, "list": [typed], "people": 13800138097},
        reason=typed,
        now=now,
    )

    entry = session.scalars(select(audit.AuditEntry)).one()
    after = {"filters": {"q": kept}, "list": [kept], "people": 13800138097}
    assert (entry.before, entry.after, entry.reason) == (None, after, kept)
