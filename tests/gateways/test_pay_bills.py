"""WeChat Pay's bill files: the documented rows are read to the fen, and no broken file passes."""

import gzip
import io
import tracemalloc
import zipfile
from datetime import UTC, datetime

import pytest

from gateways.alipay.bills import AlipayBills
from gateways.pay.bills import (
    BadBill,
    BillRow,
    FundKind,
    FundRow,
    RowKind,
    fen_of,
    mils_of,
    round_mils,
)
from gateways.wechat.pay_bills import PayBills

NAMES = (
    "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,"
    "付款银行,货币种类,应结订单金额,代金券金额,微信退款单号,商户退款单号,退款金额,充值券退款金额,"
    "退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注"
)
TOTALS = (
    "总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额"
)
PAID = (
    "`2022-03-21 13:51:31,`wxfdc955f7104ad557,`180023671,`0,`,`420000612032130748613220688,"
    "`2021WERUN1647840687637,`oZWaCKXip5njeEiloC4oeOV1TTsk,`JSAPI,`SUCCESS,`OTHERS,`CNY,`26.00,"
    "`0.00,`0,`0,`0.00,`0.00,`,`,`茶，一杯,`,`0.14040,`0.54%,`28.00,`0.00,`"
)
BACK = (
    "`2022-03-21 23:59:59,`wxfdc955f7104ad557,`180023671,`0,`,`420000612032130748613220688,"
    "`2021WERUN1647840687637,`oZWaCKXip5njeEiloC4oeOV1TTsk,`JSAPI,`REFUND,`OTHERS,`CNY,`0.00,"
    "`0.00,`50300806962022032135300,`R2203210001,`6.00,`0.00,`ORIGINAL,`SUCCESS,`茶,`,`-0.03000,"
    "`0.54%,`0.00,`6.50,`"
)
SUM = "`2,`26.00,`6.00,`0.00,`0.11040,`28.00,`6.50"
BILLS = PayBills(None)  # type: ignore[arg-type]  # reading asks nobody


def written(*lines: str, bom: bool = False, end: str = "\r\n") -> io.BytesIO:
    text = end.join([*lines, ""])
    return io.BytesIO((b"\xef\xbb\xbf" if bom else b"") + text.encode())


def trade(*rows: str, totals: str = SUM) -> io.BytesIO:
    return written(NAMES, *rows, TOTALS, totals)


def test_documented_rows_are_read_to_the_fen() -> None:
    assert list(BILLS.rows(trade(PAID, BACK))) == [
        BillRow(
            kind=RowKind.payment,
            channel_no="420000612032130748613220688",
            our_no="2021WERUN1647840687637",
            payment_no="420000612032130748613220688",
            amount_fen=2800,
            settled_fen=2600,
            fee_fen=14,
            rate=540,
            state="SUCCESS",
            at=datetime(2022, 3, 21, 5, 51, 31, tzinfo=UTC),
        ),
        BillRow(
            kind=RowKind.refund,
            channel_no="50300806962022032135300",
            our_no="R2203210001",
            payment_no="420000612032130748613220688",
            amount_fen=650,
            settled_fen=600,
            fee_fen=-3,
            rate=540,
            state="SUCCESS",
            at=datetime(2022, 3, 21, 15, 59, 59, tzinfo=UTC),
        ),
    ]


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_bom_line_ends_and_packing_make_no_difference(end: str) -> None:
    plain = written(NAMES, PAID, BACK, TOTALS, SUM, bom=True, end=end).getvalue()
    want = list(BILLS.rows(trade(PAID, BACK)))
    assert list(BILLS.rows(io.BytesIO(plain))) == want
    assert list(BILLS.rows(io.BytesIO(gzip.compress(plain)))) == want


def test_a_separator_in_the_name_of_the_goods_moves_no_column() -> None:
    named = PAID.replace("`茶，一杯", "`茶,`两杯,糖,`少")
    assert list(BILLS.rows(trade(named, BACK))) == list(BILLS.rows(trade(PAID, BACK)))


def test_columns_are_found_by_name_and_old_files_without_the_order_amount_are_read() -> None:
    names = NAMES.replace(",订单金额,申请退款金额,费率备注", "")
    row = PAID.replace(",`28.00,`0.00,`", "")
    totals = TOTALS.removesuffix(",订单总金额,申请退款总金额")
    (found,) = BILLS.rows(written(names, row, totals, "`1,`26.00,`0.00,`0.00,`0.14040"))
    assert (found.amount_fen, found.settled_fen, found.fee_fen) == (2600, 2600, 14)


@pytest.mark.parametrize(
    ("totals", "why"),
    [
        (SUM.replace("`2,", "`3,"), "rows"),
        (SUM.replace("`28.00", "`28.01"), "payments"),
        (SUM.replace("`26.00", "`25.00"), "settled"),
        (SUM.replace("`6.50", "`6.00"), "refunds"),
        (SUM.replace("0.11040", "0.12040"), "fees"),
    ],
)
def test_totals_that_do_not_add_up_refuse_the_file(totals: str, why: str) -> None:
    with pytest.raises(BadBill, match=why):
        list(BILLS.rows(trade(PAID, BACK, totals=totals)))


@pytest.mark.parametrize(
    "lines",
    [
        (),
        ("not a bill",),
        (NAMES,),
        (NAMES, PAID),
        (NAMES, PAID, TOTALS),
        (NAMES, PAID.replace("`SUCCESS", "`WHATEVER"), TOTALS, SUM),
        (NAMES, PAID.replace("`0.14040", "`0.1404x"), TOTALS, SUM),
        (NAMES, PAID.replace("`28.00", "`28.001"), TOTALS, SUM),
        (NAMES, PAID.replace("2022-03-21", "yesterday"), TOTALS, SUM),
        (NAMES, PAID.rpartition(",`")[0].rpartition(",`")[0], TOTALS, SUM),
        (NAMES.replace("手续费", "费用"), PAID, TOTALS, SUM),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(BadBill):
        list(BILLS.rows(written(*lines)))


def test_a_packed_file_that_breaks_off_is_refused() -> None:
    packed = gzip.compress(trade(PAID, BACK).getvalue())
    with pytest.raises(BadBill):
        list(BILLS.rows(io.BytesIO(packed[:-30])))


def test_a_line_without_an_end_fills_no_memory() -> None:
    packed = gzip.compress(b"`" * (16 * 1024 * 1024))
    table = io.BytesIO()
    with zipfile.ZipFile(table, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20261122_1.csv", b"`" * (16 * 1024 * 1024))
    alipay = AlipayBills(lambda day: "", None)  # type: ignore[arg-type]  # reading asks nobody
    for bills, file in ((BILLS, io.BytesIO(packed)), (alipay, table)):
        file.seek(0)
        tracemalloc.start()
        with pytest.raises(BadBill, match="without an end"):
            list(bills.rows(file))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 4 * 1024 * 1024


def test_the_fund_bill_has_movements_with_their_direction() -> None:
    names = (
        "记账时间,微信支付业务单号,资金流水单号,业务名称,业务类型,收支类型,收支金额(元),"
        "账户结余(元),资金变更提交申请人,备注,业务凭证号"
    )
    rows = (
        "`2018-02-01 04:21:23,`50000305742018020103387128253,`1900009231201802015884652186,`退款,"
        "`退款,`支出,`0.02,`0.17,`system,`缺,`货,`REF4200000068201801293084726067",
        "`2018-02-01 05:00:00,`4200,`19000092312018020158846521aa,`交易,`交易,`收入,`0.35,`0.52,"
        "`system,`,`4200",
        "`2018-02-01 05:00:00,`4200,`19000092312018020158846521ab,`扣除交易手续费,"
        "`扣除交易手续费,`支出,`0.01,`0.51,`system,`,`4200",
        "`2018-02-01 06:00:00,`1,`19000092312018020158846521ac,`提现,`提现,`支出,`0.10,`0.41,"
        "`system,`,`1",
    )
    totals = "资金流水总笔数,收入笔数,收入金额,支出笔数,支出金额"
    found = list(BILLS.funds(written(names, *rows, totals, "`4.0,`1.0,`0.35,`3.0,`0.13")))
    assert [(row.kind, row.amount_fen) for row in found] == [
        (FundKind.refund, -2),
        (FundKind.payment, 35),
        (FundKind.fee, -1),
        (FundKind.other, -10),
    ]
    assert found[0] == FundRow(
        FundKind.refund,
        "1900009231201802015884652186",
        -2,
        datetime(2018, 1, 31, 20, 21, 23, tzinfo=UTC),
    )
    with pytest.raises(BadBill, match="out"):
        list(BILLS.funds(written(names, *rows, totals, "`4.0,`1.0,`0.35,`3.0,`0.14")))


def test_yuan_become_fen_exactly_or_not_at_all() -> None:
    assert [fen_of(text) for text in ("0", "0.1", "0.01", "26.00", "1234567.89", "-0.03")] == [
        *(0, 10, 1, 2600, 123456789, -3)
    ]
    assert (mils_of("0.00001"), mils_of("-0.14040")) == (1, -14040)
    assert [round_mils(mils) for mils in (499, 500, -499, -500, 14_040)] == [0, 1, 0, -1, 14]
    for text in ("", ".", "1e3", "1,000.00", "0.001", "٣", "+1", "1.0000001"):
        with pytest.raises(BadBill):
            fen_of(text)
