"""The inbox: who waits, a human's answer and why it was refused, and bots that keep silent."""

import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update

from core import clock
from core.database import reading, transaction
from messaging import conversations, replies
from messaging.materials import voices
from messaging.models import (
    ChatMessage,
    Conversation,
    MessageWindow,
    OutboundMessage,
    WindowKind,
)
from messaging.replies import Draft
from people.models import Identity
from sandbox import acts
from sandbox.demo_config import OFFICIAL
from tests.console.conftest import Browser
from tests.console.official.conftest import Desk
from tests.factories.merchants import make_staff

KEY = "abcdef0123456789abcdef"


@pytest.fixture
def asked(desk: Desk) -> Desk:
    """阿青 follows, hears an automatic answer, and then asks what no rule knows."""
    with transaction() as session:
        for kind, word, part in (
            ("keyword", "营业时间", {"type": "text", "text": "9 点到 22 点"}),
            ("keyword", "人工", {"type": "human", "text": "马上有人来"}),
            ("default", "", {"type": "text", "text": "收到啦"}),
        ):
            replies.save(session, OFFICIAL, Draft(kind, [part], word))
    desk.shop.follow("aqing")
    desk.shop.say("aqing", "营业时间")
    desk.shop.drain()
    with transaction() as session:  # the minute after following would be spent first
        session.execute(delete(MessageWindow).where(MessageWindow.kind == WindowKind.follow))
    return desk


def the_one() -> Conversation:
    with reading() as session:
        return session.scalars(select(Conversation)).one()


def send(browser: Browser, text: str = "给你补一张券", key: str = KEY, **more: Any) -> Any:
    return browser.post(f"/inbox/{the_one().id}/send", text=text, key=key, **more)


def test_only_what_no_rule_answers_waits(asked: Desk) -> None:
    assert the_one().waiting_since is None
    assert "没有人在等" in asked.browser().get("/inbox/").text

    asked.shop.say("aqing", "杯子漏了")
    asked.shop.drain()

    one = the_one()
    assert (one.last_text, one.unread) == ("杯子漏了", 2)
    assert one.waiting_since is not None
    page = asked.browser().get("/inbox/").text
    assert "1 个人在等" in page
    assert "杯子漏了" in page


def test_a_voice_says_how_long_it_is_and_can_be_listened_to(asked: Desk) -> None:
    asked.shop.app_post("people/aqing/speak", {"appid": OFFICIAL, "seconds": 7, "wait": True})
    asked.shop.drain()
    owner = asked.browser()

    page = owner.get(f"/inbox/{the_one().id}").text

    assert "[语音] 7″" in page
    [href] = re.findall(r'href="/console(/inbox/\d+/voices/\d+)"', page)
    file = owner.get(href)
    assert (len(file.data), file.mimetype) == (6 + 32 * 350, "audio/amr")
    assert file.headers["Content-Disposition"].endswith('.amr"')
    said = int(href.rpartition("/")[2]) - 1
    assert owner.get(f"/inbox/{the_one().id}/voices/{said}").status_code == 404


@pytest.mark.parametrize(
    ("raw", "length"),
    [
        (b"#!AMR\n" + (b"\x04" + bytes(12)) * 75, 2),
        (b"#!AMR-WB\n" + (b"\x44" + bytes(60)) * 50, 1),
        (b"#!AMR\n", 1),
        (b"#!AMR\n\x3c" + bytes(30), 1),  # cut off in the first frame
        (b"speex", None),
        (b"", None),
    ],
)
def test_the_length_of_a_voice_is_counted_in_frames(raw: bytes, length: int | None) -> None:
    assert voices.seconds(raw) == length


def test_the_list_tells_staff_apart_and_until_when_how_much_may_be_said(asked: Desk) -> None:
    with transaction() as session:
        openid = asked.shop.openid("aqing")
        person = session.scalars(select(Identity).where(Identity.openid == openid)).one().person_id
        clerk = make_staff(session, asked.merchant, name="小周", stores=(asked.store,))
        clerk.person_id = person
        ends = clock.now() + timedelta(hours=30)
        session.execute(update(MessageWindow).values(expires_at=ends, remaining=4))
    shown = f"还能回 4 条，到 {clock.local(ends):%m-%d %H:%M}"

    listed = asked.browser().get("/inbox/?tab=all").text
    assert '<b>小周</b> <span class="tag note">店员</span>' in listed
    assert shown in listed
    assert f"{shown}（还有 29 小时）" in asked.browser().get(f"/inbox/{the_one().id}").text

    with transaction() as session:
        session.execute(update(MessageWindow).values(remaining=0))
    assert "5 条用完了，等他再说一句" in asked.browser().get("/inbox/?tab=all").text
    with transaction() as session:
        session.execute(update(MessageWindow).values(expires_at=clock.now()))
    assert "过了 48 小时，等他再开口" in asked.browser().get("/inbox/?tab=all").text


def test_a_human_answers_and_the_bot_keeps_silent_until_it_is_closed(asked: Desk) -> None:
    asked.shop.say("aqing", "杯子漏了")
    asked.shop.drain()
    manager = asked.browser("manager")

    assert "还能回 5 条" in manager.get(f"/inbox/{the_one().id}").text
    assert the_one().unread == 0
    answer = send(manager)

    assert answer.status_code == 303
    assert asked.shop.chat("aqing")[-1]["text"] == "给你补一张券"
    shown = manager.get(f"/inbox/{the_one().id}").text
    assert "还能回 4 条" in shown
    assert "林晓" in shown
    assert (the_one().waiting_since, the_one().last_text) == (None, "给你补一张券")

    said = len(asked.shop.chat("aqing"))
    asked.shop.say("aqing", "营业时间")
    asked.shop.drain()
    assert len(asked.shop.chat("aqing")) == said  # a human has the word

    manager.post(f"/inbox/{the_one().id}/close")
    asked.shop.say("aqing", "营业时间")
    assert asked.shop.chat("aqing")[-1]["text"] == "9 点到 22 点"


def test_a_form_sent_twice_says_it_once(asked: Desk) -> None:
    owner = asked.browser()
    send(owner)
    send(owner)
    asked.shop.drain()

    told = [each["text"] for each in asked.shop.chat("aqing")]
    assert told.count("给你补一张券") == 1
    with reading() as session:
        sent = session.scalars(select(OutboundMessage).where(OutboundMessage.kind == "staff")).one()
        assert sent.state.value == "sent"


def test_whoever_asks_for_a_human_waits_and_hears_no_bot(asked: Desk) -> None:
    asked.shop.say("aqing", "人工")
    asked.shop.drain()
    assert asked.shop.chat("aqing")[-1]["text"] == "马上有人来"
    said = len(asked.shop.chat("aqing"))

    asked.shop.say("aqing", "营业时间")
    asked.shop.drain()

    assert len(asked.shop.chat("aqing")) == said
    assert the_one().waiting_since is not None


def test_a_window_that_is_over_is_said_in_words_and_nothing_is_sent(asked: Desk) -> None:
    past = update(MessageWindow).values(expires_at=clock.now())
    with transaction() as session:
        session.execute(past)
    owner = asked.browser()
    before = len(asked.shop.chat("aqing"))

    assert "微信不让主动发" in owner.get(f"/inbox/{the_one().id}").text
    send(owner)

    assert len(asked.shop.chat("aqing")) == before
    assert "48 小时过了，或者这一轮 5 条用完了" in owner.get(f"/inbox/{the_one().id}").text


@pytest.mark.parametrize(
    ("errcode", "said"),
    [
        (45047, "顾客再说一句就能接着回"),
        (48002, "顾客设了不收消息"),
        (45002, "太长了"),
        (40035, "微信没有接受（40035）"),
    ],
)
def test_wechats_refusal_is_said_in_words(asked: Desk, errcode: int, said: str) -> None:
    asked.shop.fault(api="api.custom_send", kind="error", errcode=errcode, times=1)
    owner = asked.browser()

    send(owner)

    assert said in owner.get(f"/inbox/{the_one().id}").text
    with reading() as session:
        failed = session.scalars(
            select(OutboundMessage).where(OutboundMessage.kind == "staff")
        ).one()
        assert (failed.state.value, failed.errcode) == ("failed", errcode)


def test_a_busy_wechat_is_asked_again_by_the_job(asked: Desk) -> None:
    asked.shop.fault(api="api.custom_send", kind="error", errcode=-1, times=1)
    owner = asked.browser()

    send(owner)
    assert "正在发" in owner.get(f"/inbox/{the_one().id}").text
    asked.shop.drain()

    assert asked.shop.chat("aqing")[-1]["text"] == "给你补一张券"


def test_a_picture_is_shown_through_us_and_to_us_only(asked: Desk) -> None:
    shop = asked.shop
    account = shop.world.settings.accounts[OFFICIAL]
    acts.show(shop.world, shop.person("aqing"), account, "cup")
    shop.drain()
    with reading() as session:
        line = session.scalars(select(ChatMessage).where(ChatMessage.kind == "image")).one()
    address = f"/inbox/{the_one().id}/pictures/{line.id}"
    owner = asked.browser()

    assert f'src="/console{address}"' in owner.get(f"/inbox/{the_one().id}").text
    picture = owner.get(address)
    assert (picture.status_code, picture.mimetype) == (200, "image/png")
    assert picture.data.startswith(b"\x89PNG")
    assert asked.browser("rival").get(address).status_code == 409
    assert owner.get(f"/inbox/{the_one().id}/pictures/{line.id - 1}").status_code == 404

    with transaction() as session:
        old = update(ChatMessage).where(ChatMessage.id == line.id)
        session.execute(old.values(data={"media_id": "gone"}))
    assert owner.get(address).status_code == 404


def test_a_conversation_changes_hands_once(asked: Desk) -> None:
    owner, manager = asked.browser(), asked.browser("manager")
    url = f"/inbox/{the_one().id}/assign"
    assert "我来接" in manager.get(f"/inbox/{the_one().id}").text

    manager.post(url)
    manager.post(url)

    assert asked.acts()[-1] == ("chat.assign", {"name": "林晓"})
    assert [name for name, _ in asked.acts()].count("chat.assign") == 1
    assert "林晓在接" in owner.get("/inbox/?tab=all").text
    assert owner.post(url, staff="999").status_code == 404


def test_what_is_said_often_is_one_tap(asked: Desk) -> None:
    owner = asked.browser()

    owner.post("/inbox/quick", texts="在的\n\n稍等\n")
    send(owner, text="", quick="1")

    assert asked.shop.chat("aqing")[-1]["text"] == "稍等"
    many = owner.post("/inbox/quick", texts="\n".join(["好"] * 13))
    assert (many.status_code, "最多 12 条" in many.text) == (422, True)
    with reading() as session:
        assert conversations.list_quick(session, OFFICIAL) == ["在的", "稍等"]


def test_a_list_costs_the_same_however_long(asked: Desk) -> None:
    from core.database import db
    from messaging.models import Direction
    from tests.counting import statements

    owner = asked.browser()
    with statements(db.engine) as few:
        owner.get("/inbox/?tab=all")
    with transaction() as session:
        for number in range(60):
            session.add(
                Conversation(
                    appid=OFFICIAL,
                    openid=f"o{number:05}",
                    last_direction=Direction.inbound,
                    last_at=clock.now(),
                )
            )
    with statements(db.engine) as many:
        page = owner.get("/inbox/?tab=all").text

    assert len(many) == len(few)
    assert "下一页" in page
