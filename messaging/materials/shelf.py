"""Materials: written down before they are uploaded, offered while WeChat has them.

Uploading is prepare, call, record: a row that is `uploading` for long was cut off, and the sweep
says so. What is dropped is forgotten here at once and at WeChat by a job.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, or_, select, update
from sqlalchemy.orm import Session

from core.database import claim
from core.errors import Conflict
from core.outbox import enqueue
from messaging import replies
from messaging.broadcasts.models import UNSENT, Broadcast
from messaging.materials.files import File
from messaging.models import NEXT_MATERIAL, Material, MaterialState

KEPT = timedelta(days=3)
"""How long WeChat keeps a temporary one."""
MARGIN = timedelta(minutes=10)
CUT_OFF = timedelta(minutes=5)
INTERRUPTED = "传到一半断了，再传一次"
PAGE = 30


class MaterialInUse(Conflict):
    code, title = "material_in_use", "还有地方在用它"


def prepare(
    session: Session, appid: str, file: File, *, name: str, size: int, actor: str, now: datetime
) -> Material:
    made = Material(
        appid=appid,
        kind=file.kind,
        name=name,
        mime=file.mime,
        size=size,
        state=MaterialState.uploading,
        actor=actor,
        created_at=now,
        changed_at=now,
    )
    session.add(made)
    session.flush()
    return made


def record_uploaded(
    session: Session, material_id: int, media_id: str, *, lasting: bool, now: datetime
) -> bool:
    ends_at = None if lasting else now + KEPT
    return _move(session, material_id, MaterialState.ready, now, media_id=media_id, ends_at=ends_at)


def record_refused(session: Session, material_id: int, why: str, *, now: datetime) -> bool:
    return _move(session, material_id, MaterialState.failed, now, problem=why[:200])


def drop(session: Session, material: Material, *, now: datetime) -> bool:
    """Offered no more. Raises MaterialInUse where an answer would be left without it."""
    if material.media_id:
        for rule in replies.list_rules(session, material.appid):
            if any(material.media_id in part.values() for part in rule.parts):
                raise MaterialInUse(f"自动回复「{_short(rule.word)}」在用它，先换掉")
        for broadcast in _broadcasts_to_come(session, material.appid):
            if material.media_id in broadcast.content.values():
                raise MaterialInUse(f"群发「{broadcast.name}」在用它，先换掉或者作废")
    if not _move(session, material.id, MaterialState.dropped, now):
        return False
    if material.media_id and material.ends_at is None:
        enqueue(session, "messaging.drop_material", material_id=material.id)
    return True


def _broadcasts_to_come(session: Session, appid: str) -> Sequence[Broadcast]:
    """Those that WeChat has not been asked for, or not for all: they still need their files."""
    open_ = (Broadcast.appid == appid, Broadcast.state.in_(UNSENT))
    return session.scalars(select(Broadcast).where(*open_)).all()


def list_page(
    session: Session, appid: str, *, now: datetime, before_id: int | None = None
) -> list[Material]:
    """The latest first, one more than a page; what is dropped or over is left out."""
    wanted = select(Material).where(
        Material.appid == appid,
        Material.state != MaterialState.dropped,
        or_(Material.ends_at.is_(None), Material.ends_at > now),
    )
    if before_id is not None:
        wanted = wanted.where(Material.id < before_id)
    return list(session.scalars(wanted.order_by(Material.id.desc()).limit(PAGE + 1)))


def list_usable(
    session: Session, appid: str, kinds: Collection[str], *, lasting: bool, now: datetime
) -> Sequence[Material]:
    """What may be named in a message now; `lasting`: only what will be there for ever."""
    still: ColumnElement[bool] = Material.ends_at.is_(None)
    if not lasting:
        still = or_(still, Material.ends_at > now + MARGIN)
    wanted = select(Material).where(
        Material.appid == appid,
        Material.state == MaterialState.ready,
        Material.kind.in_(kinds),
        still,
    )
    return session.scalars(wanted.order_by(Material.id.desc()).limit(200)).all()


def get(session: Session, appid: str, material_id: int) -> Material | None:
    found = session.get(Material, material_id)
    return found if found is not None and found.appid == appid else None


def settle_cut_off(session: Session, *, now: datetime) -> int:
    """Uploads whose process died: nobody will say any more what became of them."""
    stuck = update(Material).where(
        Material.state == MaterialState.uploading, Material.changed_at < now - CUT_OFF
    )
    values = {"state": MaterialState.failed, "problem": INTERRUPTED, "changed_at": now}
    return claim(session, stuck.values(**values))


def _move(
    session: Session, material_id: int, to: MaterialState, now: datetime, **values: Any
) -> bool:
    sources = [state for state, targets in NEXT_MATERIAL.items() if to in targets]
    moving = update(Material).where(Material.id == material_id, Material.state.in_(sources))
    return claim(session, moving.values(state=to, changed_at=now, **values)) == 1


def _short(word: str) -> str:
    return "、".join(word.split("\n"))[:20] or "任何"
