"""What acting upon a message writes, in words of the business and not of the schema."""

from collections.abc import Iterable

from messaging.replaying import Effect

RECORDS = {
    "message_windows": "会话窗口",
    "conversations": "会话",
    "chat_messages": "聊天消息",
    "outbound_messages": "发出的消息",
    "followers": "粉丝",
    "account_tags": "粉丝标签",
    "mirrored_tags": "粉丝标签",
    "persons": "顾客",
    "identities": "顾客的微信身份",
    "members": "会员",
    "member_places": "会员",
    "member_events": "会员的动态",
    "member_tags": "会员标签",
    "marketing_contacts": "能不能发营销消息",
    "consent_log": "能不能发营销消息",
    "suppressions": "不再打扰的名单",
    "scenes": "渠道码",
    "scene_days": "渠道码每天的数",
    "daily_counts": "每天的数",
    "referrals": "邀请",
    "referral_rules": "邀请规则",
    "coupons": "优惠券",
    "coupon_entries": "优惠券的流水",
    "coupon_templates": "券模板",
    "point_entries": "积分的流水",
    "journey_runs": "旅程里的人",
    "journey_steps": "旅程走过的步",
    "subscribe_answers": "订阅消息的回答",
    "subscribe_grants": "还能发几条订阅消息",
    "broadcasts": "群发",
    "broadcast_recipients": "群发名单",
    "mass_sends": "群发",
    "mass_reports": "群发结果",
    "campaign_recipients": "活动名单",
    "outbox_jobs": "接着要做的事",
}
OTHERS = "其他记录"
_VERBS = {"insert": "新写", "update": "改", "delete": "删"}


def written(effects: Iterable[Effect]) -> list[tuple[str, str]]:
    """What and how many; tables of one name count together."""
    sums: dict[tuple[str, str], int] = {}
    for effect in effects:
        key = RECORDS.get(effect.table, OTHERS), _VERBS[effect.verb]
        sums[key] = sums.get(key, 0) + effect.rows
    return [(what, f"{verb} {rows} 条") for (what, verb), rows in sums.items()]
