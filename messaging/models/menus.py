"""Versions of an account's menu."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class MenuState(StrEnum):
    draft = "draft"
    publishing = "publishing"
    published = "published"
    failed = "failed"


NEXT_MENU: dict[MenuState, frozenset[MenuState]] = {
    MenuState.draft: frozenset({MenuState.publishing}),
    MenuState.publishing: frozenset({MenuState.published, MenuState.failed}),
    MenuState.published: frozenset(),
    MenuState.failed: frozenset({MenuState.publishing}),
}


class MenuVersion(Base):
    """The menus of an account at one time: `default` for everybody, `staff` for the staff's tag.

    A draft is changed in place; what was published stays as it was.
    """

    __tablename__ = "menu_versions"
    __table_args__ = (UniqueConstraint("appid", "number"),)

    id: Mapped[Id]
    appid: Mapped[str] = mapped_column(Code(64))
    number: Mapped[int] = mapped_column(Integer)
    menus: Mapped[dict[str, Any]] = mapped_column(JSON)
    state: Mapped[MenuState] = mapped_column(State(MenuState))
    actor: Mapped[str] = mapped_column(Code(64))
    problem: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime]
    publishing_since: Mapped[datetime | None]
    published_at: Mapped[datetime | None]
