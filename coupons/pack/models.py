"""Tables of the mirror in WeChat's card pack."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, State


class CardPack(Base):
    """A merchant's switch, the pictures of its cards, and how far the ledger was followed.

    Entries up to `high_id` existed at `high_at`; those up to `seen_id` were followed. Off means
    that nothing new goes in; what is in is kept up to date all the same.
    """

    __tablename__ = "card_packs"

    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), primary_key=True)
    is_on: Mapped[bool] = mapped_column(default=False)
    picture_url: Mapped[str] = mapped_column(String(512), default="")
    background_url: Mapped[str] = mapped_column(String(512), default="")
    seen_id: Mapped[int] = mapped_column(default=0)
    high_id: Mapped[int] = mapped_column(default=0)
    high_at: Mapped[datetime | None]
    compared_at: Mapped[datetime | None]


class BatchState(StrEnum):
    """Of a template at WeChat: being made, looked at there, given out, refused, ended by us."""

    making = "making"
    auditing = "auditing"
    live = "live"
    refused = "refused"
    ended = "ended"


class PackTemplate(Base):
    """A template's kind of coupon at WeChat, with the batch that is given out of.

    `number` is what we ask to make kind or batch under; `body` is kept so that asking again says
    the same. A batch lasts a year at most: before that another one of the same kind is made.
    """

    __tablename__ = "pack_templates"
    __table_args__ = (Index(None, "merchant_id", "state"),)

    template_id: Mapped[int] = mapped_column(ForeignKey("coupon_templates.id"), primary_key=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    state: Mapped[BatchState] = mapped_column(State(BatchState), default=BatchState.making)
    number: Mapped[str] = mapped_column(Code(40), unique=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSON)
    product_id: Mapped[str] = mapped_column(Code(40), default="")
    stock_id: Mapped[str] = mapped_column(Code(40), default="")
    why: Mapped[str] = mapped_column(String(200), default="")
    ends_at: Mapped[datetime]
    changed_at: Mapped[datetime]


class CardState(StrEnum):
    """What WeChat says of a card; `unsent`: it has none yet, `refused`: it would not take it."""

    unsent = "unsent"
    confirming = "confirming"
    pending = "pending"
    effective = "effective"
    used = "used"
    expired = "expired"
    deleted = "deleted"
    deactivated = "deactivated"
    refused = "refused"


OPEN = (CardState.confirming, CardState.pending, CardState.effective)


class PackCard(Base):
    """One coupon's card, for one of its holder's identities.

    `code` is the coupon's number when the card was made; a friend who is given it gets another.
    `due_at`: somebody has to look at it then; a worker that takes it writes a later time, so that
    it comes back if the worker dies. `last` is the step that we asked last; `unsure`: it may have
    been done, so the card is asked about before anything else. `uses`: how often it was given back,
    which counts in our numbers. `product_id` and `stock_id` are what it was sent of, whatever is
    given out of now. `why` is what a person should know of it, since `odd_at`.
    """

    __tablename__ = "pack_cards"
    __table_args__ = (
        Index(None, "due_at"),
        Index(None, "merchant_id", "state", "checked_at"),
        Index(None, "merchant_id", "odd_at"),
    )

    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"), primary_key=True)
    code: Mapped[str] = mapped_column(Code(32), index=True)
    template_id: Mapped[int] = mapped_column(ForeignKey("coupon_templates.id"), index=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    identity_id: Mapped[int] = mapped_column(ForeignKey("identities.id"), index=True)
    product_id: Mapped[str] = mapped_column(Code(40), default="")
    stock_id: Mapped[str] = mapped_column(Code(40), default="")
    state: Mapped[CardState] = mapped_column(State(CardState), default=CardState.unsent)
    due_at: Mapped[datetime | None]
    last: Mapped[str] = mapped_column(Code(16), default="")
    unsure: Mapped[bool] = mapped_column(default=False)
    uses: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    why: Mapped[str] = mapped_column(String(200), default="")
    odd_at: Mapped[datetime | None]
    checked_at: Mapped[datetime]
