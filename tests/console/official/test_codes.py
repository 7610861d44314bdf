"""Codes with a source: made, counted, and what whoever came by them gets and pays."""

import pytest
from sqlalchemy import select, update

from analytics.scenes import list_brought
from core.database import reading, transaction
from coupons.models import Coupon
from crm.models import Member, MemberTag, Tag
from messaging.models import Scene, SceneDay, SceneKind
from messaging.scenes import ensure_scene
from sandbox.demo_config import OFFICIAL
from tests.conftest import NOW
from tests.console.official.conftest import Desk
from tests.factories.coupons import make_template


def the_scene() -> Scene:
    with reading() as session:
        return session.scalars(select(Scene)).one()


def test_a_poster_brings_a_follower_with_its_tag_and_coupon(desk: Desk) -> None:
    with transaction() as session:
        make_template(session, desk.merchant, name="新人券", moment="welcome")
        own = make_template(session, desk.merchant, name="地铁券")
    owner = desk.browser()

    made = owner.post(
        "/official/codes/new", kind="poster", name="地铁口灯箱", tag="地铁", coupon=str(own.id)
    )
    assert made.status_code == 303
    desk.shop.drain()
    scene = the_scene()
    assert (scene.kind, scene.name, scene.appid) == (SceneKind.poster, "地铁口灯箱", OFFICIAL)
    desk.shop.scan("aqing", scene.code)
    desk.shop.drain()
    desk.shop.scan("aqing", scene.code)
    desk.shop.drain()

    with transaction() as session:
        member = session.scalars(select(Member)).one()
        assert member.source_scene == scene.code
        worn = select(Tag.name).join(MemberTag, MemberTag.tag_id == Tag.id)
        assert list(session.scalars(worn)) == ["地铁"]
        assert [c.template_id for c in session.scalars(select(Coupon))] == [own.id]
        paid = {"first_paid_at": NOW, "spent_fen": 4200, "refunded_fen": 700}
        session.execute(update(Member).values(**paid))
    with reading() as session:
        brought = list_brought(session, desk.merchant.id, OFFICIAL)[0]
        counted = (brought.scans, brought.follows, brought.members, brought.orderers)
        assert (counted, brought.takings_fen) == ((2, 1, 1, 1), 3500)
        days = session.scalars(select(SceneDay)).all()
        assert [(day.scans, day.follows) for day in days] == [(2, 1)]
    page = owner.get("/official/codes").text
    assert "地铁口灯箱" in page
    assert "35.00" in page
    assert ("scene.create", {"name": "地铁口灯箱", "template_id": own.id}) in desk.acts()


def test_a_code_of_ones_own_for_staff(desk: Desk) -> None:
    owner = desk.browser()
    refused = owner.post("/official/codes/new", kind="staff", name="小周的码")
    assert (refused.status_code, "选一位员工" in refused.text) == (422, True)

    who = owner.get("/official/codes/new").text.split("林晓")[0].rsplit('value="', 1)[1]
    owner.post("/official/codes/new", kind="staff", name="林晓", person=who.split('"')[0])

    assert the_scene().kind is SceneKind.staff
    assert the_scene().staff_id is not None


@pytest.mark.parametrize(
    "change", [{"kind": "table"}, {"name": ""}, {"store": "999"}, {"coupon": "999"}]
)
def test_what_a_code_may_not_name_is_refused(desk: Desk, change: dict[str, str]) -> None:
    answer = desk.browser().post("/official/codes/new", **{"kind": "poster", "name": "x", **change})

    assert answer.status_code == 422
    with reading() as session:
        assert session.scalars(select(Scene)).all() == []


def test_missing_codes_are_made_once_and_can_be_printed(desk: Desk) -> None:
    owner = desk.browser()
    assert "补齐" in owner.get("/official/codes").text

    owner.post("/official/codes/missing")
    owner.post("/official/codes/missing")
    desk.shop.drain()

    assert the_scene().kind is SceneKind.store
    sheet = owner.get("/official/codes/sheet?kind=store").text
    assert "静安寺店" in sheet
    assert "<svg" in sheet
    picture = owner.get(f"/official/codes/{the_scene().id}/picture")
    assert picture.mimetype == "image/svg+xml"
    assert picture.data.startswith(b"<?xml")
    assert "补齐" not in owner.get("/official/codes").text


def test_anothers_code_is_not_found(desk: Desk) -> None:
    with transaction() as session:
        scene = ensure_scene(
            session, merchant_id=desk.rival.id, appid=OFFICIAL, kind="poster", now=NOW
        )
    owner = desk.browser()

    assert owner.get(f"/official/codes/{scene.id}").status_code == 404
    assert owner.get(f"/official/codes/{scene.id}/picture").status_code == 404
