"""The demo's side of messaging: QR codes of stores and tables, an invite, answers, menus."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import now as clock_now
from core.outbox import enqueue
from merchants import staff as merchant_staff
from merchants.models import Merchant, Staff
from merchants.queries import list_stores, list_tables
from messaging import conversations, replies
from messaging.accounts import officials_of
from messaging.models import Scene, SceneKind
from messaging.scenes import (
    create_invite_scene,
    create_scene,
    ensure_scene,
    list_scenes,
    scene_text,
)

MERCHANT = "qinghe"
HUMAN_WORDS = "人工\n转人工\n客服"
QUICK = ("在的，请说", "稍等，我问一下门店", "抱歉让你久等，下次来报手机号，给你补一张券")
POSTER = "地铁口灯箱"
_INVITE_DAYS = timedelta(days=29)


def load(session: Session, now: datetime | None = None) -> dict[str, Any]:
    """Codes, answers and menus of the demo merchant; safe to repeat.

    Every call asks WeChat (the sandbox) for menus and lasting codes again, because a sandbox that
    was started afresh has forgotten them; a lasting code asked for again is the same code.
    """
    now = now or clock_now()
    merchant = session.scalars(select(Merchant).where(Merchant.code == MERCHANT)).one()
    accounts = officials_of(MERCHANT)
    if not accounts:
        return {}
    appid = accounts[0].appid
    made: dict[str, Any] = {"stores": {}, "tables": {}, "invites": {}}
    for store in list_stores(session, merchant.id):
        scene = _ensure(session, merchant, appid, now, SceneKind.store, store.id)
        made["stores"][store.name] = scene.code
        for table in list_tables(session, store.id):
            scene = _ensure(session, merchant, appid, now, SceneKind.table, store.id, table.id)
            made["tables"][f"{store.name} {table.name}"] = scene.code
    for username in ("owner", "xiaozhou"):
        person = session.scalars(select(Staff).where(Staff.username == username)).one()
        if invited := _invite(session, merchant, appid, person, now):
            made["invites"][person.name] = scene_text(invited)
    _answers(session, appid)
    posters = list_scenes(session, merchant.id, SceneKind.poster)
    poster = next((each for each in posters if each.name == POSTER), None) or create_scene(
        session,
        merchant_id=merchant.id,
        appid=appid,
        kind=SceneKind.poster,
        name=POSTER,
        now=now,
    )
    made["posters"] = {POSTER: poster.code}
    for kind in (SceneKind.store, SceneKind.table, SceneKind.poster):
        for scene in list_scenes(session, merchant.id, kind):
            if scene.image_url is not None:
                enqueue(session, "messaging.create_scene_qr", scene_id=scene.id)
    enqueue(session, "messaging.publish_menus", appid=appid)
    return made


def _ensure(
    session: Session,
    merchant: Merchant,
    appid: str,
    now: datetime,
    kind: SceneKind,
    store_id: int,
    table_id: int | None = None,
) -> Scene:
    return ensure_scene(
        session,
        merchant_id=merchant.id,
        appid=appid,
        kind=kind,
        store_id=store_id,
        table_id=table_id,
        now=now,
    )


def _invite(
    session: Session, merchant: Merchant, appid: str, person: Staff, now: datetime
) -> Scene | None:
    """One open invite for each of the demo's staff until they have bound their WeChat."""
    open_invites = [
        scene
        for scene in list_scenes(session, merchant.id, SceneKind.staff_invite)
        if scene.ref == person.username and scene.expires_at and scene.expires_at > now
    ]
    if person.person_id is not None:
        return None
    if open_invites:
        return open_invites[0]
    code = merchant_staff.invite(
        session,
        merchant_id=merchant.id,
        name=person.name,
        role=person.role,
        store_ids=merchant_staff.stores_of(session, person),
        staff_id=person.id,
        lifetime=_INVITE_DAYS,
        now=now,
    )
    scene = create_invite_scene(
        session,
        merchant_id=merchant.id,
        appid=appid,
        invite_code=code,
        expires_at=now + _INVITE_DAYS,
        now=now,
    )
    scene.ref = person.username or ""
    return scene


def _answers(session: Session, appid: str) -> None:
    said = (
        (
            replies.KEYWORD,
            "营业时间",
            "静安寺 08:00–22:30，徐汇 09:00–22:00，浦东 08:30–21:30。",
        ),
        (replies.KEYWORD, "电话", "总店电话 021-62480088，每天 09:00–21:00 有人接听。"),
        (replies.CLICK, "contact", "直接在这里留言，我们看到就回；急事请拨 021-62480088。"),
        (replies.DEFAULT, "", "收到啦。想喝点什么，点下面的「点单」；找人请留言，我们看到就回。"),
    )
    known = replies.list_rules(session, appid)
    for kind, word, text in said:
        if not any(rule.kind == kind and rule.word == word for rule in known):
            replies.set_answer(session, appid=appid, kind=kind, word=word, text=text)
    if not any(rule.word == HUMAN_WORDS for rule in known):
        part = {"type": "human", "text": "好的，马上有人来回你。"}
        replies.save(session, appid, replies.Draft(replies.KEYWORD, [part], HUMAN_WORDS))
    if not conversations.list_quick(session, appid):
        conversations.set_quick(session, appid, QUICK)
