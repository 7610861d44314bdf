"""Promotions that are on."""

from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Select, bindparam, or_, select
from sqlalchemy.orm import Session

from core import rows, statements
from core.database import UTCDateTime
from core.money import apply_basis_points
from coupons import scope, words
from coupons.models import Promotion, PromotionKind, PromotionState, StackGroup
from coupons.rationing import Limits


class ActivePromotion(NamedTuple):
    """One whose days have come; its hours may be others. `store_ids` None: in every store."""

    id: int
    name: str
    kind: PromotionKind
    steps: list[list[int]]
    off_bp: int
    price_fen: int | None
    nth: int
    pieces_each: int | None
    pieces_per_member: int | None
    store_ids: list[int] | None
    product_ids: list[int] | None
    category_ids: list[int] | None
    weekdays: list[int] | None
    from_minute: int | None
    until_minute: int | None
    stack_group: StackGroup

    @property
    def words(self) -> str:
        gives = words.promotion(self.kind, self.steps, self.off_bp, self.price_fen, self.nth)
        return gives + words.rations(self.pieces_each, self.pieces_per_member)

    @property
    def limits(self) -> Limits | None:
        """None: for as many pieces as there are."""
        if self.pieces_each is None and self.pieces_per_member is None:
            return None
        return Limits(self.id, self.pieces_each, self.pieces_per_member)

    @property
    def promises(self) -> list[str]:
        """A line for each thing it gives, by itself; what is about some goods by its name."""
        if self.steps and self.product_ids is None and self.category_ids is None:
            return [words.step(self.kind, threshold, off) for threshold, off in self.steps]
        return [self.name]

    def sale_fen(self, price_fen: int) -> int | None:
        """What a piece of `price_fen` costs while this timed price holds; None: it is no lower."""
        if self.kind is not PromotionKind.price:
            return None
        sale = self.price_fen
        if sale is None:
            sale = price_fen - apply_basis_points(price_fen, self.off_bp)
        return sale if sale < price_fen else None

    def is_in(self, store_id: int) -> bool:
        return self.store_ids is None or store_id in self.store_ids

    def is_on(self, now: datetime) -> bool:
        return scope.is_on(self, now)


def list_active(session: Session, merchant_id: int, now: datetime) -> list[ActivePromotion]:
    """All of the merchant's that run today, oldest first, in one statement for all stores."""
    given = {"merchant_id": merchant_id, "now": now}
    return statements.fetch(session, ActivePromotion, _active(), given)


@cache
def _active() -> Select[Any]:
    of = rows.table_of(Promotion).c
    now = bindparam("now", type_=UTCDateTime())
    return (
        select(of.id, of.name, of.kind, of.steps, of.off_bp, of.price_fen, of.nth)
        .add_columns(of.pieces_each, of.pieces_per_member)
        .add_columns(of.store_ids, of.product_ids, of.category_ids)
        .add_columns(of.weekdays, of.from_minute, of.until_minute, of.stack_group)
        .where(
            of.merchant_id == bindparam("merchant_id"),
            of.state == PromotionState.running,
            of.starts_at <= now,
            or_(of.ends_at.is_(None), of.ends_at > now),
        )
        .order_by(of.id)
    )
