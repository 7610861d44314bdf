"""The rest of what a campaign's page tells: its trial, its caps, its hour, who has to agree."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from console import campaign_gifts, words
from console.access import Me
from core.clock import local
from core.money import format_yuan
from crm.campaigns import approvals, caps, variants, waves
from crm.campaigns.variants import Score, Variant
from crm.models import Approval, ApprovalState, Campaign, CampaignState
from merchants.models import Staff

LIVE = (CampaignState.running, CampaignState.paused)


def whole(session: Session, campaign: Campaign, who: Me, now: datetime) -> dict[str, Any]:
    return {
        "facts": _facts(session, campaign, now),
        "trial": _trial(session, campaign),
        "approval": _approval(session, campaign, who, now),
        "askable": campaign.state is CampaignState.draft and not who.may("campaigns.launch"),
        "testable": campaign.state
        in (CampaignState.draft, CampaignState.approved, CampaignState.scheduled),
        "capped": campaign.state in LIVE and who.may("campaigns.launch"),
    }


def list_asked(session: Session, who: Me) -> list[dict[str, Any]]:
    """What waits for the word of whoever looks at the list."""
    if not who.may("campaigns.launch"):
        return []
    waiting = approvals.list_open(session, who.merchant_id, who.actor)
    names = select(Campaign.id, Campaign.name).where(
        Campaign.id.in_([approval.campaign_id for approval in waiting])
    )
    known = dict(session.execute(names).all()) if waiting else {}
    return [{"id": a.campaign_id, "name": known[a.campaign_id]} for a in waiting]


def moment(at: datetime) -> str:
    """A time to come, to the minute."""
    return f"{local(at):%Y-%m-%d %H:%M}"


def _facts(session: Session, campaign: Campaign, now: datetime) -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    if campaign.state is CampaignState.scheduled and campaign.scheduled_at:
        rows.append(("自动启动", moment(campaign.scheduled_at)))
    if campaign.best_hour:
        rows.append(("几点发", "按各人常来的钟点"))
    elif campaign.send_hour is not None:
        rows.append(("几点发", f"{campaign.send_hour} 点"))
    if campaign.quiet_from_hour is not None:
        own = f"{campaign.quiet_from_hour} 点到 {campaign.quiet_until_hour} 点"
        rows.append(("不打扰", f"营销规则以外，还有 {own}"))
    if campaign.launched_at is not None:
        later = [wave for wave in waves.list_open(session, campaign.id) if wave.due_at > now]
        if later:
            rows.append(("下一批", moment(later[0].due_at)))
    if campaign.budget_fen is not None:
        most, spent = (
            format_yuan(fen, symbol=True) for fen in (campaign.budget_fen, campaign.expected_fen)
        )
        rows.append(("预算", f"{spent} / {most}" if campaign.launched_at else most))
    if campaign.daily_people is not None:
        most, done = (
            words.count(number)
            for number in (campaign.daily_people, caps.count_today(campaign, now))
        )
        launched = campaign.launched_at is not None
        rows.append(("今天发了", f"{done} / {most} 人") if launched else ("每天最多", f"{most} 人"))
    if campaign.liability_fen is not None:
        most = format_yuan(campaign.liability_fen, symbol=True)
        rows.append(("没用掉的券", f"最多 {most}"))
    return rows


def _trial(session: Session, campaign: Campaign) -> dict[str, Any] | None:
    """The variants beside one another, with what is known of each."""
    offers = variants.list_variants(session, campaign)
    if len(offers) < 2:
        return None
    scores = variants.scores(session, campaign) if campaign.launched_at else {}
    return {
        "rows": [_offer(session, offer, scores.get(offer.no), campaign.winner) for offer in offers],
        "told_by": "核销 / 发出" if variants.by_coupons(offers) else "买过 / 发到",
        "words": _verdict(campaign, scores, offers),
    }


def _offer(
    session: Session, offer: Variant, score: Score | None, winner: int | None
) -> dict[str, Any]:
    at = "" if offer.send_hour is None else f"{offer.send_hour} 点发"
    return {
        "no": offer.no,
        "letter": offer.letter,
        "name": campaign_gifts.name_of(session, offer),
        "message": offer.message,
        "at": at,
        "won": winner == offer.no,
        "count": f"{words.count(score.used)} / {words.count(score.people)}" if score else "—",
        "share": words.share(score.used, score.people) if score and score.people else "",
    }


def _verdict(campaign: Campaign, scores: dict[int, Score], offers: list[Variant]) -> str:
    if campaign.winner is not None:
        letter = offers[campaign.winner].letter
        return f"{letter} 组明显更好，后面的人都用 {letter} 组的。"
    if campaign.judged_at is not None:
        return "时间到了还看不出哪组更好，后面的人照样平分。"
    if not campaign.launched_at:
        if campaign.winner_hours:
            share = f"{campaign.pilot_bp / 100:g}%"
            return f"先发给 {share} 的人，{campaign.winner_hours} 小时后按结果发给其余的人。"
        return "能送到的人平分，一人只会收到一种。"
    best = variants.clear_winner(scores)
    if best is not None:
        return f"{offers[best].letter} 组的核销明显更高（95% 区间不碰 0）。"
    return "还看不出哪组更好。"


def _approval(
    session: Session, campaign: Campaign, who: Me, now: datetime
) -> dict[str, Any] | None:
    latest = approvals.latest(session, campaign.id)
    if latest is None or latest.state is ApprovalState.withdrawn:
        return None
    if campaign.state not in (CampaignState.draft, CampaignState.approved, CampaignState.paused):
        return None
    size = f"{words.count(latest.people)} 人，预计最多 {format_yuan(latest.cost_fen, symbol=True)}"
    pending = latest.state is ApprovalState.pending
    mine = approvals.is_own(session, latest, who.actor)
    return {
        "code": latest.code,
        "pending": pending,
        "may": pending and not mine and who.may("campaigns.launch"),
        "good": latest.state is ApprovalState.approved,
        "words": _approval_words(session, latest, size, now),
    }


def _approval_words(session: Session, latest: Approval, size: str, now: datetime) -> str:
    if latest.state is ApprovalState.pending:
        asker = _name(session, latest.requested_by)
        return (
            f"{asker} {words.when(latest.requested_at, now)} 提交：{size}。等另一个人同意，"
            f"也可以在公众号里回「同意 {latest.code}」。"
        )
    when = words.when(latest.decided_at, now) if latest.decided_at else ""
    decider = f"{_name(session, latest.decided_by or '')} {when} "
    if latest.state is ApprovalState.approved:
        return f"{decider}同意了：{size}。"
    return f"{decider}没有同意{'：' + latest.reason if latest.reason else '。'}"


def _name(session: Session, actor: str) -> str:
    kind, _, number = actor.partition(":")
    found = session.get(Staff, int(number)) if kind == "staff" and number.isdigit() else None
    return found.name if found else "同事"
