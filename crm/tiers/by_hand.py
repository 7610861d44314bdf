"""A member is put into a tier by hand: with a reason, on the record.

From there the rules go on: the tier has its term, and is kept or falls when that is over.
"""

from datetime import datetime

from sqlalchemy.orm import Session

from core import audit
from core.errors import Invalid
from crm.models import Member
from crm.tiers.moving import set_tier
from crm.tiers.programme import load


class TierUnknown(Invalid):
    code = "tier_unknown"
    title = "没有这一级"


def put(
    session: Session, member_id: int, code: str, *, reason: str, actor: str, now: datetime
) -> bool:
    """False when the member is there already. Raises TierUnknown, and nothing changes."""
    member = session.get_one(Member, member_id, with_for_update=True, populate_existing=True)
    programme = load(session, member.merchant_id)
    wanted, before = programme.of(code), programme.of(member.tier)
    if wanted.code != code:
        raise TierUnknown(errors={"tier": "选一级"})
    if member.tier == code:
        return False
    set_tier(session, member_id, member.tier, code, programme, reason="hand", now=now)
    audit.record(
        session,
        actor=actor,
        action="tier.set",
        subject=f"member:{member_id}",
        before={"tier": before.name},
        after={"tier": wanted.name},
        merchant_id=member.merchant_id,
        reason=reason,
        now=now,
    )
    return True
