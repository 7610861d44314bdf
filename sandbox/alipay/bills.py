"""A day's bill: a ZIP of two GBK files, behind an address that is good for thirty seconds."""

import io
import re
import zipfile
from datetime import datetime

from flask import Response, current_app, request

from sandbox.alipay.door import Body, Call, alipay_api, api
from sandbox.alipay.errors import refused
from sandbox.alipay.store import Trade
from sandbox.alipay.trades import written, yuan
from sandbox.clock import SHANGHAI
from sandbox.state import World

DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
FEE_BASIS_POINTS = 60
SECONDS = 30
COLUMNS = (
    "支付宝交易号,商户订单号,业务类型,商品名称,创建时间,完成时间,门店编号,门店名称,操作员,终端号,"
    "对方账户,订单金额（元）,商家实收（元）,支付宝红包（元）,集分宝（元）,支付宝优惠（元）,商家优惠（元）,"
    "券核销金额（元）,券名称,商家红包消费金额（元）,卡消费金额（元）,退款批次号/请求号,服务费（元）,分润（元）,备注"
)
_RULE = f"#{'-' * 41}业务明细列表{{}}{'-' * 36}"


@alipay_api(
    "alipay.data.dataservice.bill.downloadurl.query",
    "bill_type",
    "bill_date",
    title="下载支付宝账单",
)
def bill_url(call: Call) -> Body:
    world, day = call.world, str(call.content.get("bill_date", ""))
    today = datetime.fromtimestamp(world.clock.stamp(), SHANGHAI).strftime("%Y-%m-%d")
    if not DAY.fullmatch(day) or call.content.get("bill_type") not in ("trade", "signcustomer"):
        raise refused("isv.invalid-parameter", "参数无效")
    if day >= today or not rows(world, call.app.app_id, day):
        raise refused("isp.bill_not_exist", "账单不存在")
    until = str(world.clock.now() + SECONDS)
    token = world.trades.new_door({"bill": day, "app_id": call.app.app_id, "until": until})
    return {"bill_download_url": f"{request.host_url}alipay/bill/{token}?sign=sandbox"}


@api.get("/bill/<token>")
def bill(token: str) -> Response:
    world: World = current_app.extensions["sandbox"]
    asked = world.trades.doors.get(token, {})
    if "bill" not in asked or world.clock.now() > float(asked["until"]):
        return Response("expired", status=403)
    content = packed(world, asked["app_id"], asked["bill"])
    return Response(content, mimetype="application/zip")


def packed(world: World, app_id: str, day: str) -> bytes:
    found = rows(world, app_id, day)
    name = f"20886412345678900156_{day.replace('-', '')}"
    sales = [row for row in found if row[2] == "交易"]
    back = [row for row in found if row[2] == "退款"]
    head = [
        "#支付宝业务明细查询",
        "#账号：[20886412345678900156]",
        f"#起始日期：[{day} 00:00:00]   终止日期：[{day} 24:00:00]",
        _RULE.format(""),
        COLUMNS,
    ]
    foot = [
        _RULE.format("结束"),
        f"#交易合计：{len(sales)}笔，商家实收共{_sum(sales)}元，商家优惠共0.00元",
        f"#退款合计：{len(back)}笔，商家实收退款共{_sum(back)}元，商家优惠退款共0.00元",
        f"#导出时间：[{written(world.clock.stamp())}]",
    ]
    lines = [",".join(f"{value}\t" for value in row) for row in found]
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        text = "\r\n".join([*head, *lines, *foot, ""])
        archive.writestr(f"{name}_业务明细.csv", text.encode("gbk"))
        archive.writestr(f"{name}_业务明细(汇总).csv", "\r\n".join(foot).encode("gbk"))
    return out.getvalue()


def rows(world: World, app_id: str, day: str) -> list[list[str]]:
    """Payments and refunds of the day, with their fees, which a refund gives back."""
    found: list[list[str]] = []
    for trade in world.trades.trades.values():
        if trade.app_id != app_id or not trade.paid_at:
            continue
        if written(trade.paid_at).startswith(day):
            found.append(_row(trade, "交易", trade.total_fen, trade.paid_at, ""))
        found += [
            _row(trade, "退款", -int(each["fen"]), each["at"], number)
            for number, each in trade.refunds.items()
            if written(each["at"]).startswith(day)
        ]
    return found


def _row(trade: Trade, kind: str, fen: int, at: float, number: str) -> list[str]:
    fee = (abs(fen) * FEE_BASIS_POINTS + 5_000) // 10_000 * (-1 if fen > 0 else 1)
    nothing = "0.00"
    return [
        trade.trade_no,
        trade.out_trade_no,
        kind,
        trade.asked["subject"].replace(",", " "),
        written(trade.created_at),
        written(at),
        trade.asked.get("store_id", ""),
        "",
        "",
        "",
        "沙*(138***@sandbox)",
        _signed(fen),
        _signed(fen),
        *([nothing] * 5),
        "",
        nothing,
        nothing,
        number,
        _signed(fee),
        nothing,
        "",
    ]


def _signed(fen: int) -> str:
    return f"-{yuan(-fen)}" if fen < 0 else yuan(fen)


def _sum(found: list[list[str]]) -> str:
    return _signed(sum(int(row[12].replace(".", "")) for row in found))
