"""UnionPay's daily settlement file: fixed columns in GBK, one blank between two, in a ZIP."""

import zipfile
from collections.abc import Callable, Iterator
from datetime import date, datetime
from typing import IO

from core import clock
from gateways.alipay.bills import MOST_BYTES, Hashed, is_early
from gateways.pay.bills import (
    BadBill,
    BillFile,
    BillKind,
    BillNotReady,
    BillRow,
    FundRow,
    RowKind,
)
from gateways.unionpay.errors import UnionPayError
from gateways.unionpay.reading import PAYMENT, REFUND, VOID, in_its_year, refund_no

_WIDTHS = (3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2, 6, 2, 4, 32)
_WIDTHS_AFTER = (1, 21)
_TIME, _AMOUNT, _QUERY_ID, _ORDER_ID, _FEE, _SETTLED, _KIND, _ORIGIN = 4, 6, 9, 11, 15, 16, 19, 26
_KINDS = {PAYMENT: RowKind.payment, REFUND: RowKind.refund, VOID: RowKind.refund}
_LONGEST_LINE = 4_096


class UnionPayBills:
    """The files of one merchant. A day's is of that day's settlement."""

    kinds = frozenset({BillKind.trade})

    def __init__(self, ask: Callable[[str, datetime], bytes]) -> None:
        self._ask = ask

    def fetch(self, day: date, kind: BillKind, into: IO[bytes]) -> BillFile | None:
        try:
            content = self._ask(f"{day:%m%d}", clock.now())
        except UnionPayError as error:
            if error.pay_code != "NO_STATEMENT_EXIST":
                raise
            if is_early(day, clock.now()):
                raise BillNotReady from None
            return None
        hashed = Hashed(into)
        hashed.write(content)
        return BillFile(hashed.hash, hashed.size)

    def rows(self, file: IO[bytes]) -> Iterator[BillRow]:
        """Payments and refunds, voids among these. The file has no totals to check."""
        for line in _lines(file):
            fields = _fields(line)
            if fields[_KIND] in _KINDS:
                yield _row(fields)

    def funds(self, file: IO[bytes]) -> Iterator[FundRow]:
        raise BadBill("no such file")


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Of the merchant's detail file (ZM); others in the ZIP are about errors and fees."""
    try:
        with zipfile.ZipFile(file) as archive:
            tables = [each for each in archive.infolist() if "ZM_" in each.filename]
            if len(tables) != 1 or tables[0].file_size > MOST_BYTES:
                raise BadBill("not one table")
            with archive.open(tables[0]) as raw:
                while line := raw.readline(_LONGEST_LINE):
                    if text := line.rstrip(b"\r\n"):
                        yield text
    except (zipfile.BadZipFile, EOFError) as error:
        raise BadBill("cannot be unpacked") from error


def _fields(line: bytes) -> list[str]:
    found, at = [], 0
    for width in (*_WIDTHS, *_WIDTHS_AFTER):
        part = line[at : at + width]
        if len(part) < width:
            raise BadBill("a line that is cut off")
        found.append(part.decode("ascii", "replace").strip())
        at += width + 1
    return found


def _row(fields: list[str]) -> BillRow:
    """A fee is D where it costs; the day of the payment begins the query id, and so tells the year
    that the file leaves out."""
    try:
        kind = _KINDS[fields[_KIND]]
        query_id, fee, number = fields[_QUERY_ID], fields[_FEE], fields[_ORDER_ID]
        at = in_its_year(fields[_TIME], query_id[:8])
        fee_fen = int(fee[1:]) if fee else 0
        return BillRow(
            kind=kind,
            channel_no=query_id,
            our_no=refund_no(number) if fields[_KIND] == VOID else number,
            payment_no=fields[_ORIGIN] if kind is RowKind.refund else query_id,
            amount_fen=int(fields[_AMOUNT]),
            # What is paid out is less the fee; what we asked for was taken or given back whole.
            settled_fen=int(fields[_AMOUNT]),
            fee_fen=fee_fen if fee[:1] == "D" else -fee_fen,
            rate=None,
            state="REFUND" if kind is RowKind.refund else "SUCCESS",
            at=at,
        )
    except ValueError as error:
        raise BadBill(f"a row that nobody can read: {error}") from None
