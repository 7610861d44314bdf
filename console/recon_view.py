"""Reconciliation in words: what differs, why most likely, and what each act does."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from flask import url_for

from console import words
from core.audit import AuditEntry
from core.clock import local
from payments.models.statements import (
    About,
    Difference,
    Discrepancy,
    DiscrepancyState,
    StatementDay,
    StatementKind,
    StatementState,
)
from payments.recon.fixing import Act, Cause, advise
from payments.recon.queries import Case, Sums

CHANNELS = {"wechat": "微信支付", "alipay": "支付宝", "unionpay": "银联", "none": "店里的账"}
KINDS = {
    StatementKind.trade: "交易账单",
    StatementKind.fund: "资金账单",
    StatementKind.orders: "订单和付款",
    StatementKind.coupons: "优惠券",
    StatementKind.balance: "储值",
}
STATES = {
    StatementState.wanted: ("等账单", "note"),
    StatementState.fetched: ("正在核", "note"),
    StatementState.matched: ("一致", "ok"),
    StatementState.differs: ("有差异", "bad"),
}
ERRORS = {
    "bill_not_ready": "渠道还没出账单，每 15 分钟问一次",
    "bad_bill": "账单文件不完整，会再下一次",
    "channel_unavailable": "渠道没有回应，会再问",
    "wechat_unavailable": "微信支付没有回应，会再问",
    "empty": "渠道说这天没有账单",
}
STANDS = {
    DiscrepancyState.waiting: ("等明天的账单", "note"),
    DiscrepancyState.open: ("要处理", "warn"),
    DiscrepancyState.fixed: ("对上了", "ok"),
    DiscrepancyState.accepted: ("认下了", ""),
}
TITLES = {
    (About.payment, Difference.long): "账单里多了一笔收款",
    (About.payment, Difference.short): "账单里没有这一笔收款",
    (About.payment, Difference.amount): "收款金额对不上",
    (About.payment, Difference.state): "渠道单号对不上",
    (About.payment, Difference.fee): "手续费和费率对不上",
    (About.refund, Difference.long): "账单里多了一笔退款",
    (About.refund, Difference.short): "账单里没有这一笔退款",
    (About.refund, Difference.amount): "退款金额对不上",
    (About.refund, Difference.state): "退款结果对不上",
    (About.day, Difference.amount): "资金账单和交易账单对不上",
    (About.day, Difference.fee): "资金账单里的手续费对不上",
    (About.order, Difference.state): "收了钱，订单却是没付",
    (About.order, Difference.amount): "订单和收款金额对不上",
    (About.coupon, Difference.state): "优惠券和订单对不上",
    (About.balance, Difference.state): "储值还冻着，付款早已结束",
    (About.balance, Difference.amount): "储值和订单对不上",
}
CAUSES = {
    Cause.lost_notice: (
        "多半是付款通知丢了。",
        "渠道收到了钱，我们没等到消息。问一次渠道就会补上；订单要是已经取消，钱会自动退回。",
    ),
    Cause.not_ours: (
        "多半不是这里收的。",
        "同一个商户号在别的系统里也收款时会这样。确认是哪里收的，写下来就行，不改账。",
    ),
    Cause.midnight: (
        "多半是跨日。",
        "付款在半夜前一小时里，渠道可能记在第二天。明天的账单到了会自动勾对。",
    ),
    Cause.not_there: (
        "渠道多半没收到这笔钱。",
        "前一天、当天、后一天的账单里都没有。先问一次渠道；渠道也说没有，再认下损失。",
    ),
    Cause.given_back: (
        "多半是账单漏了一行。",
        "这笔钱渠道已经退给顾客 {back}，收到过才退得出去。先重新下一次账单；"
        "还没有就找渠道客服，不用急着认损失。",
    ),
    Cause.amount: (
        "两边记的金额不一样。",
        "先重新下一次账单；还不一样就找渠道客服，问清楚了写下来。",
    ),
    Cause.other_number: ("渠道换过单号，或记错了一笔。", "问一次渠道，看它现在怎么说。"),
    Cause.by_hand: (
        "多半是在商户平台手工退的。",
        "钱已经退给顾客，我们这里没有这笔退款。写清楚是谁退的，差额记成损失。",
    ),
    Cause.refund_lost: (
        "多半是退款通知丢了，或退款没到账。",
        "问一次渠道就知道；到账失败的去退款里处理。",
    ),
    Cause.refund_not_there: (
        "渠道多半没做这笔退款。",
        "先问一次；渠道也说没有，就去退款里再退一次，顾客还在等钱。",
    ),
    Cause.fee: (
        "渠道多收或少收了手续费。",
        "按同一行写的费率算，差了一分以上。先重新下一次账单，再找渠道客服。",
    ),
    Cause.order: ("订单没有记下这笔钱。", "这不该发生。看看订单，再写下怎么处理的。"),
    Cause.coupon: ("券没有跟着订单走。", "看看订单，要还给顾客的券手工补发。"),
    Cause.balance: ("储值没有跟着订单走。", "看看订单和会员的储值流水，写下怎么处理的。"),
    Cause.fund: (
        "账户里的进出和交易加起来不一样。",
        "先重新下一次账单；还不一样就到商户平台看资金流水。",
    ),
}
ACTS = {
    Act.ask: ("再向渠道问一次", "按渠道说的补账，问完马上重新核这一天。"),
    Act.wait: ("等明天的账单自动勾对", "明早再核一次；还没有就提醒你。不改任何金额。"),
    Act.again: ("重新下载这天的账单再核", "渠道有时会改账单。几分钟后回来看。"),
    Act.accept: ("记下原因，认了", "写进操作记录，差额记成损失。要验证身份，不能撤销。"),
}


def signed(fen: int | None) -> str:
    return "没有" if fen is None else f"¥{words.yuan(fen)}"


def entry(found: Discrepancy, chosen: int, kept: dict[str, Any]) -> dict[str, Any]:
    """A line of the inbox."""
    gap = (found.theirs_fen or 0) - (found.ours_fen or 0)
    return {
        "id": found.id,
        "href": url_for("console.recon.show", discrepancy_id=found.id, **kept),
        "title": title(found),
        "gap": f"{'+' if gap > 0 else '−' if gap < 0 else ''}¥{words.yuan(abs(gap))}",
        "sub": f"{found.ref} · {local(found.at):%m-%d %H:%M}",
        "state": STANDS[found.state],
        "on": found.id == chosen,
    }


def title(found: Discrepancy) -> str:
    return TITLES.get((found.about, found.kind), "两边对不上")


def whole(case: Case, names: dict[str, str], now: datetime, *, order_href: str) -> dict[str, Any]:
    """Everything about one: three sources, likely cause, acts."""
    found, advice = case.found, advise(case.found, back_fen=case.back_fen)
    lead, more = CAUSES[advice.cause]
    more = more.format(back=signed(case.back_fen))
    return {
        "id": found.id,
        "title": title(found),
        "state": STANDS[found.state],
        "since": _since(found.found_at, now),
        "open": found.state in (DiscrepancyState.waiting, DiscrepancyState.open),
        "sources": _sources(case),
        "lead": lead,
        "more": more,
        "acts": [(act.value, *ACTS[act], n == 0) for n, act in enumerate(advice.acts)],
        "recommended": advice.acts[0].value,
        "note": found.note,
        "closed": words.on(found.closed_at, now) if found.closed_at else "",
        "order": order_href,
        "payment": url_for("console.payments.show", attempt_id=case.attempt.id)
        if case.attempt
        else "",
        "refund": url_for("console.refunds.show", no=case.refund.out_refund_no)
        if case.refund
        else "",
        "history": history(case.acts, names, now),
    }


def history(
    acts: Sequence[AuditEntry], names: dict[str, str], now: datetime
) -> list[dict[str, Any]]:
    """Who did what about it, the latest last; for the macro `timeline`."""
    return [
        {
            "time": words.when(each.at, now),
            "text": ACTS[Act(each.action.removeprefix("recon."))][0],
            "detail": " · ".join(filter(None, (names.get(each.actor, "系统"), each.reason))),
            "kind": "",
        }
        for each in acts
    ]


HEADINGS = [
    *("账单日", "渠道", "账户", "哪本账", "差在哪里", "单号", "发生时间"),
    *("我们记的", "对方记的", "差多少", "状态", "发现时间", "处理时间", "说明"),
]


def cells(found: Discrepancy, day: StatementDay) -> list[str]:
    """A line of the file."""
    gap = (found.theirs_fen or 0) - (found.ours_fen or 0)
    moment = "%Y-%m-%d %H:%M:%S"
    return [
        day.day.isoformat(),
        _channel(day),
        day.account,
        KINDS[day.kind],
        title(found),
        found.ref,
        f"{local(found.at):{moment}}",
        "" if found.ours_fen is None else f"{found.ours_fen / 100:.2f}",
        "" if found.theirs_fen is None else f"{found.theirs_fen / 100:.2f}",
        f"{gap / 100:.2f}",
        STANDS[found.state][0],
        f"{local(found.found_at):{moment}}",
        f"{local(found.closed_at):{moment}}" if found.closed_at else "",
        found.note,
    ]


def _since(at: datetime, now: datetime) -> str:
    ago = words.ago(at, now)
    return f"{ago}发现" if ago == words.JUST_NOW else f"{ago}前发现"


def _sources(case: Case) -> list[dict[str, Any]]:
    found, order = case.found, case.order
    inner = case.day.channel == "none"
    theirs = {
        "name": KINDS[case.day.kind] if inner else f"{_channel(case.day)}账单 {case.day.day:%m-%d}",
        "value": signed(found.theirs_fen),
        "lines": [],
        "bad": found.theirs_fen is None or found.theirs_fen != found.ours_fen,
    }
    if case.line:
        theirs["lines"] = [case.line.channel_no, f"{local(case.line.at):%m-%d %H:%M:%S} 记账"]
    elif not inner:
        theirs["lines"] = [f"当天账单 {case.day.rows} 笔", "账单按渠道记账时间切日"]
    ours = {
        "name": "退款" if case.refund else "付款",
        "value": signed(found.ours_fen),
        "lines": _our_lines(case),
        "bad": found.ours_fen is None,
    }
    sold = {
        "name": "订单",
        "value": signed(order.paid_fen if order else None) + _besides(case),
        "lines": [
            order.pickup_number or order.no,
            f"{local(order.paid_at):%m-%d %H:%M:%S} 付款" if order.paid_at else "没有付款",
        ]
        if order
        else [],
        "bad": order is None,
    }
    if found.kind is Difference.fee and case.line:
        ours["name"], theirs["name"] = "按费率该收", f"{theirs['name']} 的手续费"
    return [sold, ours, theirs]


def _besides(case: Case) -> str:
    """What of the order is not in this payment, so that the books can be compared."""
    parts = (("，其中储值", case.balance_fen), ("，另外几笔付款", case.others_fen))
    return "".join(f"{name} ¥{words.yuan(fen)}" for name, fen in parts if fen)


def _our_lines(case: Case) -> list[str]:
    if case.refund:
        done = case.refund.settled_at
        return [
            case.refund.out_refund_no,
            f"{local(done):%m-%d %H:%M} 到账" if done else "还没到账",
        ]
    if case.attempt:
        done = case.attempt.settled_at
        settled = f"{local(done):%m-%d %H:%M:%S} 成功" if done else "没有成功的消息"
        back = [f"已退回 ¥{words.yuan(case.back_fen)}"] if case.back_fen else []
        return [case.attempt.out_trade_no, settled, *back]
    return []


def _channel(day: StatementDay) -> str:
    return CHANNELS.get(day.channel, day.channel)


def strip(days: list[StatementDay], chosen: date) -> list[dict[str, Any]]:
    """The days, each with the worst state of its statements."""
    worst = [
        StatementState.differs,
        StatementState.wanted,
        StatementState.fetched,
        StatementState.matched,
    ]
    grouped: dict[date, list[StatementDay]] = {}
    for each in days:
        grouped.setdefault(each.day, []).append(each)
    return [
        {
            "day": f"{day.month}-{day.day}",
            "href": url_for("console.recon.index", day=day.isoformat()),
            "state": STATES[next(state for state in worst if any(e.state is state for e in some))],
            "on": day == chosen,
        }
        for day, some in grouped.items()
    ]


def statements(days: list[StatementDay], chosen: date) -> list[dict[str, Any]]:
    """What was matched on one day: the channels' bills, then the books here."""
    channels, kinds = list(CHANNELS), list(KINDS)
    shown = sorted(
        (each for each in days if each.day == chosen),
        key=lambda each: (channels.index(each.channel), kinds.index(each.kind)),
    )
    bills = [(each.channel, each.kind) for each in shown]
    return [
        {
            "name": f"{_channel(each)} · {KINDS[each.kind]}",
            "state": STATES[each.state],
            "sub": " · ".join(
                filter(
                    None,
                    [
                        each.account if bills.count((each.channel, each.kind)) > 1 else "",
                        ERRORS.get(each.error, "") or _rows(each),
                    ],
                )
            ),
            "at": f"{local(each.matched_at):%m-%d %H:%M} 核" if each.matched_at else "",
        }
        for each in shown
    ]


def _rows(day: StatementDay) -> str:
    if day.channel == "none":
        return "逐单核对"
    return f"{day.rows} 行" if day.rows else "这天没有交易" if day.matched_at else ""


def kpis(sums: Sums, differ: Mapping[DiscrepancyState, int]) -> list[tuple[str, str, str]]:
    """(what, fen in yuan, note): the three books, and the fee. `differ`: how many payments and
    refunds of the day do, by what became of it."""
    short = sums.bill_paid_fen - sums.paid_fen
    gap = f"，{'多' if short > 0 else '少'} ¥{words.yuan(abs(short))}" if short else "，一致"
    back = sums.bill_refunded_fen - sums.refunded_fen
    if back:
        gap += f"；退款{'多' if back > 0 else '少'} ¥{words.yuan(abs(back))}"
    if (short or back) and (why := _why(differ)):
        gap += f"：{why}"
    told = f"{sums.bill_payments} 笔，退款 {sums.bill_refunds} 笔{gap}"
    rate = f"{sums.fee_fen * 100 / sums.bill_paid_fen:.2f}%" if sums.bill_paid_fen else "没有收款"
    return [
        ("订单收了", words.yuan(sums.ordered_fen), f"{sums.orders} 笔"),
        ("付款记录", words.yuan(sums.paid_fen), f"{sums.payments} 笔，退款 {sums.refunds} 笔"),
        ("渠道账单", words.yuan(sums.bill_paid_fen), told),
        ("手续费", words.yuan(sums.fee_fen), f"收款的 {rate}" if sums.bill_paid_fen else rate),
    ]


def _why(differ: Mapping[DiscrepancyState, int]) -> str:
    parts = [
        ("要处理", DiscrepancyState.open),
        ("等明天的账单", DiscrepancyState.waiting),
        ("认下了", DiscrepancyState.accepted),
    ]
    return "，".join(f"{name} {differ[state]} 笔" for name, state in parts if differ.get(state))
