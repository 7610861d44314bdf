"""Tables of coupons, and the map of a coupon's moves."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import JSON, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class CouponKind(StrEnum):
    amount = "amount"
    percent = "percent"
    exchange = "exchange"
    nth = "nth"
    delivery = "delivery"


class UseChannel(StrEnum):
    """Where a coupon is good: an order in the mini-program, the counter, or both."""

    any = "any"
    online = "online"
    counter = "counter"


class StackGroup(StrEnum):
    """Of one group only the best discount counts; discounts of different groups add up."""

    promotion = "promotion"
    goods = "goods"
    coupon = "coupon"
    extra = "extra"
    delivery = "delivery"


class TemplateState(StrEnum):
    active = "active"
    paused = "paused"


class CouponState(StrEnum):
    issued = "issued"
    locked = "locked"
    redeemed = "redeemed"
    expired = "expired"
    void = "void"


NEXT = {
    CouponState.issued: {
        CouponState.locked,
        CouponState.redeemed,
        CouponState.expired,
        CouponState.void,
    },
    CouponState.locked: {CouponState.issued, CouponState.redeemed},
    CouponState.redeemed: {CouponState.issued},
    CouponState.expired: {CouponState.redeemed},  # used while it was good, told late by a till
    CouponState.void: set(),
}


class EntryKind(StrEnum):
    """`used`: one of several uses, and more are left. `credited`: a use came back to a coupon that
    was elsewhere meanwhile, and stays there.
    """

    issued = "issued"
    locked = "locked"
    released = "released"
    used = "used"
    redeemed = "redeemed"
    returned = "returned"
    credited = "credited"
    expired = "expired"
    voided = "voided"
    imported = "imported"
    claimed = "claimed"
    offered = "offered"
    gifted = "gifted"
    kept = "kept"


AFTER = {
    EntryKind.issued: CouponState.issued,
    EntryKind.locked: CouponState.locked,
    EntryKind.released: CouponState.issued,
    EntryKind.used: CouponState.issued,
    EntryKind.redeemed: CouponState.redeemed,
    EntryKind.returned: CouponState.issued,
    EntryKind.expired: CouponState.expired,
    EntryKind.voided: CouponState.void,
    EntryKind.imported: CouponState.issued,
    EntryKind.claimed: CouponState.issued,
    EntryKind.offered: CouponState.locked,
    EntryKind.gifted: CouponState.issued,
    EntryKind.kept: CouponState.issued,
}
"""The state that each kind of entry leaves a coupon in: what the books are checked against."""


class PromotionKind(StrEnum):
    """满减, 满件折, 第 N 件折, 限时折扣."""

    spend = "spend"
    pieces = "pieces"
    nth = "nth"
    price = "price"


class PromotionState(StrEnum):
    """What the merchant says; a running one also has its days. Past `ends_at` it has ended."""

    draft = "draft"
    running = "running"
    stopped = "stopped"


NEXT_PROMOTION = {
    PromotionState.draft: {PromotionState.running},
    PromotionState.running: {PromotionState.stopped},
    PromotionState.stopped: {PromotionState.running},
}


class CouponTemplate(Base):
    """What its coupons are worth, where they are good and who may have how many.

    `amount` takes `face_fen` off; `percent` takes `off_bp` basis points off, at most `cap_fen`;
    `exchange` makes one piece of its goods cost `pay_fen`; `nth` takes `off_bp` off the cheapest of
    `nth` pieces of one product; `delivery` takes `face_fen` off the delivery fee, 0: all of it.
    Each of `uses_total` uses takes that off. `worth_fen` is the most that one use may take off, as
    far as known when it was written; 0: not known.

    `store_ids`, `tiers`, `weekdays` (0 is Monday) None: all. Goods are those of `product_ids` and
    of `category_ids`; both None: all. Good from `from_minute` of the store's day until before
    `until_minute`, past midnight when that is smaller. Valid `valid_days` from issue, or until
    `valid_until`. `moment` names the occasion that issues it by itself ("welcome": on following).
    Claims are also limited to `daily_limit` a day of the store's, `member_daily_limit` of them by
    one person. A holder is reminded once, `remind_days` before the end; 0: never.
    """

    __tablename__ = "coupon_templates"
    __table_args__ = (
        Index(None, "merchant_id", "claimable", "state"),
        Index(None, "merchant_id", "moment"),
        CheckConstraint("face_fen >= 0", name="face"),
        CheckConstraint("off_bp >= 0 AND off_bp <= 10000", name="off"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[CouponKind] = mapped_column(State(CouponKind), default=CouponKind.amount)
    face_fen: Mapped[int] = mapped_column(default=0)
    off_bp: Mapped[int] = mapped_column(default=0)
    cap_fen: Mapped[int | None]
    pay_fen: Mapped[int] = mapped_column(default=0)
    nth: Mapped[int] = mapped_column(default=0)
    uses_total: Mapped[int] = mapped_column(default=1)
    worth_fen: Mapped[int] = mapped_column(default=0)
    min_spend_fen: Mapped[int] = mapped_column(default=0)
    store_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    product_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    category_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    weekdays: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    from_minute: Mapped[int | None]
    until_minute: Mapped[int | None]
    channel: Mapped[UseChannel] = mapped_column(State(UseChannel), default=UseChannel.any)
    first_order: Mapped[bool] = mapped_column(default=False)
    tiers: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    stack_group: Mapped[StackGroup] = mapped_column(State(StackGroup), default=StackGroup.coupon)
    exclusive: Mapped[bool] = mapped_column(default=False)
    valid_from: Mapped[datetime | None]
    valid_until: Mapped[datetime | None]
    valid_days: Mapped[int | None]
    total_limit: Mapped[int | None]
    issued_count: Mapped[int] = mapped_column(default=0)
    per_member_limit: Mapped[int] = mapped_column(default=1)
    daily_limit: Mapped[int | None]
    member_daily_limit: Mapped[int | None]
    giftable: Mapped[bool] = mapped_column(default=False)
    remind_days: Mapped[int] = mapped_column(default=3)
    claimable: Mapped[bool] = mapped_column(default=False)
    moment: Mapped[str] = mapped_column(Code(32), default="")
    cost_note: Mapped[str] = mapped_column(default="")
    state: Mapped[TemplateState] = mapped_column(State(TemplateState), default=TemplateState.active)
    created_at: Mapped[datetime]

    @property
    def left(self) -> int | None:
        """How many more it gives out; None: any number. What was sold may have gone past it."""
        limit = self.total_limit
        return None if limit is None else max(0, limit - self.issued_count)


class Coupon(Base):
    """One coupon of one member; a printed or imported code is nobody's until it is claimed.

    `issue_key` is unique: the same cause never issues twice. `order_id` is the order that holds or
    used it; in store it stays empty, `redeem_key` is the clerk's idempotency key, and `bill_fen` is
    the bill before the discount where the clerk entered it. `uses_left` counts down; while any are
    left a redemption leaves it issued, and these columns tell of the last one. Each use is an entry
    of the ledger.
    """

    __tablename__ = "coupons"
    __table_args__ = (
        Index(None, "member_id", "state", "expires_at"),
        Index(None, "template_id", "member_id"),
        Index(None, "state", "expires_at"),
        Index(None, "order_id"),
        Index(None, "store_id", "redeemed_at"),
    )

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(Code(32), unique=True)
    template_id: Mapped[int] = mapped_column(ForeignKey("coupon_templates.id"))
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    state: Mapped[CouponState] = mapped_column(State(CouponState), default=CouponState.issued)
    uses_left: Mapped[int] = mapped_column(default=1)
    valid_from: Mapped[datetime]
    expires_at: Mapped[datetime]
    source: Mapped[str] = mapped_column(Code(64))
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id"), index=True)
    batch_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_batches.id"), index=True)
    issue_key: Mapped[str] = mapped_column(Code(160), unique=True)
    issued_at: Mapped[datetime]
    order_id: Mapped[int | None]  # no foreign key: orders.coupon_id is one, and two make a circle
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    redeemed_at: Mapped[datetime | None]
    redeemed_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    redeem_key: Mapped[str | None] = mapped_column(Code(128), unique=True)
    discount_fen: Mapped[int | None]
    bill_fen: Mapped[int | None]


class CouponEntry(Base):
    """One move of one coupon; never edited. `cause` is unique: a repeat writes nothing.

    `happened_at` is set where a till told us late: its own time of the redemption. `discount_fen`
    is what a use took off, and what its return took back.
    """

    __tablename__ = "coupon_entries"
    __table_args__ = (
        Index(None, "coupon_id", "at"),
        Index(None, "campaign_id", "kind", "at"),
        Index(None, "store_id", "kind", "at"),
        Index(None, "order_id", "kind"),
    )

    id: Mapped[Id]
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"))
    kind: Mapped[EntryKind] = mapped_column(State(EntryKind))
    cause: Mapped[str] = mapped_column(Code(192), unique=True)
    actor: Mapped[str] = mapped_column(Code(64))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    device: Mapped[str] = mapped_column(Code(64), default="")
    campaign_id: Mapped[int | None] = mapped_column(ForeignKey("campaigns.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    discount_fen: Mapped[int | None]
    reason: Mapped[str] = mapped_column(default="")
    happened_at: Mapped[datetime | None]
    at: Mapped[datetime]


class ImportedCode(Base):
    """A code that another system gave out, beside our own number of the same coupon."""

    __tablename__ = "imported_codes"
    __table_args__ = (UniqueConstraint("merchant_id", "code"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    code: Mapped[str] = mapped_column(Code(64))
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"), unique=True)


class GiftState(StrEnum):
    offered = "offered"
    accepted = "accepted"
    withdrawn = "withdrawn"
    lapsed = "lapsed"


NEXT_GIFT: dict[GiftState, set[GiftState]] = {
    GiftState.offered: {GiftState.accepted, GiftState.withdrawn, GiftState.lapsed},
    GiftState.accepted: set(),
    GiftState.withdrawn: set(),
    GiftState.lapsed: set(),
}


class CouponGift(Base):
    """A coupon on its way to a friend: whoever shows the secret first gets it, once.

    While it is offered the coupon is locked and its giver's. `accept_key` is unique: it counts how
    many of a template one person was given.
    """

    __tablename__ = "coupon_gifts"
    __table_args__ = (
        Index(None, "state", "expires_at"),
        Index(None, "from_member_id", "id"),
        Index(None, "to_member_id", "id"),
        Index(None, "coupon_id", "state"),
    )

    id: Mapped[Id]
    coupon_id: Mapped[int] = mapped_column(ForeignKey("coupons.id"))
    from_member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    to_member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"))
    secret_hash: Mapped[str] = mapped_column(Code(64), unique=True)
    state: Mapped[GiftState] = mapped_column(State(GiftState), default=GiftState.offered)
    words: Mapped[str] = mapped_column(String(60), default="")
    accept_key: Mapped[str | None] = mapped_column(Code(96), unique=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class DailyCount(Base):
    """How often something that is limited per day was done; only a guarded statement moves it.

    `subject` says what and whose: `undo:staff:7`, `claim:12`, `claim:12:345`.
    """

    __tablename__ = "daily_counts"
    __table_args__ = (UniqueConstraint("subject", "day"), Index(None, "day"))

    id: Mapped[Id]
    subject: Mapped[str] = mapped_column(Code(96))
    day: Mapped[date]
    used: Mapped[int]


class Promotion(Base):
    """What goods cost less by themselves, without a coupon.

    `steps` hold (threshold, off): `spend` fen and fen off, `pieces` pieces and basis points off;
    the best step that is reached counts. `nth` takes `off_bp` off the cheapest of each `nth` pieces
    of one product. `price` sells its goods at `off_bp` off or, where given, at `price_fen` a piece,
    options apart; at most `pieces_each` of each SKU and `pieces_per_member` of each member; None:
    as many as there are. Goods, stores, weekdays and minutes as in a template.
    """

    __tablename__ = "promotions"
    __table_args__ = (
        Index(None, "merchant_id", "state", "ends_at"),
        CheckConstraint("off_bp >= 0 AND off_bp <= 10000", name="off"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(64))
    kind: Mapped[PromotionKind] = mapped_column(State(PromotionKind), default=PromotionKind.spend)
    steps: Mapped[list[list[int]]] = mapped_column(JSON, default=list)
    off_bp: Mapped[int] = mapped_column(default=0)
    price_fen: Mapped[int | None]
    nth: Mapped[int] = mapped_column(default=0)
    pieces_each: Mapped[int | None]
    pieces_per_member: Mapped[int | None]
    store_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    product_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    category_ids: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    weekdays: Mapped[list[int] | None] = mapped_column(JSON(none_as_null=True))
    from_minute: Mapped[int | None]
    until_minute: Mapped[int | None]
    stack_group: Mapped[StackGroup] = mapped_column(State(StackGroup), default=StackGroup.promotion)
    state: Mapped[PromotionState] = mapped_column(
        State(PromotionState), default=PromotionState.running
    )
    starts_at: Mapped[datetime]
    ends_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
