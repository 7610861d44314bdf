"""Alipay's daily bill: a ZIP of GBK tables, behind an address that is good for thirty seconds.

The table: comments that begin with `#`, a line of names, rows whose fields end in a tab, and two
comments with the totals. Fees are negative where they cost, amounts where they went back.
"""

import csv
import hashlib
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from typing import IO

from core import clock
from gateways.alipay.errors import AlipayError, AlipayUnavailable
from gateways.alipay.reading import BEIJING, read_time
from gateways.http import Http, NoAnswer
from gateways.pay.bills import (
    BadBill,
    BillFile,
    BillKind,
    BillNotReady,
    BillRow,
    FundRow,
    RowKind,
    fen_of,
    lines_of,
)

MOST_BYTES = 4 * 1024**3
DOWNLOAD_SECONDS = 300.0
WRITTEN_BY = time(12)  # of the next day, in Beijing: what is not there then will not come
_KINDS = {"交易": RowKind.payment, "退款": RowKind.refund}
_TOTAL = re.compile(r"#(交易|退款)合计：(\d+)笔，[^，]*?共(-?[\d.]+)元")
_END = "业务明细列表结束"


class AlipayBills:
    """The bills of one application. It has no file of what moved on the account."""

    kinds = frozenset({BillKind.trade})

    def __init__(self, ask: Callable[[str], str], http: Http) -> None:
        """`ask`: where the bill of a day lies."""
        self._ask = ask
        self._http = http

    def fetch(self, day: date, kind: BillKind, into: IO[bytes]) -> BillFile | None:
        """Alipay says of a day without trades what it says of one not written yet: until noon it
        counts as the latter."""
        try:
            url = self._ask(day.isoformat())
        except AlipayError as error:
            if error.pay_code != "NO_STATEMENT_EXIST":
                raise
            if is_early(day, clock.now()):
                raise BillNotReady from None
            return None
        hashed = Hashed(into)
        try:
            status = self._http.download(url, hashed, headers={}, most_seconds=DOWNLOAD_SECONDS)
        except NoAnswer as error:
            raise AlipayUnavailable("bill", str(error)) from None
        if status != 200:
            raise AlipayUnavailable("bill", f"status {status}")
        return BillFile(hashed.hash, hashed.size)

    def rows(self, file: IO[bytes]) -> Iterator[BillRow]:
        counted = {kind: [0, 0] for kind in RowKind}
        told: dict[RowKind, tuple[int, int]] = {}
        names: list[str] = []
        ended = False
        for line in _lines(file):
            if line.startswith("#"):
                ended = ended or _END in line
                if found := _TOTAL.match(line):
                    told[_KINDS[found[1]]] = (int(found[2]), abs(fen_of(found[3])))
                continue
            fields = [each.strip() for each in next(csv.reader([line]))]
            if not names:
                names = fields
                continue
            row = _row(dict(zip(names, fields, strict=False)))
            counted[row.kind][0] += 1
            counted[row.kind][1] += row.settled_fen
            yield row
        if not ended:
            raise BadBill("ends in the middle")
        for kind, total in told.items():
            if tuple(counted[kind]) != total:
                raise BadBill(f"{kind}: the rows say {counted[kind]}, the summary {total}")

    def funds(self, file: IO[bytes]) -> Iterator[FundRow]:
        raise BadBill("no such file")


class Hashed:
    """Passes on what is written to it, and knows its hash: these channels announce none."""

    def __init__(self, into: IO[bytes]) -> None:
        self._into = into
        self._hash = hashlib.sha256()
        self.size = 0

    @property
    def hash(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: bytes, /) -> int:
        self._into.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)


def is_early(day: date, now: datetime) -> bool:
    until = datetime.combine(day + timedelta(days=1), WRITTEN_BY, BEIJING)
    return now < until


def _lines(file: IO[bytes]) -> Iterator[str]:
    """Of the table, not of the summary beside it."""
    try:
        with zipfile.ZipFile(file) as archive:
            tables = [each for each in archive.infolist() if "汇总" not in _name(each)]
            if len(tables) != 1 or tables[0].file_size > MOST_BYTES:
                raise BadBill("not one table")
            with archive.open(tables[0]) as raw:
                yield from lines_of(raw, "gb18030")
    except (zipfile.BadZipFile, UnicodeDecodeError, EOFError, zlib.error) as error:
        raise BadBill("cannot be unpacked") from error


def _name(entry: zipfile.ZipInfo) -> str:
    """Names are GBK, which ZIP does not know: without its mark for UTF-8 it reads CP437."""
    if entry.flag_bits & 0x800:
        return entry.filename
    return entry.filename.encode("cp437").decode("gb18030", "replace")


def _row(given: dict[str, str]) -> BillRow:
    try:
        kind = _KINDS[given["业务类型"]]
        refund = kind is RowKind.refund
        trade_no, number = given["支付宝交易号"], given["商户订单号"]
        refund_no = given["退款批次号/请求号"]
        return BillRow(
            kind=kind,
            channel_no=refund_no if refund else trade_no,
            our_no=refund_no if refund else number,
            payment_no=trade_no,
            amount_fen=abs(fen_of(given["订单金额（元）"])),
            settled_fen=abs(fen_of(given["商家实收（元）"])),
            fee_fen=-fen_of(given["服务费（元）"]),
            rate=None,
            state="REFUND" if refund else "SUCCESS",
            at=read_time(given["完成时间"]),
        )
    except (KeyError, ValueError) as error:
        raise BadBill(f"a row without {error}") from None
