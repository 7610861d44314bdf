"""Stores: nearest first, one store, and the store behind a table's code."""

from datetime import datetime

from flask import request
from sqlalchemy.orm import Session

from core import limits
from core.clock import local
from core.clock import now as clock_now
from core.database import reading
from coupons.promotions import list_active
from merchants import hours, queries
from merchants.distance import great_circle
from merchants.errors import TableNotFound
from merchants.models import Merchant, Store, StoreState, StoreTable
from messaging import scenes
from wxapp_api.access import merchant_code, public
from wxapp_api.blueprints import make_blueprint
from wxapp_api.schemas.common import Page
from wxapp_api.schemas.stores import (
    AppQuery,
    StoreOut,
    StorePath,
    StoreQuery,
    StoresQuery,
    TableAnswer,
    TableOut,
    TablePath,
    TableQuery,
)

blueprint = make_blueprint("stores", "门店")


class StoresOut(Page[StoreOut]):
    """A page of stores, nearest first."""


@blueprint.get("/stores", responses={200: StoresOut})
@public
def list_stores(query: StoresQuery) -> StoresOut:
    """Stores, nearest first; without a position, oldest first."""
    code, now = merchant_code(query.appid), clock_now()
    limits.check("stores", ip=request.remote_addr, merchant=code)
    with reading() as session:
        merchant = queries.get_merchant(session, code)
        found = queries.nearest_stores(
            session, merchant.id, query.lat, query.lng, query.q, query.cursor or None, query.limit
        )
        promotions = promotion_names(
            session, merchant, [near.store.id for near in found.items], now
        )
    items = [
        store_out(near.store, near.metres, promotions[near.store.id], now) for near in found.items
    ]
    return StoresOut(items=items, next=found.next)


@blueprint.get("/stores/<store_id>", responses={200: StoreOut})
@public
def show_store(path: StorePath, query: StoreQuery) -> StoreOut:
    """One store."""
    now = clock_now()
    with reading() as session:
        merchant = queries.get_merchant(session, merchant_code(query.appid))
        store = queries.get_store_of(session, merchant.id, int(path.store_id))
        promotions = promotion_names(session, merchant, [store.id], now)
    metres = None
    if query.lat is not None and query.lng is not None:
        metres = round(great_circle(query.lat, query.lng, store.lat, store.lng))
    return store_out(store, metres, promotions[store.id], now)


@blueprint.get("/tables/<code>", responses={200: TableAnswer})
@public
def show_table(path: TablePath, query: AppQuery) -> TableAnswer:
    """The table that a printed code names, and its store."""
    limits.check("tables", ip=request.remote_addr)
    with reading() as session:
        merchant = queries.get_merchant(session, merchant_code(query.appid))
        return _table_answer(session, merchant, queries.get_table(session, path.code))


@blueprint.get("/tables", responses={200: TableAnswer})
@public
def scan_table(query: TableQuery) -> TableAnswer:
    """The table whose printed code reads `qr`; the official account's codes are such texts."""
    limits.check("tables", ip=request.remote_addr)
    with reading() as session:
        merchant = queries.get_merchant(session, merchant_code(query.appid))
        scene = scenes.find_table_scene(session, merchant.id, query.qr)
        table = session.get(StoreTable, scene.table_id) if scene and scene.table_id else None
        if table is None:
            raise TableNotFound
        return _table_answer(session, merchant, table)


def _table_answer(session: Session, merchant: Merchant, table: StoreTable) -> TableAnswer:
    now = clock_now()
    store = queries.get_store(session, table.store_id)
    if store.merchant_id != merchant.id:
        raise TableNotFound
    promotions = promotion_names(session, merchant, [store.id], now)
    return TableAnswer(
        store=store_out(store, None, promotions[store.id], now),
        table=TableOut(code=table.code, name=table.name),
    )


def promotion_names(
    session: Session, merchant: Merchant, store_ids: list[int], now: datetime
) -> dict[int, list[str]]:
    """What each store's card promises now: 满 40 减 5."""
    found = [rule for rule in list_active(session, merchant.id, now) if rule.is_on(now)]
    return {
        id_: [text for rule in found if rule.is_in(id_) for text in rule.promises]
        for id_ in store_ids
    }


def store_out(store: Store, metres: int | None, promotions: list[str], now: datetime) -> StoreOut:
    opening = queries.opening(store, now)
    return StoreOut(
        id=str(store.id),
        code=store.code,
        name=store.name,
        address=store.address,
        city=store.city,
        lat=store.lat,
        lng=store.lng,
        phone=store.phone,
        distance_m=metres,
        open=opening.is_open,
        state="open" if opening.is_open else "closed",
        state_text=state_text(store, opening, now),
        hours=store.hours,
        today_text=hours.today_text(store.hours, now),
        prep_minutes=store.prep_minutes,
        promotions=promotions,
    )


def state_text(store: Store, opening: hours.Opening, now: datetime) -> str:
    if opening.is_open:
        return "营业中"
    if store.state is StoreState.closed or opening.opens_at is None:
        return "暂停营业"
    opens = local(opening.opens_at)
    days = (opens.date() - local(now).date()).days
    when = {0: "", 1: "明天 "}.get(days, f"{hours.NAMES[opens.weekday()]} ")
    return f"休息中，{when}{opens:%H:%M} 开门"
