"""Plans to start from: what most shops want first, with words and times that work. Pure."""

from dataclasses import dataclass
from typing import Any

from crm.journeys import editing
from crm.journeys.graph import Graph, empty, slots

Step = dict[str, Any]


@dataclass(frozen=True)
class Model:
    """`coupon`: which of the merchant's coupons it means, in words, or "": it gives none."""

    key: str
    name: str
    words: str
    trigger: dict[str, Any]
    entry: dict[str, Any]
    goal: str
    steps: tuple[Step, ...]
    coupon: str = ""


def _wait(amount: int, unit: str = "days", hour: int | None = None) -> Step:
    return {"kind": "wait", "amount": amount, "unit": unit, "until_hour": hour}


def _say(text: str) -> Step:
    return {"kind": "message", "text": text}


def _bought(times: int) -> dict[str, Any]:
    return {"op": "and", "rules": [{"field": "orders", "op": ">=", "value": times}]}


_OTHERWISE = {
    "second_visit": ("{昵称}，「{券名}」快到期了，{到期日}前都能用。",),
    "low_balance": ("{昵称}，储值余额不多了，下次来店里充一点就行。",),
}
"""What is said on the second line of a model's last step."""

_COUPON: Step = {"kind": "coupon", "template_id": None}

MODELS = (
    Model(
        "welcome",
        "欢迎新客",
        "关注后第二天还没下单，送一张首单券；快到期再提醒一次",
        {"kind": "followed"},
        {"rule": "once"},
        "paid",
        (
            _wait(1, hour=10),
            _COUPON,
            _say("{昵称}，第一杯我们请一点。「{券名}」放进券包了，{到期日}前来用就行。"),
            _wait(5, hour=16),
            _say("{昵称}，你的「{券名}」{到期日}就到期，路过来坐坐。"),
        ),
        "新客",
    ),
    Model(
        "second_visit",
        "第二次到店",
        "第一单之后三天没再来，请他来第二次；七天后再提一次",
        {"kind": "first_order"},
        {"rule": "once"},
        "paid",
        (
            _wait(3, hour=15),
            _COUPON,
            _say("{昵称}，上次喝得还好吗？第二次来，用「{券名}」，{到期日}前有效。"),
            {"kind": "listen", "event": "redeemed", "amount": 7, "unit": "days", "until_hour": 15},
        ),
        "回店",
    ),
    Model(
        "win_back",
        "快流失挽回",
        "买过两次以上、30 天没来的老客，送一张券请回来",
        {"kind": "inactive", "days": 30, "rule": _bought(2)},
        {"rule": "days", "days": 90},
        "paid",
        (
            _COUPON,
            _say("{昵称}，好久不见。给你留了「{券名}」，{到期日}前来用。"),
            _wait(7, hour=15),
            _say("{昵称}，「{券名}」快到期了，{到期日}前都能用。"),
        ),
        "回店",
    ),
    Model(
        "birthday",
        "生日",
        "生日前三天送一张券，祝一句生日快乐",
        {"kind": "birthday", "days": 3},
        {"rule": "days", "days": 300},
        "redeemed",
        (_COUPON, _say("{昵称}，生日快乐。这张「{券名}」送你，{到期日}前来用。")),
        "生日",
    ),
    Model(
        "expiring",
        "券快过期",
        "手里的券还有三天到期，提醒一次；用了就不再提",
        {"kind": "expiring", "days": 3},
        {"rule": "every"},
        "redeemed",
        (_say("{昵称}，你的「{券名}」{到期日}到期，别放过了。"),),
    ),
    Model(
        "abandoned",
        "下单没付",
        "下了单没付款，单子已经取消：半小时后问一句",
        {"kind": "abandoned"},
        {"rule": "days", "days": 7},
        "paid",
        (
            _wait(30, "minutes"),
            _say("{昵称}，刚才的单没付成，东西还在，想要再下一次就行。"),
        ),
    ),
    Model(
        "low_balance",
        "余额不多了",
        "储值余额低于提醒线，第二天提醒一次；充了就不提",
        {"kind": "low_balance"},
        {"rule": "days", "days": 30},
        "none",
        (
            _wait(1, hour=11),
            {"kind": "branch", "test": "event", "event": "topped_up"},
        ),
    ),
    Model(
        "points_expiring",
        "积分快到期",
        "积分到期前提醒一次；提前几天在积分规则里定",
        {"kind": "points_expiring"},
        {"rule": "days", "days": 30},
        "none",
        (
            _wait(1, "hours", hour=11),
            _say("{昵称}，你有积分快到期了，来点一杯抵掉它，或者去积分商城换一张券。"),
        ),
    ),
    Model(
        "promoted",
        "升级祝贺",
        "会员升了等级，送一张券，说一句恭喜",
        {"kind": "tier", "way": "up"},
        {"rule": "every"},
        "none",
        (_COUPON, _say("恭喜{昵称}升级。这张「{券名}」送你，{到期日}前来用。")),
        "升级",
    ),
    Model(
        "blank",
        "从空白开始",
        "自己定什么事触发，再一步一步往下加",
        {"kind": "followed"},
        {"rule": "once"},
        "none",
        (),
    ),
)


def find(key: str) -> Model | None:
    return next((model for model in MODELS if model.key == key), None)


def plan_of(model: Model, template_id: int | None) -> Graph:
    """The model's plan with the merchant's own coupon in it, where it gives one."""
    made = empty(model.trigger["kind"])
    made["trigger"], made["entry"] = dict(model.trigger), dict(model.entry)
    made["goal"] = {"kind": model.goal}
    under, slot = editing.START, "first"
    for step in model.steps:
        made, key = editing.insert(made, under, slot, step["kind"])
        settings = {**step, "template_id": template_id} if step["kind"] == "coupon" else step
        made = editing.change(made, key, settings)
        under, slot = key, slots(made["nodes"][key])[0]
    for text in _OTHERWISE.get(model.key, ()):
        made, key = editing.insert(made, under, slots(made["nodes"][under])[1], "message")
        made = editing.change(made, key, {"text": text})
    return made
