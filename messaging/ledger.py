"""The ledger of what may be sent: to one person now, and over all followers of an account."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from merchants.models import Merchant
from messaging.accounts import minis_of, officials_of
from messaging.broadcasts import quotas
from messaging.cards import queries as cards
from messaging.cards.queries import LiveCard
from messaging.models import Follower, MessageWindow, SubscribeGrant, WindowKind
from messaging.templates import MOMENTS, Purpose
from messaging.windows import is_open_clause
from people.models import Identity


@dataclass(frozen=True)
class Window:
    account: str
    kind: WindowKind
    remaining: int
    until: datetime


@dataclass(frozen=True)
class Grant:
    """`marketing`: the template may announce a coupon."""

    name: str
    remaining: int
    marketing: bool


@dataclass(frozen=True)
class Broadcasts:
    account: str
    left: int


@dataclass(frozen=True)
class Ledger:
    """Everything that may be sent to one person now; `cards`: WeChat's own, of orders only."""

    windows: list[Window]
    grants: list[Grant]
    broadcasts: list[Broadcasts]
    cards: list[LiveCard]


def of_person(session: Session, merchant_id: int, person_id: int, now: datetime) -> Ledger:
    code = session.get_one(Merchant, merchant_id).code
    officials = {account.appid: account.name or "公众号" for account in officials_of(code)}
    minis = {account.appid: account.subscribe_templates for account in minis_of(code)}
    known = select(Identity.appid, Identity.openid).where(Identity.person_id == person_id)
    addresses = [(appid, openid) for appid, openid in session.execute(known)]
    openids = [openid for _, openid in addresses]
    windows = session.scalars(
        select(MessageWindow)
        .where(
            MessageWindow.appid.in_(officials),
            MessageWindow.openid.in_(openids),
            is_open_clause(now),
        )
        .order_by(MessageWindow.expires_at)
    )
    followed = session.execute(
        select(Follower.appid, Follower.openid).where(
            Follower.appid.in_(officials),
            Follower.openid.in_(openids),
            Follower.subscribed.is_(True),
        )
    ).all()
    return Ledger(
        windows=[
            Window(officials[each.appid], each.kind, each.remaining or 0, each.expires_at)
            for each in windows
        ],
        grants=_grants(session, minis, openids),
        broadcasts=[
            Broadcasts(
                officials[appid],
                quotas.PER_MONTH - quotas.used_by(session, appid, [openid], now).get(openid, 0),
            )
            for appid, openid in followed
        ],
        cards=cards.live_of(session, list(minis), openids, now),
    )


def _grants(session: Session, minis: dict[str, dict[str, str]], openids: list[str]) -> list[Grant]:
    moments = {
        (appid, template_id): moment
        for appid, bound in minis.items()
        for moment, template_id in bound.items()
    }
    found = session.scalars(
        select(SubscribeGrant).where(
            SubscribeGrant.appid.in_(minis),
            SubscribeGrant.openid.in_(openids),
            SubscribeGrant.remaining > 0,
        )
    )
    grants = []
    for grant in found:
        moment = MOMENTS.get(moments.get((grant.appid, grant.template_id), ""))
        name = moment.name if moment else "别的订阅消息"
        is_marketing = moment is not None and moment.purpose is Purpose.marketing
        grants.append(Grant(name, grant.remaining, is_marketing))
    return sorted(grants, key=lambda grant: grant.name)


@dataclass(frozen=True)
class Totals:
    """Over an official account: followers, and those of them in an open window."""

    followers: int
    in_window: int
    left: dict[int, int]
    """How many followers have how many broadcasts left this month."""


def of_account(session: Session, appid: str, now: datetime) -> Totals:
    mine = (Follower.appid == appid, Follower.subscribed.is_(True))
    followers = session.scalar(select(func.count()).where(*mine)) or 0
    in_window = session.scalar(
        select(func.count(func.distinct(MessageWindow.openid)))
        .join(
            Follower,
            (Follower.appid == MessageWindow.appid) & (Follower.openid == MessageWindow.openid),
        )
        .where(MessageWindow.appid == appid, is_open_clause(now), *mine)
    )
    left = quotas.left_in_month(session, appid, int(followers), now)
    return Totals(int(followers), int(in_window or 0), left)


def granted_by_template(session: Session, appid: str) -> dict[str, tuple[int, int]]:
    """Of a mini-program: template id → people who granted it, and messages granted in all."""
    rows = session.execute(
        select(SubscribeGrant.template_id, func.count(), func.sum(SubscribeGrant.remaining))
        .where(SubscribeGrant.appid == appid, SubscribeGrant.remaining > 0)
        .group_by(SubscribeGrant.template_id)
    )
    return {template_id: (int(people), int(total)) for template_id, people, total in rows}
