"""The menus of an account through time: one draft, what was published, and the way back."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core import rows
from core.config import current_config
from core.database import claim
from core.outbox import enqueue
from messaging import menus, replies
from messaging.accounts import mini_for_official
from messaging.menus import adopting
from messaging.menus.comparing import differences
from messaging.models import NEXT_MENU, MenuState, MenuVersion

Menus = dict[str, Any]
PATIENCE = timedelta(minutes=10)
NO_ANSWER = "微信十分钟没有答复，再发布一次"
OF_WECHAT = "wechat"
"""Who made a menu that we found at WeChat."""


def generated(appid: str) -> Menus:
    """The menus that an account has before anybody drew some."""
    mini = mini_for_official(appid)
    base_url = current_config().app.base_url.rstrip("/")
    return {
        "default": menus.default_menu(mini_appid=mini.appid if mini else None, base_url=base_url),
        "staff": menus.staff_menu(appid=appid, base_url=base_url),
    }


def adopted(live: Menus) -> Menus:
    """What WeChat has (`remote.read_live`), as a version; where it has nothing, no buttons."""
    default, texts = adopting.adopt(live["default"])
    staff, more = adopting.adopt(live["staff"])
    return {"default": default, "staff": staff, "texts": texts | more}


def keep_live(session: Session, appid: str, live: Menus, *, wanted: Menus, now: datetime) -> bool:
    """Before WeChat's menu is published over: one that we have not put there is kept as a version,
    number 0 before our first. A merchant who comes with a menu of their own can have it back."""
    found, last = adopted(live), find_published(session, appid)
    known = [wanted, *([last.menus] if last else [])]
    same = any(not differences(found["default"], each.get("default") or {}) for each in known)
    if same or not found["default"]["button"]:
        return False
    highest = session.scalar(select(func.max(MenuVersion.number)).where(MenuVersion.appid == appid))
    row = {
        "appid": appid,
        "number": 0 if last is None else (highest or 0) + 1,
        "menus": found,
        "state": MenuState.published,
        "actor": OF_WECHAT,
        "problem": "",
        "created_at": now,
        "publishing_since": None,
        "published_at": now,
    }
    return rows.add_new(session, MenuVersion, row) is not None


def current(session: Session, appid: str) -> Menus:
    """What was published last."""
    version = find_published(session, appid)
    return version.menus if version else generated(appid)


def find_published(session: Session, appid: str) -> MenuVersion | None:
    return session.scalars(
        select(MenuVersion)
        .where(MenuVersion.appid == appid, MenuVersion.state == MenuState.published)
        .order_by(MenuVersion.published_at.desc(), MenuVersion.id.desc())
        .limit(1)
    ).first()


def find_draft(session: Session, appid: str) -> MenuVersion | None:
    """What is being drawn, or was and did not get through."""
    return session.scalars(
        select(MenuVersion)
        .where(
            MenuVersion.appid == appid,
            MenuVersion.state.in_([MenuState.draft, MenuState.publishing, MenuState.failed]),
        )
        .order_by(MenuVersion.id.desc())
        .limit(1)
    ).first()


def list_published(session: Session, appid: str, *, limit: int = 20) -> list[MenuVersion]:
    """The latest first."""
    found = (
        select(MenuVersion)
        .where(MenuVersion.appid == appid, MenuVersion.state == MenuState.published)
        .order_by(MenuVersion.published_at.desc(), MenuVersion.id.desc())
    )
    return list(session.scalars(found.limit(limit)))


def get_version(session: Session, appid: str, version_id: int) -> MenuVersion | None:
    found = session.get(MenuVersion, version_id)
    return found if found is not None and found.appid == appid else None


def save_draft(
    session: Session, appid: str, wanted: Menus, *, actor: str, now: datetime
) -> MenuVersion:
    """Draw over the draft, or begin one. What is being published is not drawn over."""
    draft = find_draft(session, appid)
    if draft is not None and draft.state in (MenuState.draft, MenuState.failed):
        mine = (MenuVersion.id == draft.id, MenuVersion.state == draft.state)
        values = {"menus": wanted, "actor": actor, "state": MenuState.draft, "problem": ""}
        if claim(session, update(MenuVersion).where(*mine).values(**values)):
            session.refresh(draft)
            return draft
    last = session.scalar(select(func.max(MenuVersion.number)).where(MenuVersion.appid == appid))
    made = MenuVersion(
        appid=appid,
        number=(last or 0) + 1,
        menus=wanted,
        state=MenuState.draft,
        actor=actor,
        created_at=now,
    )
    session.add(made)
    session.flush()
    return made


def publish(session: Session, version: MenuVersion, *, now: datetime) -> bool:
    """Queue it; False when somebody did. What its buttons are to say is answered from now on."""
    if not _move(session, version.id, MenuState.publishing, problem="", publishing_since=now):
        return False
    for key, text in version.menus.get("texts", {}).items():
        if replies.find_rule(session, version.appid, replies.CLICK, key, now) is None:
            replies.set_answer(
                session, appid=version.appid, kind=replies.CLICK, word=key, text=text
            )
    enqueue(session, "messaging.publish_menu", version_id=version.id)
    return True


def record_published(session: Session, version_id: int, *, now: datetime) -> bool:
    return _move(session, version_id, MenuState.published, published_at=now)


def record_refused(session: Session, version_id: int, why: str) -> bool:
    return _move(session, version_id, MenuState.failed, problem=why[:200])


def settle_stuck(session: Session, *, now: datetime) -> int:
    """What its job could not bring to an end may be published again; asking twice is the same."""
    since = func.coalesce(MenuVersion.publishing_since, MenuVersion.created_at)
    stuck = update(MenuVersion).where(
        MenuVersion.state == MenuState.publishing, since < now - PATIENCE
    )
    return claim(session, stuck.values(state=MenuState.failed, problem=NO_ANSWER))


def _move(session: Session, version_id: int, to: MenuState, **values: Any) -> bool:
    sources = [state for state, targets in NEXT_MENU.items() if to in targets]
    moving = update(MenuVersion).where(MenuVersion.id == version_id, MenuVersion.state.in_(sources))
    return claim(session, moving.values(state=to, **values)) == 1
