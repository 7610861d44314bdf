"""Tables of members who come over from another system: a file, and each of its lines."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from core.crypto import Sealed
from core.database import Base, Code, Id, State


class ImportState(StrEnum):
    checked = "checked"
    running = "running"
    stopped = "stopped"
    done = "done"


NEXT_IMPORT: dict[ImportState, set[ImportState]] = {
    ImportState.checked: {ImportState.running},
    ImportState.running: {ImportState.done, ImportState.stopped},
    ImportState.stopped: {ImportState.running},
    ImportState.done: set(),
}


class MemberImport(Base):
    """One file, known by what stands in it: the same file is the same import.

    `cursor` is the last line that was done; it moves in the transaction that does the work.
    `summary` is what was shown before: how many are new, and the sums.
    """

    __tablename__ = "member_imports"
    __table_args__ = (
        UniqueConstraint("merchant_id", "file_hash"),
        Index(None, "merchant_id", "id"),
        Index(None, "state", "id"),
    )

    id: Mapped[Id]
    merchant_id: Mapped[int] = mapped_column(ForeignKey("merchants.id"))
    file_hash: Mapped[str] = mapped_column(Code(64))
    name: Mapped[str] = mapped_column(String(64))
    state: Mapped[ImportState] = mapped_column(State(ImportState), default=ImportState.checked)
    total: Mapped[int] = mapped_column(default=0)
    faulty: Mapped[int] = mapped_column(default=0)
    imported: Mapped[int] = mapped_column(default=0)
    cursor: Mapped[int] = mapped_column(default=0)
    summary: Mapped[dict[str, Any]] = mapped_column(JSON)
    created_by: Mapped[str] = mapped_column(Code(64))
    created_at: Mapped[datetime]
    started_by: Mapped[str] = mapped_column(Code(64), default="")
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]


class MemberImportRow(Base):
    """A line. `data` is what stood there and what it means, sealed, until it is forgotten; `shown`
    is the phone number masked. `taken` names merchant and phone once the line is done: whatever
    file it stands in, nobody is given points or a balance twice.
    """

    __tablename__ = "member_import_rows"
    __table_args__ = (
        UniqueConstraint("import_id", "number"),
        UniqueConstraint("taken"),
        Index(None, "import_id", "problem", "number"),
    )

    id: Mapped[Id]
    import_id: Mapped[int] = mapped_column(ForeignKey("member_imports.id"))
    number: Mapped[int]
    shown: Mapped[str] = mapped_column(String(32), default="")
    data: Mapped[str | None] = mapped_column(Sealed())
    problem: Mapped[str] = mapped_column(String(64), default="")
    taken: Mapped[str | None] = mapped_column(Code(96))
    member_id: Mapped[int | None] = mapped_column(ForeignKey("members.id"), index=True)
