"""The next slice of a batch. Its cursor moves first, by compare-and-set, in the same transaction:
of two workers one does the slice, and one that dies leaves it undone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, insert, literal, select, update
from sqlalchemy.orm import Session

from core.database import claim
from core.outbox import enqueue
from coupons import anonymous, issuing
from coupons.errors import GoneAlready, NotClaimable
from coupons.models import CouponTemplate
from crm.batches import sizes
from crm.batches.making import JOB_KEY
from crm.models import NEXT_BATCH, BatchKind, BatchRow, BatchState, CouponBatch, Member, Segment
from crm.segments.compiling import compile_rule

SLICE = 500


@dataclass(frozen=True)
class _Piece:
    """What a slice would do: where the cursor goes, how many it is about, and how."""

    cursor: int
    number: int
    do: Callable[[int], int]


def next_slice(session: Session, batch_id: int, *, now: datetime, size: int = SLICE) -> bool:
    """Do the next slice and queue the one after; False when there is nothing left for this copy.

    The coupons run out, or the template was paused: the batch stops and says why.
    """
    batch = session.get_one(CouponBatch, batch_id, populate_existing=True)
    if batch.state is BatchState.preparing:
        _snapshot(session, batch, now)
    if batch.state is not BatchState.running:
        return False
    template = issuing.lock_template(session, batch.template_id)
    if not _goes_on(session, batch):
        return False
    slice_of = _PIECES[batch.kind]
    piece = slice_of(session, batch, template, size, now)
    if piece is None:
        _move(session, batch, BatchState.done, finished_at=now)
        return False
    try:
        issuing.check_open(template, now)
        room = _room(template)
    except (GoneAlready, NotClaimable) as refused:
        _move(session, batch, BatchState.stopped, stop_words=refused.detail)
        return False
    if room is not None and room < piece.number:
        piece = slice_of(session, batch, template, room, now) or piece
    at_cursor = update(CouponBatch).where(
        CouponBatch.id == batch.id,
        CouponBatch.state == BatchState.running,
        CouponBatch.cursor == batch.cursor,
    )
    if not claim(session, at_cursor.values(cursor=piece.cursor)):
        return False
    new = piece.do(piece.number)
    counted = update(CouponBatch).where(CouponBatch.id == batch.id)
    claim(session, counted.values(issued=CouponBatch.issued + new))
    _queue(session, batch.id, piece.cursor)
    return True


def resume(session: Session, batch: CouponBatch, now: datetime) -> bool:
    """stopped → running, when there are coupons again. False: it did not stand still. Raises
    BatchInvalid while it is larger than one person may give out."""
    if batch.kind is BatchKind.members:
        template = issuing.get_template(session, batch.template_id)
        sizes.check(session, template, batch.total, batch=batch, now=now)
    if not _move(session, batch, BatchState.running, stop_words="", allowed_at=now):
        return False
    _queue(session, batch.id, f"{batch.cursor}:{int(now.timestamp())}")
    return True


def _queue(session: Session, batch_id: int, place: int | str) -> None:
    key = JOB_KEY.format(batch_id, place)
    enqueue(session, "crm.coupon_batch", key=key, batch_id=batch_id)


def _snapshot(session: Session, batch: CouponBatch, now: datetime) -> None:
    """preparing → running: who is in the segment now, in one statement."""
    segment = session.get_one(Segment, batch.segment_id)
    if not _move(session, batch, BatchState.running):
        return
    people = compile_rule(segment.rule, batch.merchant_id, now).subquery()
    member_id = people.c[0]
    rows = select(
        literal(batch.id),
        func.row_number().over(order_by=member_id),
        literal(""),
        member_id,
        literal(""),
    ).order_by(member_id)
    columns = ["batch_id", "number", "given", "member_id", "problem"]
    written = insert(BatchRow).from_select(columns, rows, include_defaults=False)
    batch.total = int(session.execute(written).rowcount)  # type: ignore[attr-defined]
    session.flush()
    template = issuing.get_template(session, batch.template_id)
    if why := sizes.why_too_large(session, template, batch.total, batch=batch, now=now):
        _move(session, batch, BatchState.stopped, stop_words=why)


def _goes_on(session: Session, batch: CouponBatch) -> bool:
    """As whoever held the template before us left it; the row is ours from here on."""
    session.refresh(batch, with_for_update=True)
    return batch.state is BatchState.running


def _room(template: CouponTemplate) -> int | None:
    """How many the template's total still allows; None: any number. Raises GoneAlready at none."""
    left = template.left
    if left == 0:
        raise GoneAlready(f"「{template.name}」发完了")
    return left


def _to_members(
    session: Session, batch: CouponBatch, template: CouponTemplate, size: int, now: datetime
) -> _Piece | None:
    living = func.coalesce(Member.merged_into_id, Member.id)
    found = session.execute(
        select(BatchRow.id, living)
        .join(Member, Member.id == BatchRow.member_id)
        .where(*_waiting(batch))
        .order_by(BatchRow.id)
        .limit(size)
    ).all()
    if not found:
        return None
    ids = list(dict.fromkeys(member_id for _, member_id in found))

    def do(_: int) -> int:
        return len(issuing.issue_many(session, template, ids, source=f"batch:{batch.id}", now=now))

    return _Piece(found[-1][0], len(ids), do)


def _as_codes(
    session: Session, batch: CouponBatch, template: CouponTemplate, size: int, now: datetime
) -> _Piece | None:
    number = min(size, batch.total - batch.cursor)
    if number <= 0:
        return None

    def do(number: int) -> int:
        places = range(batch.cursor + 1, batch.cursor + 1 + number)
        return anonymous.print_many(session, template, batch.id, places, now=now)

    return _Piece(batch.cursor + number, number, do)


def _imported(
    session: Session, batch: CouponBatch, template: CouponTemplate, size: int, now: datetime
) -> _Piece | None:
    found = session.scalars(
        select(BatchRow).where(*_waiting(batch)).order_by(BatchRow.id).limit(size)
    ).all()
    if not found:
        return None
    given = [anonymous.Outer(row.number, row.code or "", row.member_id) for row in found]

    def do(_: int) -> int:
        refused = anonymous.import_many(session, template, batch.id, given, now=now)
        _refuse(session, batch, refused)
        return len(given) - len(refused)

    return _Piece(found[-1].id, len(found), do)


def _refuse(session: Session, batch: CouponBatch, numbers: Sequence[int]) -> None:
    """Another import was faster with these codes."""
    if not numbers:
        return
    late = update(BatchRow).where(BatchRow.batch_id == batch.id, BatchRow.number.in_(numbers))
    claim(session, late.values(problem="这个券码导入过了"))
    counted = update(CouponBatch).where(CouponBatch.id == batch.id)
    fewer = {"faulty": CouponBatch.faulty + len(numbers), "total": CouponBatch.total - len(numbers)}
    claim(session, counted.values(fewer))


def _waiting(batch: CouponBatch) -> tuple[ColumnElement[bool], ...]:
    return BatchRow.batch_id == batch.id, BatchRow.id > batch.cursor, BatchRow.problem == ""


def _move(session: Session, batch: CouponBatch, to: BatchState, **values: object) -> bool:
    if to not in NEXT_BATCH[batch.state]:
        return False
    moving = update(CouponBatch).where(CouponBatch.id == batch.id, CouponBatch.state == batch.state)
    moved = claim(session, moving.values(state=to, **values)) == 1
    session.refresh(batch)
    return moved


_PIECES = {
    BatchKind.members: _to_members,
    BatchKind.sheet: _as_codes,
    BatchKind.codes: _imported,
}
