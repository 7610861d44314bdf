"""A campaign is a segment, a gift and a message, with part of the people held out."""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, LongText, State
from messaging.models import Channel


class CampaignState(StrEnum):
    draft = "draft"
    approved = "approved"
    scheduled = "scheduled"
    running = "running"
    paused = "paused"
    finished = "finished"
    killed = "killed"


NEXT: dict[CampaignState, set[CampaignState]] = {
    CampaignState.draft: {CampaignState.approved, CampaignState.killed},
    CampaignState.approved: {
        CampaignState.draft,
        CampaignState.scheduled,
        CampaignState.killed,
    },
    CampaignState.scheduled: {
        CampaignState.approved,
        CampaignState.running,
        CampaignState.killed,
    },
    CampaignState.running: {
        CampaignState.paused,
        CampaignState.finished,
        CampaignState.killed,
    },
    CampaignState.paused: {CampaignState.running, CampaignState.killed},
    CampaignState.finished: set(),
    CampaignState.killed: set(),
}


class Arm(StrEnum):
    """`reach` and `holdout` split the reachable; `none` could not be reached at launch."""

    reach = "reach"
    holdout = "holdout"
    none = "none"


class RecipientState(StrEnum):
    planned = "planned"
    issued = "issued"
    sending = "sending"
    sent = "sent"
    failed = "failed"
    skipped = "skipped"
    unknown = "unknown"


class Campaign(Base):
    """It gives a coupon (`template_id`), `points`, or nothing but words; never both.

    `expected_fen` and `face_fen` are what has been issued: its expected cost, and its worth; what
    of the worth is points is `points_fen`.

    `budget_fen` and `liability_fen` cap them, `daily_people` the people of one day (`today_*`);
    null: no cap. Of the coupons `expected_use_bp` are expected to be used. With `winner_hours` only
    `pilot_bp` of the people get their variant at once; the others so many hours later, all of them
    the `winner` if there is a clear one.

    `allowed_at`: when somebody last let it give, by its launch, by going on, by a wider cap.
    """

    __tablename__ = "campaigns"
    __table_args__ = (Index("ix_campaigns_list", "merchant_id", "state", "id"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(64))
    segment_id: Mapped[int] = mapped_column(ForeignKey("segments.id"), index=True)
    template_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_templates.id"), index=True)
    points: Mapped[int] = mapped_column(default=0)
    message: Mapped[LongText]
    state: Mapped[CampaignState] = mapped_column(State(CampaignState), default=CampaignState.draft)
    holdout_bp: Mapped[int] = mapped_column(default=1_000)
    seed: Mapped[int]
    quiet_from_hour: Mapped[int | None]
    quiet_until_hour: Mapped[int | None]
    created_by: Mapped[str] = mapped_column(Code(64))
    created_at: Mapped[datetime]
    changed_by: Mapped[str] = mapped_column(Code(64), default="")
    scheduled_at: Mapped[datetime | None]
    send_hour: Mapped[int | None]
    best_hour: Mapped[bool] = mapped_column(default=False)
    pilot_bp: Mapped[int] = mapped_column(default=0)
    winner_hours: Mapped[int | None]
    budget_fen: Mapped[int | None]
    liability_fen: Mapped[int | None]
    daily_people: Mapped[int | None]
    expected_use_bp: Mapped[int] = mapped_column(default=10_000)

    rule: Mapped[dict[str, Any] | None]
    upper_bound: Mapped[int] = mapped_column(default=0)
    audience_count: Mapped[int] = mapped_column(default=0)
    launched_at: Mapped[datetime | None]
    allowed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    expected_fen: Mapped[int] = mapped_column(default=0)
    face_fen: Mapped[int] = mapped_column(default=0)
    points_fen: Mapped[int] = mapped_column(default=0)
    today_on: Mapped[date | None]
    today_people: Mapped[int] = mapped_column(default=0)
    winner: Mapped[int | None]
    judged_at: Mapped[datetime | None]


class CampaignVariant(Base):
    """What is tried against the campaign's own offer, words and hour, which are variant 0."""

    __tablename__ = "campaign_variants"
    __table_args__ = (UniqueConstraint("campaign_id", "no"),)

    id: Mapped[Id]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    no: Mapped[int]
    template_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_templates.id"))
    points: Mapped[int] = mapped_column(default=0)
    message: Mapped[LongText]
    send_hour: Mapped[int | None]


class CampaignWave(Base):
    """`cursor` is the last recipient row that a batch has issued to; it moves with the effect.

    `is_rest`: the people who wait for what the pilot shows.
    """

    __tablename__ = "campaign_waves"
    __table_args__ = (Index("ix_campaign_waves_open", "campaign_id", "issued_all", "due_at"),)

    id: Mapped[Id]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    due_at: Mapped[datetime]
    is_rest: Mapped[bool] = mapped_column(default=False)
    cursor: Mapped[int] = mapped_column(default=0)
    issued_all: Mapped[bool] = mapped_column(default=False)


class ApprovalState(StrEnum):
    pending = "pending"
    approved = "approved"
    refused = "refused"
    withdrawn = "withdrawn"


NEXT_APPROVAL: dict[ApprovalState, set[ApprovalState]] = {
    ApprovalState.pending: {
        ApprovalState.approved,
        ApprovalState.refused,
        ApprovalState.withdrawn,
    },
    ApprovalState.approved: {ApprovalState.withdrawn},
    ApprovalState.refused: set(),
    ApprovalState.withdrawn: set(),
}


class Approval(Base):
    """Somebody asked for a second person's word for a campaign of that size."""

    __tablename__ = "campaign_approvals"
    __table_args__ = (
        Index("ix_campaign_approvals_campaign", "campaign_id", "state"),
        Index("ix_campaign_approvals_open", "merchant_id", "state"),
    )

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(Code(16), unique=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    people: Mapped[int]
    cost_fen: Mapped[int]
    state: Mapped[ApprovalState] = mapped_column(State(ApprovalState))
    requested_by: Mapped[str] = mapped_column(Code(64))
    requested_at: Mapped[datetime]
    decided_by: Mapped[str | None] = mapped_column(Code(64))
    decided_at: Mapped[datetime | None]
    reason: Mapped[str] = mapped_column(default="")


class CampaignMove(Base):
    __tablename__ = "campaign_history"

    id: Mapped[Id]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    from_state: Mapped[CampaignState | None] = mapped_column(State(CampaignState))
    to_state: Mapped[CampaignState] = mapped_column(State(CampaignState))
    actor: Mapped[str] = mapped_column(Code(64))
    reason: Mapped[str] = mapped_column(default="")
    at: Mapped[datetime]


class Recipient(Base):
    __tablename__ = "campaign_recipients"
    __table_args__ = (
        UniqueConstraint("campaign_id", "member_id"),
        Index("ix_campaign_recipients_work", "campaign_id", "state", "id"),
        Index("ix_campaign_recipients_stuck", "state", "state_at"),
        Index("ix_campaign_recipients_whose", "member_id"),
        Index("ix_campaign_recipients_wave", "wave_id", "id"),
    )

    id: Mapped[Id]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"))
    member_id: Mapped[int] = mapped_column(ForeignKey("members.id"))
    arm: Mapped[Arm] = mapped_column(State(Arm))
    state: Mapped[RecipientState] = mapped_column(State(RecipientState))
    state_at: Mapped[datetime]
    variant: Mapped[int] = mapped_column(default=0)
    wave_id: Mapped[int | None] = mapped_column(ForeignKey("campaign_waves.id"))
    channel: Mapped[Channel | None] = mapped_column(State(Channel))
    skip_reason: Mapped[str | None] = mapped_column(Code(32))
    coupon_id: Mapped[int | None] = mapped_column(ForeignKey("coupons.id"), unique=True)
    outbound_id: Mapped[int | None] = mapped_column(ForeignKey("outbound_messages.id"), unique=True)
    errcode: Mapped[int | None]


class CampaignTally(Base):
    """A part of the sums of `crm.campaigns.tallies`: people who came to a place, or left it."""

    __tablename__ = "campaign_tallies"

    id: Mapped[Id]
    campaign_id: Mapped[int] = mapped_column(ForeignKey("campaigns.id"), index=True)
    arm: Mapped[Arm] = mapped_column(State(Arm))
    state: Mapped[RecipientState] = mapped_column(State(RecipientState))
    reason: Mapped[str] = mapped_column(Code(32), default="")
    people: Mapped[int]
    coupons: Mapped[int] = mapped_column(default=0)
