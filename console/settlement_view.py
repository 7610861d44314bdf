"""Statements in words: a month by days, a day by kinds, and every sum that it is made of."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

from flask import url_for

from console import words
from payments import accounts
from payments.models import BookProof
from payments.proof import is_proven
from payments.settlement import awaiting
from payments.settlement.figures import Figures, Line, add_up, is_earned
from payments.settlement.stored_value import Moved

ACCOUNTS = {
    accounts.CHANNEL: "渠道里的钱",
    accounts.SALES: "卖出去的",
    accounts.BALANCE: "会员的储值",
    accounts.BONUS: "充值送的",
    accounts.IMPORTED: "从别的系统带来的储值",
    accounts.BY_HAND: "另外退回去的",
    accounts.LOSS: "对账认下的",
    accounts.UNCLAIMED: "付晚了，退回去的",
    accounts.FEE: "渠道手续费",
    accounts.COMMISSION: "平台服务费",
    accounts.SHARING: "分给别人的",
    accounts.COUPON_COST: "券，自己承担",
    accounts.SUBSIDY: "券，平台承担",
    accounts.GIVEN: "券抵掉的货款",
    accounts.PAYOUT: "划出去的",
    accounts.STORE: "门店收到的",
}
KINDS = {
    "payment": "收款",
    "refund": "退款",
    "fee": "手续费",
    "fee_back": "退回手续费",
    "sharing": "分账",
    "sharing_back": "分账退回",
    "coupon": "用券",
    "coupon_back": "退款退券",
    "payout": "划给门店",
    "loss": "认下差错",
    "found": "差错找回",
    "stored": "充值收回",
    "import": "导入会员",
}
CHANNELS = {"wechat": "微信支付", "alipay": "支付宝", "unionpay": "银联"}
CHECKED = {
    "order": "订单",
    "member": "会员",
    "coupon": "券",
    "statement": "日结单",
    "store": "门店",
    "payout": "划款",
    "sharing": "分账",
    "fee": "手续费",
    "bill": "账单",
    "loss": "对账差异",
    "merchant": "储值",
}
HEADS = ("收款", "退款", "手续费", "平台服务费", "分给别人", "对账调整", "净额")


def tabs(here: str) -> list[tuple[str, str, Any, bool]]:
    """The three pages of 结算; `here` is an endpoint without its blueprint's."""
    places = (
        ("日结单", "settlement.index"),
        ("划给门店", "settlement.list_payouts"),
        ("分账", "sharing.index"),
    )
    return [(name, url_for(f"console.{to}"), None, to == here) for name, to in places]


def columns(figures: Figures) -> list[int]:
    """In the order of `HEADS`; what goes out is negative, so that a row adds up."""
    return [
        figures.taken_fen,
        -figures.refunded_fen,
        -figures.fee_fen,
        -figures.commission_fen,
        -figures.shared_fen,
        figures.other_fen,
        figures.net_fen,
    ]


def signed(fen: int) -> str:
    return words.yuan(fen) if fen else "0.00"


def whole(several: Iterable[Figures]) -> list[int]:
    rows = [columns(one) for one in several]
    return [sum(column) for column in zip(*rows, strict=True)] if rows else [0] * len(HEADS)


def day_row(day: date, figures: Figures, closed: bool, today: date) -> dict[str, Any]:
    state = ("已结", "ok") if closed else ("今天", "") if day == today else ("等账单", "warn")
    return {
        "day": words.date_of(day),
        "weekday": f"周{words.WEEKDAYS[day.weekday()]}",
        "href": url_for("console.settlement.show", day=day.isoformat()),
        "amounts": [signed(fen) for fen in columns(figures)],
        "state": state,
    }


def waits(day: date, missing: Iterable[str], now: datetime) -> str:
    """Why a past day is still open, and when that ends."""
    if now < awaiting.closes_at(day):
        return f"渠道账单到齐后结，{words.when(awaiting.closes_at(day), now)} 以后"
    if names := "、".join(CHANNELS[name] for name in missing):
        last = words.when(awaiting.closes_at_last(day), now)
        return f"在等{names}这天的账单，核完就结；一直不来，{last} 照结，晚到的手续费记在那一天"
    return "账单到齐了，马上就结"


def chart(found: list[tuple[date, Figures, bool]]) -> dict[str, Any]:
    days = found[::-1]
    return {
        "kind": "bars",
        "x": [f"{day.month}-{day.day}" for day, _, _ in days],
        "series": [
            {"name": "净额", "data": [figures.net_fen / 100 for _, figures, _ in days]},
            {
                "name": "退款",
                "data": [figures.refunded_fen / 100 for _, figures, _ in days],
                "control": True,
            },
        ],
    }


def steps(figures: Figures) -> list[dict[str, Any]]:
    """From what came in to what is left, one under the other."""
    amounts = columns(figures)
    biggest = max(abs(amount) for amount in amounts) or 1
    return [
        {
            "words": name,
            "amount": signed(amount),
            "pct": round(100 * abs(amount) / biggest),
            "last": name == HEADS[-1],
        }
        for name, amount in zip(HEADS, amounts, strict=True)
    ]


def by_channel(lines: list[Line]) -> list[dict[str, Any]]:
    """What each account at each channel moved, by kind."""
    sums: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for line in lines:
        if accounts.kind_of(line.account) == accounts.CHANNEL:
            sums[line.account][line.kind] += line.amount_fen
    came = {account: max(sum(kinds.values()), 0) for account, kinds in sums.items()}
    whole = sum(came.values()) or 1
    return [
        {
            "name": CHANNELS.get(account.split(":")[1], "其他渠道"),
            "number": account.split(":", 2)[2],
            "kinds": [
                (KINDS.get(kind, "其他"), signed(kinds[kind])) for kind in sorted(kinds, key=_place)
            ],
            "sum": signed(sum(kinds.values())),
            "pct": round(100 * came[account] / whole),
        }
        for account, kinds in sorted(sums.items(), key=lambda item: -came[item[0]])
    ]


def by_store(lines: list[Line], names: Mapping[int, str]) -> list[dict[str, Any]]:
    """Each store's columns, and how its net leads to what it earned: stored value is taken in where
    it is topped up and earned where it is spent, and what moved beside the channels (given back by
    hand, given up, too late) is between them. Each row adds up, as every cause does."""
    mine: dict[int | None, list[Line]] = defaultdict(list)
    for line in lines:
        mine[line.store_id].append(line)
    rows = []
    for store_id, several in mine.items():
        amounts, steps = columns(add_up(several)), _steps(several)
        if any((*amounts, *steps.values())):
            name = "不属于哪家店" if store_id is None else names.get(store_id, "别的门店")
            row = {"name": name, "amounts": [signed(fen) for fen in amounts]}
            rows.append(row | {step: signed(fen) for step, fen in steps.items()})
    return rows


def of_all_stores(lines: list[Line]) -> dict[str, str]:
    """What the last columns of `by_store` come to."""
    return {step: signed(fen) for step, fen in _steps(lines).items()}


def _steps(lines: list[Line]) -> dict[str, int]:
    steps = {"stored": 0, "beside": 0, "earned": 0}
    for line in lines:
        kind = accounts.kind_of(line.account)
        if is_earned(line):
            steps["earned"] -= line.amount_fen
        elif kind != accounts.CHANNEL:
            steps["stored" if kind in accounts.STORED else "beside"] += line.amount_fen
    return steps


def stored(found: Moved, until: str) -> list[tuple[str, str, bool]]:
    """What members were owed, what came and went, and what they are owed at the end of it."""
    moved = (
        ("充值", found.topped_up_fen),
        ("充值送的", found.given_fen),
        ("从别的系统带来", found.imported_fen),
        ("消费", found.spent_fen),
        ("退款退回余额", found.returned_fen),
        ("充值退款，收回", found.taken_back_fen),
        ("其他", found.other_fen),
    )
    if not found.opening_fen and not any(fen for _, fen in moved):
        return []
    return [
        ("之前欠会员", signed(found.opening_fen), False),
        *((name, signed(fen), False) for name, fen in moved if fen),
        (f"{until}欠会员", signed(found.closing_fen), True),
    ]


def by_account(lines: list[Line]) -> tuple[list[tuple[str, str, str, str]], str]:
    """Every account by kind of cause, and the sum of all, which is nothing."""
    sums: dict[tuple[str, str], tuple[int, int]] = {}
    for line in lines:
        key = (accounts.kind_of(line.account), line.kind)
        amount, entries = sums.get(key, (0, 0))
        sums[key] = (amount + line.amount_fen, entries + line.entries)
    rows = [
        (
            ACCOUNTS.get(account, "其他"),
            KINDS.get(kind, "其他"),
            words.count(entries),
            signed(amount),
        )
        for (account, kind), (amount, entries) in sorted(
            sums.items(), key=lambda item: (_rank(ACCOUNTS, item[0][0]), _place(item[0][1]))
        )
    ]
    return rows, signed(sum(amount for amount, _ in sums.values()))


def _place(kind: str) -> int:
    return _rank(KINDS, kind)


def _rank(known: Mapping[str, str], name: str) -> int:
    """As the names are listed; what has none comes last."""
    return list(known).index(name) if name in known else len(known)


def proof(found: BookProof | None, unsolved: int, now: Any) -> dict[str, str] | None:
    """What the last nightly proof said of our own books, and how many differences with the
    channels' are `unsolved`: only without any is it all well."""
    if found is None:
        return None
    looked = "、".join(
        f"{CHECKED[name]} {words.count(number)}"
        for name, number in found.counts.items()
        if number and name in CHECKED and name != "loss"
    )
    when = words.when(found.at, now)
    if is_proven(found):
        own, more = f"{when} 自己的账核过，一分不差", looked or "还没有账"
        if unsolved:
            said = f"{own}。跟渠道还有 {unsolved} 条没处理"
            return {"kind": "open", "words": said, "looked": more}
        return {"kind": "ok", "words": own, "looked": more}
    wrong = "、".join(
        f"{CHECKED.get(name, name)} {len(ids)}" for name, ids in found.wrong.items() if ids
    )
    return {
        "kind": "bad",
        "words": f"{when} 核账时有对不上的：{wrong}。先别结账，找装系统的人看日志",
    }
