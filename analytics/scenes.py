"""What each QR code has brought: scans, followers, first orders, takings."""

from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from crm.models import Member
from merchants.models import Staff, Store, StoreTable
from messaging.models import Scene, SceneDay, SceneKind

MOST = 500


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
    """The merchant's codes of an account, the newest first; three queries, however many."""
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
    return [
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
