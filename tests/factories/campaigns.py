"""Campaigns and people who can or cannot be reached, for tests."""

import itertools
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from crm import campaigns, segments
from crm.campaigns.drafting import Draft
from crm.models import Campaign, MarketingRules, Member
from messaging.models import Follower, MessageWindow, SubscribeGrant, WindowKind
from people.models import Identity, IdentityKind
from tests.factories.coupons import make_template
from tests.factories.crm import NOW, make_member, make_merchant, make_person

OFFICIAL, MINI = "wx7c3e1a905b2d4f60", "wxa41f0c6d8e2b7593"
ABOUT_COUPONS = "Tn8bWcKe4yPjQ1mUz6HsD3gRvX0oLfAiC7xJwNkY2tE"
EVERYBODY: dict[str, Any] = {"op": "and", "rules": []}
_numbers = itertools.count(1)


def make_identity(session: Session, member: Member, appid: str = OFFICIAL) -> Identity:
    identity = Identity(
        person_id=member.person_id,
        kind=IdentityKind.official if appid == OFFICIAL else IdentityKind.mini,
        appid=appid,
        openid=f"o-{next(_numbers)}",
        created_at=NOW,
    )
    session.add(identity)
    session.flush()
    return identity


def make_follower(session: Session, member: Member, *, subscribed: bool = True) -> Identity:
    identity = make_identity(session, member)
    session.add(
        Follower(
            appid=OFFICIAL,
            openid=identity.openid,
            merchant_id=member.merchant_id,
            identity_id=identity.id,
            subscribed=subscribed,
            subscribed_at=NOW,
        )
    )
    session.flush()
    return identity


def open_window(
    session: Session,
    identity: Identity,
    *,
    until: datetime = NOW + timedelta(hours=48),
    remaining: int | None = 5,
) -> None:
    session.add(
        MessageWindow(
            appid=identity.appid,
            openid=identity.openid,
            kind=WindowKind.user_message,
            opened_at=NOW,
            expires_at=until,
            remaining=remaining,
        )
    )
    session.flush()


def grant(session: Session, identity: Identity, *, template_id: str = ABOUT_COUPONS) -> None:
    session.add(
        SubscribeGrant(
            appid=identity.appid,
            openid=identity.openid,
            template_id=template_id,
            remaining=1,
            updated_at=NOW,
        )
    )
    session.flush()


def make_talker(session: Session, **values: Any) -> Member:
    """A follower who wrote a moment ago: a customer-service message may be sent."""
    member = make_member(session, person=make_person(session), **values)
    open_window(session, make_follower(session, member))
    return member


def make_granter(session: Session, **values: Any) -> Member:
    """Somebody of the mini-program who allowed one message about coupons."""
    member = make_member(session, person=make_person(session), **values)
    grant(session, make_identity(session, member, MINI))
    return member


def keep_awake(session: Session, merchant_id: int) -> None:
    """Tests run at any hour: unless one sets rules of its own, no hour is quiet."""
    if session.get(MarketingRules, merchant_id) is None:
        hours = {"quiet_from_hour": None, "quiet_until_hour": None}
        session.add(
            MarketingRules(merchant_id=merchant_id, contacts_most=4, contacts_days=7, **hours)
        )
        session.flush()


def make_campaign(
    session: Session,
    *,
    now: datetime = NOW,
    holdout_bp: int = 0,
    approved: bool = True,
    template: dict[str, Any] | None = None,
    rule: dict[str, Any] | None = None,
    **values: Any,
) -> Campaign:
    merchant = make_merchant(session)
    keep_awake(session, merchant.id)
    segment = segments.create(
        session,
        merchant.id,
        name=f"人群 {next(_numbers)}",
        rule=rule or EVERYBODY,
        actor="staff:1",
        now=now,
    )
    draft = Draft(
        **{
            "name": "冬季回店",
            "segment_id": segment.id,
            "template_id": make_template(session, merchant, **(template or {})).id,
            "message": "{昵称}，给你留了「{券名}」，{到期日}前有效。",
            "holdout_bp": holdout_bp,
            "quiet_hours": None,
            **values,
        }
    )
    campaign = campaigns.create(session, merchant.id, draft, actor="staff:900", now=now)
    if approved:
        campaigns.approve(session, campaign, actor="staff:2", now=now)
    return campaign


def issue_all(session: Session, campaign: Campaign, now: datetime, size: int = 500) -> int:
    """Slices until nothing is due; the people issued to."""
    issued = 0
    while (batch := campaigns.next_batch(session, campaign.id, now=now, size=size)) is not None:
        issued += batch.issued
    session.refresh(campaign)
    return issued
