"""The demo's codes, answers and menus; and that loading them again adds nothing."""

from sqlalchemy import func, select

from core.database import reading, transaction
from merchants import demo as merchants_demo
from merchants.models import Staff, StaffInvite
from messaging import demo
from messaging.models import ReplyRule, Scene
from sandbox import acts
from sandbox.demo_config import OFFICIAL
from tests.wechat_world import Shop


def counts() -> list[int]:
    with reading() as session:
        return [
            session.scalar(select(func.count()).select_from(table)) or 0
            for table in (Scene, StaffInvite, ReplyRule)
        ]


def load() -> None:
    with transaction() as session:
        merchants_demo.load(session)
        demo.load(session)


def test_the_demo_is_ready_at_wechat_and_loads_once(shop: Shop) -> None:
    load()
    first = shop.drain()
    seen = counts()
    load()
    shop.drain()

    assert {line.rsplit(":", 1)[1] for line in first} == {"done"}
    assert seen == counts() == [3 + 18 + 2 + 1, 2, 5]
    printed = shop.world.qrs.list(limit=1000)
    assert len(printed) == 24
    with reading() as session:
        assert all(session.scalars(select(Scene.image_url)))


def test_both_of_the_demos_staff_bind_by_their_invites(shop: Shop) -> None:
    load()
    shop.drain()

    for person in ("zhixia", "xiaozhou"):
        with reading() as session:
            name = shop.person(person).name
            username = session.scalars(select(Staff.username).where(Staff.name == name)).one()
            scene = session.scalars(select(Scene).where(Scene.ref == username)).one()
        shop.scan(person, scene.secret or "")
        shop.drain()
        assert any("绑定成功" in said["text"] for said in shop.chat(person))

    with reading() as session:
        assert session.scalar(select(func.count()).where(Staff.person_id.is_not(None))) == 2
    load()
    assert counts()[1] == 2
    assert list(shop.world.tags.of(OFFICIAL).values()).count("店员") == 1
    told = acts.say(
        shop.world, shop.person("xiaozhou"), shop.world.settings.accounts[OFFICIAL], "营业时间"
    )
    assert told["delivered"]
    assert "静安寺" in shop.chat("xiaozhou")[-1]["text"]
