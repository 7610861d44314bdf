"""Bringing a friend: both are rewarded when the newcomer's first order can no longer be refunded.

Guards, each with a reason that the shop sees: oneself, somebody of the shop's own staff, somebody
who has ordered before or who brought the inviter, more a month than the shop allows are refused; an
order of a few fen is none. What may be innocent is held
until somebody of the shop has looked: many in one day, two accounts on one phone, with one phone
number, or paying with one wallet.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session, aliased

from core import audit, rows
from core.clock import local
from core.crypto import keyring
from core.database import claim
from core.errors import Conflict, NotFound
from core.numbers import random_code
from crm import events, members, points
from crm.models import (
    NEXT_REFERRAL,
    GrowthEntry,
    InviteCode,
    Member,
    Purchase,
    Referral,
    ReferralRules,
    ReferralState,
)
from merchants.models import Staff, StaffState

REASONS = {
    "self": "自己邀请自己",
    "staff": "店员不参加",
    "not_new": "以前下过单",
    "mutual": "邀请人是这位新朋友带来的",
    "cap": "这个月的奖励到上限了",
    "too_fast": "一天里邀请太多，等店里看过",
    "same_device": "和邀请人或别的新朋友用同一台手机",
    "same_phone": "和邀请人用过同一个手机号",
    "same_payer": "邀请人付的款，或和邀请人用同一个微信付款",
    "passed": "店里看过，算",
    "by_hand": "店里看过，不算",
    "merged": "两份会员合成了一份",
}
"""Why it is held or refused, for the shop."""

LEAST_FEN = 500
"""What the shop must have kept of one order of the newcomer's."""

Alike = Callable[[int, int], bool]


class InviteNotFound(NotFound):
    code = "invite_not_found"
    title = "没有这个邀请码"


class InviteRefused(Conflict):
    """`why`: one of REASONS."""

    code = "invite_refused"
    title = "这次邀请不算"


def find_rules(session: Session, merchant_id: int) -> ReferralRules | None:
    mine = select(ReferralRules).where(ReferralRules.merchant_id == merchant_id)
    return session.scalars(mine).one_or_none()


def code_of(session: Session, member_id: int, *, device: str = "") -> str:
    """The member's code, drawn at the first question. `device`: what their phone calls itself."""
    mine = select(InviteCode.code).where(InviteCode.member_id == member_id)
    for _ in range(5):
        code = session.scalar(mine)
        if code is not None:
            if device:
                seen = {"device": _hashed(device)}
                rows.compare_and_set(session, InviteCode, {"member_id": member_id}, seen)
            return code
        rows.add_new(session, InviteCode, {"member_id": member_id, "code": random_code(8)})
    raise RuntimeError("no free invite code")


def accept(
    session: Session, newcomer: Member, code: str, *, device: str = "", now: datetime
) -> Referral:
    """Note who brought the newcomer; again: the first one stays. Raises InviteNotFound or
    InviteRefused, and nothing is kept."""
    wanted = select(Member, InviteCode.device).join(InviteCode, InviteCode.member_id == Member.id)
    found = session.execute(
        wanted.where(InviteCode.code == code.upper(), Member.merchant_id == newcomer.merchant_id)
    ).one_or_none()
    rules = find_rules(session, newcomer.merchant_id)
    if found is None or rules is None or not rules.is_on:
        raise InviteNotFound
    inviter, his_device = members.living(session, found[0].id), found[1]
    known = select(Referral).where(Referral.newcomer_id == newcomer.id)
    if (referral := session.scalars(known).one_or_none()) is not None:
        return referral
    if why := _why_not(session, inviter, newcomer):
        raise InviteRefused(REASONS[why], why=why)
    points.hold(session, inviter.id)  # so that the count below is of one request at a time
    today = select(func.count(Referral.id)).where(
        Referral.inviter_id == inviter.id, Referral.at > now - timedelta(days=1)
    )
    doubt = "too_fast" if (session.scalar(today) or 0) >= rules.held_over_a_day else ""
    phone = _hashed(device) if device else ""
    if phone and (phone == his_device or _is_known(session, newcomer.merchant_id, phone)):
        doubt = "same_device"
    row = {
        "merchant_id": newcomer.merchant_id,
        "inviter_id": inviter.id,
        "newcomer_id": newcomer.id,
        "state": ReferralState.held if doubt else ReferralState.waiting,
        "reason": doubt,
        "device": phone,
        "at": now,
    }
    rows.add_new(session, Referral, row)
    return session.scalars(known).one()


def note_one_phone(session: Session, one_id: int, other_id: int) -> int:
    """Two members had one phone number: what waits between them is held. How many."""
    between = or_(
        (Referral.inviter_id == one_id) & (Referral.newcomer_id == other_id),
        (Referral.inviter_id == other_id) & (Referral.newcomer_id == one_id),
    )
    waiting = update(Referral).where(
        between, Referral.state == ReferralState.waiting, Referral.reason != "passed"
    )
    return claim(session, waiting.values(state=ReferralState.held, reason="same_phone"))


def merchants_waiting(session: Session) -> Sequence[int]:
    """Who has friends that were brought and are not rewarded yet."""
    waiting = select(Referral.merchant_id).where(Referral.state == ReferralState.waiting)
    return session.scalars(waiting.distinct().order_by(Referral.merchant_id)).all()


def settle_due(
    session: Session,
    merchant_id: int,
    *,
    now: datetime,
    same_payer: Alike = lambda _one, _other: False,
    limit: int = 200,
    after_id: int = 0,
) -> int:
    """Reward those whose newcomer's first order is past its refund window and was not given back.

    `same_payer`: whether inviter and newcomer paid with one wallet, or the one for the other; then
    it is held. The last id looked at, or 0 at the end. Safe to repeat: a reward is a
    compare-and-set.
    """
    safe = (
        select(Purchase.id)
        .where(
            Purchase.member_id == Referral.newcomer_id,
            Purchase.counted.is_(True),
            Purchase.amount_fen - Purchase.refunded_fen >= LEAST_FEN,
            Purchase.paid_at <= now - points.REFUND_WINDOW,
        )
        .correlate(Referral)
        .exists()
    )
    due = session.scalars(
        select(Referral)
        .where(Referral.merchant_id == merchant_id, Referral.id > after_id)
        .where(Referral.state == ReferralState.waiting, safe)
        .order_by(Referral.id)
        .limit(limit)
    ).all()
    for referral in due:
        passed = referral.reason == "passed"
        if not passed and same_payer(referral.inviter_id, referral.newcomer_id):
            _move(session, referral, ReferralState.held, "same_payer")
        else:
            _reward(session, referral, now)
    return due[-1].id if len(due) == limit else 0


def decide(session: Session, referral: Referral, *, fair: bool, actor: str, now: datetime) -> bool:
    """A held one is let through, or refused; False when it was decided before."""
    to = ReferralState.waiting if fair else ReferralState.refused
    if referral.state is not ReferralState.held or not _move(
        session, referral, to, "passed" if fair else "by_hand"
    ):
        return False
    audit.record(
        session,
        actor=actor,
        action="referral.pass" if fair else "referral.refuse",
        subject=f"member:{referral.inviter_id}",
        merchant_id=referral.merchant_id,
        now=now,
    )
    return True


def get_referral(session: Session, merchant_id: int, referral_id: int) -> Referral:
    """The gate: another merchant's is not found."""
    found = session.get(Referral, referral_id)
    if found is None or found.merchant_id != merchant_id:
        raise InviteNotFound
    return found


def list_referrals(
    session: Session,
    merchant_id: int,
    *,
    inviter_id: int | None = None,
    state: ReferralState | None = None,
    before_id: int | None = None,
    limit: int = 50,
) -> list[tuple[Referral, Member, Member]]:
    """(referral, inviter, newcomer), the newest first; `before_id` is the last one seen."""
    inviter, newcomer = aliased(Member), aliased(Member)
    query = (
        select(Referral, inviter, newcomer)
        .join(inviter, inviter.id == Referral.inviter_id)
        .join(newcomer, newcomer.id == Referral.newcomer_id)
        .where(Referral.merchant_id == merchant_id)
        .order_by(Referral.id.desc())
        .limit(limit)
    )
    if inviter_id is not None:
        query = query.where(Referral.inviter_id == inviter_id)
    if state is not None:
        query = query.where(Referral.state == state)
    if before_id is not None:
        query = query.where(Referral.id < before_id)
    return [(row[0], row[1], row[2]) for row in session.execute(query)]


def count_by_state(session: Session, merchant_id: int) -> dict[ReferralState, int]:
    """How many there are in each state."""
    counted = session.execute(
        select(Referral.state, func.count())
        .where(Referral.merchant_id == merchant_id)
        .group_by(Referral.state)
    )
    return {state: int(number) for state, number in counted}


def _why_not(session: Session, inviter: Member, newcomer: Member) -> str:
    if inviter.id == newcomer.id or inviter.person_id == newcomer.person_id:
        return "self"
    if newcomer.first_paid_at is not None:
        return "not_new"
    back = select(Referral.id).where(
        Referral.newcomer_id == inviter.id, Referral.inviter_id == newcomer.id
    )
    if session.scalar(back.limit(1)) is not None:
        return "mutual"
    works = select(Staff.id).where(
        Staff.merchant_id == newcomer.merchant_id,
        Staff.person_id.in_((inviter.person_id, newcomer.person_id)),
        Staff.state == StaffState.active,
    )
    return "staff" if session.scalar(works.limit(1)) is not None else ""


def _hashed(device: str) -> str:
    return keyring().blind_index(f"device:{device}")


def _is_known(session: Session, merchant_id: int, phone: str) -> bool:
    """Whether another newcomer came on this phone."""
    there = select(Referral.id).where(Referral.merchant_id == merchant_id, Referral.device == phone)
    return session.scalar(there.limit(1)) is not None


def _reward(session: Session, referral: Referral, now: datetime) -> None:
    rules = find_rules(session, referral.merchant_id)
    inviter = points.hold_living(session, referral.inviter_id)
    newcomer = points.hold_living(session, referral.newcomer_id)
    here = local(now)
    month = here.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    had = select(func.count(Referral.id)).where(
        Referral.inviter_id == referral.inviter_id,
        Referral.state == ReferralState.rewarded,
        Referral.rewarded_at >= month,
    )
    if rules is None or (session.scalar(had) or 0) >= rules.most_a_month:
        _move(session, referral, ReferralState.refused, "cap")
        return
    if inviter.id == newcomer.id:  # two accounts of one person, merged since
        _move(session, referral, ReferralState.refused, "self")
        return
    if not _move(session, referral, ReferralState.rewarded, "", rewarded_at=now):
        return
    shares = ((inviter.id, rules.inviter_points, "in"), (newcomer.id, rules.newcomer_points, "new"))
    for member_id, number, side in shares:
        cause = f"referral:{referral.id}:{side}"
        if number:
            points.grant(session, member_id, number, cause=cause, reason="邀请好友", now=now)
    if rules.growth:
        grown = {"growth": rules.growth, "cause": f"referral:{referral.id}", "at": now}
        rows.add_new(session, GrowthEntry, {"member_id": inviter.id} | grown)
    events.record(session, inviter.id, "friend_brought", now=now)


def _move(
    session: Session, referral: Referral, to: ReferralState, reason: str, **values: object
) -> bool:
    if to not in NEXT_REFERRAL[referral.state]:
        return False
    before = {"id": referral.id, "state": referral.state}
    moved = rows.compare_and_set(
        session, Referral, before, {"state": to, "reason": reason, **values}
    )
    session.refresh(referral)
    return moved == 1
