"""The table of service cards."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class CardState(StrEnum):
    waiting = "waiting"
    asking = "asking"
    live = "live"
    over = "over"
    failed = "failed"


NEXT_CARD: dict[CardState, frozenset[CardState]] = {
    CardState.waiting: frozenset({CardState.asking, CardState.over, CardState.failed}),
    CardState.asking: frozenset(
        {
            CardState.waiting,  # WeChat was busy, or does not know of the payment yet
            CardState.live,
            CardState.over,
            CardState.failed,
        }
    ),
    CardState.live: frozenset({CardState.asking, CardState.over, CardState.failed}),
    CardState.over: frozenset({CardState.live, CardState.failed}),  # the last word did not arrive
    CardState.failed: frozenset(),
}


class ServiceCard(Base):
    """`wanted` and `shown` are steps of the order (`content.STEPS`): what the card should say, and
    what WeChat was last told; 0: nothing yet. `again`: WeChat could not deliver that, and may now;
    `lost`: how often it could not."""

    __tablename__ = "service_cards"
    __table_args__ = (
        UniqueConstraint("appid", "code"),
        Index(None, "appid", "openid"),
        Index(None, "merchant_id", "paid_at"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), unique=True)
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[int] = mapped_column(Integer)
    code: Mapped[str] = mapped_column(Code(64))
    amount_fen: Mapped[int]
    paid_at: Mapped[datetime]
    until: Mapped[datetime]
    state: Mapped[CardState] = mapped_column(State(CardState))
    wanted: Mapped[int] = mapped_column(Integer)
    shown: Mapped[int] = mapped_column(Integer)
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    errcode: Mapped[int | None] = mapped_column(Integer)
    reason: Mapped[str] = mapped_column(String(64), default="")
    again: Mapped[bool] = mapped_column(default=False)
    lost: Mapped[int] = mapped_column(Integer, default=0)
    changed_at: Mapped[datetime]
