"""QR codes with a parameter: which store, table, invite or poster somebody scanned."""

import re
from datetime import date, datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from core.crypto import keyring
from core.database import claim, insert_ignore
from core.numbers import random_code, token_hash
from core.outbox import enqueue
from messaging.models import Scene, SceneDay, SceneKind

_INVITE = "invite."
_INVITE_TEXT = re.compile(r"invite\.[0-9A-Za-z]+")
PATIENCE = timedelta(minutes=10)
LONGEST = timedelta(days=30)
"""A temporary code lives at most this long at WeChat."""


def ensure_scene(
    session: Session,
    *,
    merchant_id: int,
    appid: str,
    kind: SceneKind | str,
    now: datetime,
    store_id: int | None = None,
    table_id: int | None = None,
    ref: str = "",
) -> Scene:
    """The lasting code of a store, table or poster, made once; a job fetches its picture."""
    known = session.scalars(
        select(Scene).where(
            Scene.merchant_id == merchant_id,
            Scene.kind == SceneKind(kind),
            Scene.appid == appid,
            Scene.store_id.is_(None) if store_id is None else Scene.store_id == store_id,
            Scene.table_id.is_(None) if table_id is None else Scene.table_id == table_id,
            Scene.ref == ref,
        )
    ).first()
    if known is not None:
        return known
    scene = Scene(
        code=f"{SceneKind(kind).value}.{random_code(10)}",
        merchant_id=merchant_id,
        appid=appid,
        kind=SceneKind(kind),
        store_id=store_id,
        table_id=table_id,
        ref=ref,
        created_at=now,
    )
    return _added(session, scene)


def create_scene(
    session: Session,
    *,
    merchant_id: int,
    appid: str,
    kind: SceneKind,
    name: str,
    now: datetime,
    store_id: int | None = None,
    staff_id: int | None = None,
    tag_id: int | None = None,
    template_id: int | None = None,
) -> Scene:
    """A new lasting code with a name: a poster, or what one of the staff hands out."""
    scene = Scene(
        code=f"{kind.value}.{random_code(10)}",
        merchant_id=merchant_id,
        appid=appid,
        kind=kind,
        name=name,
        store_id=store_id,
        staff_id=staff_id,
        tag_id=tag_id,
        template_id=template_id,
        created_at=now,
    )
    return _added(session, scene)


def count_scan(session: Session, scene_id: int, day: date, *, followed: bool) -> None:
    """One more scan of a code, by somebody who followed with it or followed before."""
    today = update(SceneDay).where(SceneDay.scene_id == scene_id, SceneDay.day == day)
    more = {"scans": SceneDay.scans + 1, "follows": SceneDay.follows + int(followed)}
    if claim(session, today.values(**more)):
        return
    row = {"scene_id": scene_id, "day": day, "scans": 1, "follows": int(followed)}
    if not insert_ignore(session, SceneDay, [row]):
        claim(session, today.values(**more))


def create_invite_scene(
    session: Session,
    *,
    merchant_id: int,
    appid: str,
    invite_code: str,
    expires_at: datetime,
    now: datetime,
) -> Scene:
    """The code that shows a staff invite; whoever scans it has the invite, so it is kept hashed."""
    text = _INVITE + invite_code
    scene = Scene(
        code=token_hash(text),
        secret=text,
        merchant_id=merchant_id,
        appid=appid,
        kind=SceneKind.staff_invite,
        created_at=now,
        expires_at=expires_at,
    )
    return _added(session, scene)


def without_invites(text: str) -> str:
    """The text with invites as hashes; `find_scene` knows them by those as well."""
    return _INVITE_TEXT.sub(lambda found: token_hash(found[0]), text)


def find_scene(session: Session, text: str) -> Scene | None:
    """The scene of what WeChat reports was scanned, or of what was stored of that."""
    if not text or len(text) > 64:
        return None
    code = token_hash(text) if text.startswith(_INVITE) else text
    return session.scalar(select(Scene).where(Scene.code == code))


def scene_text(scene: Scene) -> str:
    """What the QR code carries."""
    return scene.secret or scene.code


def invite_code(scene: Scene) -> str:
    return (scene.secret or "").removeprefix(_INVITE)


def ask_again(session: Session, *, now: datetime, limit: int = 100) -> int:
    """Codes whose picture never came are asked for again, once an hour; how many."""
    bare = select(Scene.id).where(
        Scene.url.is_(None),
        Scene.created_at < now - PATIENCE,
        or_(Scene.expires_at.is_(None), Scene.expires_at > now),
    )
    ids = session.scalars(bare.order_by(Scene.id).limit(limit)).all()
    for scene_id in ids:
        key = f"messaging.create_scene_qr:{scene_id}:{int(now.timestamp()) // 3_600}"
        enqueue(session, "messaging.create_scene_qr", key=key, scene_id=scene_id)
    return len(ids)


def record_qr(session: Session, scene_id: int, *, ticket: str, url: str, image_url: str) -> None:
    made = update(Scene).where(Scene.id == scene_id)
    index = keyring().blind_index(url)
    claim(session, made.values(ticket=ticket, url=url, url_index=index, image_url=image_url))


def find_table_scene(session: Session, merchant_id: int, text: str) -> Scene | None:
    """The scene of a merchant's table by what a camera reads from its code, or by its name."""
    return session.scalars(
        select(Scene).where(
            Scene.merchant_id == merchant_id,
            Scene.kind == SceneKind.table,
            or_(Scene.code == text, Scene.url_index == keyring().blind_index(text)),
        )
    ).first()


def list_scenes(session: Session, merchant_id: int, kind: SceneKind | str) -> list[Scene]:
    found = (
        select(Scene)
        .where(Scene.merchant_id == merchant_id, Scene.kind == SceneKind(kind))
        .order_by(Scene.id)
    )
    return list(session.scalars(found))


def _added(session: Session, scene: Scene) -> Scene:
    session.add(scene)
    session.flush()
    enqueue(session, "messaging.create_scene_qr", scene_id=scene.id)
    return scene
