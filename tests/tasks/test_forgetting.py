"""What is forgotten of chats and messages, and what stays."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from flask import Flask
from sqlalchemy import insert, select

from core import clock
from core.config import Config
from core.database import reading, transaction
from messaging.broadcasts.models import BroadcastQuota
from messaging.broadcasts.quotas import month_of
from messaging.models import (
    ChatMessage,
    Dialogue,
    Direction,
    MessageWindow,
    OutboundMessage,
    OutboundState,
    Suppression,
    WindowKind,
)
from tests.factories.messaging import make_message
from tests.working import run_inline

WHOSE = {"appid": "wx", "errcode": 43019, "reason": "blocked"}


def left(column: Any) -> list[str]:
    with reading() as session:
        return sorted(session.scalars(select(column)))


def test_what_is_over_is_forgotten(app: Flask) -> None:
    now = clock.now()

    def ago(days: float) -> Any:
        return now - timedelta(days=days)

    chat = {"appid": "wx", "direction": Direction.inbound, "kind": "text", "text": "hi"}
    windows = {"appid": "wx", "kind": WindowKind.user_message, "opened_at": now}
    dialogues = {"appid": "wx", "kind": "k", "token": "t", "data": {}}
    quotas = {"appid": "wx", "used": 4}
    rows: list[tuple[Any, dict[str, Any], dict[str, Any], dict[str, Any]]] = [
        (ChatMessage, chat, {"at": ago(364)}, {"at": ago(366)}),
        (MessageWindow, windows, {"expires_at": ago(29)}, {"expires_at": ago(31)}),
        (Suppression, WHOSE | {"at": ago(99)}, {"until": ago(29)}, {"until": ago(31)}),
        (Dialogue, dialogues, {"expires_at": ago(0.9)}, {"expires_at": ago(1.1)}),
        (BroadcastQuota, quotas, {"month": month_of(now)}, {"month": month_of(ago(70))}),
    ]
    with transaction() as session:
        for model, common, new, old in rows:
            session.execute(
                insert(model), [common | new | {"openid": "kept"}, common | old | {"openid": "old"}]
            )

    run_inline("messaging.tidy")

    for model, *_ in rows:
        assert left(model.openid) == ["kept"], model


def test_a_merchant_may_keep_chats_for_less_long(
    app: Flask, make_config: Callable[..., Config]
) -> None:
    app.extensions["linli.config"] = make_config(retention={"chat_days": 30, "words_days": 14})
    now, chat = clock.now(), {"direction": Direction.inbound, "kind": "text", "text": "hi"}
    with transaction() as session:
        for openid, days in (("young", 29), ("old", 31)):
            row = chat | {"appid": "wx", "openid": openid, "at": now - timedelta(days=days)}
            session.execute(insert(ChatMessage), [row])
        make_message(session, "old", now=now - timedelta(days=15)).state = OutboundState.sent

    run_inline("messaging.tidy")

    assert left(ChatMessage.openid) == ["young"]
    with reading() as session:
        assert session.scalars(select(OutboundMessage.payload)).all() == [{}]


def test_the_words_of_a_message_are_forgotten_and_the_row_stays(app: Flask) -> None:
    now = clock.now()
    with transaction() as session:
        for openid, days, state in (
            ("young", 89, OutboundState.sent),
            ("old", 91, OutboundState.sent),
            ("refused", 91, OutboundState.failed),
            ("waits", 91, OutboundState.prepared),
        ):
            message = make_message(session, openid, now=now - timedelta(days=days))
            message.state = state

    run_inline("messaging.tidy")

    with reading() as session:
        found = select(OutboundMessage).order_by(OutboundMessage.id)
        words = {row.openid: bool(row.payload) for row in session.scalars(found)}
    assert words == {"young": True, "old": False, "refused": False, "waits": True}
