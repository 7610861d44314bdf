"""Tables of merchants."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, Double, ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.database import Base, Code, Id, State


class MerchantState(StrEnum):
    live = "live"
    paused = "paused"


class StoreState(StrEnum):
    """What the merchant says; whether a store is open now also depends on its hours."""

    open = "open"
    closed = "closed"


class Role(StrEnum):
    owner = "owner"
    manager = "manager"
    clerk = "clerk"


class StaffState(StrEnum):
    active = "active"
    left = "left"


class Merchant(Base):
    __tablename__ = "merchants"

    id: Mapped[Id]
    code: Mapped[str] = mapped_column(Code(32), unique=True)
    name: Mapped[str] = mapped_column(String(64))
    brand_color: Mapped[str] = mapped_column(String(16), default="#0b6b4f")
    logo: Mapped[str] = mapped_column(String(512), default="")
    state: Mapped[MerchantState] = mapped_column(State(MerchantState), default=MerchantState.live)
    created_at: Mapped[datetime]


class Store(Base):
    __tablename__ = "stores"
    __table_args__ = (
        UniqueConstraint("merchant_id", "code"),
        # The box of a search by distance is answered from this index alone.
        Index(None, "merchant_id", "lat", "lng"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    code: Mapped[str] = mapped_column(Code(32))
    name: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(255), default="")
    city: Mapped[str] = mapped_column(String(32), default="")
    lat: Mapped[float] = mapped_column(Double)
    lng: Mapped[float] = mapped_column(Double)
    phone: Mapped[str] = mapped_column(String(32), default="")
    hours: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    state: Mapped[StoreState] = mapped_column(State(StoreState), default=StoreState.open)
    prep_minutes: Mapped[int] = mapped_column(Integer, default=10)
    pickup_prefix: Mapped[str] = mapped_column(String(4), default="")
    created_at: Mapped[datetime]


class StoreTable(Base):
    __tablename__ = "store_tables"
    __table_args__ = (UniqueConstraint("store_id", "name"),)

    id: Mapped[Id]
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"))
    code: Mapped[str] = mapped_column(Code(32), unique=True)
    name: Mapped[str] = mapped_column(String(32))


class Staff(Base):
    __tablename__ = "staff"
    __table_args__ = (UniqueConstraint("merchant_id", "person_id"),)

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[Role] = mapped_column(State(Role))
    username: Mapped[str | None] = mapped_column(Code(64), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(255))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("persons.id"), index=True)
    state: Mapped[StaffState] = mapped_column(State(StaffState), default=StaffState.active)
    created_at: Mapped[datetime]


class StaffStore(Base):
    __tablename__ = "staff_stores"

    staff_id: Mapped[int] = mapped_column(ForeignKey("staff.id"), primary_key=True)
    store_id: Mapped[int] = mapped_column(ForeignKey("stores.id"), primary_key=True, index=True)


class StaffInvite(Base):
    """`staff_id` is the member it will bind, or, once accepted without one, the member it made."""

    __tablename__ = "staff_invites"

    id: Mapped[Id]
    code_hash: Mapped[str] = mapped_column(Code(64), unique=True)
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), index=True)
    staff_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    name: Mapped[str] = mapped_column(String(64))
    role: Mapped[Role] = mapped_column(State(Role))
    store_ids: Mapped[list[int]] = mapped_column(JSON, default=list)
    invited_by_id: Mapped[int | None] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    accepted_at: Mapped[datetime | None]


class ApiKey(Base):
    """What a till or another system shows to act for the merchant; the secret itself is not kept.

    `store_id`: the till of one store; None: it says for which store it acts. `hint` is the end of
    the secret, to tell keys apart.
    """

    __tablename__ = "api_keys"

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"), index=True)
    store_id: Mapped[int | None] = mapped_column(ForeignKey("stores.id"))
    name: Mapped[str] = mapped_column(String(32))
    secret_hash: Mapped[str] = mapped_column(Code(64), unique=True)
    hint: Mapped[str] = mapped_column(Code(8))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    created_by_id: Mapped[int] = mapped_column(ForeignKey("staff.id"))
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
