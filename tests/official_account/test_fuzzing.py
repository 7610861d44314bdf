"""Whatever comes to the callbacks: a refusal or an acceptance, never a failure of ours."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from core.database import reading, transaction
from core.inbox import InboundEvent
from sandbox.demo_config import MINI, OFFICIAL
from sandbox.wechat import crypto
from tests.factories.merchants import make_merchant
from tests.wechat_world import Shop, Wechat, run_shop
from tests.working import run_inline

QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
ADDRESSES = st.sampled_from([f"/wechat/official/{OFFICIAL}", f"/wechat/miniprogram/{MINI}"])
NAMES = ("signature", "msg_signature", "timestamp", "nonce", "encrypt_type", "echostr", "openid")
BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">'
    b'<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><xml><ToUserName>&c;</ToUserName></xml>'
)
FILE = (
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
    b"<xml><FromUserName>&e;</FromUserName></xml>"
)


@pytest.fixture(scope="module")
def shop(wechat: Wechat, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    wechat.reset()
    directory: Path = tmp_path_factory.mktemp("fuzz")
    with run_shop(wechat, directory) as shop:
        wechat.set_mode("plain")
        with transaction() as session:
            make_merchant(session, code="qinghe")
        yield shop
        wechat.set_mode("safe")


@pytest.fixture
def client(shop: Shop) -> FlaskClient:
    return shop.app.test_client()


def signed(shop: Shop, appid: str) -> dict[str, str]:
    token = shop.world.settings.accounts[appid].token
    query = {"timestamp": str(int(time.time())), "nonce": "42"}
    return {**query, "signature": crypto.signature(token, query["timestamp"], query["nonce"])}


@QUICK
@given(
    address=ADDRESSES,
    query=st.dictionaries(st.sampled_from(NAMES), st.text(max_size=60), max_size=7),
    body=st.one_of(
        st.binary(max_size=400), st.sampled_from([BOMB, FILE, b"{" * 5000, b"<a>" * 900])
    ),
)
def test_unsigned_noise_is_refused_and_changes_nothing(
    client: FlaskClient, address: str, query: dict[str, str], body: bytes
) -> None:
    for answer in (
        client.post(address, query_string=query, data=body),
        client.get(address, query_string=query),
    ):
        assert answer.status_code in (400, 403)
        assert answer.mimetype == "application/problem+json"


@QUICK
@given(
    body=st.one_of(
        st.binary(max_size=400),
        st.sampled_from([BOMB, FILE, b"<xml>" * 3000, b"[" * 60_000, b"\x00", b"<xml/>", b"{}"]),
    )
)
def test_signed_noise_is_malformed(client: FlaskClient, shop: Shop, body: bytes) -> None:
    for appid, path in ((OFFICIAL, "official"), (MINI, "miniprogram")):
        answer = client.post(f"/wechat/{path}/{appid}", query_string=signed(shop, appid), data=body)
        assert answer.status_code == 400, answer.data


VALUES = st.one_of(
    st.text(max_size=80).filter(lambda t: "\x00" not in t and t.isprintable()),
    st.integers(-(10**12), 10**12).map(str),
    st.just(""),
    st.just("9" * 300),
)
EVENTS = [
    "subscribe",
    "unsubscribe",
    "SCAN",
    "CLICK",
    "VIEW",
    "LOCATION",
    "scancode_waitmsg",
    "subscribe_msg_popup_event",
    "subscribe_msg_change_event",
    "subscribe_msg_sent_event",
    "TEMPLATESENDJOBFINISH",
    "new_thing",
]
FIELDS = [
    "EventKey",
    "Ticket",
    "ScanCodeInfo",
    "SubscribeMsgPopupEvent",
    "SubscribeMsgChangeEvent",
    "SubscribeMsgSentEvent",
    "List",
    "Status",
    "MsgID",
    "Content",
    "MediaId",
    "MsgId",
]
NESTED = st.recursive(
    VALUES,
    lambda inner: st.dictionaries(
        st.sampled_from(["List", "TemplateId", "SubscribeStatusString", "ScanResult", "MsgID"]),
        inner | st.lists(inner, max_size=3),
        max_size=3,
    ),
    max_leaves=8,
)


def xml(value: Any) -> str:
    if isinstance(value, dict):
        parts = (
            f"<{name}>{xml(each)}</{name}>"
            for name, given in value.items()
            for each in (given if isinstance(given, list) else [given])
        )
        return "".join(parts)
    return escape(str(value))


@settings(QUICK, max_examples=150)
@given(
    event=st.sampled_from(EVENTS),
    kind=st.sampled_from(["event", "event", "event", "text", "image", "unheard_of"]),
    created=st.integers(0, 2**33),
    fields=st.dictionaries(st.sampled_from(FIELDS), NESTED, max_size=5),
)
def test_a_signed_message_with_odd_fields_is_accepted_or_malformed(
    client: FlaskClient,
    shop: Shop,
    event: str,
    kind: str,
    created: int,
    fields: dict[str, Any],
) -> None:
    message = {
        "ToUserName": "gh_1",
        "FromUserName": "oFuzz",
        "CreateTime": created,
        "MsgType": kind,
        "Event": event,
        **fields,
    }
    posts = (
        (OFFICIAL, "official", f"<xml>{xml(message)}</xml>".encode()),
        (MINI, "miniprogram", json.dumps(message).encode()),
    )
    for appid, path, body in posts:
        answer = client.post(f"/wechat/{path}/{appid}", query_string=signed(shop, appid), data=body)
        assert answer.status_code in (200, 400), answer.data
    run_inline("messaging.act_on_kept")
    with reading() as session:
        left = select(func.count()).where(InboundEvent.state == "received")
        assert session.scalar(left) == 0


@pytest.mark.parametrize("path", ["official", "miniprogram"])
@pytest.mark.parametrize("size", [65_537, 10_000_000])
def test_what_is_longer_than_any_message_is_not_even_read(
    client: FlaskClient, shop: Shop, path: str, size: int
) -> None:
    appid = OFFICIAL if path == "official" else MINI
    body = (b"<xml>" + b"x" * size)[:size]

    answer = client.post(f"/wechat/{path}/{appid}", query_string=signed(shop, appid), data=body)

    assert answer.status_code == 413


def test_a_long_notice_of_payment_is_not_even_read(client: FlaskClient, shop: Shop) -> None:
    mchid = next(iter(shop.app.extensions["linli.config"].wechat.pay_merchants)).mchid

    assert client.post(f"/pay/wechat/notify/{mchid}", data=b"x" * 65_537).status_code == 413
