"""A job that dies for good leaves no state that nobody can leave."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from core import clock
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob, enqueue
from messaging import scenes, sending, syncing
from messaging.broadcasts import queries
from messaging.broadcasts.models import Audience, Broadcast, BroadcastState
from messaging.menus import versions
from messaging.models import Channel, MenuState, MenuVersion, Scene, SceneKind
from sandbox.demo_config import OFFICIAL
from tests.console.official.conftest import Desk
from tests.console.official.test_menus import TYPED, kept, seen, the_last


def bury() -> None:
    """Every job that waits is dead."""
    with transaction() as session:
        session.execute(update(OutboxJob).values(state=JobState.dead))


def sweep(desk: Desk) -> list[str]:
    with transaction() as session:
        enqueue(session, "messaging.sweep_standing")
    return desk.shop.drain()


def waiting() -> list[str]:
    with reading() as session:
        found = select(OutboxJob.name).where(OutboxJob.state == JobState.waiting)
        return list(session.scalars(found.order_by(OutboxJob.id)))


def test_a_menu_whose_job_died_says_so_and_is_published_again(desk: Desk) -> None:
    owner = desk.browser()
    desk.shop.follow("aqing")
    owner.post("/official/menus", **TYPED)
    owner.post(f"/official/menus/{the_last().id}/publish")
    bury()

    sweep(desk)
    assert kept() == [(1, MenuState.publishing)]  # ten minutes are not over
    with transaction() as session:
        long_ago = clock.now() - versions.PATIENCE - timedelta(seconds=1)
        session.execute(update(MenuVersion).values(publishing_since=long_ago))
    sweep(desk)

    assert kept() == [(1, MenuState.failed)]
    page = owner.get("/official/menus").text
    assert "没发布成：微信十分钟没有答复，再发布一次" in page
    assert "看差别，发布" in page
    owner.post(f"/official/menus/{the_last().id}/publish")
    desk.shop.drain()
    assert kept() == [(1, MenuState.published)]
    assert [button["name"] for button in seen(desk)] == ["点单", "会员"]


def test_a_reading_of_followers_that_stands_still_goes_on(desk: Desk) -> None:
    desk.shop.follow("aqing")
    desk.browser().post("/official/followers/sync")
    bury()
    now = clock.now()

    with transaction() as session:
        assert syncing.take_up(session, now=now) == 0
        assert syncing.take_up(session, now=now + syncing.CUT_OFF + timedelta(seconds=1)) == 1
        assert syncing.take_up(session, now=now + syncing.CUT_OFF + timedelta(seconds=2)) == 0
    desk.shop.drain()

    assert "上次对完" in desk.browser().get("/official/followers").text


def test_a_code_without_a_picture_is_asked_for_once_an_hour(desk: Desk) -> None:
    now = clock.now()
    with transaction() as session:
        for name, created, expires in (
            ("旧的", now - timedelta(hours=1), None),
            ("新的", now, None),
            ("过期的", now - timedelta(hours=2), now - timedelta(hours=1)),
        ):
            scene = scenes.create_scene(
                session,
                merchant_id=desk.merchant.id,
                appid=OFFICIAL,
                kind=SceneKind.poster,
                name=name,
                now=created,
            )
            scene.expires_at = expires
    bury()

    with transaction() as session:
        assert scenes.ask_again(session, now=now) == 1
        scenes.ask_again(session, now=now)
    assert waiting() == ["messaging.create_scene_qr"]
    desk.shop.drain()

    with reading() as session:
        found = select(Scene.name).where(Scene.url.is_not(None))
        assert list(session.scalars(found)) == ["旧的"]


def test_words_that_nobody_could_send_are_over_and_others_wait(desk: Desk) -> None:
    now = clock.now()

    def prepare(key: str, kind: str, at: datetime) -> None:
        sending.prepare(
            session,
            key=key,
            appid=OFFICIAL,
            openid="o1",
            channel=Channel.customer_service,
            kind=kind,
            payload={"type": "text", "text": "好", "by": "林晓"},
            now=at,
        )

    with transaction() as session:
        prepare("a", "staff", now - timedelta(hours=2))
        prepare("b", "campaign", now - timedelta(hours=2))
        prepare("c", "reply", now)
    sweep(desk)

    with reading() as session:
        states = [sending.find_message(session, key) for key in "abc"]
    assert [(each.state.value, each.reason) for each in states if each] == [
        ("failed", "too_late"),
        ("prepared", ""),
        ("prepared", ""),
    ]


def test_a_broadcast_that_is_still_gathering_is_begun_again(desk: Desk) -> None:
    now = clock.now()
    with transaction() as session:
        for minutes in (10, 40):
            session.add(
                Broadcast(
                    merchant_id=desk.merchant.id,
                    appid=OFFICIAL,
                    name="周末见",
                    kind="text",
                    content={"text": "周末见", "page": ""},
                    audience=Audience.followers,
                    state=BroadcastState.gathering,
                    created_by="staff:1",
                    created_at=now,
                    started_at=now - timedelta(minutes=minutes),
                )
            )
    with reading() as session:
        [stuck] = queries.list_stuck(session, now=now)

    ran = sweep(desk)

    assert "messaging.broadcast_gather:done" in ran
    with reading() as session:
        found = select(Broadcast.id, Broadcast.state).order_by(Broadcast.id)
        states = {id_: state.value for id_, state in session.execute(found)}
    assert states == {stuck - 1: "gathering", stuck: "failed"}  # nobody follows
