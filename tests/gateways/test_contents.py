"""One captured-like payload for each thing that WeChat tells, and what we read out of it."""

from pathlib import Path

import pytest

from gateways.wechat import contents
from gateways.wechat.card_events import CardLost
from gateways.wechat.contents import Content, Place
from gateways.wechat.messages import build_message
from gateways.wechat.trade_events import TradeTold
from gateways.wechat.wire import read_xml

PAYLOADS = Path(__file__).parent / "payloads"
OPENID, MINI = "o9AgO5Kd5ggOC-bXrbNODIiE3bGY", "wxa41f0c6d8e2b7593"

EXPECTED: dict[str, Content] = {
    "text": contents.Words("你好 👋 <b>"),
    "text_from_choice": contents.Words("查订单", "101"),
    "image": contents.Picture("http://mmbiz.qpic.cn/mmbiz_jpg/cup/0", "8xK2-picture-media"),
    "voice": contents.Voice("8xK2-voice-media", "amr"),
    "voice_recognised": contents.Voice("8xK2-voice-media", "speex", "少冰半糖。"),
    "video": contents.Film("8xK2-video-media", "8xK2-video-thumb", short=False),
    "shortvideo": contents.Film("8xK2-short-media", "8xK2-short-thumb", short=True),
    "location": Place(31.223441, 121.445573, "上海市静安区南京西路 1686 号"),
    "link": contents.Link("秋天的第一杯", "来自朋友圈", "https://mp.weixin.qq.com/s/abc"),
    "miniprogrampage": contents.MiniPage("静安寺店", MINI, "pages/menu/menu?store_id=1"),
    "subscribe": contents.Followed("", ""),
    "subscribe_by_scene": contents.Followed("store-1", "TICKET"),
    "unsubscribe": contents.Left(),
    "scan": contents.Scanned("store.ABCDEFGHJK", "TICKET"),
    "position": contents.Position(31.223441, 121.445573, 65.0),
    "click": contents.Tapped("contact"),
    "view": contents.Tapped("https://shop.example/m/", "400000001"),
    "view_miniprogram": contents.Tapped("pages/home/home", "400000001"),
    "scancode_push": contents.CodeRead("look", "barcode", "EAN_13,6901234567892"),
    "scancode_waitmsg": contents.CodeRead("redeem", "qrcode", "LL1.ABC.1.mac"),
    "pic_sysphoto": contents.PicturesChosen("receipt", 2),
    "pic_photo_or_album": contents.PicturesChosen("receipt", 2),
    "pic_weixin": contents.PicturesChosen("receipt", 2),
    "location_select": contents.PlaceChosen(
        "near", Place(31.223441, 121.445573, "静安区南京西路", "静安寺")
    ),
    "template_job_finished": contents.TemplateSent("200163836", "success"),
    "template_job_blocked": contents.TemplateSent("200163840", "failed:userblock"),
    "template_job_failed": contents.TemplateSent("200163841", "failed:systemfailed"),
    "mass_job_finished": contents.MassSent("1000001625", "send success", 1980, 1900, 1897, 3),
    "mass_job_refused": contents.MassSent("1000001626", "err(10001)", 1980, 0, 0, 0),
    "subscribe_msg_popup_event": contents.Answers(
        (contents.Answer("one", "accept"), contents.Answer("two", "reject"))
    ),
    "subscribe_msg_change_event": contents.Answers((contents.Answer("one", "reject"),)),
    "subscribe_msg_sent_event": contents.Arrivals(
        (contents.Arrival("one", "1864323726461255680", 43101, "user refused"),)
    ),
    "notify_service_msg_send_result": CardLost(OPENID, "4200002043202311087295582095", 3, -1004),
    "user_info_modified": contents.Withdrawn(OPENID, MINI, (), everything=False),
    "user_authorization_revoke": contents.Withdrawn(OPENID, MINI, ("6", "8"), everything=False),
    "user_authorization_cancellation": contents.Withdrawn(OPENID, MINI, (), everything=True),
    "publish_job_finished": contents.Unknown("publishjobfinish"),
    "trade_manage_remind_access_api": TradeTold("", "请尽快接入", 0, 0, 0, 0, 0),
    "wxa_trade_controlled": TradeTold("", "已纳入发货信息管理", 0, 0, 0, 0, 0),
    "trade_manage_remind_shipping": TradeTold("4200002043", "已超 48 小时未发货", 0, 0, 0, 0, 0),
    "trade_manage_order_settlement": TradeTold(
        "4200002043", "", 1714112000, 0, 1714112500, 1, 1714112537
    ),
}


def read(raw: bytes) -> Content:
    fields = read_xml(raw)
    return contents.read(build_message("wx1", fields, sealed=True, raw="", json=False))


@pytest.mark.parametrize("name", EXPECTED)
def test_each_payload_is_read(name: str) -> None:
    assert read((PAYLOADS / f"{name}.xml").read_bytes()) == EXPECTED[name]


def test_every_payload_is_expected_and_every_kind_has_one() -> None:
    """WeChat's two spellings of a withdrawal are one kind."""
    payloads = {file.stem: file.read_bytes() for file in PAYLOADS.glob("*.xml")}
    told = {
        message.event or message.kind
        for raw in payloads.values()
        for message in [build_message("wx1", read_xml(raw), sealed=True, raw="", json=False)]
    }

    assert set(payloads) == set(EXPECTED)
    assert {*contents._MESSAGES, *contents._EVENTS} - told == {"user_authorize_revoke"}


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("location", b"31.223441", b"nan"),
        ("location", b"31.223441", b""),
        ("location", b"31.223441", b"<a>1</a>"),
        ("mass_job_finished", b"1980", b"many"),
        ("subscribe_msg_sent_event", b"43101", "٤٣".encode()),
        ("scancode_push", b"<ScanCodeInfo>", b"<Other>x</Other><ScanCodeInfo>"),
    ],
)
def test_a_field_of_another_shape_is_empty(name: str, old: bytes, new: bytes) -> None:
    raw = (PAYLOADS / f"{name}.xml").read_bytes()
    assert old in raw

    assert type(read(raw.replace(old, new))) is type(EXPECTED[name])


def test_both_results_of_a_sending_say_whether_it_arrived() -> None:
    seen = {name: read((PAYLOADS / f"{name}.xml").read_bytes()) for name in EXPECTED}
    arrived = {
        name: item.arrived for name, item in seen.items() if isinstance(item, contents.TemplateSent)
    }
    ended = {
        name: item.succeeded for name, item in seen.items() if isinstance(item, contents.MassSent)
    }

    assert arrived == {
        "template_job_finished": True,
        "template_job_blocked": False,
        "template_job_failed": False,
    }
    assert ended == {"mass_job_finished": True, "mass_job_refused": False}
