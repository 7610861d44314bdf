"""QR codes with a parameter, and what each of them has brought."""

from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto import Sealed
from core.database import Base, Code, Id, State


class SceneKind(StrEnum):
    store = "store"
    table = "table"
    staff_invite = "staff_invite"
    poster = "poster"
    staff = "staff"


class Scene(Base):
    """A QR code with a parameter. A secret scene (an invite) is found by its hash in `code`.

    `ticket`, `url` and `image_url` are WeChat's, filled by a job; sealed, since they stand for the
    scene. `url_index` finds the scene by its `url`, which is the text of the printed code. Who
    follows through it gets the tag and the coupon.
    """

    __tablename__ = "scenes"
    __table_args__ = (Index(None, "merchant_id", "kind"),)

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(Code(64), unique=True)
    secret: Mapped[str | None] = mapped_column(Sealed())
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    appid: Mapped[str] = mapped_column(Code(64))
    kind: Mapped[SceneKind] = mapped_column(State(SceneKind))
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    table_id: Mapped[int | None] = mapped_column(ForeignKey("store_tables.id"))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    ref: Mapped[str] = mapped_column(Code(64), default="")
    name: Mapped[str] = mapped_column(String(32), default="")
    tag_id: Mapped[int | None] = mapped_column(ForeignKey("tags.id"))
    template_id: Mapped[int | None] = mapped_column(ForeignKey("coupon_templates.id"))
    ticket: Mapped[str | None] = mapped_column(Sealed())
    url: Mapped[str | None] = mapped_column(Sealed())
    url_index: Mapped[str | None] = mapped_column(Code(64), index=True)
    image_url: Mapped[str | None] = mapped_column(Sealed())
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class SceneDay(Base):
    """How often a code was scanned on a day, and by how many who followed with it."""

    __tablename__ = "scene_days"

    scene_id: Mapped[int] = mapped_column(ForeignKey("scenes.id"), primary_key=True)
    day: Mapped[date] = mapped_column(primary_key=True)
    scans: Mapped[int] = mapped_column(Integer, default=0)
    follows: Mapped[int] = mapped_column(Integer, default=0)
