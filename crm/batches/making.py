"""A batch is made: checked, written down with its rows, and queued."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import audit, rows
from core.outbox import enqueue
from coupons import issuing, templates
from coupons.models import Coupon, CouponState, CouponTemplate
from crm.batches import sizes
from crm.batches.lists import Line
from crm.errors import BatchInvalid, BatchNotFound
from crm.models import BatchKind, BatchRow, BatchState, CouponBatch
from crm.segments import saving

MAX_NAME = 32
MOST_ON_A_SHEET = 5_000
_CHUNK = 1_000
JOB_KEY = "batch:{}:{}"


def to_segment(
    session: Session,
    merchant_id: int,
    *,
    template_id: int,
    segment_id: int,
    name: str,
    staff_id: int,
    now: datetime,
) -> CouponBatch:
    """A coupon for everybody who is in the segment when the job looks, which counts once more
    whether one person may give out so many. Raises BatchInvalid."""
    segment = saving.get_segment(session, merchant_id, segment_id)
    batch = _make(session, merchant_id, template_id, BatchKind.members, name, staff_id, now)
    batch.segment_id, batch.state = segment.id, BatchState.preparing
    return _start(session, batch, now)


def from_lines(
    session: Session,
    merchant_id: int,
    *,
    kind: BatchKind,
    template_id: int,
    lines: Sequence[Line],
    name: str,
    staff_id: int,
    now: datetime,
) -> CouponBatch:
    """A coupon for every good line; the others are kept with what is wrong. Raises BatchInvalid,
    also when they are more people than one person may give to."""
    good = sum(1 for line in lines if not line.problem)
    if not good:
        raise BatchInvalid("没有一行能用", errors={"list": "没有一行能用，看看下面的原因"})
    batch = _make(session, merchant_id, template_id, kind, name, staff_id, now)
    people = sum(1 for line in lines if not line.problem and line.member_id is not None)
    sizes.check(
        session, issuing.get_template(session, batch.template_id), people, batch=batch, now=now
    )
    batch.total, batch.faulty = good, len(lines) - good
    written = [
        {
            "batch_id": batch.id,
            "number": line.number,
            "given": line.given,
            "member_id": line.member_id,
            "code": line.code,
            "problem": line.problem,
        }
        for line in lines
    ]
    session.flush()
    for start in range(0, len(written), _CHUNK):
        rows.add_all(session, BatchRow, written[start : start + _CHUNK])
    return _start(session, batch, now)


def sheet(
    session: Session,
    merchant_id: int,
    *,
    template_id: int,
    number: int,
    name: str,
    staff_id: int,
    now: datetime,
) -> CouponBatch:
    """`number` codes that are nobody's yet, to be printed. Raises BatchInvalid."""
    if not 1 <= number <= MOST_ON_A_SHEET:
        raise BatchInvalid(errors={"number": f"一次 1 到 {MOST_ON_A_SHEET:,} 个"})
    batch = _make(session, merchant_id, template_id, BatchKind.sheet, name, staff_id, now)
    batch.total = number
    return _start(session, batch, now)


def get_batch(session: Session, merchant_id: int, batch_id: int) -> CouponBatch:
    """The gate: another merchant's batch is not found."""
    batch = session.get(CouponBatch, batch_id)
    if batch is None or batch.merchant_id != merchant_id:
        raise BatchNotFound
    return batch


def list_batches(
    session: Session, merchant_id: int, *, before: int | None = None, limit: int = 30
) -> list[tuple[CouponBatch, CouponTemplate]]:
    """Newest first; `before` is the last id that was seen."""
    wanted = (
        select(CouponBatch, CouponTemplate)
        .join(CouponTemplate, CouponTemplate.id == CouponBatch.template_id)
        .where(CouponBatch.merchant_id == merchant_id)
    )
    if before is not None:
        wanted = wanted.where(CouponBatch.id < before)
    found = session.execute(wanted.order_by(CouponBatch.id.desc()).limit(limit))
    return [(batch, template) for batch, template in found]


def list_faults(session: Session, batch_id: int, limit: int = 200) -> list[BatchRow]:
    """The lines that were left out, in their order."""
    faulty = select(BatchRow).where(BatchRow.batch_id == batch_id, BatchRow.problem != "")
    return list(session.scalars(faulty.order_by(BatchRow.number).limit(limit)))


def list_codes(session: Session, batch: CouponBatch, *, after: int, limit: int) -> list[Coupon]:
    """What of a finished sheet may be printed: codes that are nobody's yet and still good.

    Raises BatchNotFound for any other batch: a member's number is shown to nobody but them.
    """
    if not is_printable(batch):
        raise BatchNotFound
    free = (
        select(Coupon)
        .where(
            Coupon.batch_id == batch.id,
            Coupon.id > after,
            Coupon.member_id.is_(None),
            Coupon.state == CouponState.issued,
        )
        .order_by(Coupon.id)
    )
    return list(session.scalars(free.limit(limit)))


def is_printable(batch: CouponBatch) -> bool:
    return batch.kind is BatchKind.sheet and batch.state is BatchState.done


def _make(
    session: Session,
    merchant_id: int,
    template_id: int,
    kind: BatchKind,
    name: str,
    staff_id: int,
    now: datetime,
) -> CouponBatch:
    template = templates.get_template_of(session, merchant_id, template_id)
    issuing.check_open(template, now)
    if not 1 <= len(name.strip()) <= MAX_NAME:
        raise BatchInvalid(errors={"name": f"名字要 1 到 {MAX_NAME} 个字"})
    batch = CouponBatch(
        merchant_id=merchant_id,
        template_id=template.id,
        kind=kind,
        name=name.strip(),
        state=BatchState.running,
        created_by_id=staff_id,
        created_at=now,
        allowed_at=now,
    )
    session.add(batch)
    session.flush()
    return batch


def _start(session: Session, batch: CouponBatch, now: datetime) -> CouponBatch:
    session.flush()
    enqueue(session, "crm.coupon_batch", key=JOB_KEY.format(batch.id, 0), batch_id=batch.id)
    audit.record(
        session,
        actor=f"staff:{batch.created_by_id}",
        action="batch.create",
        subject=f"batch:{batch.id}",
        after={
            "name": batch.name,
            "kind": batch.kind,
            "template_id": batch.template_id,
            "segment_id": batch.segment_id,
            "people": batch.total,
        },
        merchant_id=batch.merchant_id,
        now=now,
    )
    return batch
