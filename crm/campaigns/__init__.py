"""Campaigns: a segment, a coupon and a message, with part of the people held out.

Who can be reached is settled at launch, and again for each slice, before anybody is issued
anything; the hold-out is drawn among the reachable. A slice moves the cursor in the transaction of
its effect. A message of unknown outcome is never sent again.
"""

from crm.campaigns.batching import next_batch
from crm.campaigns.drafting import change, create, raise_caps
from crm.campaigns.launching import launch, start
from crm.campaigns.moving import approve, kill, pause, resume, schedule, unschedule, withdraw
from crm.campaigns.reach import Forecast, forecast

__all__ = [
    "Forecast",
    "approve",
    "change",
    "create",
    "forecast",
    "kill",
    "launch",
    "next_batch",
    "pause",
    "raise_caps",
    "resume",
    "schedule",
    "start",
    "unschedule",
    "withdraw",
]
