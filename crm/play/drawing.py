"""A lottery: published odds, guarded stock, and draws that anybody can check afterwards.

The seed is drawn when the lottery is made and its hash shown; a draw's roll is HMAC-SHA256 of its
ticket under the seed, so it was settled before anybody drew. The seed is shown when it is over. A
prize that has run out wins nothing, as the page says.
"""

import hashlib
import hmac
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import audit, rows
from core.clock import business_day
from core.database import claim
from core.errors import Conflict, Invalid, NotFound
from core.numbers import new_token
from coupons import issuing
from coupons.errors import GoneAlready, NotClaimable
from crm import events, points
from crm.models import Draw, EntryKind, Lottery, Member, Prize, PrizeKind

WHOLE_BP = 10_000


class LotteryNotFound(NotFound):
    code = "lottery_not_found"
    title = "没有这个抽奖"


class LotteryOver(Conflict):
    code = "lottery_over"
    title = "不在抽奖时间"


class DrawnEnough(Conflict):
    code = "drawn_enough"
    title = "今天的次数用完了"


class LotteryInvalid(Invalid):
    code = "lottery_invalid"
    title = "抽奖填写有误"


def create(
    session: Session, lottery: Lottery, prizes: Sequence[Prize], *, actor: str, now: datetime
) -> Lottery:
    """Make a lottery with its seed. Raises LotteryInvalid: the odds are over the whole, no prize,
    or it ends before it begins."""
    if not prizes or sum(prize.odds_bp for prize in prizes) > WHOLE_BP:
        raise LotteryInvalid("中奖概率加起来不能超过 100%", errors={"odds": "加起来超过 100% 了"})
    if lottery.ends_at <= lottery.starts_at:
        raise LotteryInvalid(errors={"ends": "结束要在开始之后"})
    seed = new_token()
    lottery.seed, lottery.seed_hash = seed, hashlib.sha256(seed.encode()).hexdigest()
    lottery.created_at = now
    session.add(lottery)
    session.flush()
    for position, prize in enumerate(prizes):
        prize.lottery_id, prize.position, prize.stock_left = lottery.id, position, prize.stock
        session.add(prize)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="lottery.create",
        subject=f"lottery:{lottery.id}",
        after={"name": lottery.name},
        merchant_id=lottery.merchant_id,
        now=now,
    )
    return lottery


def draw(
    session: Session, merchant_id: int, member_id: int, lottery_id: int, *, now: datetime
) -> tuple[Draw, Prize | None]:
    """One draw, for the lottery's points. Raises LotteryNotFound, LotteryOver, DrawnEnough or
    NotEnoughPoints; then nothing changes. None: won nothing."""
    lottery = get_lottery(session, merchant_id, lottery_id)
    if not lottery.is_on or not lottery.starts_at <= now < lottery.ends_at:
        raise LotteryOver
    prizes = prizes_of(session, lottery.id)
    for template_id in sorted({prize.template_id for prize in prizes if prize.template_id}):
        issuing.lock_template(session, template_id)  # before the member, as everywhere
    held = points.hold_living(session, member_id)
    number = drawn_today(session, lottery.id, held.id, now) + 1
    if number > lottery.per_day:
        raise DrawnEnough(f"每天能抽 {lottery.per_day} 次，明天再来")
    no = session.scalars(select(Member.no).where(Member.id == held.id)).one()
    ticket = f"{no}:{business_day(now):%Y%m%d}:{number}"
    roll = roll_of(lottery.seed, ticket)
    prize = prize_at(prizes, roll)
    if prize is not None and not _take(session, prize):
        prize = None
    row = {
        "lottery_id": lottery.id,
        "member_id": held.id,
        "day": business_day(now),
        "number": number,
        "ticket": ticket,
        "roll": roll,
        "prize_id": prize.id if prize else None,
        "at": now,
    }
    draw_id = rows.add(session, Draw, row)
    cause = f"draw:{draw_id}"
    if lottery.points:
        spent = {"kind": EntryKind.spent, "cause": cause, "reason": lottery.name, "now": now}
        points.take(session, held.id, lottery.points, **spent)  # type: ignore[arg-type]
    if prize is not None and not _hand_over(session, prize, held.id, cause, now):
        prize = None
        rows.must_move(session, Draw, {"id": draw_id}, {"prize_id": None})
    if prize is not None:
        data = {"name": prize.name}
        events.record(session, held.id, "prize_won", now=now, data=data)
    return session.get_one(Draw, draw_id), prize


def roll_of(seed: str, ticket: str) -> int:
    """0 to 9,999, the same for ever."""
    digest = hmac.new(seed.encode(), ticket.encode(), hashlib.sha256).digest()
    return int.from_bytes(digest[:8]) % WHOLE_BP


def prize_at(prizes: Sequence[Prize], roll: int) -> Prize | None:
    """Whose part of the whole the roll falls into, in the order of the prizes."""
    for prize in prizes:
        if roll < prize.odds_bp:
            return prize
        roll -= prize.odds_bp
    return None


def odds_now(prizes: Sequence[Prize]) -> list[int]:
    """What each prize has now: as published, or nothing once it has run out."""
    return [prize.odds_bp if prize.stock_left else 0 for prize in prizes]


def get_lottery(session: Session, merchant_id: int, lottery_id: int) -> Lottery:
    """The gate: another merchant's lottery is not found."""
    lottery = session.get(Lottery, lottery_id)
    if lottery is None or lottery.merchant_id != merchant_id:
        raise LotteryNotFound
    return lottery


def list_lotteries(
    session: Session, merchant_id: int, *, running_at: datetime | None = None
) -> Sequence[Lottery]:
    """The one that ends last first; with `running_at` those that can be drawn from then."""
    query = select(Lottery).where(Lottery.merchant_id == merchant_id)
    if running_at is not None:
        query = query.where(
            Lottery.is_on.is_(True), Lottery.starts_at <= running_at, Lottery.ends_at > running_at
        )
    return session.scalars(query.order_by(Lottery.ends_at.desc()).limit(20)).all()


def prizes_of(session: Session, lottery_id: int) -> Sequence[Prize]:
    mine = select(Prize).where(Prize.lottery_id == lottery_id)
    return session.scalars(mine.order_by(Prize.position)).all()


def drawn_today(session: Session, lottery_id: int, member_id: int, now: datetime) -> int:
    count = select(func.count(Draw.id)).where(
        Draw.lottery_id == lottery_id,
        Draw.member_id == member_id,
        Draw.day == business_day(now),
    )
    return int(session.scalar(count) or 0)


def _take(session: Session, prize: Prize) -> bool:
    one_less = update(Prize).where(Prize.id == prize.id, Prize.stock_left > 0)
    return claim(session, one_less.values(stock_left=Prize.stock_left - 1)) == 1


def _hand_over(session: Session, prize: Prize, member_id: int, cause: str, now: datetime) -> bool:
    """False: its coupon is not to be had any more, and the stock is given back."""
    if prize.kind is PrizeKind.points:
        points.grant(
            session, member_id, prize.points, cause=f"won:{cause}", reason=prize.name, now=now
        )
    if prize.kind is not PrizeKind.coupon or prize.template_id is None:
        return True
    try:
        with session.begin_nested():
            issuing.issue(
                session, prize.template_id, member_id, source="lottery", key=cause, now=now
            )
    except (GoneAlready, NotClaimable):
        back = update(Prize).where(Prize.id == prize.id)
        rows.all_moved(Prize, claim(session, back.values(stock_left=Prize.stock_left + 1)))
        return False
    return True
