"""What WeChat told us: raw and as we read it, and once more where it was left behind."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from console import reply, senders, words
from console.access import me, staff
from console.forms import whole
from console.official import record_words
from console.official.blueprint import find_account, get_account, page, shown
from console.senders import Sender
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import NotFound
from core.inbox import EventState, InboundEvent
from crm.models import Member
from messaging import replaying
from messaging.accounts import minis_of
from messaging.inbox import GIVEN_UP, MINI, OFFICIAL
from people.models import Identity

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
    "subscribe_msg_popup_event": "订阅消息的回答",
    "subscribe_msg_change_event": "订阅消息的开关",
    "subscribe_msg_sent_event": "订阅消息结果",
}
PLACES = {"official": "公众号", "mini": "小程序"}
PAGE, MOST_OPENIDS = 50, 10


@page.get("/records")
@staff("settings.manage")
def records() -> Response:
    kind, person = request.args.get("kind", ""), request.args.get("person", "").strip()[:32]
    place = request.args.get("from", "")
    with reading() as session:
        account = find_account(session)
        sources = _sources(session)
        chosen = sources.get(place) or [each for some in sources.values() for each in some]
        found = replaying.list_told(
            session,
            chosen,
            kind=kind,
            openids=_openids(session, person) if person else None,
            before_id=whole(request.args.get("before", "")),
            limit=PAGE + 1,
        )
        who = senders.find(session, [_address(event) for event in found])
    now = clock_now()
    more = None
    if len(found) > PAGE:
        here: dict[str, Any] = {"kind": kind, "person": person, "from": place}
        more = url_for("console.official.records", **here, before=found[PAGE - 1].id)
    return reply.page(
        "official/records.html",
        account=shown(account) if account else None,
        rows=[_row(event, who[_address(event)], now) for event in found[:PAGE]],
        kind=kind,
        kinds=[("", "全部消息"), *KINDS.items()],
        place=place,
        places=[("", "公众号和小程序"), *PLACES.items()] if len(sources) > 1 else [],
        person=person,
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
        who = senders.find(session, [_address(event)])
        row = _row(event, who[_address(event)], now)
        raw, fields = event.raw or "", event.body.get("fields", {})
    would = record_words.written(tried.written)
    return reply.page("official/record.html", row=row, raw=raw, fields=_flat(fields), written=would)


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
    get_account(session)
    mine = [source for some in _sources(session).values() for source in some]
    if event is None or event.source not in mine:
        raise NotFound("没有这条消息")
    return event


def _sources(session: Session) -> dict[str, list[str]]:
    """Where callbacks of this merchant come from: the account in hand, and its mini-programs."""
    account = find_account(session)
    if account is None:
        return {}
    mine = [each for each in minis_of(me().merchant_code) if each.merchant == account.merchant]
    sources = {"official": [OFFICIAL + account.appid], "mini": [MINI + each.appid for each in mine]}
    return {place: some for place, some in sources.items() if some}


def _openids(session: Session, wanted: str) -> list[str]:
    """Of the member with this number, of those with this name, or as it is typed."""
    found = (
        select(Identity.openid)
        .join(Member, Member.person_id == Identity.person_id)
        .where(
            Member.merchant_id == me().merchant_id,
            Member.merged_into_id.is_(None),
            or_(Member.no == wanted, Member.name == wanted),
        )
        .order_by(Member.id.desc())
        .limit(MOST_OPENIDS)
    )
    return list(session.scalars(found)) or [wanted]


def _address(event: InboundEvent) -> senders.Address:
    """From whom; `""` where an event is about nobody."""
    return event.source.rpartition(":")[2], event.openid or ""


def _row(event: InboundEvent, who: Sender, now: datetime) -> dict[str, Any]:
    """`state` only where there is something to say: most were acted upon."""
    left, says = event.state is EventState.received, replaying.describe(event)
    state = "没有对应的处理" if event.outcome == "ignored" else ""
    if left:
        state = "试了一天没处理成" if event.outcome == GIVEN_UP else "还没处理"
    return {
        "id": event.id,
        "who": who,
        "known": bool(event.openid),
        "kind": "" if _is_said(event.kind, says) else KINDS.get(event.kind, event.kind),
        "place": "小程序" if event.source.startswith(MINI) else "",
        "says": says,
        "at": words.when(event.received_at, now),
        "left": left,
        "state": state,
        "tone": "warn" if left else "",
    }


def _is_said(kind: str, says: str) -> bool:
    """Words, or what names its kind itself: `[图片]`."""
    return kind == "text" or says.startswith("[")


def _flat(fields: dict[str, Any], under: str = "") -> list[tuple[str, str]]:
    """Nested fields as lines: `ScanCodeInfo.ScanResult`."""
    lines: list[tuple[str, str]] = []
    for name, value in fields.items():
        if isinstance(value, dict):
            lines += _flat(value, f"{under}{name}.")
        else:
            lines.append((f"{under}{name}", str(value)))
    return lines
