"""Tables of people."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, validates

from core.crypto import Sealed, keyring
from core.database import Base, Code, Id, State


class IdentityKind(StrEnum):
    official = "official"
    mini = "mini"
    website = "website"


class Audience(StrEnum):
    """Which door a log-in session opens."""

    member = "member"
    staff = "staff"


class MergeReason(StrEnum):
    union_id = "union_id"
    phone = "phone"


TAIL = 4


class Person(Base):
    __tablename__ = "persons"

    id: Mapped[Id]
    union_id: Mapped[str | None] = mapped_column(Code(64), unique=True)
    nickname: Mapped[str] = mapped_column(String(64), default="")
    avatar: Mapped[str] = mapped_column(String(512), default="")
    phone: Mapped[str | None] = mapped_column(Sealed())
    phone_hash: Mapped[str | None] = mapped_column(Code(64), unique=True)
    phone_tail: Mapped[str | None] = mapped_column(Code(64), index=True)
    merged_into_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"), index=True)
    created_at: Mapped[datetime]

    @validates("phone")
    def _know_by_tail(self, _name: str, phone: str | None) -> str | None:
        """At a counter people say the last four digits: a keyed hash of them goes along."""
        self.phone_tail = tail_index(phone[-TAIL:]) if phone else None
        return phone


def tail_index(digits: str) -> str:
    """The keyed hash by which a number's last digits are found."""
    return keyring().blind_index(f"tail:{digits}")


class Identity(Base):
    __tablename__ = "identities"
    __table_args__ = (UniqueConstraint("appid", "openid"),)

    id: Mapped[Id]
    person_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), index=True)
    kind: Mapped[IdentityKind] = mapped_column(State(IdentityKind))
    appid: Mapped[str] = mapped_column(Code(64))
    openid: Mapped[str] = mapped_column(Code(64))
    created_at: Mapped[datetime]


class PersonMerge(Base):
    """One row per absorbed person: the log of merges."""

    __tablename__ = "person_merges"

    id: Mapped[Id]
    kept_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), index=True)
    absorbed_id: Mapped[int] = mapped_column(ForeignKey("persons.id"), unique=True)
    reason: Mapped[MergeReason] = mapped_column(State(MergeReason))
    at: Mapped[datetime]


class LoginSession(Base):
    """`person_id` is empty for staff who log in by password and never bound a WeChat identity."""

    __tablename__ = "login_sessions"
    __table_args__ = (
        Index(None, "person_id", "audience"),
        Index(None, "staff_id"),
        Index(None, "expires_at"),
    )

    id: Mapped[Id]
    token_hash: Mapped[str] = mapped_column(Code(64), unique=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"))
    identity_id: Mapped[int | None] = mapped_column(ForeignKey("identities.id"))
    audience: Mapped[Audience] = mapped_column(State(Audience))
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
