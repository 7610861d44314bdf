"""The channel planner: how a person may lawfully be reached now, or why not.

A customer-service message while a window is open costs nothing and comes first; then a subscribe
message that the person granted; then, where the merchant's policy allows it, one of the follower's
four broadcasts of the month. Service templates are never a way for a coupon or an advert.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from merchants.models import Merchant
from messaging.accounts import minis_of, officials_of
from messaging.broadcasts import quotas
from messaging.models import Channel, Follower, MessageWindow, SubscribeGrant
from messaging.policies import Policy
from messaging.suppression import list_suppressed
from messaging.windows import is_open_clause
from people.models import Identity

SKIP_REASONS = {
    "no_identity": "没有绑定微信",
    "not_following": "没关注公众号，也没允许订阅消息",
    "suppressed": "微信说过发不到，先不再试",
    "no_window": "48 小时内没给公众号发过消息，也没允许订阅消息",
    "no_broadcast": "没有别的渠道，这个月的群发次数也用完了",
}
_SAYS_MORE = {"not_following": 0, "no_window": 1, "no_broadcast": 2, "suppressed": 3}
_FIRST = (Channel.customer_service, Channel.subscribe, Channel.broadcast)
ONE_BY_ONE = Policy()
"""What may be said to a single person: no broadcast, which is for many."""
_SLICE = 500


@dataclass(frozen=True)
class Plan:
    """Either `channel`, `appid`, `openid` (and a subscribe message's template), or why not."""

    channel: Channel | None
    appid: str = ""
    openid: str = ""
    template_id: str = ""
    reason: str = ""


def best_channel(
    session: Session,
    *,
    merchant_id: int,
    identities: Sequence[Identity],
    template: str | None,
    now: datetime,
) -> Plan:
    """The channel for one person, given their identities; nothing is spent.

    `template` names the moment in the mini-program's `subscribe_templates` (`coupon_arrived`), or
    is a template id itself.
    """
    if not identities:
        return Plan(None, reason="no_identity")
    person_id = identities[0].person_id
    pairs = [(person_id, each.appid, each.openid) for each in identities]
    return _plan(session, merchant_id, pairs, template, now)[person_id]


def plan_channels(
    session: Session,
    *,
    merchant_id: int,
    person_ids: Sequence[int],
    template: str | None,
    now: datetime,
    policy: Policy = ONE_BY_ONE,
) -> dict[int, Plan]:
    """The same for many people at once, a few queries per 500; every person has a plan.

    A caller that can send broadcasts hands the merchant's own `policy` (`policies.policy_of`).
    """
    plans: dict[int, Plan] = {}
    for start in range(0, len(person_ids), _SLICE):
        slice_ids = person_ids[start : start + _SLICE]
        known = select(Identity.person_id, Identity.appid, Identity.openid)
        rows = session.execute(known.where(Identity.person_id.in_(slice_ids)))
        pairs = [(person, appid, openid) for person, appid, openid in rows]
        plans |= dict.fromkeys(slice_ids, Plan(None, reason="no_identity"))
        plans |= _plan(session, merchant_id, pairs, template, now, policy)
    return plans


def _plan(
    session: Session,
    merchant_id: int,
    pairs: list[tuple[int, str, str]],
    template: str | None,
    now: datetime,
    policy: Policy = ONE_BY_ONE,
) -> dict[int, Plan]:
    code = session.get_one(Merchant, merchant_id).code
    officials = {account.appid for account in officials_of(code)}
    templates = {
        account.appid: account.subscribe_templates.get(template, template)
        for account in minis_of(code)
        if template
    }
    openids = [openid for _, _, openid in pairs]
    following = _following(session, officials, openids)
    barred = list_suppressed(session, {*officials, *templates}, openids, now)
    ways: dict[Channel, set[tuple[str, str]]] = {}
    if policy.customer_service:
        ways[Channel.customer_service] = _windows(session, officials, openids, now) & following
    if policy.subscribe:
        ways[Channel.subscribe] = _granted(session, templates, openids)
    if policy.broadcast:
        spent = _spent(session, following, now, policy)
        ways[Channel.broadcast] = following - spent
    plans: dict[int, Plan] = {}
    for person_id, appid, openid in pairs:
        here = (appid, openid)
        channel = next((c for c in _FIRST if here in ways.get(c, ()) and here not in barred), None)
        if channel is not None:
            granted = templates[appid] if channel is Channel.subscribe else ""
            plan = Plan(channel, appid, openid, granted)
        elif here in barred:
            plan = Plan(None, reason="suppressed")
        elif here in following:
            plan = Plan(None, reason="no_broadcast" if policy.broadcast else "no_window")
        else:
            plan = Plan(None, reason="not_following")
        known = plans.get(person_id)
        if known is None or _rank(plan) > _rank(known):
            plans[person_id] = plan
    return plans


def _rank(plan: Plan) -> int:
    """The cheaper way is the better plan; of two reasons the one that says more."""
    if plan.channel is not None:
        return 10 - _FIRST.index(plan.channel)
    return _SAYS_MORE[plan.reason]


def _spent(
    session: Session, following: set[tuple[str, str]], now: datetime, policy: Policy
) -> set[tuple[str, str]]:
    """Followers who have no broadcast left but those that the merchant saves."""
    found: set[tuple[str, str]] = set()
    for appid in {appid for appid, _ in following}:
        used = quotas.used_by(session, appid, [o for a, o in following if a == appid], now)
        most = quotas.PER_MONTH - policy.keep_broadcasts
        found |= {(appid, openid) for openid, number in used.items() if number >= most}
    return found


def _following(session: Session, appids: set[str], openids: Iterable[str]) -> set[tuple[str, str]]:
    found = select(Follower.appid, Follower.openid).where(
        Follower.appid.in_(appids), Follower.openid.in_(openids), Follower.subscribed.is_(True)
    )
    return {(appid, openid) for appid, openid in session.execute(found)}


def _windows(
    session: Session, appids: set[str], openids: Iterable[str], now: datetime
) -> set[tuple[str, str]]:
    found = select(MessageWindow.appid, MessageWindow.openid).where(
        MessageWindow.appid.in_(appids), MessageWindow.openid.in_(openids), is_open_clause(now)
    )
    return {(appid, openid) for appid, openid in session.execute(found)}


def _granted(
    session: Session, templates: dict[str, str], openids: Iterable[str]
) -> set[tuple[str, str]]:
    found = select(SubscribeGrant.appid, SubscribeGrant.openid, SubscribeGrant.template_id).where(
        SubscribeGrant.appid.in_(templates),
        SubscribeGrant.openid.in_(openids),
        SubscribeGrant.template_id.in_(set(templates.values())),
        SubscribeGrant.remaining > 0,
    )
    rows = session.execute(found)
    return {(appid, openid) for appid, openid, given in rows if templates[appid] == given}
