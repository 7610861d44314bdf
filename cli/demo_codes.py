"""Which code each of the demo's people came by, and what that leaves in the counts of the codes."""

from collections import Counter
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from core import rows
from core.clock import business_day
from messaging.models import Follower, Scene, SceneDay, SceneKind

LATELY = 30
"""Days on which guests who follow already scan the codes of the stores, too."""


def came_by(session: Session, store_id: int, number: int) -> str:
    """Of five three by the store's own code, two at a table; every eleventh by a poster."""
    kind = SceneKind.table if number % 5 > 2 else SceneKind.store
    at = (Scene.store_id == store_id, Scene.kind == kind)
    if number % 11 == 0:
        at = (Scene.store_id.is_(None), Scene.kind == SceneKind.poster)
    found = select(Scene.code).where(*at).order_by(Scene.id)
    codes = session.scalars(found).all()
    return codes[number % len(codes)] if codes else ""


def count(session: Session, merchant_id: int, now: datetime) -> None:
    """Whoever came by a code scanned it that day; and the stores' codes are scanned every day."""
    scenes = {
        scene.code: scene
        for scene in session.scalars(select(Scene).where(Scene.merchant_id == merchant_id))
    }
    follows: Counter[tuple[int, date]] = Counter()
    joined = select(Follower.source_scene, Follower.subscribed_at).where(
        Follower.merchant_id == merchant_id, Follower.source_scene.in_(scenes)
    )
    for code, at in session.execute(joined):
        follows[scenes[code].id, business_day(at)] += 1
    today = business_day(now)
    scans = Counter(follows)
    for scene in scenes.values():
        for ago in range(LATELY if scene.kind is SceneKind.store else 0):
            day = today - timedelta(days=ago)
            scans[scene.id, day] += 1 + (day.toordinal() * 7 + scene.id) % 5
    made = [
        {"scene_id": scene_id, "day": day, "scans": number, "follows": follows[scene_id, day]}
        for (scene_id, day), number in scans.items()
    ]
    rows.add_all(session, SceneDay, made)
