"""Which days of which accounts are looked for, and how far each has come."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from core import rows
from core.clock import business_day, local
from core.database import insert_ignore
from gateways.pay.records import number_of
from merchants.models import Merchant
from payments.models import PaymentAttempt
from payments.models.statements import (
    NEXT_STATEMENT,
    UNSOLVED,
    Discrepancy,
    StatementDay,
    StatementKind,
    StatementLine,
    StatementState,
)

READY_HOUR = 10  # in Beijing: bills of a day are written in the morning of the next
NOON = 12
LOOKS_AGAIN = timedelta(days=10)
LOOKS_BACK = timedelta(days=90)  # as long as a channel keeps its bills
INNER = (StatementKind.orders, StatementKind.coupons, StatementKind.balance)
NO_CHANNEL = "none"


class Account(NamedTuple):
    """Ours at a channel; `merchant`: the code of the merchant whose it is."""

    channel: str
    account: str
    kinds: Sequence[StatementKind]
    merchant: str | None


def newest_ready(now: datetime) -> date:
    """The last day whose bills should be there."""
    ahead = 1 if local(now).hour >= READY_HOUR else 2
    return business_day(now) - timedelta(days=ahead)


def want(session: Session, accounts: Iterable[Account], *, now: datetime) -> int:
    """Rows for every day since the last that is known, of every account and of our own books."""
    owners = _owners(session)
    own = [Account(NO_CHANNEL, str(id_), INNER, code) for code, id_ in owners.items()]
    return _want(session, (*accounts, *own), owners, now)


def want_files(session: Session, accounts: Iterable[Account], *, now: datetime) -> int:
    """The same of the channels' accounts alone: whoever waits for their bills has to see them."""
    return _want(session, accounts, _owners(session), now)


def _owners(session: Session) -> dict[str, int]:
    return dict(session.execute(select(Merchant.code, Merchant.id)).all())


def _want(
    session: Session, accounts: Iterable[Account], owners: dict[str, int], now: datetime
) -> int:
    day = newest_ready(now)
    new: list[dict[str, Any]] = []
    for each in accounts:
        owner = owners.get(each.merchant) if each.merchant else None
        for kind in each.kinds:
            new += [
                {
                    "channel": each.channel,
                    "account": each.account,
                    "day": wanted,
                    "kind": kind,
                    "merchant_id": owner,
                    "state": StatementState.wanted,
                    "error": "",
                    "hash": "",
                    "rows": 0,
                    "paid_fen": 0,
                    "refunded_fen": 0,
                    "fee_fen": 0,
                    "settled_fen": 0,
                    "other_fen": 0,
                }
                for wanted in _missing(session, each, kind, day)
            ]
    return insert_ignore(session, StatementDay, new)


def _missing(session: Session, account: Account, kind: StatementKind, newest: date) -> list[date]:
    last = session.scalar(
        select(func.max(StatementDay.day)).where(
            StatementDay.channel == account.channel,
            StatementDay.account.in_({account.account, number_of(account.account)}),
            StatementDay.kind == kind,
        )
    )
    first = newest if last is None else max(last + timedelta(days=1), newest - LOOKS_BACK)
    return [first + timedelta(days=n) for n in range((newest - first).days + 1)]


def paid_through(day: StatementDay) -> ColumnElement[bool]:
    """The payments of a day's account; before a provider's number served several merchants theirs
    were kept under the bare number."""
    own = PaymentAttempt.account == day.account
    former = number_of(day.account)
    if former == day.account or day.merchant_id is None:
        return own
    earlier = and_(PaymentAttempt.account == former, PaymentAttempt.merchant_id == day.merchant_id)
    return or_(own, earlier)


def list_due(session: Session, *, now: datetime) -> list[int]:
    """Days that are not matched yet, and those with something that another look may solve; the
    oldest first."""
    unsolved = select(Discrepancy.day_id).where(Discrepancy.state.in_(UNSOLVED))
    found = select(StatementDay.id).where(
        or_(
            StatementDay.state.in_((StatementState.wanted, StatementState.fetched)),
            and_(
                StatementDay.day >= business_day(now) - LOOKS_AGAIN, StatementDay.id.in_(unsolved)
            ),
        )
    )
    return list(session.scalars(found.order_by(StatementDay.day, StatementDay.id)))


def list_forgotten(session: Session, before: date) -> list[int]:
    """Older days of which rows are still kept, a few at a time, the oldest first."""
    kept = exists().where(StatementLine.day_id == StatementDay.id)
    found = select(StatementDay.id).where(StatementDay.day < before, kept)
    return list(session.scalars(found.order_by(StatementDay.day, StatementDay.id).limit(100)))


def find(
    session: Session, channel: str, account: str, day: date, kind: StatementKind
) -> StatementDay | None:
    return session.scalars(
        select(StatementDay).where(
            StatementDay.channel == channel,
            StatementDay.account == account,
            StatementDay.day == day,
            StatementDay.kind == kind,
        )
    ).one_or_none()


def list_beside(session: Session, day_id: int) -> Sequence[int]:
    """The day and, of a channel's, the other file of the same account and day, in the order
    in which they are locked."""
    day = session.get_one(StatementDay, day_id)
    if day.kind in INNER:
        return [day_id]
    found = select(StatementDay.id).where(
        StatementDay.channel == day.channel,
        StatementDay.account == day.account,
        StatementDay.day == day.day,
        StatementDay.kind.in_((StatementKind.trade, StatementKind.fund)),
    )
    return session.scalars(found.order_by(StatementDay.id)).all()


def lock(session: Session, day_id: int) -> StatementDay:
    """The day as it is now, ours until the end of the transaction."""
    return session.get_one(StatementDay, day_id, with_for_update=True, populate_existing=True)


def move(session: Session, day: StatementDay, to: StatementState, **values: Any) -> bool:
    """Along the map; False when another was faster. To where it is already: only the values.

    That a day differs is news, also to whoever has heard that its bill was late.
    """
    if to is StatementState.differs and day.state is not to:
        values = {"told_at": None} | values
    sources = tuple(state for state, targets in NEXT_STATEMENT.items() if to in targets)
    expected = {"id": day.id, "state": (*sources, to)}
    moved = rows.compare_and_set(session, StatementDay, expected, {"state": to, **values})
    session.refresh(day)
    return moved == 1


def note_error(session: Session, day_id: int, error: str) -> None:
    """Why it is not there."""
    rows.compare_and_set(session, StatementDay, {"id": day_id}, {"error": error[:64]})
