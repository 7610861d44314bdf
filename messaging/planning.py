"""The channel planner: how a person may lawfully be reached now, or why not.

A customer-service message while a window is open costs nothing and comes first; then a subscribe
message that the person granted. Service templates are never a way for a coupon or an advert.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from merchants.models import Merchant
from messaging.accounts import minis_of, officials_of
from messaging.models import Channel, Follower, MessageWindow, SubscribeGrant
from messaging.suppression import list_suppressed
from messaging.windows import is_open_clause
from people.models import Identity

SKIP_REASONS = {
    "no_identity": "没有绑定微信",
    "not_following": "没关注公众号，也没允许订阅消息",
    "suppressed": "微信说过发不到，先不再试",
    "no_window": "48 小时内没给公众号发过消息，也没允许订阅消息",
}
_SAYS_MORE = {"not_following": 0, "no_window": 1, "suppressed": 2}
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
) -> dict[int, Plan]:
    """The same for many people at once, three queries per 500; every person has a plan."""
    plans: dict[int, Plan] = {}
    for start in range(0, len(person_ids), _SLICE):
        slice_ids = person_ids[start : start + _SLICE]
        known = select(Identity.person_id, Identity.appid, Identity.openid)
        rows = session.execute(known.where(Identity.person_id.in_(slice_ids)))
        pairs = [(person, appid, openid) for person, appid, openid in rows]
        plans |= dict.fromkeys(slice_ids, Plan(None, reason="no_identity"))
        plans |= _plan(session, merchant_id, pairs, template, now)
    return plans


def _plan(
    session: Session,
    merchant_id: int,
    pairs: list[tuple[int, str, str]],
    template: str | None,
    now: datetime,
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
    windows = (_windows(session, officials, openids, now) & following) - barred
    granted = _granted(session, templates, openids) - barred
    plans: dict[int, Plan] = {}
    for person_id, appid, openid in pairs:
        here = (appid, openid)
        best = plans.get(person_id)
        if here in windows:
            plans[person_id] = Plan(Channel.customer_service, appid, openid)
        elif here in granted and (best is None or best.channel is None):
            plans[person_id] = Plan(Channel.subscribe, appid, openid, templates[appid])
        elif best is None or best.channel is None:
            reason = "no_window" if here in following else "not_following"
            if here in barred:
                reason = "suppressed"
            if best is None or _SAYS_MORE[reason] > _SAYS_MORE[best.reason]:
                plans[person_id] = Plan(None, reason=reason)
    return plans


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
