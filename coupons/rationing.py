"""Timed prices for so many pieces only: of each SKU, and of each member.

A piece is taken by a guarded UPDATE, in the transaction that places the order. What an order took
is a row that goes back once, when the order ends unpaid or all of it is refunded.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import rows
from core.database import Base, Code, Id, claim, insert_ignore
from core.errors import Conflict


class RationGone(Conflict):
    """Somebody else was faster; a new quote says what is left."""

    code = "ration_gone"
    title = "特价刚刚被抢完了，看看新的价格"


class PromotionUnits(Base):
    """How many pieces of a promotion are taken; only a guarded statement moves it.

    `subject` says of what or of whom: `sku:7`, `member:12`.
    """

    __tablename__ = "promotion_units"
    __table_args__ = (UniqueConstraint("promotion_id", "subject"),)

    id: Mapped[Id]
    promotion_id: Mapped[int] = mapped_column(ForeignKey("promotions.id"))
    subject: Mapped[str] = mapped_column(Code(32))
    used: Mapped[int]


class PromotionTake(Base):
    """What an order took of a promotion's pieces, until `returned_at`."""

    __tablename__ = "promotion_takes"
    __table_args__ = (
        UniqueConstraint("order_id", "promotion_id", "sku_id"),
        Index(None, "promotion_id"),
    )

    id: Mapped[Id]
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    promotion_id: Mapped[int] = mapped_column(ForeignKey("promotions.id"))
    sku_id: Mapped[int] = mapped_column(ForeignKey("skus.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"), index=True)
    pieces: Mapped[int]
    returned_at: Mapped[datetime | None]


@dataclass(frozen=True)
class Limits:
    """Of one promotion: pieces of each SKU and of each member; None: as many as there are."""

    promotion_id: int
    of_sku: int | None
    of_member: int | None


@dataclass(frozen=True)
class Left:
    """What is left of them for one member now; a SKU that is not named has all of its pieces."""

    limits: Limits
    taken: Mapping[str, int] = field(default_factory=dict)

    def of_sku(self, sku_id: int) -> int | None:
        return self._left(self.limits.of_sku, f"sku:{sku_id}")

    def of_member(self, member_id: int) -> int | None:
        return self._left(self.limits.of_member, f"member:{member_id}")

    def _left(self, limit: int | None, subject: str) -> int | None:
        return None if limit is None else max(0, limit - self.taken.get(subject, 0))


def left_of(
    session: Session, several: Sequence[Limits], sku_ids: Collection[int], member_id: int | None
) -> dict[int, Left]:
    """By promotion, in one statement, and in none without limits."""
    if not several:
        return {}
    subjects = [f"sku:{id_}" for id_ in set(sku_ids)]
    subjects += [] if member_id is None else [f"member:{member_id}"]
    taken: dict[int, dict[str, int]] = {limits.promotion_id: {} for limits in several}
    found = session.execute(
        select(PromotionUnits.promotion_id, PromotionUnits.subject, PromotionUnits.used).where(
            PromotionUnits.promotion_id.in_(taken), PromotionUnits.subject.in_(subjects)
        )
    )
    for promotion_id, subject, used in found:
        taken[promotion_id][subject] = used
    return {one.promotion_id: Left(one, taken[one.promotion_id]) for one in several}


def take(
    session: Session,
    order_id: int,
    member_id: int,
    wanted: Mapping[int, Mapping[int, int]],
    limits: Mapping[int, Limits],
) -> None:
    """`wanted`: pieces by promotion and SKU. All of them, or RationGone and nothing is kept."""
    for promotion_id, skus in sorted(wanted.items()):
        of = limits[promotion_id]
        if of.of_member is not None:
            _take(session, promotion_id, f"member:{member_id}", sum(skus.values()), of.of_member)
        for sku_id, pieces in sorted(skus.items()):
            if of.of_sku is not None:
                _take(session, promotion_id, f"sku:{sku_id}", pieces, of.of_sku)
            row = {"order_id": order_id, "promotion_id": promotion_id, "sku_id": sku_id}
            row |= {"member_id": member_id, "pieces": pieces}
            rows.add(session, PromotionTake, row)


def sold_of(session: Session, promotion_ids: Collection[int]) -> dict[int, int]:
    """Pieces that orders took and did not give back, by promotion."""
    found = session.execute(
        select(PromotionTake.promotion_id, func.sum(PromotionTake.pieces))
        .where(PromotionTake.promotion_id.in_(promotion_ids), PromotionTake.returned_at.is_(None))
        .group_by(PromotionTake.promotion_id)
    )
    return {promotion_id: int(pieces) for promotion_id, pieces in found}


def give_back(session: Session, order_id: int, now: datetime) -> None:
    """What the order took and has not given back; safe to repeat."""
    mine = select(PromotionTake).where(
        PromotionTake.order_id == order_id, PromotionTake.returned_at.is_(None)
    )
    for one in session.scalars(mine.order_by(PromotionTake.promotion_id, PromotionTake.sku_id)):
        held = (PromotionTake.id == one.id, PromotionTake.returned_at.is_(None))
        if claim(session, update(PromotionTake).where(*held).values(returned_at=now)) == 0:
            continue
        subjects = (f"member:{one.member_id}", f"sku:{one.sku_id}")
        claim(
            session,
            update(PromotionUnits)
            .where(
                PromotionUnits.promotion_id == one.promotion_id,
                PromotionUnits.subject.in_(subjects),
                PromotionUnits.used >= one.pieces,
            )
            .values(used=PromotionUnits.used - one.pieces),
        )


def _take(session: Session, promotion_id: int, subject: str, pieces: int, limit: int) -> None:
    mine = (PromotionUnits.promotion_id == promotion_id, PromotionUnits.subject == subject)
    more = update(PromotionUnits).where(*mine, PromotionUnits.used + pieces <= limit)
    more = more.values(used=PromotionUnits.used + pieces)
    if claim(session, more):
        return
    first = {"promotion_id": promotion_id, "subject": subject, "used": pieces}
    if pieces <= limit and insert_ignore(session, PromotionUnits, [first]) == 1:
        return
    if claim(session, more) == 0:
        raise RationGone
