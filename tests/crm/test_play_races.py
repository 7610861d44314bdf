"""Many at once: one sign-in a day, no prize twice, no stored value and no points twice."""

from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from core.database import reading, transaction
from crm import balance, points
from crm.models import Draw, Lottery, Member, Prize, PrizeKind, SignIn, SignRules
from crm.play import drawing, signing_in
from tests import racing
from tests.factories.crm import make_member, make_merchant, make_order_id, make_store
from tests.racing import race, refusals

pytestmark = pytest.mark.mariadb
shared, app = racing.shared, racing.app


def test_a_day_is_signed_once(app: Flask, now: datetime) -> None:
    with transaction() as session:
        merchant_id, member_id = make_merchant(session).id, make_member(session).id
        session.add(SignRules(merchant_id=merchant_id, points=5, milestones=[]))

    def sign(_: int) -> int:
        with transaction() as session:
            return signing_in.sign_in(session, merchant_id, member_id, now=now).points

    answers = race(app, 8, sign)

    assert answers.count(5) == 1
    assert refusals(answers) == ["signed_already"] * 7
    with reading() as session:
        assert session.get_one(Member, member_id).points == 5
        assert session.scalar(select(func.count(SignIn.id))) == 1


def lottery_of(stock: int, people: int, now: datetime) -> tuple[int, int, list[int]]:
    with transaction() as session:
        members = [make_member(session).id for _ in range(people)]
        merchant_id = make_merchant(session).id
        lottery = Lottery(
            merchant_id=merchant_id, name="转盘", points=0, per_day=5,
            starts_at=now, ends_at=now + timedelta(days=1),
        )  # fmt: skip
        tea = Prize(kind=PrizeKind.text, name="茶", odds_bp=10_000, stock=stock)
        drawing.create(session, lottery, [tea], actor="x:1", now=now)
        return merchant_id, lottery.id, members


def test_two_hundred_draws_win_what_there_is(app: Flask, now: datetime) -> None:
    merchant_id, lottery_id, members = lottery_of(30, 40, now)

    def draw_five(i: int) -> int:
        won = 0
        for _ in range(5):
            with transaction() as session:
                won += bool(drawing.draw(session, merchant_id, members[i], lottery_id, now=now)[1])
        return won

    race(app, 40, draw_five)

    with reading() as session:
        assert session.scalars(select(Prize.stock_left)).one() == 0
        won = select(func.count(Draw.id)).where(Draw.prize_id.is_not(None))
        assert (session.scalar(select(func.count(Draw.id))), session.scalar(won)) == (200, 30)


def test_control_a_stock_that_is_read_and_written_gives_too_much(app: Flask, now: datetime) -> None:
    lottery_of(1, 1, now)
    met = racing.threading.Barrier(6)

    def naive(_: int) -> bool:
        with transaction() as session:
            tea_id, left = session.execute(select(Prize.id, Prize.stock_left)).one()
            met.wait()
            if left > 0:
                session.execute(update(Prize).where(Prize.id == tea_id).values(stock_left=0))
            return left > 0

    assert race(app, 6, naive).count(True) == 6


def test_stored_value_and_points_are_kept_for_one(app: Flask, now: datetime) -> None:
    with transaction() as session:
        member = make_member(session)
        store = make_store(session)
        order_id = make_order_id(session, member, store)
        balance.credit(session, member.id, order_id, paid_fen=800, bonus_fen=200, now=now)
        points.grant(session, member.id, 1_000, cause="gift", now=now)
        orders = [make_order_id(session, member, store) for _ in range(8)]
        member_id = member.id

    def keep(i: int) -> bool:
        with transaction() as session:
            balance.freeze(session, member_id, f"order:{orders[i]}", 300, now=now)
            points.hold_for(session, member_id, orders[i], 300, now=now)
            return True

    answers = race(app, 8, keep)

    assert answers.count(True) == 3
    assert refusals(answers) == ["not_enough_balance"] * 5
    with reading() as session:
        found = session.get_one(Member, member_id)
        assert (found.balance_fen, found.points) == (100, 100)
        ids = range(member_id, member_id + 1)
        assert balance.list_unbalanced(session, ids) == points.list_unbalanced(session, ids) == []
