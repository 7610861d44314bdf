"""The story's night: a bill that differs is seen and mended, and the day is closed to the fen."""

import re
import tomllib
from datetime import datetime, timedelta

from sqlalchemy import create_engine, text

from core.clock import business_day, local
from scripts.player import Console, cart, eventually
from scripts.stage import Story, expect

NEVER, TOO_MUCH = 30 * 86_400, 100
ROW = re.compile(
    r'<td class="strong">([^<]+)</td><td class="muted">([^<]+)</td>'
    r'<td class="num muted hide"[^>]*>[^<]*</td><td class="num c-r">([^<]+)</td>'
)
KINDS = {"收款": "payment", "退款": "refund", "手续费": "fee", "退回手续费": "fee_back"}


def reconcile(story: Story) -> str:
    """A payment of which nobody heard, and a row of the bill with another sum: both are found in
    the morning, and the act that is recommended for each mends it."""
    guest, sandbox, store_id = story.guest, story.sandbox, story.seen["store_id"]
    sandbox.post("faults", api="pay.notify", kind="delay", seconds=NEVER)
    sandbox.post("faults", api="pay.query,pay.close", kind="error", times=None)
    known = {row["out_trade_no"] for row in sandbox.get("state")["orders"]}
    made = guest.order(cart(guest.menu(store_id)["桂花乌龙鲜奶"], store_id))
    guest.pay(made["no"])
    there = sandbox.get("state")["orders"]
    (lost,) = (row["out_trade_no"] for row in there if row["out_trade_no"] not in known)
    wrong = next(row for row in there if row["trade_type"] == "MICROPAY")
    told = {wrong["out_trade_no"]: wrong["total_fen"] + TOO_MUCH}
    sandbox.post("bills", amounts_fen=told)
    story.seen["day"] = business_day(now(story))
    skip_to(story, 10.5)

    fresh_owner(story)
    first = find(story, lost, "账单里多了一笔收款")
    second = find(story, wrong["out_trade_no"], "收款金额对不上")
    expect(guest.show(made["no"])["payment_state"] == "unpaid", "没人说起的这笔，订单还不知道")
    sandbox.delete("faults")
    act(story, first, "ask")
    paid = guest.wait_paid(made["no"])
    expect(paid["paid_fen"] == made["payable_fen"], "问过渠道，订单应付清了")
    sandbox.post("bills")
    act(story, second, "again")
    solved = "recon/?tab=solved"
    eventually(lambda: wrong["out_trade_no"] in story.owner.get(solved), "重新下的账单对上了")
    eventually(lambda: "没有要处理的" in story.owner.get("recon/"), "没有别的差异了")
    return (
        f"丢了通知、查不到的 {made['payable_fen']} 分和账单写错的 {TOO_MUCH} 分都进了对账，"
        "按建议各点一下，都对上了"
    )


def settle(story: Story) -> str:
    """The day's statement is what the channels have, and what the ledger says, to the fen. What
    was only heard of in the morning stands there too: the day on which it was paid is open."""
    day = story.seen["day"]
    skip_to(story, 14.5)
    fresh_owner(story)
    address = f"settlement/{day.isoformat()}"
    page = eventually(lambda: "已结" in (p := story.owner.get(address)) and p, "这一天结了")
    shown = {(account, kind): fen(amount) for account, kind, amount in ROW.findall(page)}
    of = {KINDS[kind]: sum_ for (name, kind), sum_ in shown.items() if name == "渠道里的钱"}
    took, gave = at_the_channels(story)
    expect((of["payment"], of["refund"]) == (took, -gave), f"渠道收 {took}、退 {gave}：{of}")
    net = fen(re.findall(r">= ([^<]+)<", page)[0])
    booked = entries(story)
    expect(net == sum(of.values()) == booked["channel"], f"净额应和账本一分不差：{net} {booked}")
    fees = of["fee"] + of["fee_back"]
    expect(booked["fee"] == -fees, f"手续费应和账本一分不差：{fees} {booked}")
    expect(sum(shown.values()) == sum(booked.values()) == 0, "所有科目加起来应是零")
    return f"收 {took} 分，退 {gave} 分，手续费 {-fees} 分，净额 {net} 分，和账本一分不差"


def at_the_channels(story: Story) -> tuple[int, int]:
    """What all channels took, and what went back there, as they say themselves."""
    there = story.sandbox.get("state")
    took = sum(row["total_fen"] for row in there["orders"] if row["success_time"])
    took += sum(row["total_fen"] for row in there["trades"] if row["paid_at"])
    took += sum(row["fen"] for row in there["moves"] if (row["kind"], row["code"]) == ("01", "00"))
    gave = sum(row["refund_fen"] for row in there["refunds"])
    return took, gave


def entries(story: Story) -> dict[str, int]:
    """What the ledger has of the day, by kind of account."""
    url = tomllib.loads(story.tree.config.read_text("utf-8"))["database"]["url"]
    engine = create_engine(url)
    asked = text("SELECT account, amount_fen FROM ledger_entries WHERE day = :day")
    sums: dict[str, int] = {}
    with engine.connect() as connection:
        for account, amount in connection.execute(asked, {"day": story.seen["day"].isoformat()}):
            kind = account.split(":")[0]
            sums[kind] = sums.get(kind, 0) + int(amount)
    engine.dispose()
    return sums


def find(story: Story, number: str, title: str) -> str:
    """Where the discrepancy about this payment is."""
    rows = re.compile(r'href="/console/(recon/\d+)[^"]*#case"(.*?)</a>', re.S)

    def look() -> str | None:
        found = rows.findall(story.owner.get("recon/"))
        return next((path for path, row in found if number in row and title in row), None)

    return eventually(look, f"对账里有「{title}」", seconds=60)


def act(story: Story, path: str, wanted: str) -> None:
    """What the page recommends, done."""
    page = story.owner.get(path)
    (advised,) = re.findall(r'name="act" value="(\w+)" checked', page)
    expect(advised == wanted, f"建议应是 {wanted}，却是 {advised}")
    story.owner.post(path, act=advised)


def fresh_owner(story: Story) -> None:
    """Nobody stays logged in over night."""
    story.owner = Console(story.tree.base_url)
    story.owner.log_in("owner", story.password("owner"))


def now(story: Story) -> datetime:
    return datetime.fromisoformat(story.sandbox.get("clock")["now"])


def skip_to(story: Story, hour: float) -> None:
    """This hour in Beijing, on the day after the story's."""
    midnight = datetime.combine(story.seen["day"], datetime.min.time(), local(now(story)).tzinfo)
    story.sandbox.advance((midnight + timedelta(days=1, hours=hour) - now(story)).total_seconds())


def fen(shown: str) -> int:
    return int(shown.replace("−", "-").replace(",", "").replace(".", ""))
