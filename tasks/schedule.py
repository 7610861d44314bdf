"""What happens by the clock: one list. Each entry becomes an outbox row once per period.

The row's key names the period, so any number of schedulers enqueue it once.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from core import clock, outbox
from core.database import is_away, transaction
from core.logs import log


@dataclass(frozen=True)
class Periodic:
    """Run the job `name` every `seconds`."""

    name: str
    seconds: int
    args: dict[str, Any] = field(default_factory=dict)


SCHEDULE: list[Periodic] = [
    Periodic("core.tidy", 3_600),
    Periodic("messaging.sweep", 30),
    Periodic("messaging.sweep_broadcasts", 60),
    Periodic("messaging.sweep_standing", 300),
    Periodic("people.forget_logins", 86_400),
    Periodic("crm.release_points", 300),
    Periodic("crm.sweep_campaigns", 60),
    Periodic("crm.sweep_standing", 300),
    Periodic("analytics.measure_due", 600),
    Periodic("messaging.tidy", 86_400),
    Periodic("crm.forget_contacts", 86_400),
    Periodic("crm.forget_imports", 86_400),
    Periodic("crm.journey_advance", 10),
    Periodic("crm.journey_scan", 600),
    Periodic("crm.refresh_segments", 600),
    Periodic("crm.score_members", 86_400),
    Periodic("payments.sweep_notices", 30),
    Periodic("payments.watch_refunds", 3_600),
    Periodic("payments.want_statements", 1_800),
    Periodic("payments.tell_differences", 3_600),
    Periodic("coupons.expire", 600),
    Periodic("coupons.pack_follow", 60),
    Periodic("coupons.compare_packs", 86_400),
    Periodic("crm.expire_points", 3_600),
    Periodic("crm.tell_of_points", 3_600),
    Periodic("crm.keep_terms", 600),
    Periodic("crm.reward_referrals", 3_600),
    Periodic("crm.review_tiers", 86_400),
    Periodic("crm.give_birthday_coupons", 86_400),
    Periodic("coupons.return_gifts", 300),
    Periodic("crm.remind_expiring", 1_800),
    Periodic("payments.settle", 3_600),
    Periodic("payments.watch_shipping", 300),
    Periodic("payments.check_shipping_controls", 86_400),
    Periodic("core.check_books", 86_400),
    Periodic("messaging.sync_all_followers", 86_400),
]


def enqueue_due(now: datetime) -> int:
    """Enqueue what falls into the current periods; the number that was new."""
    fresh = 0
    with transaction() as session:
        for entry in SCHEDULE:
            period = int(now.timestamp()) // entry.seconds
            key = f"every:{entry.name}:{period}"
            fresh += outbox.enqueue(session, entry.name, key=key, **entry.args)
    return fresh


def schedule_forever(*, poll_seconds: float = 1.0) -> None:
    """Enqueue periodic jobs for ever; a database that is away is waited for."""
    known: dict[str, int] = {}
    while True:
        now = clock.now()
        current = {entry.name: int(now.timestamp()) // entry.seconds for entry in SCHEDULE}
        if current != known:
            try:
                enqueue_due(now)
                known = current
            except SQLAlchemyError as error:
                if is_away(error):
                    log.warning("schedule_waits", error=type(error).__name__)
                else:
                    log.error("schedule_failed", exc_info=error)
        time.sleep(poll_seconds)
