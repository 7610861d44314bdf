"""The last thirty days of codes: scans and those who followed, as a chart and as numbers."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from analytics import scenes as brought
from console.access import me
from core.clock import business_day

DAYS = 30


def of(
    session: Session, appid: str, now: datetime, *, scene_id: int | None = None
) -> dict[str, Any] | None:
    """Of one code, or of all of an account; None: nobody scanned any."""
    today = business_day(now)
    since = today - timedelta(days=DAYS - 1)
    told = brought.list_days(session, me().merchant_id, appid, since, scene_id=scene_id)
    if not told:
        return None
    days = [since + timedelta(days=number) for number in range(DAYS)]
    counts = [(f"{day:%m-%d}", *told.get(day, (0, 0))) for day in days]
    return {
        "chart": {
            "kind": "bars",
            "x": [day for day, *_ in counts],
            "series": [
                {"name": "扫码", "data": [scans for _, scans, _ in counts]},
                {"name": "关注", "data": [follows for *_, follows in counts]},
            ],
        },
        "numbers": [each for each in reversed(counts) if each[1]],
        "scans": sum(scans for _, scans, _ in counts),
        "follows": sum(follows for *_, follows in counts),
    }
