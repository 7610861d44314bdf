"""WeChat Pay's daily bills: asked for with a signature, downloaded without one, checked by hash.

The file: UTF-8 (BOM or not); a line of names, lines whose fields each begin with a back-tick,
a second line of names and a line of totals. Amounts are in yuan.
"""

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta, timezone
from typing import IO, cast
from urllib.parse import urlencode, urlsplit

from gateways.pay.bills import (
    BadBill,
    BillFile,
    BillKind,
    BillNotReady,
    BillRow,
    FundKind,
    FundRow,
    RowKind,
    fen_of,
    lines_of,
    mils_of,
    round_mils,
)
from gateways.wechat.errors import PayError, WechatUnavailable
from gateways.wechat.pay_channel import PayChannel

MOST_BYTES = 4 * 1024**3  # unpacked; a hundred thousand payments are thirty megabytes
MOST_CHUNK = 1024 * 1024
_BEIJING = timezone(timedelta(hours=8))
_TARGETS = {BillKind.trade: "/v3/bill/tradebill", BillKind.fund: "/v3/bill/fundflowbill"}
_ASKED = {BillKind.trade: {"bill_type": "ALL"}, BillKind.fund: {"account_type": "BASIC"}}
_STATES = {"SUCCESS": RowKind.payment, "REFUND": RowKind.refund, "REVOKED": RowKind.revoked}
_FUNDS = {"交易": FundKind.payment, "退款": FundKind.refund, "扣除交易手续费": FundKind.fee}
# What people typed: the only fields in which a separator may stand.
_FREE = ("商品名称", "备注")
_EMPTY = {"NO_STATEMENT_EXIST", "NO_BILL_EXIST"}


class PayBills:
    """The bills of one merchant, or of one merchant of a service provider."""

    def __init__(self, channel: PayChannel, sub_mchid: str | None = None) -> None:
        self._channel = channel
        self._sub_mchid = sub_mchid
        # A provider's bill of funds is of the provider's own: what others are paid is not in it.
        self.kinds = frozenset([BillKind.trade] if sub_mchid else BillKind)

    def fetch(self, day: date, kind: BillKind, into: IO[bytes]) -> BillFile | None:
        asked = {"bill_date": day.isoformat(), **_ASKED[kind], "tar_type": "GZIP"}
        if self._sub_mchid and kind is BillKind.trade:
            asked["sub_mchid"] = self._sub_mchid
        try:
            told = self._channel.call("GET", f"{_TARGETS[kind]}?{urlencode(asked)}")
        except PayError as error:
            if error.pay_code in _EMPTY:
                return None
            if error.pay_code == "STATEMENT_CREATING":
                raise BillNotReady from None
            raise
        url, hash_ = told.get("download_url"), told.get("hash_value")
        if not isinstance(url, str) or not isinstance(hash_, str):
            raise WechatUnavailable(_TARGETS[kind], "no download_url in the answer")
        # Only its path counts: a file of ours comes from nowhere but the host that we asked.
        parts = urlsplit(url)
        checked = _Checked(into)
        self._channel.download(f"{parts.path}?{parts.query}", checked)
        found = checked.finish()
        if found != hash_.lower():
            raise BadBill(f"announced as {hash_[:40]}, came as {found}")
        return BillFile(found, checked.size)

    def rows(self, file: IO[bytes]) -> Iterator[BillRow]:
        lines = _Lines(file, "微信订单号")
        paid = refunded = settled = fees = 0
        for given in lines:
            row, mils = _row(given)
            if row.kind is RowKind.payment:
                paid += row.amount_fen
                settled += row.settled_fen
            else:
                refunded += row.amount_fen
            fees += mils
            yield row
        totals = lines.totals()
        _tie("rows", lines.count, totals, "总交易单数", _number)
        _tie("payments", paid, totals, "订单总金额", fen_of)
        _tie("settled", settled, totals, "应结订单总金额", fen_of)
        _tie("refunds", refunded, totals, "申请退款总金额", fen_of)
        stated = mils_of(totals["手续费总金额"]) if "手续费总金额" in totals else fees
        if abs(stated - fees) >= 1_000:
            raise BadBill(f"fees: the rows say {fees}, the summary {stated} thousandths of a fen")

    def funds(self, file: IO[bytes]) -> Iterator[FundRow]:
        lines = _Lines(file, "资金流水单号")
        came = left = 0
        for given in lines:
            row = _fund(given)
            if row.amount_fen > 0:
                came += row.amount_fen
            else:
                left -= row.amount_fen
            yield row
        totals = lines.totals()
        _tie("rows", lines.count, totals, "资金流水总笔数", _number)
        _tie("in", came, totals, "收入金额", fen_of)
        _tie("out", left, totals, "支出金额", fen_of)


class _Checked:
    """Passes on what is written to it, and knows the hash of what that unpacks to."""

    def __init__(self, into: IO[bytes]) -> None:
        self._into = into
        self._hash = hashlib.sha1(usedforsecurity=False)
        self._unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        self._packed: bool | None = None
        self.size = 0
        self._unpacked = 0

    def write(self, data: bytes, /) -> int:
        if self._packed is None and data:
            self._packed = data[:1] == b"\x1f"
        self._into.write(data)
        self.size += len(data)
        try:
            plain = self._unpack.decompress(data, MOST_CHUNK) if self._packed else data
            while plain:
                self._unpacked += len(plain)
                if self._unpacked > MOST_BYTES:
                    raise BadBill("too large")
                self._hash.update(plain)
                rest = self._unpack.unconsumed_tail if self._packed else b""
                plain = self._unpack.decompress(rest, MOST_CHUNK) if rest else b""
        except zlib.error as error:
            raise BadBill("cannot be unpacked") from error
        return len(data)

    def finish(self) -> str:
        if self._packed and not self._unpack.eof:
            raise BadBill("ends in the middle")
        return self._hash.hexdigest()


class _Lines:
    """The lines between the names and the totals, by their names."""

    def __init__(self, file: IO[bytes], must: str) -> None:
        self.count = 0
        self._text = _plain(file)
        self._names = _names(next(self._text, ""))
        if must not in self._names:
            raise BadBill("the first line does not name the columns")
        free = [i for i, name in enumerate(self._names) if name in _FREE]
        self._free = free[0] if free else len(self._names) - 1
        self._totals: dict[str, str] | None = None

    def __iter__(self) -> Iterator[Mapping[str, str]]:
        names, width = self._names, len(self._names)
        for line in self._text:
            if not line.startswith("`"):
                self._read_totals(line)
                return
            values = line[1:].split(",`")
            if len(values) != width:
                values = self._mend(values)
            self.count += 1
            yield dict(zip(names, values, strict=True))

    def totals(self) -> dict[str, str]:
        if self._totals is None:
            raise BadBill("ends without its totals")
        return self._totals

    def _mend(self, values: list[str]) -> list[str]:
        """A separator in what people typed: everything left and right of it is counted off."""
        more = len(values) - len(self._names)
        if more < 0:
            raise BadBill(f"row {self.count + 1} is too short")
        cut = self._free
        return [*values[:cut], ",`".join(values[cut : cut + more + 1]), *values[cut + more + 1 :]]

    def _read_totals(self, line: str) -> None:
        values = next(self._text, "")
        if not values.startswith("`"):
            raise BadBill("ends without its totals")
        self._totals = dict(zip(_names(line), values[1:].split(",`"), strict=False))


def _plain(file: IO[bytes]) -> Iterator[str]:
    """The lines of the file, packed or not, without BOM and line ends; empty ones left out."""
    packed = file.read(2) == b"\x1f\x8b"
    file.seek(0)
    # Not closed: it is the caller's file.
    raw = cast(IO[bytes], gzip.GzipFile(fileobj=file, mode="rb")) if packed else file
    try:
        yield from lines_of(raw, "utf-8")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise BadBill("cannot be read") from error


def _names(line: str) -> list[str]:
    return [name.strip().lstrip("`") for name in line.split(",")]


def _row(given: Mapping[str, str]) -> tuple[BillRow, int]:
    """The row, and its fee in thousandths of a fen."""
    try:
        kind = _STATES.get(given["交易状态"])
        if kind is None:
            raise BadBill(f"unknown state {given['交易状态'][:32]}")
        mils = mils_of(given["手续费"])
        taken = kind is RowKind.payment
        settled = fen_of(given["应结订单金额" if taken else "退款金额"])
        amount = given.get("订单金额" if taken else "申请退款金额", "")
        row = BillRow(
            kind=kind,
            channel_no=given["微信退款单号" if kind is RowKind.refund else "微信订单号"],
            our_no=given["商户退款单号" if kind is RowKind.refund else "商户订单号"],
            payment_no=given["微信订单号"],
            amount_fen=fen_of(amount) if amount else settled,
            settled_fen=settled,
            fee_fen=round_mils(mils),
            rate=_rate(given["费率"]),
            state=given["交易状态" if taken else "退款状态"],
            at=_time(given["交易时间"]),
        )
    except KeyError as error:
        raise BadBill(f"no column {error.args[0]}") from None
    return row, mils


def _fund(given: Mapping[str, str]) -> FundRow:
    try:
        way = given["收支类型"]
        amount = given.get("收支金额(元)") or given.get("收支金额（元）") or given["收支金额"]
        if way not in ("收入", "支出"):
            raise BadBill(f"unknown direction {way[:32]}")
        return FundRow(
            _FUNDS.get(given["业务类型"], FundKind.other),
            given["资金流水单号"],
            fen_of(amount) if way == "收入" else -fen_of(amount),
            _time(given["记账时间"]),
        )
    except KeyError as error:
        raise BadBill(f"no column {error.args[0]}") from None


def _rate(text: str) -> int | None:
    """`0.60%` → 600 hundred-thousandths; None: nothing that can be checked."""
    try:
        rate, rest = divmod(mils_of(text.removesuffix("%")), 100)
    except BadBill:
        return None
    return rate if text.endswith("%") and not rest else None


def _time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=_BEIJING)
    except ValueError:
        raise BadBill(f"not a time: {text[:32]}") from None


def _number(text: str) -> int:
    """`317`, and `20.0` as the fund bill writes it."""
    whole, _, rest = text.partition(".")
    if not whole.isdigit() or rest.strip("0"):
        raise BadBill(f"not a number: {text[:32]}")
    return int(whole)


def _tie(
    what: str, found: int, totals: Mapping[str, str], name: str, read: Callable[[str], int]
) -> None:
    """The channel's own total, where the file names it, must be what its rows add up to."""
    if name in totals and (stated := read(totals[name])) != found:
        raise BadBill(f"{what}: the rows say {found}, the summary {stated}")
