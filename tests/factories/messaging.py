"""Factories of messaging."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from core.numbers import random_code
from merchants.models import Merchant, Store
from messaging import sending
from messaging.models import (
    Channel,
    Follower,
    MessageWindow,
    OutboundMessage,
    Scene,
    SceneKind,
    SubscribeGrant,
    WindowKind,
)
from people.models import Identity
from tests.conftest import NOW
from tests.factories.people import MINI, OFFICIAL


def make_follower(
    session: Session,
    *,
    openid: str | None = None,
    merchant: Merchant | None = None,
    identity: Identity | None = None,
    store: Store | None = None,
    subscribed: bool = True,
    at: datetime = NOW,
) -> Follower:
    follower = Follower(
        appid=OFFICIAL,
        openid=openid or (identity.openid if identity else f"o{random_code(20)}"),
        merchant_id=merchant.id if merchant else None,
        identity_id=identity.id if identity else None,
        source_store_id=store.id if store else None,
        subscribed=subscribed,
        subscribed_at=at,
    )
    session.add(follower)
    session.flush()
    return follower


def make_window(
    session: Session,
    openid: str,
    *,
    appid: str = OFFICIAL,
    kind: WindowKind = WindowKind.user_message,
    remaining: int | None = 5,
    opened_at: datetime = NOW,
    length: timedelta = timedelta(hours=48),
) -> MessageWindow:
    window = MessageWindow(
        appid=appid,
        openid=openid,
        kind=kind,
        opened_at=opened_at,
        expires_at=opened_at + length,
        remaining=remaining,
    )
    session.add(window)
    session.flush()
    return window


def make_grant(
    session: Session, openid: str, template_id: str, *, appid: str = MINI, remaining: int = 1
) -> SubscribeGrant:
    grant = SubscribeGrant(
        appid=appid,
        openid=openid,
        template_id=template_id,
        remaining=remaining,
        updated_at=NOW,
    )
    session.add(grant)
    session.flush()
    return grant


def make_scene(
    session: Session,
    store: Store,
    *,
    code: str | None = None,
    kind: SceneKind = SceneKind.store,
    table_id: int | None = None,
) -> Scene:
    scene = Scene(
        code=code or f"{kind.value}.{random_code(10)}",
        merchant_id=store.merchant_id,
        appid=OFFICIAL,
        kind=kind,
        store_id=store.id,
        table_id=table_id,
        created_at=NOW,
    )
    session.add(scene)
    session.flush()
    return scene


def make_message(
    session: Session,
    openid: str,
    *,
    key: str | None = None,
    appid: str = OFFICIAL,
    channel: Channel = Channel.customer_service,
    kind: str = "notice",
    payload: dict[str, Any] | None = None,
    now: datetime = NOW,
) -> OutboundMessage:
    message = sending.prepare(
        session,
        key=key or f"test:{random_code(12)}",
        appid=appid,
        openid=openid,
        channel=channel,
        kind=kind,
        payload=payload or {"type": "text", "text": "你好"},
        now=now,
    )
    assert message is not None
    return message
