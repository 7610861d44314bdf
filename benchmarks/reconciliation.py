"""A month of payments against the bills of its days, beside the plainest way to keep the same rows.

Both sides unpack the same files, keep the same lines and book both sides of each fee, on one
server with durable commits. The yardstick takes six columns out of each row, inserts five thousand
at a time, joins them once with the payments and books what it found. Ours also checks hash and
totals, reads every column, asks in both directions what is wrong with the days beside, adds up by
merchant, and finds the one payment that each day's bill has not. Memory is that of this process
after a month beside after a day. SIZE payments a day.
"""

import gzip
import hashlib
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO, Any, cast

from sqlalchemy import func, insert, select, text
from sqlalchemy.orm import Session

from benchmarks import crowd
from benchmarks.harness import Result, mariadb_app
from core import database
from core.clock import day_bounds, local
from gateways.pay.bills import BillFile, BillKind
from gateways.wechat.pay_bills import PayBills
from merchants.models import Merchant
from payments.models import Discrepancy, StatementDay, StatementLine, StatementState
from payments.models.statements import StatementKind
from payments.recon import remote

EACH = int(os.environ.get("SIZE", "100000"))
DAYS = 30
FIRST = date(2026, 10, 1)
ACCOUNT = "1900000001"
SLICE = 5_000
NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)

_NUMBER = "SUBSTR(MD5(seq), 1, 24)"
_FEN = "500 + (seq * 7919) % 9000"
_AT = ":first + INTERVAL FLOOR((seq - 1) / :each) DAY + INTERVAL 3600 + (seq % 79000) SECOND"
_PAST = (
    "SET SESSION foreign_key_checks = 0, unique_checks = 0",
    f"""INSERT INTO orders (id, no, merchant_id, store_id, member_id, payment_state, business_day,
              pickup_code, goods_fen, payable_fen, paid_fen, quote, placed_at, expires_at, paid_at)
       SELECT seq, {_NUMBER}, 1, 1, 1, 'paid', DATE({_AT}), '', {_FEN}, {_FEN}, {_FEN},
              '{{{{}}}}', {_AT}, {_AT}, {_AT}
       FROM seq_1_to_{{orders}}""",
    f"""INSERT INTO bills (id, order_id, amount_fen, state, created_at, paid_at)
       SELECT seq, seq, {_FEN}, 'paid', {_AT}, {_AT} FROM seq_1_to_{{orders}}""",
    f"""INSERT INTO payment_attempts (id, out_trade_no, bill_id, live, channel, account, amount_fen,
              channel_fen, state, transaction_id, expires_at, created_at, settled_at)
       SELECT seq, CONCAT('P', {_NUMBER}), seq, 1, 'wechat', '{ACCOUNT}', {_FEN}, {_FEN},
              'succeeded', CONCAT('4200', {_NUMBER}), {_AT}, {_AT}, {_AT}
       FROM seq_1_to_{{orders}}""",
    "ANALYZE TABLE orders, bills, payment_attempts",
    "SET SESSION foreign_key_checks = 1, unique_checks = 1",
)
_JOIN = """
    SELECT COUNT(*) FROM statement_lines AS l
    JOIN payment_attempts AS a ON a.out_trade_no = l.our_no AND a.channel_fen = l.amount_fen
    WHERE l.day_id = :day"""
_BOOK = """
    INSERT INTO ledger_entries (cause, account, amount_fen, currency, merchant_id, order_id, day,
                                at)
    SELECT CONCAT('plain:', a.id), :account, :sign * l.fee_fen, 'CNY', 1, a.bill_id, :on, :now
    FROM statement_lines AS l
    JOIN payment_attempts AS a ON a.out_trade_no = l.our_no WHERE l.day_id = :day"""


def run() -> Iterator[Result]:
    with mariadb_app(), tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        with database.Session(database.db.engine) as session:
            _fill(session)
        ours = theirs = 0.0
        first = 0.0
        for number in range(DAYS):  # in turns, so that the machine's moods hit both
            file = _write(Path(folder) / "bill.gz", number)
            theirs += _seconds(_plainly, file, _want("plain", number), number)
            ours += _seconds(remote.reconcile, _Till(file), _want("wechat", number), crowd.NOW)
            first = first or _memory()
        with database.Session(database.db.engine) as session:
            found = session.scalar(select(func.count()).select_from(Discrepancy))
            assert found == DAYS, f"{found} of {DAYS} missing payments were found"
    rows = DAYS * (EACH - 1)
    what = f"{DAYS} days of {EACH:,} payments"
    note = f"the month in {ours:,.0f} s"
    yield Result("reconciliation", what, rows / ours, rows / theirs, "rows/s", 0.4, note=note)
    yield Result("reconciliation", "memory after a month", _memory(), first, "MiB", 1.15, False)


class _Till:
    """A cashier whose only account has this bill."""

    kinds = frozenset({BillKind.trade})

    def __init__(self, file: Path) -> None:
        self._file = file
        self.rows = PayBills(cast(Any, None)).rows

    def bills_of(self, channel: str, account: str) -> "_Till":
        return self

    def fetch(self, day: date, kind: BillKind, into: IO[bytes]) -> BillFile:
        with self._file.open("rb") as packed:
            shutil.copyfileobj(packed, into)
        with gzip.open(self._file) as plain:
            found = hashlib.file_digest(cast(Any, plain), "sha1").hexdigest()
        return BillFile(found, self._file.stat().st_size)


def _fill(session: Session) -> None:
    session.add(Merchant(id=1, code="qinghe", name="青禾", created_at=crowd.NOW))
    session.flush()
    values = {"first": day_bounds(FIRST)[0].replace(tzinfo=None), "each": EACH}
    for step in _PAST:
        statement, defaults = crowd.whole(step)
        session.execute(text(statement.format(orders=DAYS * EACH)), values | defaults)
    session.commit()


def _want(channel: str, number: int) -> int:
    with database.transaction() as session:
        day = StatementDay(
            channel=channel,
            account=ACCOUNT,
            day=FIRST + timedelta(days=number),
            kind=StatementKind.trade,
            merchant_id=1,
            state=StatementState.wanted,
        )
        session.add(day)
        session.flush()
        return day.id


def _write(file: Path, number: int) -> Path:
    """The day's bill without its last payment."""
    start = local(day_bounds(FIRST)[0])
    fen = fees = 0
    with gzip.open(file, "wt", compresslevel=1, encoding="utf-8", newline="") as text_:
        text_.write(f"{NAMES}\r\n")
        for seq in range(number * EACH + 1, (number + 1) * EACH):
            no = hashlib.md5(str(seq).encode(), usedforsecurity=False).hexdigest()[:24]
            at = start + timedelta(days=number, seconds=3600 + seq % 79000)
            amount = 500 + seq * 7919 % 9000
            fee = (amount * 540 + 50_000) // 100_000
            yuan = f"{amount // 100}.{amount % 100:02d}"
            fen, fees = fen + amount, fees + fee
            text_.write(
                f"`{at:%Y-%m-%d %H:%M:%S},`wx,`{ACCOUNT},`0,`,`4200{no},`P{no},`oPayer,`JSAPI,"
                f"`SUCCESS,`OTHERS,`CNY,`{yuan},`0.00,`0,`0,`0.00,`0.00,`,`,`茶,`,"
                f"`0.{fee:02d}000,`0.54%,`{yuan},`0.00,`\r\n"
            )
        whole, paid = f"{fees // 100}.{fees % 100:02d}000", f"{fen // 100}.{fen % 100:02d}"
        text_.write(f"{TOTALS}\r\n`{EACH - 1},`{paid},`0.00,`0.00,`{whole},`{paid},`0.00\r\n")
    return file


def _plainly(file: Path, day_id: int, number: int) -> None:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        next(lines)
        some: list[dict[str, Any]] = []
        for line in lines:
            if not line.startswith("`"):
                break
            some.append(_plain_row(line.split(",`"), day_id))
            if len(some) == SLICE:
                _insert(some)
                some = []
    if some:
        _insert(some)
    on, now = FIRST + timedelta(days=number), crowd.NOW.replace(tzinfo=None)
    with database.transaction() as session:
        assert session.scalar(text(_JOIN), {"day": day_id}) == EACH - 1
        for account, sign in (("channel:plain", -1), ("fee:plain", 1)):
            values = {"account": account, "sign": sign, "on": on, "now": now, "day": day_id}
            session.execute(text(_BOOK), values)


def _plain_row(fields: list[str], day_id: int) -> dict[str, Any]:
    fen = int(fields[24].replace(".", ""))
    return {
        "day_id": day_id,
        "kind": "payment",
        "channel_no": fields[5],
        "our_no": fields[6],
        "payment_no": fields[5],
        "amount_fen": fen,
        "settled_fen": fen,
        "fee_fen": int(fields[22][:-3].replace(".", "")),
        "rate": 540,
        "state": "SUCCESS",
        "at": datetime.fromisoformat(fields[0][1:] + "+08:00"),
    }


def _insert(some: list[dict[str, Any]]) -> None:
    with database.transaction() as session:
        session.execute(insert(cast(Any, StatementLine.__table__)), some)


def _seconds(call: Any, *args: Any) -> float:
    began = time.perf_counter()
    call(*args)
    return time.perf_counter() - began


def _memory() -> float:
    """The most this process ever held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
