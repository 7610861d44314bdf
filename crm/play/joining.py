"""What two members played goes to the one they become: days and invitations count once."""

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core import rows
from core.database import claim, insert_ignore
from crm.models import Draw, PointExchange, Referral, ReferralState, SignIn

OPEN = (ReferralState.waiting, ReferralState.held)


def move(session: Session, *, winner_id: int, loser_id: int) -> None:
    """Both members are held by the caller."""
    _sign_ins(session, winner_id, loser_id)
    _draws(session, winner_id, loser_id)
    _exchanges(session, winner_id, loser_id)
    _referrals(session, winner_id, loser_id)


def _sign_ins(session: Session, winner_id: int, loser_id: int) -> None:
    """Days on which both signed in are one; the winner's streak stands."""
    theirs = session.scalars(select(SignIn).where(SignIn.member_id == loser_id))
    days = [
        {"member_id": winner_id, "day": each.day, "streak": each.streak}
        | {"points": each.points, "at": each.at}
        for each in theirs
    ]
    insert_ignore(session, SignIn, days)
    claim(session, delete(SignIn).where(SignIn.member_id == loser_id))


def _draws(session: Session, winner_id: int, loser_id: int) -> None:
    """Numbers of a day go on after the winner's: what both have drawn counts for the day."""
    last: dict[tuple[int, object], int] = {
        (lottery_id, day): number
        for lottery_id, day, number in session.execute(
            select(Draw.lottery_id, Draw.day, func.max(Draw.number))
            .where(Draw.member_id == winner_id)
            .group_by(Draw.lottery_id, Draw.day)
        )
    }
    theirs = select(Draw.id, Draw.lottery_id, Draw.day).where(Draw.member_id == loser_id)
    for id_, lottery_id, day in session.execute(theirs.order_by(Draw.id)).all():
        number = last[lottery_id, day] = last.get((lottery_id, day), 0) + 1
        now_theirs = {"member_id": winner_id, "number": number}
        rows.must_move(session, Draw, {"id": id_}, now_theirs)


def _exchanges(session: Session, winner_id: int, loser_id: int) -> None:
    """What both bought of some goods with points counts for how many one person may have."""
    last: dict[int, int] = {}
    ours = select(PointExchange.goods_id).where(PointExchange.member_id == winner_id)
    for goods_id in session.scalars(ours):
        last[goods_id] = last.get(goods_id, 0) + 1
    theirs = select(PointExchange.id, PointExchange.goods_id).where(
        PointExchange.member_id == loser_id
    )
    for id_, goods_id in session.execute(theirs.order_by(PointExchange.id)).all():
        number = last[goods_id] = last.get(goods_id, 0) + 1
        now_theirs = {"member_id": winner_id, "number": number}
        rows.must_move(session, PointExchange, {"id": id_}, now_theirs)


def _referrals(session: Session, winner_id: int, loser_id: int) -> None:
    brought = update(Referral).where(Referral.inviter_id == loser_id)
    claim(session, brought.values(inviter_id=winner_id))
    known = select(Referral.id).where(Referral.newcomer_id == winner_id)
    mine = update(Referral).where(Referral.newcomer_id == loser_id)
    if session.scalar(known) is None:
        claim(session, mine.values(newcomer_id=winner_id))
    else:  # brought twice: the first invitation stays
        refused = mine.where(Referral.state.in_(OPEN))
        claim(session, refused.values(state=ReferralState.refused, reason="merged"))
