"""The main story over HTTP against a freshly started demo; prints each step with what it saw.

`python -m scripts.story [--database sqlite|mariadb]`; exit code 1 when the story does not hold.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable

from scripts import night
from scripts.player import Person, Unexpected, cart, eventually, option
from scripts.stage import Story, begin, expect, stage

STORE, WELCOME, CAMPAIGN = "静安寺店", "关注见面礼", "请你回来坐坐"


def follow(story: Story) -> str:
    """Scanning a store's poster, with every event sent three times."""
    story.sandbox.post("faults", api="official.push", kind="duplicate", copies=3)
    poster = story.sandbox.qr(lambda qr: STORE in qr["title"] and qr["kind"] != "screen", "海报")
    story.guest.scan(poster["text"])
    eventually(lambda: story.guest.heard(STORE), "欢迎语里有门店名")
    eventually(lambda: story.guest.heard("见面礼"), "收到见面礼的消息")
    story.sandbox.delete("faults")
    return f"{story.guest.name}扫了{STORE}的海报；欢迎语和见面礼都到了"


def log_in(story: Story) -> str:
    story.guest.log_in()
    eventually(
        lambda: [c["name"] for c in story.guest.coupons()] == [WELCOME], "券包里只有一张见面礼"
    )
    stores = story.guest.call("GET", "stores?lat=31.2243&lng=121.4457")["items"]
    expect(stores[0]["name"] == STORE, f"最近的应是{STORE}")
    story.seen["store_id"] = stores[0]["id"]
    return f"小程序里是同一个人：一张{WELCOME}；最近的是{STORE}，{stores[0]['distance_m']} 米"


def order(story: Story) -> str:
    guest, store_id = story.guest, story.seen["store_id"]
    product = guest.menu(store_id)["杨枝甘露"]
    wanted = cart(product, store_id, 2, coupon_id="best")
    quote = guest.call("POST", "quotes", json=wanted)
    expect(quote["coupon_id"], "最好的券应已选上")
    taken = sum(discount["amount_fen"] for discount in quote["discounts"])
    expect(quote["goods_fen"] - taken == quote["payable_fen"], "逐条优惠加起来应等于总优惠")
    wanted["expected_payable_fen"] = quote["payable_fen"]
    made = guest.order(wanted, key="story-order-1")
    again = guest.order(wanted, key="story-order-1")
    expect(made["no"] == again["no"], "同一个请求号应得到同一张订单")
    guest.order({**wanted, "note": "另一单"}, key="story-order-1", status=409)
    expect([c["state"] for c in guest.coupons()] == ["locked"], "券应已锁定")
    story.seen["no"], story.seen["payable_fen"] = made["no"], made["payable_fen"]
    lines = "；".join(f"{d['reason']} −{d['amount_fen']} 分" for d in quote["discounts"])
    return f"两杯 {quote['goods_fen']} 分，{lines}，应付 {quote['payable_fen']} 分"


def pay(story: Story) -> str:
    """Paid under twenty copies of the notice."""
    story.sandbox.post("faults", api="pay.notify", kind="duplicate", copies=20)
    story.guest.pay(story.seen["no"])
    paid = story.guest.wait_paid(story.seen["no"])
    story.sandbox.delete("faults")
    expect(paid["paid_fen"] == story.seen["payable_fen"], "实付应等于应付")
    expect(paid["pickup_code"], "付款后应有取餐码")
    card = story.guest.call("GET", "me")
    expect(card["points_pending"] > 0, "积分应在路上")
    expect(card["points"] == 0, "积分还不能用")
    story.seen |= {"code": paid["pickup_code"], "points": card["points_pending"]}
    number, points = paid["pickup_number"], card["points_pending"]
    return f"通知来了 20 遍，付了一次；取餐号 {number}，{points} 积分在路上"


def lose_notice(story: Story) -> str:
    """A second order whose notice is two hours late: asking the channel heals it."""
    guest, store_id = story.guest, story.seen["store_id"]
    story.sandbox.post("faults", api="pay.notify", kind="delay", seconds=7_200)
    made = guest.order(cart(guest.menu(store_id)["桂花乌龙鲜奶"], store_id))
    guest.pay(made["no"])
    guest.wait_paid(made["no"], seconds=60)
    story.sandbox.delete("faults")
    story.seen["second"] = made["no"]
    return f"订单 {made['no']} 的通知迟迟不到，查单补上了"


def store_value(story: Story) -> str:
    """A top-up; then an order that the balance pays alone, and one that it pays a part of."""
    guest, store_id = story.guest, story.seen["store_id"]
    plan = min(guest.call("GET", "plans?kind=top_up")["items"], key=lambda each: each["price_fen"])
    key = {"Idempotency-Key": "story-top-up"}
    bought = guest.call("POST", f"plans/{plan['id']}/orders", json={}, headers=key)
    guest.pay(bought["no"])
    guest.wait_paid(bought["no"])
    full = plan["price_fen"] + plan["bonus_fen"]
    expect(balance(guest) == full, "本金和赠送都应到账")

    cup = guest.menu(store_id)["桂花乌龙鲜奶"]
    alone = guest.order(cart(cup, store_id))
    answer = guest.call("POST", f"orders/{alone['no']}/payment", json={"channel": "balance"})
    expect(answer["show"] == "done", "余额够，就不用打开支付")
    paid = guest.show(alone["no"])
    expect(paid["payment_state"] == "paid", "余额应当场付好")
    left = full - paid["paid_fen"]
    expect(balance(guest) == left, "余额应少了这一单的钱")

    beside = guest.order(cart(cup, store_id, 2 + left // paid["paid_fen"]))
    part = {"channel": "wechat", "balance_fen": left}
    sheet = guest.call("POST", f"orders/{beside['no']}/payment", json=part)["params"]
    expect(balance(guest) == 0, "付款没完成时，这部分余额先留着")
    guest.act("pay", appid=guest.mini, **sheet)
    parts = guest.wait_paid(beside["no"])["payments"]
    rest = beside["payable_fen"] - left
    said = [(part["channel"], part["amount_fen"], part["state"]) for part in parts]
    expect(said == [("balance", left, "paid"), ("wechat", rest, "paid")], f"两份各付各的：{said}")
    story.seen["mixed"] = (beside["no"], left, rest)
    moved = guest.call("GET", "balance")["items"]
    told = [(row["amount_fen"], row["order_no"]) for row in moved]
    expected = [
        (-left, beside["no"]),
        (-paid["paid_fen"], alone["no"]),
        (full, bought["no"]),
    ]
    expect(told == expected, f"储值明细应逐笔对上订单：{told}")
    return f"充值到账 {full} 分；一单全用余额，一单余额 {left} 分加微信 {rest} 分"


def balance(person: Person) -> int:
    return int(person.call("GET", "membership")["balance_fen"])


def other_channels(story: Story) -> str:
    """In the browser build: over to the channel's own cashier, and paid there."""
    guest, store_id = story.guest, story.seen["store_id"]
    cup = guest.menu(store_id)["桂花乌龙鲜奶"]
    told = []
    for channel, name in (("alipay", "支付宝"), ("unionpay", "银联")):
        made = guest.order(cart(cup, store_id))
        guest.pay_on_page(made["no"], channel)
        parts = guest.wait_paid(made["no"])["payments"]
        said = [(part["channel"], part["amount_fen"], part["state"]) for part in parts]
        expect(said == [(channel, made["payable_fen"], "paid")], f"{name}应付清这一单：{said}")
        told.append(f"{name} {made['payable_fen']} 分")
    return f"到收银台各付一单：{'，'.join(told)}"


def counter(story: Story) -> str:
    """A sum at the counter, paid by the customer's code; the same code is charged once."""
    page = story.owner.get("collect/")
    (key,) = re.findall(r'name="key" value="([^"]+)"', page)
    store = option(page, "store", STORE)
    shown = story.owner.send("collect/", amount="12.34", key=key, store=store)
    no = shown.url.rsplit("/", 1)[-1]
    code = story.guest.act("payment-code", asks_password=False)["code"]
    for _ in range(2):
        story.owner.post(f"collect/{no}/code", code=code)
    openid = story.guest.chat(story.guest.mini)["openid"]
    charged = [
        row["total_fen"]
        for row in story.sandbox.get("state")["orders"]
        if row["trade_type"] == "MICROPAY" and row["openid"] == openid
    ]
    expect(charged == [1_234], f"付款码应只收一次：{charged}")
    expect("12.34" in story.owner.get("collect/"), "今天收的里应有这一笔")
    return "柜台扫付款码收了 1234 分，再扫一遍也只收一次"


def hand_over(story: Story) -> str:
    no = story.seen["no"]
    expect(no in story.owner.get("orders/"), "后台列表里应有这一单")
    story.owner.post(f"orders/{no}/accept")
    story.owner.post(f"orders/{no}/ready")
    expect(story.guest.show(no)["state"] == "ready", "应可取餐")
    eventually(lambda: "请来取" in cards(story.guest), "微信的订单卡片跟上了")
    wrong = story.owner.send(f"orders/{no}/hand-over", code="000000")
    expect(wrong.status_code == 422, "取餐码不对应被拒")
    story.owner.post(f"orders/{no}/hand-over", code=story.seen["code"])
    expect(story.guest.show(no)["state"] == "completed", "应已完成")
    eventually(lambda: "已取走" in cards(story.guest), "卡片走完了")
    eventually(lambda: shipped(story), "微信知道货交了")
    return "接单、出餐，错的取餐码被拒，对的交餐；微信的订单卡片一步步跟着，发货信息也录了"


def shipped(story: Story) -> bool:
    """Whether WeChat was told that the first thing it was paid for is handed over."""
    openid = story.guest.chat(story.guest.mini)["openid"]
    orders = story.sandbox.get("state")["orders"]
    paid = next(row["transaction_id"] for row in orders if row["openid"] == openid)
    feed = story.sandbox.get("feed")["events"]
    told = [each for each in feed if "upload_shipping_info" in each["api"]]
    return any(each["tone"] == "ok" and paid in str(each) for each in told)


def cards(person: Person) -> list[str]:
    """What the service cards on this phone say."""
    messages = person.chat(person.mini)["messages"]
    return [each["title"] for each in messages if each["kind"] == "card"]


def bind_clerk(story: Story) -> str:
    invite = story.sandbox.qr(lambda qr: "邀请" in qr["title"] and "小周" in str(qr), "店员邀请码")
    story.clerk.scan(invite["text"])
    eventually(lambda: "扫码核销" in str(story.clerk.chat()["menu"]), "店员看到店员菜单")
    return "小周扫邀请码绑定了微信，菜单换成了店员的"


def campaign(story: Story) -> str:
    story.guest.say("今天喝什么")  # opens the customer-service window
    rule = {"0.op": "all", "0-0.field": "orders", "0-0.cmp": ">=", "0-0.value": "1"}
    story.owner.post("segments/new", name="来过的人", do="save", **rule, **{"0-0.days": ""})
    form = story.owner.get("campaigns/new")
    segment = option(form, "segment", "来过的人")
    template = option(form, "template", "老客回店券")
    words = {"name": CAMPAIGN, "message": "好久不见，送你一张券", "holdout": "0"}
    page = story.owner.post("campaigns/new", segment=segment, template=template, **words)
    found = re.search(r"/console/campaigns/(\d+)/launch", page)
    expect(found, "应能启动活动")
    number = found.group(1) if found else ""
    story.owner.post(f"campaigns/{number}/launch")
    eventually(lambda: story.guest.heard("好久不见"), "活动消息到了", seconds=40)
    eventually(lambda: len(story.guest.coupons()) == 1, "券包里有活动的券")
    story.seen |= {"campaign": number, "coupon": story.guest.coupons()[0]}
    return f"活动发给「来过的人」，{story.guest.name}在聊天窗口里收到，券包里多了一张"


def redeem(story: Story) -> str:
    coupon_id = story.seen["coupon"]["id"]
    token = story.guest.call("GET", f"coupons/{coupon_id}/code")["token"]
    story.clerk.tap("扫码核销", scan=token)
    eventually(lambda: story.clerk.heard("老客回店券"), "聊天里告诉店员这是什么券")
    page = story.counter.get("redeem/check", token=token)
    form = dict(re.findall(r'name="(code|key|store)" value="([^"]+)"', page))
    story.counter.post("redeem/confirm", **form)
    used = story.guest.coupons("used")
    expect(any(coupon["id"] == coupon_id for coupon in used), "券应已使用")
    again = story.counter.send("redeem/confirm", **{**form, "key": "another-key"})
    expect(again.status_code == 422, "第二次核销应被拒")
    return "店员扫旋转码，核对、核销；再核一次被拒"


def report(story: Story) -> str:
    page = eventually(
        lambda: (
            (p := story.owner.get(f"campaigns/{story.seen['campaign']}/report"))
            and "核销" in p
            and p
        ),
        "活动报告",
    )
    return f"活动报告有 {len(page) // 1000} KB，写着送达、跳过的原因、核销和增量"


def refund(story: Story) -> str:
    no = story.seen["no"]
    before = story.guest.call("GET", "me")["points_pending"]
    amount = f"{story.seen['payable_fen'] / 100:.2f}"
    give_back(story, no, amount=amount)
    eventually(lambda: story.guest.show(no)["payment_state"] == "refunded", "退款到账", seconds=40)
    points = story.guest.call("GET", "me")["points_pending"]
    expect(points == before - story.seen["points"], "积分应已收回")
    return f"全额退款 ¥{amount}，积分收回"


def refund_line(story: Story) -> str:
    """One cup of the order that balance and WeChat paid together: each gets back its part."""
    no, paid_balance, paid_channel = story.seen["mixed"]
    page = story.owner.get(f"orders/{no}/refund")
    (line,) = re.findall(r'<select[^>]*name="(n-\d+)"', page)
    give_back(story, no, **{line: "1"})

    def settled() -> bool:
        states = [each["state"] for each in story.guest.show(no)["refunds"]]
        return bool(states) and set(states) == {"succeeded"}

    eventually(settled, "一杯的退款到账", seconds=40)
    order = story.guest.show(no)
    amount, channel, stored = (
        sum(each[name] for each in order["refunds"])
        for name in ("amount_fen", "channel_fen", "balance_fen")
    )
    expect(order["payment_state"] == "part_refunded", "应是部分退款")
    expect(order["refunded_fen"] == amount == channel + stored, "退了多少就记多少，两份加得起来")
    share = amount * paid_balance / (paid_balance + paid_channel)
    expect(abs(stored - share) < 1, "余额和微信按付款的比例退")
    expect(balance(story.guest) == stored, "余额那份应回到余额里")
    return f"退一杯 {amount} 分：微信 {channel} 分，余额 {stored} 分"


def give_back(story: Story, no: str, **what: str) -> None:
    """The owner's refund in the console, proved by the password."""
    page = story.owner.get(f"orders/{no}/refund")
    reason = option(page, "reason", "")
    (key,) = re.findall(r'name="key" value="([^"]+)"', page)
    form = {**what, "reason": reason, "password": story.password("owner"), "key": key}
    story.owner.post(f"orders/{no}/refund", **form)


STEPS: tuple[tuple[str, Callable[[Story], str]], ...] = (
    ("关注", follow),
    ("登录与浏览", log_in),
    ("下单", order),
    ("付款", pay),
    ("丢了通知", lose_notice),
    ("储值", store_value),
    ("支付宝和银联", other_channels),
    ("付款码", counter),
    ("交付", hand_over),
    ("店员上岗", bind_clerk),
    ("活动", campaign),
    ("核销", redeem),
    ("报告", report),
    ("退款", refund),
    ("退一杯", refund_line),
    ("夜里对账", night.reconcile),
    ("日结", night.settle),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "mariadb"), default="sqlite")
    arguments = parser.parse_args()
    print(f"\n  主线，在 {arguments.database} 上", flush=True)
    with stage(arguments.database) as tree:
        story = begin(tree)
        for number, (name, step) in enumerate(STEPS, 1):
            began = time.monotonic()
            try:
                saw = step(story)
            except (Unexpected, KeyError, AttributeError, IndexError) as error:
                print(f"  {number:2} ✗ {name}：{type(error).__name__} {error}", flush=True)
                for log in sorted(tree.directory.glob("*.log")):
                    tail = [line for line in log.read_text().splitlines() if '"error"' in line][-3:]
                    print("\n".join([f"--- {log.name}", *tail]))
                sys.exit(1)
            print(f"  {number:2} ✓ {name}（{time.monotonic() - began:.1f} 秒）：{saw}", flush=True)
    print("  主线成立\n", flush=True)


if __name__ == "__main__":
    main()
