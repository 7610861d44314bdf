"""From what size on a campaign needs a second person's word, and whether it has it.

The word covers what it was given for and a fifth more: a segment is live, and grows a little
between the asking and the launch.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.money import format_yuan
from crm.campaigns import offers, tallies
from crm.campaigns.variants import list_variants
from crm.contacts import rules_of
from crm.models import Approval, ApprovalState, Arm, Campaign

LEEWAY_BP = 12_000


@dataclass(frozen=True)
class Size:
    """How many people, and what it is expected to cost at the most expensive offer."""

    people: int
    cost_fen: int


def size_of(session: Session, campaign: Campaign, people: int) -> Size:
    made = [offers.load(session, campaign, each) for each in list_variants(session, campaign)]
    cost = people * max(offer.expected_fen for offer in made)
    return Size(people, min(cost, campaign.budget_fen or cost))


def launched_size(session: Session, campaign: Campaign) -> Size:
    """Of a campaign whose audience is written down."""
    placed = tallies.read(session, campaign.id)
    people = sum(number for place, number in placed.items() if place.arm is Arm.reach)
    return size_of(session, campaign, people)


def why_needed(session: Session, campaign: Campaign, size: Size) -> str:
    """What makes a second person necessary, in words; empty: nothing does, or they have agreed."""
    why = why_large(session, campaign.merchant_id, size)
    if not why or _is_covered(session, campaign, size):
        return ""
    return f"{why}，要另一个人同意"


def why_large(session: Session, merchant_id: int, size: Size) -> str:
    """What of it is more than one person decides over, in words; empty: nothing."""
    rules = rules_of(session, merchant_id)
    if rules.approval_people is not None and size.people > rules.approval_people:
        return f"要发给 {size.people:,} 人，超过 {rules.approval_people:,} 人"
    if rules.approval_fen is not None and size.cost_fen > rules.approval_fen:
        most = format_yuan(rules.approval_fen, symbol=True)
        return f"预计花费 {format_yuan(size.cost_fen, symbol=True)}，超过 {most}"
    return ""


def _is_covered(session: Session, campaign: Campaign, size: Size) -> bool:
    given = select(Approval).where(
        Approval.campaign_id == campaign.id, Approval.state == ApprovalState.approved
    )
    return any(
        10_000 * size.people <= LEEWAY_BP * word.people
        and 10_000 * size.cost_fen <= LEEWAY_BP * word.cost_fen
        for word in session.scalars(given)
    )
