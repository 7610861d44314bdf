"""The files of a day as WeChat Pay writes them: back-ticks, yuan, and totals at the end."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from sandbox.clock import SHANGHAI
from sandbox.pay.billstore import Wrongs
from sandbox.pay.ledger import Ledger, Order, Refund

RATE = 540  # hundred-thousandths
TRADE = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TRADE_TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
FUND = (
    "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),账户结余(元),"
    "资金变更提交申请人,备注,业务凭证号"
)
FUND_TOTALS = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"


@dataclass(frozen=True)
class Line:
    """A payment, or with `out_refund_no` a refund; the fee of a refund comes back."""

    at: float
    mchid: str
    sub_mchid: str
    appid: str
    openid: str
    trade_type: str
    transaction_id: str
    out_trade_no: str
    amount_fen: int
    fee_fen: int
    name: str = ""
    refund_id: str = ""
    out_refund_no: str = ""
    status: str = ""


def lines_of(ledger: Ledger, mchid: str, day: date, wrongs: Wrongs) -> list[Line]:
    """What happened on that day, by time, with what is wrong about it."""
    paid = (_paid(order) for order in ledger.orders.values() if order.success_at)
    back = (
        _refunded(refund, ledger.orders[f"{refund.mchid}|{refund.out_trade_no}"])
        for refund in ledger.refunds.values()
    )
    extra = (
        Line(
            datetime(day.year, day.month, day.day, 12, tzinfo=SHANGHAI).timestamp(),
            *(mchid, "", "", "", "NATIVE"),
            f"4200{day:%Y%m%d}{abs(hash(number)) % 10**16:016d}",
            number,
            fen,
            _fee(fen),
        )
        for number, fen in wrongs.extra.items()
    )
    found = [
        line
        for line in (*paid, *back, *extra)
        if line.mchid == mchid and _day(line.at) == day and _number(line) not in wrongs.missing
    ]
    return sorted((_spoilt(line, wrongs) for line in found), key=lambda line: line.at)


def trade_file(lines: list[Line], *, wrong_totals: bool = False) -> str:
    paid = [line for line in lines if not line.out_refund_no]
    back = [line for line in lines if line.out_refund_no]
    took, gave = _sum(paid), _sum(back)
    fees = sum(line.fee_fen for line in lines)
    totals = (
        *(str(len(lines) + wrong_totals), _yuan(took), _yuan(gave), "0.00"),
        *(_yuan(fees, 5), _yuan(took), _yuan(gave)),
    )
    return _text(TRADE, (_trade(line) for line in lines), TRADE_TOTALS, totals)


def fund_file(lines: list[Line]) -> str:
    moves = [move for line in lines for move in _moves(line)]
    balance, rows = 0, []
    for number, (line, kind, fen) in enumerate(moves):
        balance += fen
        business = line.refund_id or line.transaction_id
        flow = f"{line.mchid}{_day(line.at):%Y%m%d}{number:010d}"
        way = "收入" if fen > 0 else "支出"
        row = (_clock(line.at), business, flow, kind, kind, way, _yuan(abs(fen)), _yuan(balance))
        rows.append((*row, "system", "", _number(line)))
    came = [fen for _, _, fen in moves if fen > 0]
    left = [-fen for _, _, fen in moves if fen < 0]
    counts = (f"{len(moves)}.0", f"{len(came)}.0", _yuan(sum(came)))
    return _text(FUND, rows, FUND_TOTALS, (*counts, f"{len(left)}.0", _yuan(sum(left))))


def _moves(line: Line) -> list[tuple[Line, str, int]]:
    refund = bool(line.out_refund_no)
    first = (line, "退款" if refund else "交易", -line.amount_fen if refund else line.amount_fen)
    fee = (line, "扣除交易手续费", -line.fee_fen)
    return [move for move in (first, fee) if move[2]]


def _text(head: str, rows: Iterable[Iterable[str]], foot: str, totals: Iterable[str]) -> str:
    written = ["`" + ",`".join(row) for row in rows]
    return "\r\n".join([head, *written, foot, "`" + ",`".join(totals), ""])


def _trade(line: Line) -> tuple[str, ...]:
    refund = bool(line.out_refund_no)
    amount = _yuan(line.amount_fen)
    head = (
        *(_clock(line.at), line.appid, line.mchid, line.sub_mchid or "0", ""),
        *(line.transaction_id, line.out_trade_no, line.openid, line.trade_type),
    )
    if refund:
        state = ("REFUND", "OTHERS", "CNY", "0.00", "0.00", line.refund_id, line.out_refund_no)
        back = (amount, "0.00", "ORIGINAL", line.status)
    else:
        state = ("SUCCESS", "OTHERS", "CNY", amount, "0.00", "0", "0")
        back = ("0.00", "0.00", "", "")
    tail = (
        *(line.name, "", _yuan(line.fee_fen, 5), f"{RATE / 1000:.2f}%"),
        *(("0.00", amount) if refund else (amount, "0.00")),
    )
    return (*head, *state, *back, *tail, "")


def _paid(order: Order) -> Line:
    return Line(
        order.success_at,
        order.mchid,
        getattr(order, "sub_mchid", ""),
        order.appid,
        order.openid,
        getattr(order, "trade_type", "JSAPI"),
        order.transaction_id,
        order.out_trade_no,
        order.total_fen,
        _fee(order.total_fen),
        order.request.get("description", ""),
    )


def _refunded(refund: Refund, order: Order) -> Line:
    return replace(
        _paid(order),
        at=refund.create_at,
        amount_fen=refund.refund_fen,
        fee_fen=-_fee(refund.refund_fen),
        refund_id=refund.refund_id,
        out_refund_no=refund.out_refund_no,
        status={"CLOSED": "FAIL", "ABNORMAL": "CHANGE"}.get(refund.status, refund.status),
    )


def _spoilt(line: Line, wrongs: Wrongs) -> Line:
    number = _number(line)
    amount = wrongs.amounts_fen.get(number, line.amount_fen)
    fee = wrongs.fees_fen.get(number, line.fee_fen)
    status = wrongs.states.get(number, line.status)
    return replace(line, amount_fen=amount, fee_fen=fee, status=status)


def _number(line: Line) -> str:
    return line.out_refund_no or line.out_trade_no


def _fee(fen: int) -> int:
    return (fen * RATE + 50_000) // 100_000


def _sum(lines: list[Line]) -> int:
    return sum(line.amount_fen for line in lines)


def _yuan(fen: int, decimals: int = 2) -> str:
    whole, rest = divmod(abs(fen), 100)
    return f"{'-' if fen < 0 else ''}{whole}.{rest:02d}{'0' * (decimals - 2)}"


def _day(at: float) -> date:
    return datetime.fromtimestamp(at, SHANGHAI).date()


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, SHANGHAI).strftime("%Y-%m-%d %H:%M:%S")
