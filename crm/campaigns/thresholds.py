"""From what size on a campaign needs a second person's word, and whether it has it.

The word covers what it was given for and a fifth more: a segment is live, and grows a little
between the asking and the launch. What nobody else agreed to is added up over a day and the whole
merchant, coupon batches with it, or a large campaign would pass in small pieces. It counts from
when somebody let it give, not from when it was made, or small ones would be laid up and let go
together.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.money import format_yuan
from coupons.models import CouponTemplate
from crm.campaigns import offers, tallies
from crm.campaigns.variants import list_variants
from crm.contacts import lock_rules, rules_of
from crm.models import (
    Approval,
    ApprovalState,
    Arm,
    BatchKind,
    BatchState,
    Campaign,
    CampaignState,
    CouponBatch,
    ImportState,
    MemberImport,
    RecipientState,
)

LEEWAY_BP = 12_000
DAY = timedelta(hours=24)


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


def import_size(session: Session, found: MemberImport) -> Size:
    """Of a file of members: who gets points or a balance by it, and what those are worth."""
    sums = found.summary
    worth = offers.points_fen(session, found.merchant_id, sums["points"]) if sums["points"] else 0
    cost = worth + sums["principal_fen"] + sums["bonus_fen"]
    return Size(sums.get("given", found.total) if cost else 0, cost)


def why_needed(session: Session, campaign: Campaign, size: Size, *, now: datetime) -> str:
    """What makes a second person necessary, in words; empty: nothing does, or they have agreed.

    Holds the rules until the end of the transaction, see `hold`.
    """
    hold(session, campaign.merchant_id)
    why = why_large(session, campaign.merchant_id, size, now=now, campaign_id=campaign.id)
    if not why or _is_covered(session, campaign, size):
        return ""
    return f"{why}，要另一个人同意"


def hold(session: Session, merchant_id: int) -> None:
    """Lock the rules where there is a threshold: of two who launch at once the second sees what
    the first has taken."""
    rules = rules_of(session, merchant_id)
    if rules.approval_people is not None or rules.approval_fen is not None:
        lock_rules(session, merchant_id)


def why_large(
    session: Session,
    merchant_id: int,
    size: Size,
    *,
    now: datetime,
    campaign_id: int | None = None,
    batch_id: int | None = None,
    import_id: int | None = None,
) -> str:
    """What of it is more than one person decides over in a day, in words; empty: nothing.

    `campaign_id`, `batch_id` and `import_id` say which row it is itself.
    """
    rules = rules_of(session, merchant_id)
    if rules.approval_people is None and rules.approval_fen is None:
        return ""
    given = [
        size,
        _alone(session, merchant_id, now, campaign_id, batch_id),
        *_imported(session, merchant_id, now, import_id),
    ]
    people, cost = sum(each.people for each in given), sum(each.cost_fen for each in given)
    together = "24 小时里没有第二个人点头的加起来"
    if rules.approval_people is not None and people > rules.approval_people:
        said = f"要发给 {size.people:,} 人"
        said += f"，{together} {people:,} 人" if size.people <= rules.approval_people else ""
        return f"{said}，超过 {rules.approval_people:,} 人"
    if rules.approval_fen is not None and cost > rules.approval_fen:
        most, whole = (format_yuan(fen, symbol=True) for fen in (rules.approval_fen, cost))
        said = f"预计花费 {format_yuan(size.cost_fen, symbol=True)}"
        said += f"，{together} {whole}" if size.cost_fen <= rules.approval_fen else ""
        return f"{said}，超过 {most}"
    return ""


def _alone(
    session: Session,
    merchant_id: int,
    now: datetime,
    campaign_id: int | None,
    batch_id: int | None,
) -> Size:
    """What was given, or is being given, since a day ago by one person's word alone."""
    allowed = select(Campaign).where(
        Campaign.merchant_id == merchant_id,
        Campaign.allowed_at > now - DAY,
        Campaign.id != (campaign_id or 0),
    )
    sizes = [_taken(session, each) for each in session.scalars(allowed)]
    made = (
        select(CouponBatch, CouponTemplate)
        .join(CouponTemplate, CouponTemplate.id == CouponBatch.template_id)
        .where(
            CouponBatch.merchant_id == merchant_id,
            CouponBatch.allowed_at > now - DAY,
            CouponBatch.kind == BatchKind.members,
            CouponBatch.id != (batch_id or 0),
        )
    )
    for batch, template in session.execute(made):
        going = batch.state in (BatchState.preparing, BatchState.running)
        people = (batch.total if going else batch.issued) - batch.voided
        sizes.append(Size(people, people * offers.worth_fen(template)))
    return Size(sum(each.people for each in sizes), sum(each.cost_fen for each in sizes))


def _imported(
    session: Session, merchant_id: int, now: datetime, import_id: int | None
) -> list[Size]:
    """Files of members that were started since a day ago by whoever had uploaded them."""
    started = select(MemberImport).where(
        MemberImport.merchant_id == merchant_id,
        MemberImport.state != ImportState.checked,
        MemberImport.started_at > now - DAY,
        MemberImport.started_by == MemberImport.created_by,
        MemberImport.id != (import_id or 0),
    )
    return [import_size(session, each) for each in session.scalars(started)]


def _taken(session: Session, campaign: Campaign) -> Size:
    """Whom a campaign that nobody agreed to writes to, or has written to where it stands still."""
    going = campaign.state is CampaignState.running
    left_out = {RecipientState.skipped, *(() if going else (RecipientState.planned,))}
    placed = tallies.read(session, campaign.id)
    people = sum(
        number
        for place, number in placed.items()
        if place.arm is Arm.reach and place.state not in left_out
    )
    size = size_of(session, campaign, people)
    return Size(0, 0) if not people or _is_covered(session, campaign, size) else size


def _is_covered(session: Session, campaign: Campaign, size: Size) -> bool:
    given = select(Approval).where(
        Approval.campaign_id == campaign.id, Approval.state == ApprovalState.approved
    )
    return any(
        10_000 * size.people <= LEEWAY_BP * word.people
        and 10_000 * size.cost_fen <= LEEWAY_BP * word.cost_fen
        for word in session.scalars(given)
    )
