"""Broadcasts of a picture, a voice or a film: a lasting material of the account's own."""

from typing import Any

import pytest
from sqlalchemy import select

from core import clock
from core.database import reading, transaction
from gateways.wechat.errors import WechatError
from merchants.models import Merchant
from messaging import broadcasts
from messaging.broadcasts import remote, taking_back
from messaging.broadcasts.drafting import Draft
from messaging.broadcasts.errors import BroadcastInvalid, BroadcastMoved
from messaging.broadcasts.models import Broadcast
from messaging.materials import files, shelf
from messaging.materials import remote as uploading
from messaging.models import Material
from sandbox.demo_config import OFFICIAL
from sandbox.wechat.drawing import spilt_cup
from tests.messaging.test_broadcasts import drafted, finish, follow_all, launched, state
from tests.wechat_world import Shop

RAW = {
    "image": spilt_cup(),
    "voice": b"ID3\x04" + b"v" * 200,
    "video": b"\x00\x00\x00\x18ftypmp42" + b"f" * 200,
}
FILM = {"title": "新店开门", "digest": "浦东第三家"}


def uploaded(kind: str, *, lasting: bool = True) -> str:
    """A material's media id."""
    raw, now = RAW[kind], clock.now()
    with transaction() as session:
        file = files.check(raw)
        made = shelf.prepare(
            session, OFFICIAL, file, name="门头", size=len(raw), actor="staff:1", now=now
        )
    assert uploading.upload(made, raw, lasting=lasting) == ""
    with reading() as session:
        return session.get_one(Material, made.id).media_id


def refused(merchant: Merchant, **changes: Any) -> dict[str, str]:
    with pytest.raises(BroadcastInvalid) as caught:
        drafted(merchant, **changes)
    return caught.value.errors


@pytest.mark.parametrize(("kind", "more"), [("image", {}), ("voice", {}), ("video", FILM)])
def test_a_file_is_previewed_and_reaches_every_follower(
    shop: Shop, kind: str, more: dict[str, str]
) -> None:
    merchant = follow_all(shop)
    media_id = uploaded(kind)
    broadcast = drafted(merchant, kind=kind, media=media_id, **more)
    before = len(shop.chat("aqing"))

    launched(shop, broadcast)
    preview = shop.chat("aqing")[before:]
    finish(shop)

    assert broadcast.name == (more.get("title") or "门头")
    assert [each["kind"] for each in preview] == [kind]
    got = shop.chat("xiaozhou")[-1]
    assert (got["kind"], got["pic_url"]) == (kind, f"/sandbox/media/{media_id}")
    assert (got.get("title"), got.get("description")) == (more.get("title"), more.get("digest"))
    assert state(broadcast) == ("finished", "")
    with reading() as session:
        kept = session.get_one(Broadcast, broadcast.id)
        assert bool(kept.media_id) is (kind == "video")
        assert taking_back.may_take_back(kept) is (kind == "video")


def test_a_file_must_be_the_accounts_lasting_one_of_its_kind(shop: Shop) -> None:
    merchant = follow_all(shop)
    passing, voice = uploaded("image", lasting=False), uploaded("voice")

    assert refused(merchant, kind="image") == {"media": "选一张图片"}
    assert refused(merchant, kind="image", media=passing) == {"media": "选一张图片"}
    assert refused(merchant, kind="image", media=voice) == {"media": "选一张图片"}
    assert refused(merchant, kind="video", media=voice, digest="长" * 121) == {
        "media": "选一段视频",
        "title": "写一个标题",
        "digest": "最多 120 个字",
    }
    with reading() as session:
        assert session.scalars(select(Broadcast)).all() == []


def test_a_film_is_prepared_once_however_often_it_is_looked_at(shop: Shop) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant, kind="video", media=uploaded("video"), **FILM)
    for _ in range(2):
        remote.preview(broadcast.id, actor="staff:1", openid=shop.openid("aqing"))

    assert len(shop.world.masses.dump()["drafts"]) == 1
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast.id)
        other = {**FILM, "title": "改了的标题"}
        draft = Draft(OFFICIAL, "video", "followers", media=fresh.content["media"], **other)
        broadcasts.change(session, fresh, draft, actor="staff:1", now=clock.now())
    remote.preview(broadcast.id, actor="staff:1", openid=shop.openid("aqing"))
    assert shop.chat("aqing")[-1]["title"] == "改了的标题"


def test_a_film_can_be_taken_back_and_a_picture_cannot(shop: Shop) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant, kind="video", media=uploaded("video"), **FILM)
    launched(shop, broadcast)
    finish(shop)
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast.id)
        taking_back.ask(session, fresh, actor="staff:1", now=clock.now())
    shop.drain()

    assert [mass.status for mass in shop.world.masses.list()] == ["DELETE"]
    picture = drafted(merchant, kind="image", media=uploaded("image"))
    with transaction() as session, pytest.raises(BroadcastMoved):
        taking_back.ask(
            session, session.get_one(Broadcast, picture.id), actor="staff:1", now=clock.now()
        )


def test_a_material_that_a_draft_needs_cannot_be_dropped(shop: Shop) -> None:
    merchant = follow_all(shop)
    media_id = uploaded("image")
    broadcast = drafted(merchant, kind="image", media=media_id)
    found = select(Material).where(Material.media_id == media_id)
    with transaction() as session, pytest.raises(shelf.MaterialInUse):
        shelf.drop(session, session.scalars(found).one(), now=clock.now())

    with transaction() as session:
        draft = session.get_one(Broadcast, broadcast.id)
        broadcasts.discard(session, draft, actor="staff:1", now=clock.now())
    with transaction() as session:
        assert shelf.drop(session, session.scalars(found).one(), now=clock.now())


def test_a_film_of_nobody_is_refused_by_wechat(shop: Shop) -> None:
    merchant = follow_all(shop)
    broadcast = drafted(merchant, kind="video", media=uploaded("video"), **FILM)
    shop.world.media.clear()

    with pytest.raises(WechatError):
        remote.preview(broadcast.id, actor="staff:1", openid=shop.openid("aqing"))
    assert state(broadcast) == ("draft", "")
