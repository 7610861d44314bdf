"""What a list of payments comes to: of the days on which the ledger has them, as statements do."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import BigInteger, and_, cast, func, not_, or_, select
from sqlalchemy.orm import Session

from core.clock import business_day
from payments import accounts, returned
from payments.listing import Wanted
from payments.models import Channel, LedgerEntry, PaymentAttempt
from payments.returned import Returned

MOST_OF_A_DAY = 200_000
MOST = 20_000
_PAYMENT = "payment:"


@dataclass(frozen=True)
class Sums:
    """`back`: what of these payments went back since, whenever that was."""

    number: int
    channel_fen: int
    balance_fen: int
    back: Returned


def add_up(
    session: Session, merchant_id: int, store_ids: Collection[int], wanted: Wanted
) -> Sums | None:
    """What was booked on these days, in one statement. None: of several days more than MOST, which
    are not added up while somebody waits; a day of its own is.

    Each payment is found by its entry at the channel, or with the balance where that paid alone.
    """
    first = business_day(wanted.since)
    last = business_day(wanted.until - timedelta(microseconds=1))
    most = MOST_OF_A_DAY if first == last else MOST
    balance_ = accounts.balance(merchant_id)
    at_channel = LedgerEntry.account.startswith(f"{accounts.CHANNEL}:")
    booked = (
        select(LedgerEntry.cause, at_channel.label("at_channel"))
        .where(
            LedgerEntry.merchant_id == merchant_id,
            LedgerEntry.day >= first,
            LedgerEntry.day <= last,
            LedgerEntry.cause.startswith(_PAYMENT),
            or_(at_channel, LedgerEntry.account == balance_),
        )
        .limit(most + 1)
        .subquery()
    )
    alone = and_(not_(booked.c.at_channel), PaymentAttempt.channel == Channel.balance)
    number = cast(func.substr(booked.c.cause, len(_PAYMENT) + 1), BigInteger)
    found = (
        select(
            func.count(),
            func.coalesce(func.sum(PaymentAttempt.channel_fen), 0),
            func.coalesce(func.sum(PaymentAttempt.balance_fen), 0),
            *returned.sums(),
            select(func.count()).select_from(booked).scalar_subquery(),
        )
        .join(booked, PaymentAttempt.id == number)
        .where(PaymentAttempt.store_id.in_(store_ids), or_(booked.c.at_channel, alone))
    )
    for column, value in (
        (PaymentAttempt.state, wanted.state),
        (PaymentAttempt.channel, wanted.channel),
        (PaymentAttempt.way, wanted.way),
    ):
        if value is not None:
            found = found.where(column == value)
    number_, channel, stored, done, going, all_ = map(int, session.execute(found).one())
    return Sums(number_, channel, stored, Returned(done, going)) if all_ <= most else None
