"""WeChat is busy, away, or its quota of the day is used up: a job comes back, which is no failure.

Counted as failures eight tries would be over after an hour and a half, and a quota lasts until
midnight.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from core.logs import log
from gateways.wechat.errors import WechatError, WechatUnavailable
from tasks.registry import Later, Run

DAILY_QUOTA = 45009
FIRST, LONGEST = 5.0, 600.0  # seconds


def comes_back(handler: Callable[..., None]) -> Callable[..., None]:
    """For a handler that may be run again as a whole: a busy WeChat puts it off. Any other no of
    WeChat's stays a failure."""

    @wraps(handler)
    def patient(run: Run, **args: Any) -> None:
        try:
            handler(run, **args)
        except WechatUnavailable as away:
            log.warning("wechat_away", error=str(away))
            raise Later(_wait(run)) from None
        except WechatError as refused:
            if not refused.transient:
                raise
            log.warning("wechat_busy", error=str(refused))
            spent = refused.errcode == DAILY_QUOTA
            raise Later(LONGEST if spent else _wait(run)) from None

    return patient


def _wait(run: Run) -> float:
    return float(min(FIRST * 2 ** min(run.attempt, 10), LONGEST))
