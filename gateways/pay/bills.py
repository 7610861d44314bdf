"""The files in which a channel says every day what it took and gave back, in our names.

Money in fen, time in UTC. A file is written to disk as it comes and read row by row, so that a
day of a hundred thousand payments needs no more memory than a quiet one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import IO, NamedTuple, Protocol, runtime_checkable

from core.errors import LinliError

LONGEST_LINE = 65_536


class BillKind(StrEnum):
    """Which file: what was paid and refunded, or what moved on the account."""

    trade = "trade"
    fund = "fund"


class RowKind(StrEnum):
    payment = "payment"
    refund = "refund"
    revoked = "revoked"  # a payment at the counter that was undone at once


class BillRow(NamedTuple):
    """One payment or one refund as the channel booked it.

    `channel_no` is its transaction or its refund there, `our_no` ours; `payment_no` the channel's
    transaction that a refund belongs to. A payment that was revoked has a second row, under the
    same numbers. `amount_fen` is what we asked for, `settled_fen` what the channel pays out or
    takes back for it (less what its own vouchers cover), always positive.
    `fee_fen`: negative where a refund brings a fee back. `rate` in hundred-thousandths, if told.
    """

    kind: RowKind
    channel_no: str
    our_no: str
    payment_no: str
    amount_fen: int
    settled_fen: int
    fee_fen: int
    rate: int | None
    state: str
    at: datetime


class FundKind(StrEnum):
    payment = "payment"
    refund = "refund"
    fee = "fee"
    other = "other"


class FundRow(NamedTuple):
    """One movement on the account: `amount_fen` is negative for what left it."""

    kind: FundKind
    no: str
    amount_fen: int
    at: datetime


@dataclass(frozen=True)
class BillFile:
    """What was written to disk: its hash as the channel names it, and its size there."""

    hash: str
    size: int


class BillSource(Protocol):
    """The bills of one account of ours."""

    @property
    def kinds(self) -> frozenset[BillKind]:
        """The files that this channel has."""

    def fetch(self, day: date, kind: BillKind, into: IO[bytes]) -> BillFile | None:
        """Write the day's file as it came; None: the channel says that nothing happened.

        Raises BillNotReady, BadBill (it is not what was announced), ChannelRefused and
        ChannelUnavailable.
        """

    def rows(self, file: IO[bytes]) -> Iterator[BillRow]:
        """The trade bill. Raises BadBill, at the end at the latest: its own totals are checked."""

    def funds(self, file: IO[bytes]) -> Iterator[FundRow]:
        """The fund bill, likewise."""


@runtime_checkable
class Billed(Protocol):
    """A payment channel whose account has bills."""

    @property
    def channel(self) -> str: ...

    @property
    def account(self) -> str: ...

    @property
    def bills(self) -> BillSource: ...


class BillNotReady(LinliError):
    """The channel is still writing it: ask again later."""

    status = 503
    code = "bill_not_ready"
    title = "渠道的账单还没有出好"


class BadBill(LinliError):
    """A file that is not what it says: wrong hash, unreadable rows, totals that do not add up."""

    status = 502
    code = "bad_bill"
    title = "渠道的账单文件不完整"

    def __init__(self, why: str) -> None:
        super().__init__()
        self.why = why

    def __str__(self) -> str:
        return self.why


def lines_of(file: IO[bytes], encoding: str) -> Iterator[str]:
    """The lines of a text, without their ends and a mark of UTF-8; empty ones left out. Raises
    BadBill for a line that is longer than any could be, so that none fills the memory."""
    first = True
    while raw := file.readline(LONGEST_LINE):
        if len(raw) == LONGEST_LINE and not raw.endswith(b"\n"):
            raise BadBill("a line without an end")
        line = raw.decode(encoding).rstrip("\r\n")
        if first:
            first, line = False, line.removeprefix("\ufeff")
        if line:
            yield line


def fen_of(yuan: str) -> int:
    """`26.00` → 2600, exactly. Raises BadBill for more than two decimals that are not noughts."""
    mils = mils_of(yuan)
    if mils % 1_000:
        raise BadBill(f"not a whole number of fen: {yuan[:32]}")
    return mils // 1_000


@lru_cache(4_096)  # of a day's amounts most are the same few hundred
def mils_of(yuan: str) -> int:
    """`0.14040` → 14040 thousandths of a fen. Raises BadBill."""
    whole, _, rest = yuan.partition(".")
    sign, digits = (-1, whole[1:]) if whole.startswith("-") else (1, whole)
    if not digits.isascii() or not digits.isdigit() or len(rest) > 5 or len(digits) > 12:
        raise BadBill(f"not an amount: {yuan[:32]}")
    if rest and not (rest.isascii() and rest.isdigit()):
        raise BadBill(f"not an amount: {yuan[:32]}")
    return sign * (int(digits) * 100_000 + int(rest.ljust(5, "0")))


def round_mils(mils: int) -> int:
    """Thousandths of a fen to fen, half away from zero: a fee is taken in whole fen."""
    return (mils + 500) // 1_000 if mils >= 0 else -((-mils + 500) // 1_000)
