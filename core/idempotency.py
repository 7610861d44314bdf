"""Idempotency keys: the same key and body give the first answer again; another body is a conflict.

The key is reserved and its answer stored in the transaction of the effect, so there is never a key
without its effect nor an effect without its key.
"""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from core import rows
from core.database import Base, Code, Id
from core.errors import Conflict, Malformed


class IdempotencyConflict(Conflict):
    code, title = "idempotency_conflict", "这个请求号已经用在别的内容上了"


class IdempotencyRecord(Base):
    __tablename__ = "idempotency_records"
    __table_args__ = (
        UniqueConstraint("scope", "key"),
        Index("ix_idempotency_records_created_at", "created_at"),
    )

    id: Mapped[Id]
    scope: Mapped[str] = mapped_column(Code(64))
    key: Mapped[str] = mapped_column(Code(128))
    body_hash: Mapped[str] = mapped_column(Code(64))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON)
    created_at: Mapped[datetime]


@dataclass(frozen=True)
class Replay:
    """The answer that the first request with this key was given."""

    result: dict[str, Any]


def begin(
    session: Session,
    *,
    scope: str,
    key: str,
    body: Any,
    now: datetime,
    result: dict[str, Any] | None = None,
) -> Replay | None:
    """Reserve `key`: None the first time, the stored answer afterwards.

    The answer is `result` where it is known before the effect, else what `finish` stores. A
    parallel request with the same key waits for the first one's transaction. Raises
    IdempotencyConflict when the body differs, Malformed when the key is empty or over 128.
    """
    if not 1 <= len(key) <= 128 or not key.isprintable():
        raise Malformed("Idempotency-Key 要有 1 到 128 个可见字符")
    row = {"scope": scope, "key": key, "body_hash": _hash(body), "created_at": now}
    row["result"] = result
    if rows.add_new(session, IdempotencyRecord, row) is not None:
        return None
    return find(session, scope=scope, key=key, body=body)


def find(session: Session, *, scope: str, key: str, body: Any) -> Replay | None:
    """What `key` was answered before, if it was; a look only. Raises IdempotencyConflict."""
    record = session.scalar(
        select(IdempotencyRecord).where(
            IdempotencyRecord.scope == scope, IdempotencyRecord.key == key
        )
    )
    if record is None:
        return None
    if record.body_hash != _hash(body):
        raise IdempotencyConflict
    return Replay(record.result or {})


def is_known(session: Session, *, scope: str, key: str) -> bool:
    """Whether somebody has used `key` before; a look only, nothing is reserved."""
    mine = (IdempotencyRecord.scope == scope, IdempotencyRecord.key == key)
    return session.scalar(select(IdempotencyRecord.id).where(*mine)) is not None


def finish(session: Session, *, scope: str, key: str, result: dict[str, Any]) -> None:
    """Store the answer beside the key that `begin` reserved in this transaction.

    Raises NotMoved when it did not.
    """
    reserved = {"scope": scope, "key": key}
    rows.must_move(session, IdempotencyRecord, reserved, {"result": result})


def _hash(body: Any) -> str:
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
