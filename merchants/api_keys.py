"""Keys of the open API: made by an owner, shown once, kept as a hash, revoked at once."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from core import audit
from core.database import claim
from core.errors import Invalid, NotFound
from core.numbers import new_token, token_hash
from merchants.models import ApiKey
from merchants.queries import get_store_of

PREFIX = "linli_"
SCOPES = {
    "coupons.read": "查券、看券种",
    "coupons.redeem": "核销",
    "coupons.undo": "撤销自己核销的",
    "coupons.issue": "给会员发券",
}
MAX_NAME = 32
NOTED_EVERY = timedelta(minutes=5)


class KeyInvalid(Invalid):
    code = "api_key_invalid"
    title = "接口密钥填写有误"


class KeyNotFound(NotFound):
    code = "api_key_not_found"
    title = "没有这把密钥"


def make(
    session: Session,
    merchant_id: int,
    *,
    name: str,
    scopes: Sequence[str],
    store_id: int | None,
    staff_id: int,
    now: datetime,
) -> tuple[ApiKey, str]:
    """A new key and its secret, which nobody can read again. Raises KeyInvalid, StoreNotFound."""
    errors = {}
    if not 1 <= len(name.strip()) <= MAX_NAME:
        errors["name"] = f"名字要 1 到 {MAX_NAME} 个字"
    if not scopes or set(scopes) - set(SCOPES):
        errors["scopes"] = "至少选一项"
    if errors:
        raise KeyInvalid(errors=errors)
    if store_id is not None:
        get_store_of(session, merchant_id, store_id)
    secret = f"{PREFIX}{new_token()}"
    key = ApiKey(
        merchant_id=merchant_id,
        store_id=store_id,
        name=name.strip(),
        secret_hash=token_hash(secret),
        hint=secret[-4:],
        scopes=[scope for scope in SCOPES if scope in scopes],
        created_by_id=staff_id,
        created_at=now,
    )
    session.add(key)
    session.flush()
    _audit(session, key, "key.create", staff_id, now, after={"name": key.name, "scopes": scopes})
    return key, secret


def find_live(session: Session, secret: str) -> ApiKey | None:
    """The key that was not revoked."""
    mine = ApiKey.secret_hash == token_hash(secret)
    return session.scalar(select(ApiKey).where(mine, ApiKey.revoked_at.is_(None)))


def note_use(session: Session, key: ApiKey, now: datetime) -> None:
    """Remember that it is used, every few minutes."""
    stale = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at < now - NOTED_EVERY)
    claim(session, update(ApiKey).where(ApiKey.id == key.id, stale).values(last_used_at=now))


def revoke(
    session: Session, merchant_id: int, key_id: int, *, staff_id: int, now: datetime
) -> None:
    """It opens nothing from now on. Raises KeyNotFound, also for one that was revoked."""
    key = get(session, merchant_id, key_id)
    live = update(ApiKey).where(ApiKey.id == key.id, ApiKey.revoked_at.is_(None))
    if not claim(session, live.values(revoked_at=now)):
        raise KeyNotFound
    _audit(session, key, "key.revoke", staff_id, now, after={"name": key.name})


def get(session: Session, merchant_id: int, key_id: int) -> ApiKey:
    """The gate: another merchant's key is not found."""
    key = session.get(ApiKey, key_id)
    if key is None or key.merchant_id != merchant_id:
        raise KeyNotFound
    return key


def list_keys(session: Session, merchant_id: int, limit: int = 100) -> list[ApiKey]:
    """Live ones first, newest first."""
    mine = select(ApiKey).where(ApiKey.merchant_id == merchant_id)
    newest = mine.order_by(ApiKey.revoked_at.is_not(None), ApiKey.id.desc())
    return list(session.scalars(newest.limit(limit)))


def _audit(
    session: Session,
    key: ApiKey,
    action: str,
    staff_id: int,
    now: datetime,
    after: dict[str, object],
) -> None:
    audit.record(
        session,
        actor=f"staff:{staff_id}",
        action=action,
        subject=f"key:{key.id}",
        after=after,
        merchant_id=key.merchant_id,
        now=now,
    )
