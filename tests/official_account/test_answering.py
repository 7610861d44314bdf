"""Answers of several parts: one is the reply, the rest follows, each once whatever is repeated."""

from typing import Any

import pytest
from sqlalchemy import select

from core.database import reading, transaction
from messaging import replies
from messaging.models import ChatMessage, OutboundMessage
from messaging.replies import Draft
from sandbox import pushes
from sandbox.demo_config import MINI, OFFICIAL
from tests.official_account.conftest import TeaShop
from tests.official_account.test_following import event, post

CARD = {"type": "mini_card", "title": "去点单", "page": "pages/home/home"}
NEWS = {
    "type": "news",
    "title": "新品",
    "description": "桂花乌龙",
    "url": "https://shop.test/",
    "pic_url": "",
}


def write(kind: str, *parts: dict[str, Any], **values: Any) -> None:
    with transaction() as session:
        replies.save(session, OFFICIAL, Draft(kind, list(parts), **values))


def words(tea: TeaShop, text: str) -> pushes.Push:
    account = tea.shop.world.settings.accounts[OFFICIAL]
    whose = (tea.shop.world, account, tea.shop.person("aqing"), tea.shop.openid("aqing"))
    return pushes.build(*whose, MsgType="text", Content=text, title="")


def test_the_rest_of_an_answer_follows_once(tea: TeaShop) -> None:
    write("keyword", {"type": "text", "text": "看这里"}, NEWS, CARD, word="新品")
    tea.shop.follow("aqing")
    tea.shop.drain()
    before = len(tea.shop.chat("aqing"))

    tea.shop.say("aqing", "有什么新品")
    tea.shop.drain()

    heard = tea.shop.chat("aqing")[before:]
    assert [each["kind"] for each in heard] == ["text", "news", "text"]
    assert heard[1]["articles"][0]["title"] == "新品"
    assert f'data-miniprogram-appid="{MINI}"' in heard[2]["text"]  # no picture, so a link
    with reading() as session:
        sent = session.scalars(select(OutboundMessage).where(OutboundMessage.kind == "reply"))
        assert [message.state.value for message in sent] == ["sent", "sent"]


def test_a_picture_a_film_and_a_song_follow_as_themselves(tea: TeaShop) -> None:
    """Passive replies of these kinds are tried below; here they come after the words."""
    store = tea.shop.world.media
    film = store.add(OFFICIAL, "video", "video/mp4", b"film", lasting=True).media_id
    thumb = store.add(OFFICIAL, "thumb", "image/jpeg", b"thumb", lasting=True).media_id
    song = {"title": "茶歌", "description": "", "url": "https://shop.test/song.mp3"}
    write(
        "keyword",
        {"type": "text", "text": "看这里"},
        {"type": "video", "media_id": film, "title": "怎么做", "description": "一分钟"},
        {"type": "music", **song, "thumb_media_id": thumb},
        word="新品",
    )
    tea.shop.follow("aqing")
    tea.shop.drain()

    tea.shop.say("aqing", "新品")
    tea.shop.drain()

    words_, shown, sung = tea.shop.chat("aqing")[-3:]
    assert words_["text"] == "看这里"
    assert (shown["kind"], shown["media_id"], shown["title"]) == ("video", film, "怎么做")
    assert (sung["kind"], sung["musicurl"], sung["thumb_media_id"]) == (
        "music",
        "https://shop.test/song.mp3",
        thumb,
    )


def test_a_repeated_message_hears_the_same_and_nothing_follows_twice(tea: TeaShop) -> None:
    write("keyword", NEWS, CARD, word="新品")
    push = words(tea, "新品")

    first, again = post(tea.shop, push), post(tea.shop, push)
    tea.shop.drain()
    late = post(tea.shop, push)
    tea.shop.drain()

    assert first[0] == again[0] == late[0] == 200
    with reading() as session:
        assert len(session.scalars(select(OutboundMessage)).all()) == 1
        said = session.execute(select(ChatMessage.kind, ChatMessage.text, ChatMessage.data)).all()
    assert [(kind, text) for kind, text, _ in said] == [("text", "新品"), ("reply", "[图文] 新品")]
    assert said[1][2] == NEWS


def test_a_card_alone_is_accepted_in_silence_and_follows(tea: TeaShop) -> None:
    write("click", CARD, word="order")

    status, body = post(tea.shop, event(tea.shop, "CLICK", EventKey="order"))

    assert (status, body) == (200, "success")
    with reading() as session:
        prepared = session.scalars(select(OutboundMessage)).one()
        assert prepared.payload["type"] == "text"


@pytest.mark.parametrize(
    ("part", "shown"),
    [
        ({"type": "image", "media_id": "m1"}, {"kind": "image", "mediaid": "m1"}),
        ({"type": "voice", "media_id": "m2"}, {"kind": "voice", "mediaid": "m2"}),
        (
            {"type": "video", "media_id": "m3", "title": "t", "description": "d"},
            {"kind": "video", "mediaid": "m3", "title": "t", "description": "d"},
        ),
        (
            {
                "type": "music",
                "title": "t",
                "description": "d",
                "url": "https://x.test/a.mp3",
                "thumb_media_id": "m4",
            },
            {"kind": "music", "musicurl": "https://x.test/a.mp3", "thumbmediaid": "m4"},
        ),
        (NEWS, {"kind": "news"}),
    ],
)
def test_every_kind_of_part_is_shown(
    tea: TeaShop, part: dict[str, str], shown: dict[str, str]
) -> None:
    write("keyword", part, word="给我看")
    tea.shop.follow("aqing")

    told = tea.shop.say("aqing", "给我看")

    assert told["delivered"] is True
    assert tea.shop.chat("aqing")[-1].items() >= shown.items()


def test_wechats_own_customer_service_is_one_of_the_answers(tea: TeaShop) -> None:
    write("keyword", {"type": "transfer"}, word="客服")
    tea.shop.follow("aqing")

    told = tea.shop.say("aqing", "客服")

    assert (told["delivered"], told["reply"]) == (True, None)


def test_a_scan_and_a_follow_through_a_code_have_their_own_words(tea: TeaShop) -> None:
    code = tea.store_scene.code
    write("welcome", {"type": "text", "text": "海报来的"}, word=code)
    write("scan", {"type": "text", "text": "又来了"}, word=code)

    tea.shop.scan("aqing", code)
    tea.shop.drain()
    tea.shop.scan("aqing", code)

    heard = [each.get("text") for each in tea.shop.chat("aqing")]
    assert (heard[0], heard[-1]) == ("海报来的", "又来了")


def test_a_rule_that_is_switched_off_is_mute(tea: TeaShop) -> None:
    write("keyword", {"type": "text", "text": "不说"}, word="营业时间", priority=9, enabled=False)
    tea.shop.follow("aqing")

    tea.shop.say("aqing", "营业时间")

    assert tea.shop.chat("aqing")[-1]["text"] == "9 点到 22 点"
