"""会员体系 → 签到, 抽奖, 邀请: the rules, how it goes, and what waits for somebody to decide."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console import play_view, reply, words
from console.access import me, staff
from console.forms import Form
from console.loyalty_tabs import coupons, tabs
from core import audit, cursors
from core.clock import business_day
from core.clock import now as clock_now
from core.database import reading, transaction
from crm.models import (
    Lottery,
    Member,
    Prize,
    PrizeKind,
    ReferralRules,
    ReferralState,
    SignIn,
    SignRules,
)
from crm.play import drawing, referring, signing_in

page = Blueprint("play", __name__, url_prefix="/loyalty")

MILESTONES = 3
PRIZES = 5
KINDS = (("points", "积分"), ("coupon", "券"), ("text", "实物，到店领"))
STATES = {
    ReferralState.waiting: "等首单过退款期",
    ReferralState.held: "等你确认",
    ReferralState.rewarded: "已奖励",
    ReferralState.refused: "不算",
}
SUSPECTS = "held"
PAGE = 30


@page.get("/sign-in/")
@staff("members.view")
def sign_in() -> Response:
    return _sign_page(None)


@page.post("/sign-in/")
@staff("settings.manage")
def save_sign_in() -> Response:
    form = Form(request.form)
    points = form.whole("points", high=1_000)
    growth = form.whole("growth", high=1_000, needed=False)
    with reading() as session:
        known = {value for value, *_ in coupons(session)}
    milestones = []
    for number in range(MILESTONES):
        if not form[f"days_{number}"].strip():
            continue
        days = form.whole(f"days_{number}", low=2, high=60)
        more = form.whole(f"more_{number}", high=10_000, needed=False)
        coupon = form.one_of(f"coupon_{number}", known)
        milestones.append([days or 0, more or 0, int(coupon or 0)])
    if form.errors:
        return _sign_page(form, 422)
    rules = {
        "points": points,
        "growth": growth or 0,
        "milestones": sorted(milestones),
        "is_on": form["is_on"] == "on",
    }
    with transaction() as session:
        _put(session, signing_in.find_rules(session, me().merchant_id), SignRules, rules)
        _note(session, "loyalty.sign_in", rules)
    return reply.done(url_for("console.play.sign_in"), "签到规则已保存")


@page.get("/lottery/")
@staff("members.view")
def lotteries() -> Response:
    return _lottery_page(None)


@page.post("/lottery/")
@staff("settings.manage")
def create_lottery() -> Response:
    form, now = Form(request.form), clock_now()
    name = form.text("name", longest=16)
    cost = form.whole("cost", high=100_000, needed=False)
    per_day = form.whole("per_day", low=1, high=50)
    days = form.whole("days", low=1, high=365)
    with reading() as session:
        known = {value for value, *_ in coupons(session) if value}
    prizes = [prize for n in range(PRIZES) if (prize := _prize(form, n, known)) is not None]
    if form.errors:
        return _lottery_page(form, 422)
    lottery = Lottery(
        merchant_id=me().merchant_id,
        name=name,
        points=cost or 0,
        per_day=per_day,
        starts_at=now,
        ends_at=now + timedelta(days=days or 0),
    )
    try:
        with transaction() as session:
            drawing.create(session, lottery, prizes, actor=me().actor, now=now)
    except drawing.LotteryInvalid as refused:
        form.refuse("odds_0", refused.detail)
        return _lottery_page(form, 422)
    return reply.done(url_for("console.play.lotteries"), f"「{name}」已开始")


@page.post("/lottery/<int:lottery_id>/state")
@staff("settings.manage")
def set_lottery(lottery_id: int) -> Response:
    on = Form(request.form).one_of("state", ("on", "off")) == "on"
    with transaction() as session:
        lottery = drawing.get_lottery(session, me().merchant_id, lottery_id)
        lottery.is_on = on
        _note(session, "lottery.on" if on else "lottery.off", {}, f"lottery:{lottery.id}")
    return reply.done(url_for("console.play.lotteries"), "已恢复" if on else "已暂停")


@page.get("/referral/")
@staff("members.view")
def referrals() -> Response:
    return _referral_page(None)


@page.post("/referral/")
@staff("settings.manage")
def save_referral() -> Response:
    form = Form(request.form)
    rules = {
        "inviter_points": form.whole("inviter", high=10_000),
        "newcomer_points": form.whole("newcomer", high=10_000),
        "growth": form.whole("growth", high=10_000, needed=False) or 0,
        "most_a_month": form.whole("month", low=1, high=1_000),
        "held_over_a_day": form.whole("held", low=1, high=1_000),
        "is_on": form["is_on"] == "on",
    }
    if form.errors:
        return _referral_page(form, 422)
    with transaction() as session:
        _put(session, referring.find_rules(session, me().merchant_id), ReferralRules, rules)
        _note(session, "loyalty.referral", rules)
    return reply.done(url_for("console.play.referrals"), "邀请规则已保存")


@page.post("/referral/<int:referral_id>/decide")
@staff("members.manage")
def decide(referral_id: int) -> Response:
    fair = Form(request.form).one_of("fair", ("yes", "no")) == "yes"
    with transaction() as session:
        referral = referring.get_referral(session, me().merchant_id, referral_id)
        referring.decide(session, referral, fair=fair, actor=me().actor, now=clock_now())
    said = "给奖励：首单过了退款期就到账" if fair else "不给，不会有奖励"
    return reply.done(url_for("console.play.referrals"), said)


def _sign_page(form: Form | None, status: int = 200) -> Response:
    today = business_day(clock_now())
    with reading() as session:
        rules = signing_in.find_rules(session, me().merchant_id)
        choices = coupons(session)
        counted = session.execute(
            select(SignIn.day, func.count())
            .join(Member, Member.id == SignIn.member_id)
            .where(Member.merchant_id == me().merchant_id, SignIn.day > today - timedelta(days=14))
            .group_by(SignIn.day)
        )
        by_day = {day: int(number) for day, number in counted}
        longest = signing_in.longest_streak(session, me().merchant_id, today)
    days = [today - timedelta(days=back) for back in range(13, -1, -1)]
    shown = [(f"{day:%m-%d}", by_day.get(day, 0)) for day in days]
    return reply.page(
        "loyalty/sign_in.html",
        status,
        tabs=tabs("console.play.sign_in"),
        form=form or _sign_form(rules),
        coupons=choices,
        numbers=range(MILESTONES),
        figures=play_view.sign_ins(today, by_day, longest),
        days=shown,
        chart={
            "kind": "bars",
            "x": [day for day, _ in shown],
            "series": [{"name": "签到", "data": [number for _, number in shown]}],
        },
    )


def _sign_form(rules: SignRules | None) -> Form:
    form = Form(
        points=rules.points if rules else 2,
        growth=rules.growth if rules else 1,
        is_on="on" if rules and rules.is_on else "",
    )
    usual = rules.milestones if rules else [[3, 5, 0], [7, 20, 0]]
    for number, (days, more, template_id) in enumerate(usual):
        form.put(f"days_{number}", days)
        form.put(f"more_{number}", more)
        form.put(f"coupon_{number}", template_id or "")
    return form


def _lottery_page(form: Form | None, status: int = 200) -> Response:
    now = clock_now()
    with reading() as session:
        choices = coupons(session, "选一张券")
        found = drawing.list_lotteries(session, me().merchant_id)
        shown = [play_view.lottery(session, lottery, now) for lottery in found]
    return reply.page(
        "loyalty/lottery.html",
        status,
        tabs=tabs("console.play.lotteries"),
        form=form or Form(per_day=1, cost=10, days=30),
        coupons=choices,
        kinds=KINDS,
        numbers=range(PRIZES),
        lotteries=shown,
    )


def _prize(form: Form, number: int, known: set[str]) -> Prize | None:
    """What one line of the form says; None for an empty one, or with errors noted."""
    if not form[f"name_{number}"].strip():
        return None
    kind = PrizeKind(form.one_of(f"kind_{number}", list(PrizeKind)) or PrizeKind.text)
    name = form.text(f"name_{number}", longest=16)
    stock = form.whole(f"stock_{number}", low=1, high=1_000_000)
    points = form.whole(f"points_{number}", low=1) if kind is PrizeKind.points else 0
    coupon = form.one_of(f"coupon_{number}", known, "选一张券") if kind is PrizeKind.coupon else ""
    try:
        odds = round(float(form[f"odds_{number}"]) * 100)
    except (ValueError, OverflowError):
        odds = 0
    if not 1 <= odds <= drawing.WHOLE_BP:
        form.refuse(f"odds_{number}", "0.01 到 100 之间")
    if form.errors:
        return None
    return Prize(
        kind=kind,
        name=name,
        odds_bp=odds,
        stock=stock,
        points=points,
        template_id=int(coupon) if coupon else None,
    )


def _referral_page(form: Form | None, status: int = 200) -> Response:
    now, of, cursor = clock_now(), request.args.get("of", ""), request.args.get("cursor", "")
    with reading() as session:
        rules = referring.find_rules(session, me().merchant_id)
        counted = referring.count_by_state(session, me().merchant_id)
        found = referring.list_referrals(
            session,
            me().merchant_id,
            state=ReferralState.held if of == SUSPECTS else None,
            before_id=cursors.number(cursors.decode(cursor, 1)[0]) if cursor else None,
            limit=PAGE + 1,
        )
        rows = [
            {
                "id": referral.id,
                "inviter": play_view.person(inviter),
                "newcomer": play_view.person(newcomer),
                "state": STATES[referral.state],
                "why": referring.REASONS.get(referral.reason, ""),
                "held": referral.state is ReferralState.held,
                "good": referral.state is ReferralState.rewarded,
                "at": words.when(referral.at, now),
            }
            for referral, inviter, newcomer in found[:PAGE]
        ]
    held = counted.get(ReferralState.held, 0)
    here = url_for("console.play.referrals", of=of or None)
    more = cursors.encode([found[PAGE - 1][0].id]) if len(found) > PAGE else ""
    return reply.page(
        "loyalty/referral.html",
        status,
        tabs=tabs("console.play.referrals"),
        form=form or _referral_form(rules),
        referrals=rows,
        of=of,
        least=referring.LEAST_FEN // 100,
        figures=play_view.referrals(counted),
        shelves=[
            ("全部", url_for("console.play.referrals"), "", of != SUSPECTS),
            (
                "等你确认",
                url_for("console.play.referrals", of=SUSPECTS),
                held or None,
                of == SUSPECTS,
            ),
        ],
        pager={
            "next": url_for("console.play.referrals", cursor=more, of=of or None) if more else "",
            "first": here if cursor else "",
        },
    )


def _referral_form(rules: ReferralRules | None) -> Form:
    return Form(
        inviter=rules.inviter_points if rules else 50,
        newcomer=rules.newcomer_points if rules else 20,
        growth=rules.growth if rules else 0,
        month=rules.most_a_month if rules else 20,
        held=rules.held_over_a_day if rules else 5,
        is_on="on" if rules and rules.is_on else "",
    )


def _put(session: Session, known: Any, model: Any, values: dict[str, Any]) -> None:
    row = known or model(merchant_id=me().merchant_id)
    for name, value in values.items():
        setattr(row, name, value)
    session.add(row)
    session.flush()


def _note(session: Session, action: str, after: dict[str, Any], subject: str = "") -> None:
    audit.record(
        session,
        actor=me().actor,
        action=action,
        subject=subject or f"loyalty:{me().merchant_id}",
        after=after,
        merchant_id=me().merchant_id,
        now=clock_now(),
    )
