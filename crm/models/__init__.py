"""Tables of crm, by topic."""

from crm.models.campaigns import (
    NEXT,
    Arm,
    Campaign,
    CampaignMove,
    CampaignState,
    CampaignTally,
    Recipient,
    RecipientState,
)
from crm.models.facts import MemberPlace, MemberScore, MemberVisit, PurchaseLine
from crm.models.journeys import (
    Journey,
    JourneyCount,
    JourneyRun,
    JourneyState,
    JourneyStep,
    JourneyVersion,
    RunArm,
    RunState,
)
from crm.models.marketing import MarketingContact, MarketingRules
from crm.models.members import BASE_TIER, Member, MemberEvent, MemberTag, Purchase, Tag
from crm.models.points import (
    EntryKind,
    HoldState,
    LotState,
    PointEntry,
    PointExchange,
    PointGoods,
    PointHold,
    PointLot,
)
from crm.models.segments import Segment
from crm.models.tiers import Expiry, Fall, GrowthEntry, Loyalty, Measure, Tier, TierMove

__all__ = [
    "BASE_TIER",
    "NEXT",
    "Arm",
    "Campaign",
    "CampaignMove",
    "CampaignState",
    "CampaignTally",
    "EntryKind",
    "Expiry",
    "Fall",
    "GrowthEntry",
    "HoldState",
    "Journey",
    "JourneyCount",
    "JourneyRun",
    "JourneyState",
    "JourneyStep",
    "JourneyVersion",
    "LotState",
    "Loyalty",
    "MarketingContact",
    "MarketingRules",
    "Measure",
    "Member",
    "MemberEvent",
    "MemberPlace",
    "MemberScore",
    "MemberTag",
    "MemberVisit",
    "PointEntry",
    "PointExchange",
    "PointGoods",
    "PointHold",
    "PointLot",
    "Purchase",
    "PurchaseLine",
    "Recipient",
    "RecipientState",
    "RunArm",
    "RunState",
    "Segment",
    "Tag",
    "Tier",
    "TierMove",
]
