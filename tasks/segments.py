"""Jobs of segments: who is in them now, the scores that they read, the ready-made groups."""

from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import clock
from core.database import reading
from core.logs import log
from core.outbox import enqueue
from crm.models import Segment, Tag
from crm.segments import lifecycle, living, rfm
from merchants.models import Merchant
from messaging.accounts import officials_of
from tasks.each import each
from tasks.registry import Run, job


@job("crm.refresh_segments")
def refresh_segments(run: Run) -> None:
    """Give new merchants their groups; a job of its own for every segment, unless its last one is
    not through."""
    now = clock.now()
    with run.transaction() as session:
        for merchant_id in session.scalars(select(Merchant.id)).all():
            lifecycle.ensure(session, merchant_id, now)
    with reading() as session:
        segments = session.scalars(select(Segment.id).order_by(Segment.id)).all()
    each(run, "crm.refresh_segment", "segment_id", segments)


@job("crm.refresh_segment", queue="bulk", timeout=300)
def refresh_segment(run: Run, segment_id: int) -> None:
    """Who came into the segment and who went, a hundred thousand members a transaction."""
    now, last_id = clock.now(), 0
    came = went = 0
    while True:
        with run.transaction() as session:
            segment = session.get_one(Segment, segment_id)
            done = living.refresh_slice(session, segment, after_id=last_id, now=now)
        came, went = came + done.came, went + done.went
        if done.last_id is None:
            break
        last_id = done.last_id
    with run.finish() as session:
        living.settle(session, session.get_one(Segment, segment_id), now)
        if came or went:  # journeys may have waited for it
            minute = f"{now:%Y%m%d%H%M}"
            enqueue(session, "crm.journey_scan", key=f"crm.journey_scan:{minute}")
            _tell_wechat(session, segment_id, now)
    if came or went:
        log.info("segment_refreshed", segment=segment_id, came=came, went=went)


def _tell_wechat(session: Session, segment_id: int, now: datetime) -> None:
    """The tag that the segment puts on is worn at WeChat too, if it is kept the same there: at the
    end of the hour, since a mirroring reads everybody who wears a tag and WeChat counts calls."""
    segment = session.get_one(Segment, segment_id)
    tag = session.get(Tag, segment.tag_id) if segment.tag_id is not None else None
    if tag is None or not tag.mirrored:
        return
    hour = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    for account in officials_of(session.get_one(Merchant, segment.merchant_id).code):
        key = f"crm.mirror_tags:{account.appid}:{hour:%Y%m%d%H}"
        enqueue(session, "crm.mirror_tags", key=key, run_at=hour, appid=account.appid)


@job("crm.score_members", queue="bulk", timeout=600)
def score_members(run: Run) -> None:
    """RFM scores of every merchant's buyers, written where they changed."""
    with reading() as session:
        merchants = session.scalars(select(Merchant.id)).all()
    each(run, "crm.score_buyers", "merchant_id", merchants)


@job("crm.score_buyers", queue="bulk", timeout=600)
def score_buyers(run: Run, merchant_id: int) -> None:
    """The buyers of a merchant, slice by slice."""
    with reading() as session:
        cuts = rfm.cuts(session, merchant_id)
    last_id: int | None = 0
    while last_id is not None:
        with run.transaction() as session:
            last_id, _ = rfm.score_slice(
                session, merchant_id, cuts, after_id=last_id, now=clock.now()
            )
