"""A journey in the words of a shop: triggers, steps, outcomes, ends. Pure but for names given."""

from collections.abc import Mapping
from typing import Any

from crm.campaigns.reach import SKIP_REASONS
from crm.journeys.graph import Graph
from crm.models import JourneyState, RunArm
from messaging.models import OutboundState

Names = Mapping[tuple[str, int], str]

STATES = {
    JourneyState.draft: ("草稿", ""),
    JourneyState.live: ("运行中", "ok"),
    JourneyState.paused: ("已暂停", "warn"),
    JourneyState.ended: ("已结束", ""),
}
TRIGGERS = {
    "followed": "关注公众号",
    "first_order": "付了第一单",
    "inactive": "多少天没来",
    "expiring": "券快到期",
    "birthday": "快过生日",
    "abandoned": "下单没付款",
    "carted": "加了购物车",
    "low_balance": "余额快用完",
    "points_expiring": "积分快到期",
    "tier": "等级变了",
    "tagged": "贴上标签",
    "segment": "进了一个人群",
}
EVENTS = {
    "paid": "付款",
    "redeemed": "核销券",
    "visited": "到店",
    "claimed": "领券",
    "carted": "加购物车",
    "followed": "关注",
    "topped_up": "储值充值",
}
WAYS = {"up": "升级", "down": "降级", "any": "都算"}
GOALS = {
    "none": "没有目标，走完为止",
    "paid": "下单付款",
    "redeemed": "核销券",
    "left_segment": "离开人群",
}
UNITS = {"minutes": "分钟", "hours": "小时", "days": "天"}
KINDS = {
    "wait": ("等一会儿", "等几天，或等到几点"),
    "listen": ("等一件事", "等他付款、核销…等不到走另一条"),
    "branch": ("分两路", "按做没做过、在不在人群里分"),
    "coupon": ("发一张券", "进他的券包"),
    "message": ("发一条消息", "按能用的渠道送，送不到就跳过"),
    "tag": ("贴或去标签", "给他一个记号"),
    "points": ("送积分", "马上到账"),
}
DONE = {
    "wait": "等完了",
    "listen": "等过",
    "branch": "判断过",
    "coupon": "发了券",
    "message": "轮到过",
    "tag": "处理过",
    "points": "送过",
}
OUTCOMES = {
    "waited": "等完了",
    "heard": "等到了",
    "timeout": "没等到",
    "yes": "是",
    "no": "否",
    "given": "发了券",
    "tried": "试走，不真的给",
    "sent": "消息交给微信",
    "done": "做完了",
    "no_tag": "标签已经删掉，跳过",
    **SKIP_REASONS,
}
ENDS = {
    "completed": "走完了",
    "goal": "达到目标",
    "ended": "旅程结束时还在里面",
    "merged": "并入另一个账号",
    "held_out": "对照组，不发",
}
ARMS = {RunArm.reach: "", RunArm.holdout: "对照组", RunArm.test: "试走"}
SENT = {
    OutboundState.prepared: "排队等发送",
    OutboundState.sending: "正在发",
    OutboundState.sent: "已送达微信",
    OutboundState.failed: "微信没有接受",
    OutboundState.unknown: "不确定有没有发到，不会再发",
}


def trigger(graph: Graph, names: Names) -> str:
    """`30 天没来`, `贴上「常客」`."""
    part = graph["trigger"]
    match part["kind"]:
        case "inactive":
            return f"{part['days']} 天没来"
        case "expiring":
            return f"券还有 {part['days']} 天到期"
        case "birthday":
            return f"生日前 {part['days']} 天" if part["days"] else "生日当天"
        case "tier" if part.get("way", "any") != "any":
            return f"会员{WAYS[part['way']]}"
        case "tagged":
            return f"贴上「{names.get(('tag', part.get('tag_id') or 0), '未选')}」"
        case "segment":
            return f"进了「{names.get(('segment', part.get('segment_id') or 0), '未选')}」"
    return TRIGGERS[part["kind"]]


def entry(graph: Graph) -> str:
    rule = graph["entry"]
    match rule["rule"]:
        case "once":
            return "每人一次"
        case "days":
            return f"每人隔 {rule['days']} 天一次"
    return "每次都进"


def goal(graph: Graph, names: Names) -> str:
    part = graph["goal"]
    if part["kind"] == "left_segment":
        return f"离开「{names.get(('segment', part.get('segment_id') or 0), '未选')}」就停"
    return "" if part["kind"] == "none" else f"{GOALS[part['kind']]}就停"


def step(node: dict[str, Any], names: Names) -> tuple[str, str]:
    """Title and second line of a node."""
    match node["kind"]:
        case "wait":
            return f"等 {span(node)}", until(node)
        case "listen":
            return f"等他{EVENTS[node['event']]}", f"最多等 {span(node)}"
        case "branch" if node["test"] == "segment":
            name = names.get(("segment", node.get("segment_id") or 0), "未选")
            return f"在「{name}」里吗", "按人群分"
        case "branch":
            return f"{EVENTS[node['event']]}了吗", "从进来时算起"
        case "coupon":
            template_id = node.get("template_id") or 0
            name = names.get(("template", template_id), "")
            if not name:
                return "发一张券", "还没选券"
            return f"发「{name}」", names.get(("off", template_id), "")
        case "message":
            return "发一条消息", _short(node["text"])
        case "tag":
            name = names.get(("tag", node.get("tag_id") or 0), "未选")
            return (f"贴「{name}」" if node.get("put", True) else f"去掉「{name}」"), "标签"
    return f"送 {node['points']} 积分", "马上到账"


def _short(text: str) -> str:
    """A message on the canvas: what it says, without the places that are filled in later."""
    for place, word in {"{昵称}，": "", "{昵称}": "", "{券名}": "券名", "{到期日}": "某天"}.items():
        text = text.replace(place, word)
    return text


def span(node: dict[str, Any]) -> str:
    return f"{node['amount']} {UNITS[node['unit']]}"


def until(node: dict[str, Any]) -> str:
    hour = node.get("until_hour")
    return f"到 {hour} 点再走" if hour is not None else "到时间就走"
