"""Tables of crm, by topic."""

from crm.models.campaigns import (
    NEXT,
    Arm,
    Campaign,
    CampaignMove,
    CampaignState,
    Recipient,
    RecipientState,
)
from crm.models.facts import MemberPlace, MemberScore, MemberVisit, PurchaseLine
from crm.models.marketing import MarketingContact, MarketingRules
from crm.models.members import Member, MemberEvent, MemberTag, Purchase, Tag, Tier
from crm.models.points import EntryKind, LotState, PointEntry, PointLot
from crm.models.segments import Segment

__all__ = [
    "NEXT",
    "Arm",
    "Campaign",
    "CampaignMove",
    "CampaignState",
    "EntryKind",
    "LotState",
    "MarketingContact",
    "MarketingRules",
    "Member",
    "MemberEvent",
    "MemberPlace",
    "MemberScore",
    "MemberTag",
    "MemberVisit",
    "PointEntry",
    "PointLot",
    "Purchase",
    "PurchaseLine",
    "Recipient",
    "RecipientState",
    "Segment",
    "Tag",
    "Tier",
]
