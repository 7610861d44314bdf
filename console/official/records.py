"""What WeChat told us: raw and as we read it, and once more where it was left behind."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy.orm import Session

from console import reply, words
from console.access import me, staff
from console.forms import whole
from console.official.blueprint import find_account, get_account, page, shown
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from core.inbox import EventState, InboundEvent
from messaging import replaying
from messaging.inbox import OFFICIAL

KINDS = {
    "text": "文字",
    "image": "图片",
    "subscribe": "关注",
    "unsubscribe": "取消关注",
    "scan": "扫码",
    "click": "点菜单",
    "scancode_waitmsg": "菜单扫码",
    "templatesendjobfinish": "模板消息结果",
    "masssendjobfinish": "群发结果",
}
PAGE = 50


@page.get("/records")
@staff("settings.manage")
def records() -> Response:
    kind = request.args.get("kind", "")
    with reading() as session:
        account = find_account(session)
        found = (
            replaying.list_recorded(
                session,
                sources=[OFFICIAL + account.appid],
                kind=kind,
                before_id=whole(request.args.get("before", "")),
                limit=PAGE + 1,
            )
            if account
            else []
        )
    now = clock_now()
    more = None
    if len(found) > PAGE:
        more = url_for("console.official.records", kind=kind, before=found[PAGE - 1].id)
    return reply.page(
        "official/records.html",
        account=shown(account) if account else None,
        rows=[_row(event, now) for event in found[:PAGE]],
        kind=kind,
        kinds=[("", "全部消息"), *KINDS.items()],
        more=more,
    )


@page.get("/records/<int:event_id>")
@staff("settings.manage")
def record(event_id: int) -> Response:
    """One message, and what it would do if it came again: tried, and taken back."""
    now = clock_now()
    with transaction() as session:
        event = _mine(session, event_id)
        tried = replaying.replay(session, event.id, now=now, act=False)
        row = _row(event, now)
        raw, fields = event.raw or "", event.body.get("fields", {})
    return reply.page(
        "official/record.html", row=row, raw=raw, fields=_flat(fields), written=tried.written
    )


@page.post("/records/<int:event_id>/replay")
@staff("settings.manage")
def replay_record(event_id: int) -> Response:
    """Act upon what was left behind; what was done stays as it is."""
    now = clock_now()
    with transaction() as session:
        event = _mine(session, event_id)
        done = replaying.replay(session, event.id, now=now, act=True)
        if done.acted:
            audit.record(
                session,
                actor=me().actor,
                action="record.replay",
                subject=f"event:{event.id}",
                merchant_id=me().merchant_id,
                now=now,
            )
    said = "补处理好了" if done.acted else "早就处理过，没有再做一遍"
    return reply.done(url_for("console.official.record", event_id=event_id), said)


def _mine(session: Session, event_id: int) -> InboundEvent:
    event = session.get(InboundEvent, event_id)
    if event is None or event.source != OFFICIAL + get_account(session).appid:
        raise NotFound("没有这条消息")
    return event


def _row(event: InboundEvent, now: datetime) -> dict[str, Any]:
    left = event.state is EventState.received
    state, tone = ("没有对应的处理", "") if event.outcome == "ignored" else ("处理过", "ok")
    return {
        "id": event.id,
        "kind": KINDS.get(event.kind, event.kind),
        "says": replaying.describe(event),
        "at": words.when(event.received_at, now),
        "left": left,
        "state": "还没处理" if left else state,
        "tone": "warn" if left else tone,
    }


def _flat(fields: dict[str, Any], under: str = "") -> list[tuple[str, str]]:
    """Nested fields as lines: `ScanCodeInfo.ScanResult`."""
    lines: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{under}{name}.")
        else:
            lines.append((f"{under}{name}", str(value)))
    return lines
