"""RFM scores of a merchant's buyers, and the grid that they make.

R is how recent the last payment is, F how many orders stand, M how much was spent and not given
back. A score is 1 + the number of whole fifths of the buyers who have strictly less: equal figures
get equal scores, and where half of them bought once, half of them have a 1 for it. Scores are
written every night, where they changed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, delete, func, or_, select
from sqlalchemy.orm import Session

from core.bulk import insert_ignore_alike
from core.database import claim
from crm.models import Member, MemberScore
from crm.segments.compiling import customers
from crm.segments.slicing import between, end_of_slice, pieces

SLICE = 20_000
FIFTHS = 5
NET = Member.spent_fen - Member.refunded_fen
_FACTS: tuple[ColumnElement[Any], ...] = (
    Member.last_paid_at.expression,
    Member.orders_count.expression,
    NET,
)
_SCORES = (MemberScore.recency, MemberScore.frequency, MemberScore.monetary)

Cuts = Sequence[Sequence[tuple[int, Any]]]
"""For R, F and M: (score, the lowest figure that has it), the highest score first."""


@dataclass(frozen=True)
class Cell:
    recency: int
    frequency: int
    members: int
    spent_fen: int


def cuts(session: Session, merchant_id: int) -> Cuts:
    """Where the fifths begin today; none where nobody has bought."""
    found = []
    for fact in _FACTS:
        less = func.rank().over(order_by=fact) - 1
        buyers = func.count().over()
        score = (less * FIFTHS // buyers + 1).label("score")
        scored = select(fact.label("fact"), score).where(_buyers(merchant_id)).subquery()
        lowest = select(scored.c.score, func.min(scored.c.fact)).group_by(scored.c.score)
        found.append(sorted(((int(s), low) for s, low in session.execute(lowest)), reverse=True))
    return found


def score_slice(
    session: Session,
    merchant_id: int,
    given: Cuts,
    *,
    after_id: int,
    now: datetime,
    limit: int = SLICE,
) -> tuple[int | None, int]:
    """Score the next `limit` members; the last id, or None at the end, and how many changed."""
    last_id = end_of_slice(session, merchant_id, after_id, limit)
    here = and_(Member.merchant_id == merchant_id, *between(Member.id, after_id, last_id))
    gone = select(Member.id).where(here, ~_buyers(merchant_id))
    changed = claim(session, delete(MemberScore).where(MemberScore.member_id.in_(gone)))
    if not any(given):
        return last_id, changed
    scores = [
        case(*((fact >= low, score) for score, low in fifths), else_=1)
        for fact, fifths in zip(_FACTS, given, strict=True)
    ]
    new = session.execute(
        select(Member.id, *scores)
        .outerjoin(MemberScore, MemberScore.member_id == Member.id)
        .where(
            here,
            _buyers(merchant_id),
            or_(
                MemberScore.member_id.is_(None),
                *(kept != score for kept, score in zip(_SCORES, scores, strict=True)),
            ),
        )
    ).all()
    names = ["member_id", "recency", "frequency", "monetary"]
    common = {"merchant_id": merchant_id, "scored_at": now}
    for some in pieces(new, 5_000):
        whose = [row[0] for row in some]
        claim(session, delete(MemberScore).where(MemberScore.member_id.in_(whose)))
        fresh = [tuple(int(number) for number in row) for row in some]
        insert_ignore_alike(session, MemberScore, common, names, fresh)
    return last_id, changed + len(new)


def score(session: Session, merchant_id: int, now: datetime) -> int:
    """All slices in one transaction, for small merchants; how many changed."""
    given, changed = cuts(session, merchant_id), 0
    last_id: int | None = 0
    while last_id is not None:
        last_id, some = score_slice(session, merchant_id, given, after_id=last_id, now=now)
        changed += some
    return changed


def grid(session: Session, merchant_id: int) -> list[Cell]:
    """The buyers by recency and frequency, with what they have spent; empty cells are left out."""
    cells = session.execute(
        select(MemberScore.recency, MemberScore.frequency, func.count(), func.sum(NET))
        .join(Member, Member.id == MemberScore.member_id)
        .where(MemberScore.merchant_id == merchant_id)
        .group_by(MemberScore.recency, MemberScore.frequency)
    )
    return [Cell(r, f, int(number), int(spent)) for r, f, number, spent in cells]


def scored_at(session: Session, merchant_id: int) -> datetime | None:
    """When a score last changed."""
    last = select(func.max(MemberScore.scored_at))
    return session.scalar(last.where(MemberScore.merchant_id == merchant_id))


def cell_rule(recency: int, frequency: int) -> dict[str, Any]:
    """The members of one cell of the grid."""
    return {
        "op": "and",
        "rules": [
            {"field": "rfm_recency", "op": "=", "value": recency},
            {"field": "rfm_frequency", "op": "=", "value": frequency},
        ],
    }


def _buyers(merchant_id: int) -> ColumnElement[bool]:
    paid = and_(Member.orders_count > 0, Member.last_paid_at.is_not(None))
    return and_(customers(merchant_id), paid)
