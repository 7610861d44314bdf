"""Redeem at the counter: 64 clerks on one code, then on their own, beside hand-written SQL."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count

from flask import Flask
from sqlalchemy import make_url, select

from benchmarks.harness import Result, alternate, mariadb_app, together
from core import clock
from core.database import reading, transaction
from core.errors import LinliError
from coupons import issuing, redemption
from coupons.models import Coupon
from tests.factories import coupons, crm, merchants
from tests.servers import MariaDB

CLERKS, EACH = 64, 10


@dataclass(frozen=True)
class Shop:
    template_id: int
    member_id: int
    store_id: int
    staff_id: int


def run() -> Iterator[Result]:
    with mariadb_app() as (app, server, url):
        shop = _open_shop()
        _one_winner(app, shop)
        fresh = count(1)
        total = CLERKS * EACH
        ours, hand = alternate(
            3,
            lambda: total / _redeem(app, shop, _issue(shop, next(fresh))),
            lambda: total / _by_hand(app, server, url, shop, _issue(shop, next(fresh))),
        )
    what = f"{total} codes redeemed by {CLERKS} clerks"
    yield Result("redemption", what, ours, hand, "/s", 0.60, note="one code: exactly one won")


def _open_shop() -> Shop:
    with transaction() as session:
        merchant = merchants.make_merchant(session)
        store = merchants.make_store(session, merchant)
        staff = merchants.make_staff(session, merchant, stores=[store])
        member = crm.make_member(session, merchant=merchant)
        template = coupons.make_template(session, merchant)
        return Shop(template.id, member.id, store.id, staff.id)


def _issue(shop: Shop, batch: int) -> list[str]:
    """Fresh codes, one for each redemption."""
    with transaction() as session:
        for number in range(CLERKS * EACH):
            key = f"bench:{batch}:{number}"
            made = {"source": f"bench:{batch}", "key": key, "now": clock.now()}
            issuing.issue(session, shop.template_id, shop.member_id, **made)
    with reading() as session:
        mine = select(Coupon.code).where(Coupon.source == f"bench:{batch}")
        return list(session.scalars(mine))


def _redeem_one(shop: Shop, code: str, key: str) -> None:
    with transaction() as session:
        redemption.redeem(
            session,
            code,
            store_id=shop.store_id,
            staff_id=shop.staff_id,
            key=key,
            now=clock.now(),
        )


def _redeem(app: Flask, shop: Shop, codes: list[str]) -> float:
    def work(clerk: int) -> None:
        for code in codes[clerk::CLERKS]:
            _redeem_one(shop, code, f"k:{code}")

    return together(app, CLERKS, work)


def _one_winner(app: Flask, shop: Shop) -> None:
    code, won = _issue(shop, 0)[0], []

    def work(clerk: int) -> None:
        try:
            _redeem_one(shop, code, f"race:{clerk}")
            won.append(clerk)
        except LinliError:
            pass

    together(app, CLERKS, work)
    assert len(won) == 1, f"{len(won)} clerks redeemed one code"


def _by_hand(app: Flask, server: MariaDB, url: str, shop: Shop, codes: list[str]) -> float:
    name = make_url(url).database

    def work(clerk: int) -> None:
        with closing(server.connect(name)) as connection, connection.cursor() as cursor:
            for code in codes[clerk::CLERKS]:
                connection.begin()
                cursor.execute("SELECT id, template_id FROM coupons WHERE code = %s", (code,))
                coupon_id, template_id = cursor.fetchone()
                cursor.execute(
                    "SELECT store_ids FROM coupon_templates WHERE id = %s", (template_id,)
                )
                cursor.fetchone()
                cursor.execute(
                    "UPDATE coupons SET state = 'redeemed', store_id = %s, redeemed_by_id = %s,"
                    " redeem_key = %s, redeemed_at = UTC_TIMESTAMP(6), discount_fen = 800"
                    " WHERE id = %s AND state = 'issued' AND expires_at > UTC_TIMESTAMP(6)",
                    (shop.store_id, shop.staff_id, f"k:{code}", coupon_id),
                )
                cursor.execute(
                    "INSERT INTO coupon_entries (coupon_id, kind, cause, actor, store_id, device,"
                    " reason, at) VALUES (%s, 'redeemed', %s, 'staff:1', %s, '', '',"
                    " UTC_TIMESTAMP(6))",
                    (coupon_id, f"hand:{code}", shop.store_id),
                )
                cursor.execute(
                    "INSERT INTO audit_entries (actor, action, subject, reason, request_id, ip, at)"
                    " VALUES ('staff:1', 'coupon.redeem', %s, '', '', '', UTC_TIMESTAMP(6))",
                    (f"coupon:{coupon_id}",),
                )
                cursor.execute(
                    "INSERT INTO outbox_jobs (name, args, state, attempt, failures, run_at,"
                    " created_at, request_id) VALUES ('coupons.after_redeemed', '{}', 'waiting', 0,"
                    " 0, UTC_TIMESTAMP(6), UTC_TIMESTAMP(6), '')"
                )
                connection.commit()

    return together(app, CLERKS, work)
