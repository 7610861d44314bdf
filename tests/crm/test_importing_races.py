"""Several workers on one file, and files with the same people at once, on MariaDB."""

import threading

import pytest
from flask import Flask
from sqlalchemy import func, select

from core import clock
from core.database import reading, transaction
from crm.importing import making, working
from crm.importing import reading as files
from crm.models import BalanceEntry, ImportState, Member, MemberImport, PointEntry
from crm.points.lots import grant
from merchants.models import Merchant
from payments import stored
from tests import racing
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant
from tests.racing import race

pytestmark = pytest.mark.mariadb
shared, app = racing.shared, racing.app
PEOPLE, WORKERS, SLICE = 40, 4, 5


def start_import(merchant: Merchant, name: str) -> int:
    """Each of the same people has 10 points and ¥1; the name of the file is all that differs."""
    now = clock.now()
    lines = [f"1380000{n:04},{name},10,1" for n in range(PEOPLE)]
    text = "\n".join(("手机号,称呼,积分,储值本金", *lines))
    with transaction() as session:
        file = files.read(session, merchant.id, text, now)
        found, _ = making.keep(
            session, merchant.id, name=name, raw=text.encode(), file=file, actor="staff:1", now=now
        )
        making.start(session, found, actor="staff:1", now=now)
        return found.id


def work(import_id: int) -> None:
    more = True
    while more:
        with transaction() as session:
            more = working.next_slice(
                session, import_id, now=clock.now(), book=stored.post_imported, size=SLICE
            )


def check_everybody_has_theirs_once() -> None:
    with reading() as session:
        members = session.scalars(select(Member)).all()
        assert [(one.points, one.balance_fen) for one in members] == [(10, 100)] * PEOPLE
        for ledger in (PointEntry, BalanceEntry):
            assert session.scalar(select(func.count()).select_from(ledger)) == PEOPLE
        found = session.scalars(select(MemberImport)).all()
        assert {one.state for one in found} == {ImportState.done}
        assert stored.list_different(session, {one.merchant_id for one in found}) == []
        assert sum(one.imported for one in found) == PEOPLE


def test_four_workers_on_one_file_bring_everybody_once(app: Flask) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
    import_id = start_import(merchant, "一")

    race(app, WORKERS, lambda _: work(import_id))

    check_everybody_has_theirs_once()


def test_two_files_with_the_same_people_bring_everybody_once(app: Flask) -> None:
    with transaction() as session:
        merchant = make_merchant(session)
    imports = [start_import(merchant, name) for name in ("一", "二")]

    race(app, WORKERS, lambda i: work(imports[i % 2]))

    check_everybody_has_theirs_once()


def test_control_two_files_that_only_name_their_own_line_give_twice(app: Flask) -> None:
    with transaction() as session:
        member = make_member(session, merchant=make_merchant(session))
    together = threading.Barrier(2)

    def give(i: int) -> None:
        together.wait()
        with transaction() as session:
            grant(session, member.id, 10, cause=f"import:{i}", now=clock.now())

    race(app, 2, give)

    with reading() as session:
        assert session.get_one(Member, member.id).points == 20
