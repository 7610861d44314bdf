"""Who may lawfully be written to now, as one SQL expression over the members.

A coupon travels in a customer-service message while a window is open, in a subscribe message that
the person granted and whose template is about coupons, or, where the merchant's policy allows it,
in one of the follower's four broadcasts of the month; service templates are no way (WeChat's
rules 3.9.2 and 3.9.3). The same answer for a few people with their openids is
`messaging.planning.plan_channels`; a test holds the two together.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, false, func, or_, select
from sqlalchemy.orm import Session

from crm.campaigns.holdout import WHOLE
from crm.contacts import rules_of, under_cap
from crm.models import Member
from crm.segments.compiling import customers, matches, tree
from merchants.models import Merchant
from messaging.accounts import minis_of, officials_of
from messaging.broadcasts import quotas
from messaging.models import Channel, Follower, MessageWindow, SubscribeGrant
from messaging.policies import Policy, policy_of
from messaging.suppression import is_suppressed
from messaging.windows import is_open_clause
from people.models import Identity

MOMENT = "coupon_arrived"

SKIP_REASONS: dict[str, str] = {
    "no_consent": "不接收营销消息",
    "frequency": "这阵子收的营销消息够多了",
    "no_identity": "没有绑定微信",
    "not_following": "没关注公众号，也没允许订阅消息",
    "suppressed": "微信说过发不到，先不再试",
    "no_window": "48 小时内没给公众号发过消息，也没允许订阅消息",
    "no_broadcast": "没有别的渠道，这个月的群发次数也用完了",
    "broadcast_alone": "只有一个人要群发，微信不收",
    "merged": "已并入另一个账号",
    "stopped": "活动已终止",
    "holdout": "对照组",
}


@dataclass(frozen=True)
class Forecast:
    """`reachable` includes the `holdout`, about that many; `reasons` counts the rest."""

    total: int
    reachable: int
    holdout: int
    channels: dict[Channel, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)


def forecast(
    session: Session,
    *,
    merchant_id: int,
    rule: Any,
    now: datetime,
    holdout_bp: int = 0,
    moment: str | None = MOMENT,
) -> Forecast:
    """How many of a segment a launch at this moment would reach, and why not the others."""
    answer = outcome(session, merchant_id, now=now, moment=moment).label("answer")
    found = (
        select(answer)
        .where(customers(merchant_id), matches(tree(rule), now))
        .select_from(Member)
        .subquery()
    )
    counts: dict[str, int] = {
        name: int(number)
        for name, number in session.execute(
            select(found.c.answer, func.count()).group_by(found.c.answer)
        )
    }
    channels = {channel: counts.pop(channel) for channel in Channel if channel in counts}
    reachable = sum(channels.values())
    return Forecast(
        total=reachable + sum(counts.values()),
        reachable=reachable,
        holdout=reachable * holdout_bp // WHOLE,
        channels=channels,
        reasons=dict(sorted(counts.items(), key=lambda item: -item[1])),
    )


def outcome(
    session: Session, merchant_id: int, *, now: datetime, moment: str | None = MOMENT
) -> ColumnElement[str]:
    """For a row of `members`: a channel, or the reason why there is none.

    `moment`: what a subscribe message must have been allowed for; None: none fits the words.
    """
    code = session.get_one(Merchant, merchant_id).code
    officials = [account.appid for account in officials_of(code)]
    grants = [
        and_(
            SubscribeGrant.appid == account.appid,
            SubscribeGrant.template_id == account.subscribe_templates[moment],
        )
        for account in minis_of(code)
        if moment is not None and moment in account.subscribe_templates
    ]
    following = _following(officials)
    barred = _barred([*officials, *(account.appid for account in minis_of(code))], now)
    policy = policy_of(session, merchant_id)
    ways = [
        (_window_open(officials, now), Channel.customer_service, policy.customer_service),
        (_granted(grants, now), Channel.subscribe, policy.subscribe),
        (_broadcast_left(officials, policy, now), Channel.broadcast, policy.broadcast),
    ]
    return case(
        (Member.marketing_consent.is_(False), "no_consent"),
        (~under_cap(rules_of(session, merchant_id), now), "frequency"),
        *((open_, channel.value) for open_, channel, allowed in ways if allowed),
        (barred, "suppressed"),
        (following, "no_broadcast" if policy.broadcast else "no_window"),
        (_known_to_wechat(), "not_following"),
        else_="no_identity",
    )


def is_reached(answer: ColumnElement[str]) -> ColumnElement[bool]:
    ways = (Channel.customer_service, Channel.subscribe, Channel.broadcast)
    return answer.in_([channel.value for channel in ways])


def _following(officials: list[str]) -> ColumnElement[bool]:
    return exists().where(
        Identity.person_id == Member.person_id,
        Identity.appid.in_(officials),
        Follower.appid == Identity.appid,
        Follower.openid == Identity.openid,
        Follower.subscribed.is_(True),
    )


def _window_open(officials: list[str], now: datetime) -> ColumnElement[bool]:
    return exists().where(
        Identity.person_id == Member.person_id,
        Identity.appid.in_(officials),
        Follower.appid == Identity.appid,
        Follower.openid == Identity.openid,
        Follower.subscribed.is_(True),
        MessageWindow.appid == Identity.appid,
        MessageWindow.openid == Identity.openid,
        is_open_clause(now),
        ~is_suppressed(Identity.appid, Identity.openid, now),
    )


def _broadcast_left(officials: list[str], policy: Policy, now: datetime) -> ColumnElement[bool]:
    return exists().where(
        Identity.person_id == Member.person_id,
        Identity.appid.in_(officials),
        Follower.appid == Identity.appid,
        Follower.openid == Identity.openid,
        Follower.subscribed.is_(True),
        ~is_suppressed(Identity.appid, Identity.openid, now),
        ~quotas.used_up(Identity.appid, Identity.openid, keep=policy.keep_broadcasts, now=now),
    )


def _granted(grants: list[ColumnElement[bool]], now: datetime) -> ColumnElement[bool]:
    if not grants:
        return false()
    return exists().where(
        Identity.person_id == Member.person_id,
        SubscribeGrant.appid == Identity.appid,
        SubscribeGrant.openid == Identity.openid,
        SubscribeGrant.remaining > 0,
        or_(*grants),
        ~is_suppressed(Identity.appid, Identity.openid, now),
    )


def _barred(appids: list[str], now: datetime) -> ColumnElement[bool]:
    return exists().where(
        Identity.person_id == Member.person_id,
        Identity.appid.in_(appids),
        is_suppressed(Identity.appid, Identity.openid, now),
    )


def _known_to_wechat() -> ColumnElement[bool]:
    return exists().where(Identity.person_id == Member.person_id)
