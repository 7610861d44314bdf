"""Signing in, drawing lots, bringing a friend."""

from datetime import date, datetime, timedelta

from flask import g, request
from sqlalchemy.orm import Session

from core import idempotency, limits
from core.clock import business_day
from core.clock import now as clock_now
from core.database import reading, transaction
from crm import members
from crm.models import Lottery, Referral, ReferralState, SignRules
from crm.play import drawing, referring, signing_in
from wxapp_api.access import member
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.schemas.common import Page, WriteHeader
from wxapp_api.schemas.loyalty import (
    DrawOut,
    FriendOut,
    InviteIn,
    LotteryOut,
    LotteryPath,
    PrizeOut,
    ReferralOut,
    ReferralQuery,
    SignDayOut,
    SignedOut,
    SignInOut,
)

blueprint = make_blueprint("play", "签到、抽奖、邀请")

AHEAD = 31
"""How many coming days of sign-in are told beforehand."""
FRIENDS = {
    ReferralState.waiting: "等首单过退款期",
    ReferralState.held: "等店里确认",
    ReferralState.rewarded: "奖励已到账",
}


class LotteriesOut(Page[LotteryOut]):
    """Lotteries that can be drawn now."""


@blueprint.get("/sign-in", responses={200: SignInOut}, security=MEMBER)
@member
def show_sign_in() -> SignInOut:
    """This month's calendar and what comes next. 404 `sign_in_off`."""
    today = business_day(clock_now())
    since = min(today.replace(day=1), today - timedelta(days=today.weekday()))
    with reading() as session:
        rules = signing_in.find_rules(session, g.member.merchant_id)
        if rules is None or not rules.is_on:
            raise signing_in.SignInOff
        signed = signing_in.days_of(session, g.member.id, since)
        done = bool(signed) and signed[-1].day == today
        streak = signed[-1].streak if done else signing_in.streak_before(
            session, g.member.id, today
        )  # fmt: skip
    ahead, points, template_id = _next(rules, streak)
    return SignInOut(
        signed_today=done,
        streak=streak,
        today=today,
        days=[each.day for each in signed],
        ahead=_ahead(rules, streak, today + timedelta(days=1) if done else today),
        daily_points=rules.points,
        next_days=ahead,
        next_points=points,
        next_coupon=bool(template_id),
    )


@blueprint.post("/sign-in", responses={201: SignedOut}, security=MEMBER)
@member
def sign_in() -> tuple[SignedOut, int]:
    """Today's sign-in. 409 `signed_already`, 404 `sign_in_off`."""
    limits.check("claim", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id)
    with transaction() as session:
        signed = signing_in.sign_in(session, g.member.merchant_id, g.member.id, now=clock_now())
    return SignedOut(streak=signed.streak, points=signed.points, coupon=signed.coupon), 201


@blueprint.get("/lotteries", responses={200: LotteriesOut}, security=MEMBER)
@member
def list_lotteries() -> LotteriesOut:
    """What can be drawn now, with its odds."""
    now = clock_now()
    with reading() as session:
        found = drawing.list_lotteries(session, g.member.merchant_id, running_at=now)
        return LotteriesOut(items=[_lottery(session, each, now) for each in found], next=None)


@blueprint.get("/lotteries/<lottery_id>", responses={200: LotteryOut}, security=MEMBER)
@member
def show_lottery(path: LotteryPath) -> LotteryOut:
    """One, also when it is over: then with its seed, so that draws can be checked."""
    with reading() as session:
        found = drawing.get_lottery(session, g.member.merchant_id, int(path.lottery_id))
        return _lottery(session, found, clock_now())


@blueprint.post("/lotteries/<lottery_id>/draws", responses={201: DrawOut}, security=MEMBER)
@member
def draw(path: LotteryPath, header: WriteHeader) -> tuple[DrawOut, int]:
    """One draw. 409 `lottery_over`, `drawn_enough`, `not_enough_points`; the same key again answers
    the same draw."""
    limits.check("claim", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id)
    scope, key, now = f"lottery.draw:{g.member.id}", header.idempotency_key, clock_now()
    body = {"lottery_id": path.lottery_id}
    with transaction() as session:
        replay = idempotency.begin(session, scope=scope, key=key, body=body, now=now)
        if replay is not None:
            return DrawOut.model_validate(replay.result), 201
        drawn, prize = drawing.draw(
            session, g.member.merchant_id, g.member.id, int(path.lottery_id), now=now
        )
        me = members.living(session, g.member.id)
        session.refresh(me)
        answer = DrawOut(
            prize=prize.name if prize else None,
            position=prize.position if prize else None,
            ticket=drawn.ticket,
            roll=drawn.roll,
            points=me.points,
        )
        idempotency.finish(session, scope=scope, key=key, result=answer.model_dump())
    return answer, 201


@blueprint.get("/referral", responses={200: ReferralOut}, security=MEMBER)
@member
def show_referral(query: ReferralQuery) -> ReferralOut:
    """The member's invite code and the friends it brought. 404 `invite_not_found`: it is off."""
    with transaction() as session:
        rules = referring.find_rules(session, g.member.merchant_id)
        if rules is None or not rules.is_on:
            raise referring.InviteNotFound("这家店没开邀请")
        code = referring.code_of(session, g.member.id, device=query.device or "")
        mine = referring.list_referrals(
            session, g.member.merchant_id, inviter_id=g.member.id, limit=30
        )
        return ReferralOut(
            code=code,
            inviter_points=rules.inviter_points,
            newcomer_points=rules.newcomer_points,
            friends=[_friend(referral, newcomer.name) for referral, _, newcomer in mine],
        )


@blueprint.post("/referral", responses={204: None}, security=MEMBER)
@member
def accept_invite(body: InviteIn) -> None:
    """The member says who brought them. 409 `invite_refused`: `why`; 404 `invite_not_found`."""
    limits.check("claim", ip=request.remote_addr, member=g.member.id, merchant=g.member.merchant_id)
    with transaction() as session:
        me = members.living(session, g.member.id)
        referring.accept(session, me, body.code, device=body.device or "", now=clock_now())


def _friend(referral: Referral, name: str) -> FriendOut:
    text = FRIENDS.get(referral.state, "这次没有奖励")
    return FriendOut(name=f"{name[:1]}**" if name else "新朋友", text=text, at=referral.at)


def _next(rules: SignRules, streak: int) -> tuple[int, int, int]:
    """(days more, points, template) of the next milestone; zeros where there is none."""
    last = max((days for days, _, _ in rules.milestones), default=0)
    for ahead in range(1, last + 1):
        points, template_id = signing_in.bonus_on(rules, streak + ahead)
        if points or template_id:
            return ahead, points, template_id
    return 0, 0, 0


def _ahead(rules: SignRules, streak: int, first: date) -> list[SignDayOut]:
    """The coming days, with what each adds of its own."""
    days = []
    for number in range(AHEAD):
        more, template_id = signing_in.bonus_on(rules, streak + number + 1)
        day, points = first + timedelta(days=number), rules.points + more
        days.append(SignDayOut(day=day, points=points, coupon=bool(template_id)))
    return days


def _lottery(session: Session, lottery: Lottery, now: datetime) -> LotteryOut:
    prizes = drawing.prizes_of(session, lottery.id)
    now_bp = drawing.odds_now(prizes)
    drawn = drawing.drawn_today(session, lottery.id, g.member.id, now)
    return LotteryOut(
        id=str(lottery.id),
        name=lottery.name,
        points=lottery.points,
        have=members.living(session, g.member.id).points,
        per_day=lottery.per_day,
        left_today=max(lottery.per_day - drawn, 0),
        ends_at=lottery.ends_at,
        seed_hash=lottery.seed_hash,
        seed=lottery.seed if lottery.ends_at <= now else None,
        prizes=[
            PrizeOut(
                name=each.name,
                kind=each.kind.value,
                odds_bp=each.odds_bp,
                odds_now_bp=odds_bp,
                left=each.stock_left,
            )
            for each, odds_bp in zip(prizes, now_bp, strict=True)
        ],
        nothing_bp=drawing.WHOLE_BP - sum(each.odds_bp for each in prizes),
        nothing_now_bp=drawing.WHOLE_BP - sum(now_bp),
    )
