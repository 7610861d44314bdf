"""Which ways a merchant lets its campaigns take, and how many broadcasts it saves for itself."""

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from core import audit
from core.errors import Invalid
from messaging.broadcasts.quotas import PER_MONTH
from messaging.models import ChannelPolicy


class PolicyInvalid(Invalid):
    code = "channel_policy_invalid"
    title = "渠道设置不对"


@dataclass(frozen=True)
class Policy:
    """Free ways come first, always; a broadcast costs the follower one of four in the month.

    `keep_broadcasts` of the four are left for what the merchant sends by hand.
    """

    customer_service: bool = True
    subscribe: bool = True
    broadcast: bool = False
    keep_broadcasts: int = 1


def policy_of(session: Session, merchant_id: int) -> Policy:
    """What the merchant has set, or what holds until it does."""
    row = session.get(ChannelPolicy, merchant_id, populate_existing=True)
    if row is None:
        return Policy()
    return Policy(row.customer_service, row.subscribe, row.broadcast, row.keep_broadcasts)


def set_policy(
    session: Session, merchant_id: int, policy: Policy, *, actor: str, now: datetime
) -> None:
    """Raises PolicyInvalid."""
    if not 0 <= policy.keep_broadcasts < PER_MONTH:
        raise PolicyInvalid(errors={"keep_broadcasts": f"留 0 到 {PER_MONTH - 1} 次"})
    if not (policy.customer_service or policy.subscribe or policy.broadcast):
        raise PolicyInvalid(errors={"ways": "至少留一种"})
    before = policy_of(session, merchant_id)
    row = session.get(ChannelPolicy, merchant_id)
    if row is None:
        row = ChannelPolicy(merchant_id=merchant_id)
        session.add(row)
    for name, value in asdict(policy).items():
        setattr(row, name, value)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="channels.policy",
        subject=f"merchant:{merchant_id}",
        before=asdict(before),
        after=asdict(policy),
        merchant_id=merchant_id,
        now=now,
    )
