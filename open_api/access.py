"""Who may call: whoever shows a live key of a merchant that has the scope; and what a guess costs.

The gate leaves `flask.g.key`, a detached row, to be read and not changed.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from flask import Response, g, request
from flask_openapi3 import APIBlueprint, Tag
from sqlalchemy.orm import Session

from core import limits, lockouts, web
from core.clock import now as clock_now
from core.database import reading, transaction
from core.errors import Forbidden, Invalid, Unauthorized
from core.parsing import parsed
from core.problems import PROBLEMS
from coupons.errors import CouponNotFound
from merchants import api_keys
from merchants.queries import get_store_of, list_stores

API_KEY: list[dict[str, list[Any]]] = [{"api_key": []}]
"""`security=API_KEY` on every route."""

MOST_OF_A_KEY = 50  # wrong codes a minute, in however many stores


class NoKey(Unauthorized):
    code = "api_key_unknown"
    title = "接口密钥不对，或者已经停用"


class OutOfScope(Forbidden):
    code = "api_key_scope"
    title = "这把密钥没有这个权限"


def make_blueprint(name: str, description: str) -> APIBlueprint:
    return APIBlueprint(
        f"open_{name}",
        f"open_api.{name}",
        url_prefix="/open/v1",
        abp_tags=[Tag(name=f"open-{name}", description=description)],
        abp_responses=PROBLEMS,
    )


def api_key(scope: str) -> Callable[[Callable[..., Any]], Callable[..., Response]]:
    """Only with a live key that has `scope`."""

    def mark(view: Callable[..., Any]) -> Callable[..., Response]:
        return web.declare(web.Audience("api_key", gate=partial(_gate, scope), permission=scope))(
            parsed(view)
        )

    return mark


def _gate(scope: str) -> None:
    kind, _, secret = request.headers.get("Authorization", "").partition(" ")
    with reading() as session:
        known = kind.lower() == "bearer" and secret.strip()
        key = api_keys.find_live(session, secret.strip()) if known else None
    if key is None:
        raise NoKey
    if scope not in key.scopes:
        raise OutOfScope(f"这把密钥不能{api_keys.SCOPES[scope]}，请店主换一把")
    limits.check("open", ip=request.remote_addr, key=key.id, merchant=key.merchant_id)
    g.key = key


def actor() -> str:
    """Who the records name."""
    return f"key:{g.key.id}"


def store_ids(session: Session) -> list[int]:
    """The stores for which this key may act."""
    if g.key.store_id is not None:
        return [g.key.store_id]
    return [store.id for store in list_stores(session, g.key.merchant_id)]


def store_of(session: Session, given: str | None) -> int:
    """The store that a request is about. Raises Invalid, StoreNotFound."""
    fixed: int | None = g.key.store_id
    if fixed is None and given is None:
        raise Invalid("要说是哪家店", errors={"store_id": "必填：这把密钥不属于某一家店"})
    if fixed is not None and given is not None and int(given) != fixed:
        raise Invalid("这把密钥只属于一家店", errors={"store_id": "不是这把密钥的门店"})
    return get_store_of(session, g.key.merchant_id, int(given) if given else fixed or 0).id


@contextmanager
def guess(now: datetime, store_id: str | None = None) -> Iterator[None]:
    """One look at a code: ten wrong ones a minute lock this key out of this store for a while, and
    MOST_OF_A_KEY in all its stores out of all of them.

    Counted when it was wrong, so that many right ones at once are none; how many looks there may be
    at all is the rate's limit. A rotating code that is too old is no guess: it says nothing of
    whether there is such a coupon, and anybody may hold an old screenshot before a scanner.
    """
    key, merchant_id = f"codes:key:{g.key.id}", g.key.merchant_id
    subject = f"{key}:{g.key.store_id or store_id or 0}"
    with reading() as session:
        lockouts.check(session, key, now=now)
        lockouts.check(session, subject, now=now)
    try:
        yield
    except CouponNotFound:
        with transaction() as session:
            lockouts.fail(session, subject, now=now, merchant_id=merchant_id)
            lockouts.fail(session, key, now=now, limit=MOST_OF_A_KEY, merchant_id=merchant_id)
        raise
    finally:
        with transaction() as session:
            api_keys.note_use(session, g.key, clock_now())
