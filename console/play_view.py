"""What the pages of 签到, 抽奖, 邀请 show."""

from datetime import date, datetime, timedelta
from typing import Any

from flask import url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console import people, words
from crm.models import Draw, Lottery, Member, ReferralState
from crm.play import drawing

EVEN = 1_000
"""Draws from which on what was won should look like what was published."""
Figure = tuple[str, str, str, str]
"""Label, value, note, unit."""


def sign_ins(today: date, by_day: dict[date, int], longest: int) -> list[Figure]:
    week = sum(by_day.get(today - timedelta(days=ago), 0) for ago in range(7))
    return [
        ("今天签到", words.count(by_day.get(today, 0)), "过了零点从头算", "人"),
        ("近 7 天", words.count(week), "一人一天算一次", "人次"),
        ("连签最久", words.count(longest), "昨天或今天还在签的人里", "天"),
    ]


def lottery(session: Session, of: Lottery, now: datetime) -> dict[str, Any]:
    counted = session.execute(
        select(Draw.prize_id, func.count()).where(Draw.lottery_id == of.id).group_by(Draw.prize_id)
    )
    won = {prize_id: int(number) for prize_id, number in counted}
    draws = sum(won.values())
    prizes = drawing.prizes_of(session, of.id)
    rest = drawing.WHOLE_BP - sum(prize.odds_bp for prize in prizes)
    rows = [
        _prize_row(prize.name, prize.odds_bp, won.get(prize.id, 0), draws, prize.stock_left)
        for prize in prizes
    ]
    rows.append(_prize_row("没中", rest, won.get(None, 0), draws))
    return {
        "id": of.id,
        "name": of.name,
        "sub": _terms(of, now),
        "over": of.ends_at <= now,
        "on": of.is_on,
        "draws": words.count(draws),
        "rows": rows,
        "even": "" if draws >= EVEN else "抽得还少，实际和公布的差得远很平常。",
        "hash": of.seed_hash,
        "seed": of.seed if of.ends_at <= now else "",
    }


def referrals(counted: dict[ReferralState, int]) -> list[Figure]:
    def of(state: ReferralState) -> str:
        return words.count(counted.get(state, 0))

    whole = words.count(sum(counted.values()))
    return [
        ("带来过", whole, f"其中 {of(ReferralState.refused)} 人不算", "人"),
        ("已奖励", of(ReferralState.rewarded), "两边都到账的", "人"),
        ("等首单过退款期", of(ReferralState.waiting), "过了自己奖励", "人"),
    ]


def person(member: Member) -> dict[str, str]:
    href = url_for("console.members.show", no=member.no)
    return {"name": people.name_of(member), "href": href if member.merged_into_id is None else ""}


def _prize_row(
    name: str, odds_bp: int, won: int, draws: int, left: int | None = None
) -> dict[str, Any]:
    """`left` None: of what is no prize there is no end."""
    return {
        "name": name,
        "odds": odds_bp / 100,
        "odds_words": f"{odds_bp / 100:g}%",
        "real": round(100 * won / draws, 1) if draws else 0,
        "real_words": words.share(won, draws) or "0%",
        "won": words.count(won),
        "left": "" if left is None else words.count(left),
        "gone": left == 0,
    }


def _terms(lottery: Lottery, now: datetime) -> str:
    until = words.on(lottery.ends_at, now)
    return f"{lottery.points} 积分一次，每天 {lottery.per_day} 次，到 {until}"
