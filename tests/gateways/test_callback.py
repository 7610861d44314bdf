"""Reading callbacks: three modes, repetitions, and everything that must be refused."""

import base64
import contextlib
import json
import struct
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateways.wechat import sealing
from gateways.wechat.callback import FRESH, Callback, Mode, Query
from gateways.wechat.errors import BadSignature, MalformedMessage, StaleMessage, WrongMode
from gateways.wechat.messages import Message
from gateways.wechat.replies import (
    Image,
    Music,
    News,
    Reply,
    Text,
    Transfer,
    Video,
    Voice,
)

PAYLOADS = Path(__file__).parent / "payloads"
TOKEN, APPID = "token-of-the-sample", "wxb11529c136998cb6"
KEY, OLD_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG", "A" * 43
fuzz = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
NOW = datetime(2026, 11, 22, 7, 0, tzinfo=UTC)
TIMESTAMP, NONCE = "1714112445", "415670741"
THEN = datetime.fromtimestamp(int(TIMESTAMP), UTC)


def payload(name: str) -> bytes:
    return (PAYLOADS / name).read_bytes()


class Account(Callback):
    """A callback at the moment at which the samples were signed."""

    def read(self, query: Query, raw: bytes, now: datetime = THEN) -> Message:
        return super().read(query, raw, now)


def account(key: str = KEY, previous: str = "", *, mode: Mode = "compatible") -> Account:
    return Account(APPID, TOKEN, key, previous, mode=mode)


def plain_query(token: str = TOKEN) -> dict[str, str]:
    signature = sealing.signature(token, TIMESTAMP, NONCE)
    return {"signature": signature, "timestamp": TIMESTAMP, "nonce": NONCE}


def sealed(
    message: bytes, *, key: str = KEY, appid: str = APPID, clear: bytes = b""
) -> tuple[dict[str, str], bytes]:
    encrypted = sealing.seal(sealing.aes_key(key), message, appid)
    body = clear.replace(b"</xml>", b"") or b"<xml><ToUserName>gh</ToUserName>"
    return signed(encrypted), body + f"<Encrypt><![CDATA[{encrypted}]]></Encrypt></xml>".encode()


def signed(encrypted: str) -> dict[str, str]:
    signature = sealing.signature(TOKEN, TIMESTAMP, NONCE, encrypted)
    return plain_query() | {"encrypt_type": "aes", "msg_signature": signature}


def sealed_raw(plain: bytes) -> tuple[dict[str, str], bytes]:
    """Encrypt without our padding, to say what no honest sender says."""
    key = sealing.aes_key(KEY)
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(key[:16])).encryptor()
    encrypted = base64.b64encode(encryptor.update(plain) + encryptor.finalize()).decode()
    return signed(encrypted), f"<xml><Encrypt>{encrypted}</Encrypt></xml>".encode()


def test_a_text_in_plain_mode() -> None:
    message = account().read(plain_query(), payload("text.xml"))

    assert (message.kind, message.event, message.text) == ("text", None, "你好 👋 <b>")
    assert (message.msg_id, message.sealed) == ("24540000000000001", False)
    assert (message.appid, message.to_user) == (APPID, "gh_97417a04a28d")
    assert message.created_at == datetime(2024, 4, 26, 6, 20, 45, tzinfo=UTC)


def test_an_event_in_safe_mode() -> None:
    message = account().read(*sealed(payload("subscribe_by_scene.xml")))

    assert (message.event, message.event_key, message.sealed) == (
        "subscribe",
        "qrscene_store-1",
        True,
    )
    assert message.msg_id == "o9AgO5Kd5ggOC-bXrbNODIiE3bGY:1714112445:subscribe:qrscene_store-1"
    assert message.fields["Ticket"] == "TICKET"


def test_compatible_mode_believes_the_sealed_part_only() -> None:
    forged = payload("text.xml").replace("你好".encode(), "转账".encode())

    message = account().read(*sealed(payload("text.xml"), clear=forged))

    assert message.text == "你好 👋 <b>"
    assert message.sealed


def test_nested_and_repeated_fields() -> None:
    scanned = account().read(plain_query(), payload("scancode_waitmsg.xml"))
    popup = account().read(plain_query(), payload("subscribe_msg_popup_event.xml"))

    assert scanned.fields["ScanCodeInfo"] == {"ScanType": "qrcode", "ScanResult": "LL1.ABC.1.mac"}
    answers = popup.fields["SubscribeMsgPopupEvent"]["List"]
    assert [(a["TemplateId"], a["SubscribeStatusString"]) for a in answers] == [
        ("one", "accept"),
        ("two", "reject"),
    ]


def test_results_of_two_sendings_in_one_second_differ() -> None:
    first = payload("template_job_finished.xml")
    second = first.replace(b"200163836", b"200163837")
    read = account().read

    assert read(plain_query(), first).msg_id != read(plain_query(), second).msg_id
    assert read(plain_query(), first).msg_id == read(plain_query(), first).msg_id


def test_answers_to_two_dialogs_in_one_second_differ() -> None:
    first = payload("subscribe_msg_popup_event.xml")
    second = first.replace(b"[one]", b"[three]")
    read = account().read

    assert read(plain_query(), first).msg_id != read(plain_query(), second).msg_id
    assert read(plain_query(), first).msg_id == read(*sealed(first)).msg_id


def test_a_long_event_key_still_gives_a_short_id() -> None:
    body = payload("subscribe_by_scene.xml").replace(b"qrscene_store-1", b"https://" + b"x" * 1000)

    message = account().read(plain_query(), body)

    assert len(message.msg_id) == 64
    assert len(message.event_key) == 1008


def test_the_previous_key_is_accepted_and_answered_with() -> None:
    rotated = account(KEY, OLD_KEY)

    message = rotated.read(*sealed(payload("text.xml"), key=OLD_KEY))
    body, _ = rotated.reply(message, Text("好的"), now=NOW)

    encrypted = ElementTree.fromstring(body).findtext("Encrypt") or ""
    assert b"<![CDATA[" in sealing.unseal(sealing.aes_key(OLD_KEY), encrypted, APPID)


@pytest.mark.parametrize("change", ["signature", "timestamp", "nonce"])
def test_plain_mode_refuses_a_changed_query(change: str) -> None:
    query = plain_query()

    for value in ("", "1", query[change][:-1], query[change] + "0", "签名", "\ud800"):
        with pytest.raises(BadSignature):
            account().read(query | {change: value}, payload("text.xml"))
    with pytest.raises(BadSignature):
        account().read({}, payload("text.xml"))


def test_a_signature_under_another_token_is_refused() -> None:
    with pytest.raises(BadSignature):
        account().read(plain_query("another"), payload("text.xml"))
    with pytest.raises(BadSignature):
        account().echo(plain_query("another") | {"echostr": "1"})


@pytest.mark.parametrize("off", [-1, 1], ids=["late", "early"])
@pytest.mark.parametrize("is_sealed", [True, False], ids=["sealed", "plain"])
def test_a_message_is_taken_within_ten_minutes(off: int, is_sealed: bool) -> None:
    query, body = sealed(payload("text.xml")) if is_sealed else (plain_query(), payload("text.xml"))

    assert account().read(query, body, THEN + off * FRESH).msg_id == "24540000000000001"
    with pytest.raises(StaleMessage):
        account().read(query, body, THEN + off * (FRESH + timedelta(seconds=1)))


@pytest.mark.parametrize(
    "timestamp", ["x", "-1714112445", "１７１４１１２４４５", "1" * 40, "1e9", " 1"]
)
def test_a_time_that_is_none_is_stale(timestamp: str) -> None:
    signature = sealing.signature(TOKEN, timestamp, NONCE)
    query = {"signature": signature, "timestamp": timestamp, "nonce": NONCE}

    with pytest.raises(StaleMessage):
        account().read(query, payload("text.xml"))


def test_each_mode_takes_what_it_should() -> None:
    plain = (plain_query(), payload("text.xml"))

    assert account(mode="safe").read(*sealed(payload("text.xml"))).sealed
    assert not account(mode="plain").read(*plain).sealed
    with pytest.raises(WrongMode):
        account(mode="safe").read(*plain)
    with pytest.raises(WrongMode):
        account(mode="plain").read(*sealed(payload("text.xml")))


def test_an_account_without_a_token_takes_nothing() -> None:
    with pytest.raises(BadSignature):
        Account(APPID, "", KEY, mode="plain").read(plain_query(""), payload("text.xml"))


def test_safe_mode_does_not_look_at_the_plain_signature() -> None:
    query, body = sealed(payload("text.xml"))

    with pytest.raises(BadSignature):
        account().read(query | {"msg_signature": query["signature"]}, body)
    with pytest.raises(BadSignature):
        account().read({k: v for k, v in query.items() if k != "msg_signature"}, body)


def test_another_message_under_the_same_signature_is_refused() -> None:
    query, _ = sealed(payload("text.xml"))
    _, other = sealed(payload("subscribe_by_scene.xml"))

    with pytest.raises(BadSignature):
        account().read(query, other)


def test_a_message_sealed_for_another_appid_is_refused() -> None:
    for appid in ("wx0000000000000000", "", APPID + "x", APPID[:-1]):
        with pytest.raises(BadSignature):
            account().read(*sealed(payload("text.xml"), appid=appid))


def test_an_unknown_key_is_malformed() -> None:
    with pytest.raises(MalformedMessage):
        account().read(*sealed(payload("text.xml"), key=OLD_KEY))


def test_every_truncation_is_refused() -> None:
    query, body = sealed(payload("text.xml"))
    whole = sealing.seal(sealing.aes_key(KEY), payload("text.xml"), APPID)

    for length in range(0, len(body), 7):
        with pytest.raises((BadSignature, MalformedMessage)):
            account().read(query, body[:length])
    for length in range(0, len(whole), 3):
        cut = whole[:length]
        cut_body = f"<xml><Encrypt>{cut}</Encrypt></xml>".encode()
        with pytest.raises((BadSignature, MalformedMessage)):
            account().read(signed(cut), cut_body)


@pytest.mark.parametrize(
    "plain",
    [
        b"\x00" * 32,
        b"\x21" * 64,
        b"r" * 16 + struct.pack(">I", 2**31) + b"x" * 11 + b"\x01",
        b"r" * 16 + struct.pack(">I", 5) + b"hello" + APPID.encode() + b"\x05\x04\x05\x05\x05",
        b"\x10" * 16,
        b"r" * 31 + b"\x01",
    ],
)
def test_bad_padding_or_length_is_malformed(plain: bytes) -> None:
    plain += b"\x00" * (-len(plain) % 16)

    with pytest.raises((MalformedMessage, BadSignature)):
        account().read(*sealed_raw(plain))


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><MsgType>&c;</MsgType></xml>"""
EXTERNAL = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>
<xml><FromUserName>&f;</FromUserName></xml>"""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<xml/>",
        b"<xml>text</xml>",
        b"not xml",
        b"\xff\xfe\x00",
        BOMB,
        EXTERNAL,
        b"<a>" * 100_000,
        b"<a>" * 50 + b"</a>" * 50,
        payload("text.xml").replace(b"1714112445", b"99999999999999999999"),
        payload("text.xml").replace(b"1714112445", "１７".encode()),
        payload("text.xml").replace(b"1714112445", b"-1"),
        payload("text.xml").replace(b"text]]", b"te\x00xt]]"),
        payload("text.xml").replace(b"<![CDATA[text]]>", b"<b><c>text</c></b>"),
        payload("text.xml").replace(b"o9AgO5Kd5ggOC-bXrbNODIiE3bGY", b"o" * 65),
        payload("text.xml").replace(b"o9AgO5Kd5ggOC-bXrbNODIiE3bGY", b""),
        b'<?xml version="1.0" encoding="nonsense"?><xml/>',
        b"<xml>" + b"x" * 10_000_000 + b"</xml>",
        b"{",
        b"[]",
        b"{" * 100_000,
        b'{"a":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"ToUserName":"g","FromUserName":"\\ud800","CreateTime":1,"MsgType":"text"}',
        b'{"ToUserName":"g","FromUserName":"a\\u0000b","CreateTime":1,"MsgType":"text"}',
        b'{"ToUserName":"g","FromUserName":"o","CreateTime":1,"MsgType":"text","x":NaN}',
        b'{"ToUserName":"g","FromUserName":"o","CreateTime":1,"MsgType":"text","x":1e999}',
        b'{"ToUserName":"g","FromUserName":"o","CreateTime":1,"MsgType":"text","x":1'
        + b"0" * 5000
        + b"}",
        b'{"ToUserName":"g","FromUserName":"o","CreateTime":true,"MsgType":"text"}',
        b'{"ToUserName":"g","FromUserName":["o"],"CreateTime":1,"MsgType":"text"}',
        b'{"ToUserName":"g","FromUserName":"o","CreateTime":1,"MsgType":{}}',
    ],
    ids=range(30),
)
def test_what_nobody_can_read_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedMessage):
        account().read(plain_query(), body)
    with pytest.raises(MalformedMessage):
        account().read(*sealed(body) if len(body) < 100_000 else (plain_query(), body))


@pytest.mark.parametrize(
    "body",
    [b"<xml>" + b"<a>" * 20_000, b"<xml>" + b"<b/>" * 16_000 + b"</xml>"],
    ids=["deep", "wide"],
)
def test_an_unsigned_body_costs_next_to_nothing(body: bytes) -> None:
    query = sealed(payload("text.xml"))[0] | {"msg_signature": "0" * 40}

    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessage):
            account(mode="safe").read(query, body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 8 * len(body)


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": ""},
        {"timestamp": "1"},
        {"timestamp": "x"},
        {"msg_signature": ""},
        {"msg_signature": "0" * 39},
    ],
    ids=str,
)
def test_what_no_signature_could_fit_is_refused_unread(change: dict[str, str]) -> None:
    query = sealed(payload("text.xml"))[0] | change

    with pytest.raises(BadSignature):
        account().read(query, b"<not even xml")


def test_as_deep_and_as_wide_as_it_may_be() -> None:
    wide = b"<x>1</x>" * 970
    deep = b"<d>" * 15 + b"1" + b"</d>" * 15
    fields = payload("text.xml").replace(b"</xml>", wide + deep + b"</xml>")

    read = account().read(plain_query(), fields).fields

    assert read["x"] == ["1"] * 970
    for more in (b"<y/>" * 40, b"<d>" * 16 + b"</d>" * 16):
        with pytest.raises(MalformedMessage):
            account().read(plain_query(), fields.replace(b"</xml>", more + b"</xml>"))


@fuzz
@given(st.binary(max_size=400))
def test_random_bytes_are_read_or_refused(body: bytes) -> None:
    for query, raw in ((plain_query(), body), sealed(body), (sealed(b"x")[0], body)):
        with contextlib.suppress(BadSignature, MalformedMessage):
            assert isinstance(account().read(query, raw), Message)


_anything = st.text(alphabet=st.characters(codec=None))  # lone surrogates too
_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _anything,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_anything, inner, max_size=3),
    max_leaves=10,
)


@fuzz
@given(
    st.fixed_dictionaries(
        {},
        optional={
            name: st.just(good) | _values
            for name, good in {
                "ToUserName": "gh",
                "FromUserName": "openid",
                "CreateTime": 1714112445,
                "MsgType": "event",
                "Event": "CLICK",
                "EventKey": "key",
                "MsgId": 1,
                "extra": "x",
            }.items()
        },
    )
)
def test_json_of_any_shape_is_read_or_refused(fields: dict[str, object]) -> None:
    try:
        message = account().read(plain_query(), json.dumps(fields).encode())
    except MalformedMessage:
        return
    json.dumps(message.fields, allow_nan=False, ensure_ascii=False).encode()


@fuzz
@given(st.text(max_size=300))
def test_any_text_survives_a_sealed_reply(text: str) -> None:
    message = account().read(*sealed(payload("text.xml")))

    body, content_type = account().reply(message, Text(text), now=NOW)

    outer = ElementTree.fromstring(body)
    encrypted = outer.findtext("Encrypt") or ""
    assert outer.findtext("MsgSignature") == sealing.signature(
        TOKEN, outer.findtext("TimeStamp") or "", outer.findtext("Nonce") or "", encrypted
    )
    inner = ElementTree.fromstring(sealing.unseal(sealing.aes_key(KEY), encrypted, APPID))
    assert inner.findtext("ToUserName") == "o9AgO5Kd5ggOC-bXrbNODIiE3bGY"
    assert inner.findtext("FromUserName") == "gh_97417a04a28d"
    assert content_type == "application/xml; charset=utf-8"


@pytest.mark.parametrize(
    ("reply", "kind", "holds"),
    [
        (Text("a]]>b"), "text", {"Content": "a]]>b"}),
        (Image("m1"), "image", {"Image/MediaId": "m1"}),
        (Voice("m2"), "voice", {"Voice/MediaId": "m2"}),
        (
            Video("m3", "题", "述"),
            "video",
            {"Video/MediaId": "m3", "Video/Title": "题", "Video/Description": "述"},
        ),
        (
            Music("歌", "词", "https://x.test/a.mp3", "t1"),
            "music",
            {
                "Music/Title": "歌",
                "Music/Description": "词",
                "Music/MusicUrl": "https://x.test/a.mp3",
                "Music/HQMusicUrl": "https://x.test/a.mp3",
                "Music/ThumbMediaId": "t1",
            },
        ),
        (
            News("标题", "说明", "https://x.test/", "https://x.test/p.jpg"),
            "news",
            {
                "ArticleCount": "1",
                "Articles/item/Title": "标题",
                "Articles/item/Description": "说明",
                "Articles/item/PicUrl": "https://x.test/p.jpg",
                "Articles/item/Url": "https://x.test/",
            },
        ),
        (Transfer(), "transfer_customer_service", {"TransInfo/KfAccount": None}),
        (Transfer("x@y"), "transfer_customer_service", {"TransInfo/KfAccount": "x@y"}),
    ],
)
def test_a_reply_of_each_kind_is_plain_when_the_message_was(
    reply: Reply, kind: str, holds: dict[str, str | None]
) -> None:
    message = account().read(plain_query(), payload("text.xml"))

    body, _ = account().reply(message, reply, now=NOW)

    root = ElementTree.fromstring(body)
    assert root.findtext("MsgType") == kind
    assert root.findtext("CreateTime") == "1795330800"
    assert root.findtext("ToUserName") == message.openid
    assert {path: root.findtext(path) for path in holds} == holds


def test_nothing_to_say_is_accepted_in_silence() -> None:
    message = account().read(plain_query(), payload("text.xml"))

    assert account().reply(message, None, now=NOW) == ("success", "text/plain; charset=utf-8")


def test_a_long_text_is_cut_at_a_character() -> None:
    message = account().read(plain_query(), payload("text.xml"))

    body, _ = account().reply(message, Text("奶" * 1000), now=NOW)

    content = ElementTree.fromstring(body).findtext("Content") or ""
    assert len(content.encode()) <= 2048
    assert set(content) == {"奶", "…"}


def test_a_sealed_json_message_is_answered_in_json() -> None:
    event = b'{"ToUserName":"g","FromUserName":"o","CreateTime":1,"MsgType":"text","MsgId":7}'
    encrypted = sealing.seal(sealing.aes_key(KEY), event, APPID)
    message = account().read(signed(encrypted), json.dumps({"Encrypt": encrypted}).encode())

    body, content_type = account().reply(message, Text("hi"), now=NOW)

    assert set(json.loads(body)) == {"Encrypt", "MsgSignature", "TimeStamp", "Nonce"}
    assert content_type.startswith("application/json")
