"""Materials: checked, uploaded to WeChat, chosen in answers and chats, dropped on both sides."""

import io
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from core import clock
from core.database import reading, transaction
from messaging.materials import files, remote, shelf
from messaging.models import Conversation, Material, MaterialState
from sandbox.demo_config import OFFICIAL
from sandbox.wechat.drawing import spilt_cup
from tests.console.official.conftest import Desk
from tests.console.official.test_answers import TYPED, rules

JPEG = b"\xff\xd8\xff\xe0" + b"j" * 200
MP3 = b"ID3\x04" + b"v" * 200
MP4 = b"\x00\x00\x00\x18ftypmp42" + b"f" * 200
KEY = "abcdef0123456789abcdef"


def upload(desk: Desk, raw: bytes, filename: str = "新品.png", **fields: Any) -> Any:
    given = {"shelf": "lasting", "file": (io.BytesIO(raw), filename), **fields}
    return desk.browser().post("/official/materials", **given)


def kept() -> list[Material]:
    with reading() as session:
        return list(session.scalars(select(Material).order_by(Material.id)))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (spilt_cup(), "image"),
        (JPEG, "image"),
        (b"GIF89a" + b"g" * 9, "image"),
        (MP3, "voice"),
        (b"#!AMR\n" + b"a" * 9, "voice"),
        (MP4, "video"),
    ],
)
def test_a_file_is_what_its_first_bytes_say_and_wechat_has_it(
    desk: Desk, raw: bytes, kind: str
) -> None:
    assert upload(desk, raw).status_code == 303

    [one] = kept()
    assert (one.appid, one.kind, one.name, one.size) == (OFFICIAL, kind, "新品", len(raw))
    assert (one.state, one.ends_at) == (MaterialState.ready, None)
    there = desk.shop.world.media.find(one.media_id, OFFICIAL)
    assert there is not None
    assert (there.kind, there.raw, there.ends_at) == (kind, raw, 0)
    assert desk.acts() == [("material.upload", {"name": "新品"})]


@pytest.mark.parametrize(
    ("raw", "more", "said"),
    [
        (b"", {}, "选一个文件"),
        (b"<svg onload=x>", {}, "微信只收 JPG、PNG、GIF 图片"),
        (b"MZ" + b"x" * 99, {}, "微信只收"),
        (MP3 + b"x" * files.MOST["voice"], {}, "语音最大 2 MB"),
        (JPEG + b"x" * files.MOST["thumb"], {"thumb": "on"}, "封面小图最大 64 KB"),
        (spilt_cup(), {"thumb": "on"}, "封面小图要用 JPG"),
        (JPEG, {"shelf": "ever"}, "选一个"),
    ],
)
def test_what_wechat_would_refuse_is_said_and_nothing_is_written(
    desk: Desk, raw: bytes, more: dict[str, str], said: str
) -> None:
    answer = upload(desk, raw, **more)

    assert (answer.status_code, said in answer.text) == (422, True)
    assert kept() == []
    assert desk.shop.world.media.dump() == []


def test_a_body_over_the_limit_is_not_read(desk: Desk) -> None:
    answer = upload(desk, JPEG + b"x" * (files.LARGEST + 2**19))

    assert (answer.status_code, "文件太大了" in answer.text) == (413, True)
    assert desk.browser().post("/inbox/quick", texts="y" * 2**21).status_code == 413
    assert kept() == []


def test_a_temporary_one_is_offered_for_three_days_and_not_in_answers(desk: Desk) -> None:
    upload(desk, spilt_cup(), shelf="days")

    [one] = kept()
    assert one.ends_at is not None
    assert "还能用 2 天" in desk.browser().get("/official/materials").text
    with reading() as session:
        offered = [
            shelf.list_usable(session, OFFICIAL, ["image"], lasting=lasting, now=now)
            for lasting, now in (
                (False, clock.now()),
                (True, clock.now()),
                (False, one.ends_at - timedelta(minutes=9)),
            )
        ]
    assert [len(found) for found in offered] == [1, 0, 0]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "error", "errcode": 45009}, "今天的上传次数或素材的个数用完了"),
        ({"kind": "error", "errcode": 40000}, "微信没有接受（40000）"),
        ({"kind": "drop_after"}, "微信没有回应，不知道传没传到，再传一次"),
    ],
)
def test_what_wechat_says_is_told_and_kept(desk: Desk, fault: dict[str, Any], said: str) -> None:
    desk.shop.fault(api="api.material_add", times=1, **fault)

    answer = upload(desk, spilt_cup())

    assert (answer.status_code, said in answer.text) == (422, True)
    assert [(one.state, one.problem) for one in kept()] == [(MaterialState.failed, said)]


def test_an_upload_that_was_cut_off_says_so(desk: Desk) -> None:
    file = files.check(spilt_cup())
    with transaction() as session:
        whose = {"name": "断了的", "size": 3, "actor": "staff:1"}
        shelf.prepare(session, OFFICIAL, file, **whose, now=clock.now())  # type: ignore[arg-type]
        assert shelf.settle_cut_off(session, now=clock.now()) == 0
        assert shelf.settle_cut_off(session, now=clock.now() + timedelta(minutes=6)) == 1
        assert not shelf.record_uploaded(session, 1, "late", lasting=True, now=clock.now())

    assert "传到一半断了，再传一次" in desk.browser().get("/official/materials").text
    assert [(one.state, one.media_id) for one in kept()] == [(MaterialState.failed, "")]


def test_an_answer_names_a_material_which_then_cannot_be_dropped(desk: Desk) -> None:
    upload(desk, spilt_cup())
    [one] = kept()
    owner = desk.browser()
    shown = owner.touch("/official/answers/form", **{**TYPED, "p0.type": "image"}).text
    assert f'<option value="{one.media_id}" >新品</option>' in shown

    always = {**TYPED, "from": "00:00", "until": "24:00", "days": list("0123456")}
    owner.post(
        "/official/answers/new", **{**always, "p0.type": "image", "p0.media_id": one.media_id}
    )
    desk.shop.follow("aqing")
    desk.shop.say("aqing", "有新品吗")

    heard = desk.shop.chat("aqing")[-1]
    assert (heard["kind"], heard["mediaid"]) == ("image", one.media_id)
    refused = owner.post(f"/official/materials/{one.id}/drop")
    assert (refused.status_code, "自动回复「新品、上新」在用它" in refused.text) == (409, True)
    assert kept()[0].state is MaterialState.ready

    owner.post(f"/official/answers/{rules()[0].id}/drop")
    owner.post(f"/official/materials/{one.id}/drop")
    desk.shop.drain()
    assert kept()[0].state is MaterialState.dropped
    assert desk.shop.world.media.find(one.media_id) is None
    remote.drop(one.id)  # what WeChat does not have is gone


def test_a_picture_is_shown_through_us_and_to_its_merchant_only(desk: Desk) -> None:
    upload(desk, spilt_cup())
    upload(desk, MP3)
    owner = desk.browser()

    seen = owner.get("/official/materials/1/picture")

    assert (seen.status_code, seen.mimetype, seen.data) == (200, "image/png", spilt_cup())
    assert owner.get("/official/materials/2/picture").status_code == 404
    assert desk.browser("rival").get("/official/materials/1/picture").status_code == 409


def test_staff_send_a_picture_a_voice_and_a_film_once_each(desk: Desk) -> None:
    desk.shop.follow("aqing")
    desk.shop.say("aqing", "在吗")
    desk.shop.drain()
    with reading() as session:
        talk = session.scalars(select(Conversation)).one()
    upload(desk, MP4, "做法.mp4")
    owner, address = desk.browser(), f"/inbox/{talk.id}/file"
    film = kept()[0].media_id
    assert "视频 · 做法" in owner.get(address).text

    def send(key: str, **fields: Any) -> Any:
        return owner.post(address, key=key, **fields)

    for _ in range(2):  # the same form twice
        send(KEY, file=(io.BytesIO(spilt_cup()), "补你一杯.png"))
    send(KEY + "2", file=(io.BytesIO(MP3), "x.mp3"))
    send(KEY + "3", media_id=film)

    kinds = [each["kind"] for each in desk.shop.chat("aqing")]
    assert [kind for kind in kinds if kind != "text"] == ["image", "voice", "video"]
    assert desk.shop.chat("aqing")[-1]["title"] == "做法"
    page = owner.get(f"/inbox/{talk.id}").text
    assert "我们发的图片" in page
    assert ("[语音]" in page, "做法" in page) == (True, True)

    before = len(desk.shop.chat("aqing"))
    for wrong in (
        {"file": (io.BytesIO(b"nothing"), "x.exe")},
        {"media_id": "somebody-elses"},
        {},
    ):
        assert send(KEY + "4", **wrong).status_code == 422
    assert len(desk.shop.chat("aqing")) == before


def test_an_article_has_a_cover_from_the_shelf(desk: Desk) -> None:
    upload(desk, spilt_cup())
    [one] = kept()
    owner = desk.browser()
    form = owner.post("/broadcasts/look", kind="article", audience="followers").text
    assert f'<option value="{one.media_id}" >新品</option>' in form
    typed = {"appid": OFFICIAL, "audience": "followers", "title": "冬天的第一杯", "body": "上新了"}

    refused = owner.post("/broadcasts/new", kind="article", **typed)
    assert (refused.status_code, "选一张封面图片" in refused.text) == (422, True)
    owner.post("/broadcasts/new", kind="article", cover=one.media_id, **typed)
    desk.shop.follow("aqing")
    owner.post("/broadcasts/1/preview", wechat_id="阿青")

    [draft] = desk.shop.world.masses.dump()["drafts"].values()
    assert draft["thumb_media_id"] == one.media_id


def test_a_list_of_materials_goes_on(desk: Desk) -> None:
    upload(desk, spilt_cup())
    with transaction() as session:
        session.execute(update(Material).values(ends_at=None))
        for number in range(31):
            session.add(
                Material(
                    appid=OFFICIAL,
                    kind="image",
                    name=f"{number} 号",
                    mime="image/png",
                    size=1,
                    state=MaterialState.ready,
                    media_id=f"m{number}",
                    actor="staff:1",
                    created_at=clock.now(),
                    changed_at=clock.now(),
                )
            )
    owner = desk.browser()

    assert "下一页" in owner.get("/official/materials").text
    second = owner.get(f"/official/materials?before={3}").text
    assert ("新品" in second, "下一页" in second) == (True, False)
