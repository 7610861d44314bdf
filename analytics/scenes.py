"""What each QR code has brought: scans, followers, first orders, takings."""

import re
from dataclasses import dataclass
from datetime import date

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from crm.models import Member
from merchants.models import Staff, Store, StoreTable
from messaging.models import Scene, SceneDay, SceneKind

MOST = 500
_KINDS = (SceneKind.store, SceneKind.table, SceneKind.poster, SceneKind.staff)


@dataclass(frozen=True)
class Brought:
    """`orderers` of the `members` who came first by this code have ordered; what they paid since,
    less what they got back, is `takings_fen`."""

    scene: Scene
    store: str
    table: str
    staff: str
    scans: int = 0
    follows: int = 0
    members: int = 0
    orderers: int = 0
    takings_fen: int = 0


def list_brought(session: Session, merchant_id: int, appid: str) -> list[Brought]:
    """The merchant's codes of an account: store by store, tables in the order of their names, then
    those of no store; three queries, however many."""
    found = (
        select(Scene, Store.name, StoreTable.name, Staff.name)
        .outerjoin(Store, Store.id == Scene.store_id)
        .outerjoin(StoreTable, StoreTable.id == Scene.table_id)
        .outerjoin(Staff, Staff.id == Scene.staff_id)
        .where(
            Scene.merchant_id == merchant_id,
            Scene.appid == appid,
            Scene.kind != SceneKind.staff_invite,
        )
        .order_by(Scene.id.desc())
        .limit(MOST)
    )
    rows = session.execute(found).all()
    counted = _counted(session, [scene.id for scene, *_ in rows])
    earned = _earned(session, merchant_id, [scene.code for scene, *_ in rows])
    every = [
        Brought(
            scene,
            store or "",
            table or "",
            staff or "",
            *counted.get(scene.id, (0, 0)),
            *earned.get(scene.code, (0, 0, 0)),
        )
        for scene, store, table, staff in rows
    ]
    return sorted(every, key=_place)


def _place(each: Brought) -> tuple[bool, int, int, list[tuple[bool, int, str]], int]:
    """A2 stands before A10; the newest poster before the older ones."""
    scene = each.scene
    parts = re.findall(r"\d+|\D+", each.table)
    number = [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts]
    return scene.store_id is None, scene.store_id or 0, _KINDS.index(scene.kind), number, -scene.id


def list_days(
    session: Session, merchant_id: int, appid: str, since: date, *, scene_id: int | None = None
) -> dict[date, tuple[int, int]]:
    """Scans and followers of each day that had some: of one code, or of all of an account."""
    found = (
        select(SceneDay.day, func.sum(SceneDay.scans), func.sum(SceneDay.follows))
        .join(Scene, Scene.id == SceneDay.scene_id)
        .where(Scene.merchant_id == merchant_id, Scene.appid == appid, SceneDay.day >= since)
        .group_by(SceneDay.day)
    )
    if scene_id is not None:
        found = found.where(SceneDay.scene_id == scene_id)
    return {day: (int(scans), int(follows)) for day, scans, follows in session.execute(found)}


def _counted(session: Session, ids: list[int]) -> dict[int, tuple[int, int]]:
    found = (
        select(SceneDay.scene_id, func.sum(SceneDay.scans), func.sum(SceneDay.follows))
        .where(SceneDay.scene_id.in_(ids))
        .group_by(SceneDay.scene_id)
    )
    return {
        scene_id: (int(scans), int(follows)) for scene_id, scans, follows in session.execute(found)
    }


def _earned(
    session: Session, merchant_id: int, codes: list[str]
) -> dict[str, tuple[int, int, int]]:
    found = (
        select(
            Member.source_scene,
            func.count(),
            func.sum(case((Member.first_paid_at.is_not(None), 1), else_=0)),
            func.sum(Member.spent_fen - Member.refunded_fen),
        )
        .where(
            Member.merchant_id == merchant_id,
            Member.source_scene.in_(codes),
            Member.merged_into_id.is_(None),
        )
        .group_by(Member.source_scene)
    )
    return {
        code: (int(members), int(orderers), int(fen))
        for code, members, orderers, fen in session.execute(found)
    }
