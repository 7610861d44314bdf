"""Jobs of analytics: campaigns are measured while the pages look at what was measured before."""

from analytics import journeys, measuring
from core import clock
from core.database import reading
from core.outbox import enqueue
from crm.models import Campaign, Journey
from tasks.registry import Run, job


@job("analytics.measure_due")
def measure_due(run: Run) -> None:
    """Queue every campaign and journey whose figures may have changed since they were counted."""
    now = clock.now()
    with run.finish() as session:
        for campaign_id in measuring.list_due(session, now):
            key = f"analytics.measure:{campaign_id}:{int(now.timestamp()) // 600}"
            enqueue(session, "analytics.measure", key=key, campaign_id=campaign_id)
        for journey_id in journeys.list_due(session, now):
            key = f"analytics.measure_journey:{journey_id}:{int(now.timestamp()) // 600}"
            enqueue(session, "analytics.measure_journey", key=key, journey_id=journey_id)


@job("analytics.measure_journey", queue="bulk", timeout=600)
def measure_journey(run: Run, journey_id: int) -> None:
    """Count a journey with very many people anew, and keep it."""
    with reading() as session:
        journey = session.get_one(Journey, journey_id)
        parts = journeys.measure(session, journey)
    with run.finish() as session:
        journeys.keep(session, journey, parts, clock.now())


@job("analytics.measure", queue="bulk", timeout=600)
def measure(run: Run, campaign_id: int) -> None:
    """Count one campaign anew, outside any transaction that others wait for, and keep it."""
    now = clock.now()
    with reading() as session:
        campaign = session.get_one(Campaign, campaign_id)
        if campaign.launched_at is None:
            return
        found = measuring.measure(session, campaign, now)
    with run.finish() as session:
        measuring.keep(session, campaign, found)
