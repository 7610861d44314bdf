"""The API clients: tokens shared and healed, answers read, errors that give nothing away."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from pydantic import SecretStr
from redis import Redis

from core import config
from core import redis as shared
from gateways.http import Http
from gateways.wechat.errors import (
    API_CODES,
    InvalidCode,
    Kind,
    WechatError,
    WechatUnavailable,
)
from gateways.wechat.registry import UnknownAccount, Wechat
from tests.gateways.fake_wechat import Call, FakeWechat, Reply, reply_json

OFFICIAL, MINI, SECRET = "wx7c3e1a905b2d4f60", "wxa41f0c6d8e2b7593", "secret-of-the-account"


class FakeApi:
    """Hands out tokens and takes only the newest one."""

    def __init__(self) -> None:
        self.issued = 0
        self.lifetime = 7200
        self.handlers: dict[str, Callable[[Call], Reply | None]] = {}
        self.delay = 0.0

    @property
    def token(self) -> str:
        return f"token-{self.issued}"

    def __call__(self, call: Call) -> Reply | None:
        if call.path == "/cgi-bin/stable_token":
            time.sleep(self.delay)
            self.issued += 1
            return reply_json({"access_token": self.token, "expires_in": self.lifetime})
        if "access_token" in call.query and call.query["access_token"] != self.token:
            return reply_json({"errcode": 40001, "errmsg": "invalid credential rid: 1-2-3"})
        return self.handlers.get(call.path, lambda _: reply_json({"errcode": 0}))(call)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def fake(api: FakeApi) -> Iterator[FakeWechat]:
    with FakeWechat(api) as fake:
        yield fake


def registry(base: str, *, seconds: float = 1.0) -> Wechat:
    """A process of its own: nothing is shared with another registry but Redis."""
    settings = config.Wechat(
        api_base=base,
        timeout_seconds=seconds,
        official_accounts=[config.OfficialAccount(appid=OFFICIAL, secret=SecretStr(SECRET))],
        mini_programs=[config.MiniProgram(appid=MINI, secret=SecretStr(SECRET), merchant="qinghe")],
    )
    return Wechat(settings, Http())


@pytest.fixture
def without_redis() -> Iterator[Flask]:
    app = Flask(__name__)
    shared.connect(app, "redis://127.0.0.1:1/0")
    with app.app_context():
        yield app


@pytest.fixture
def with_redis(redis: Redis, redis_url: str) -> Iterator[Flask]:
    app = Flask(__name__)
    shared.connect(app, redis_url)
    with app.app_context():
        yield app


def fetches(fake: FakeWechat) -> int:
    return sum(call.path == "/cgi-bin/stable_token" for call in fake.calls)


def test_a_token_is_asked_for_once_without_redis_too(
    without_redis: Flask, fake: FakeWechat
) -> None:
    wechat = registry(fake.base)

    for _ in range(3):
        wechat.official(OFFICIAL).send_text("openid", "你好")

    assert fetches(fake) == 1
    assert fake.calls[0].json == {
        "grant_type": "client_credential",
        "appid": OFFICIAL,
        "secret": SECRET,
        "force_refresh": False,
    }
    assert fake.calls[1].query == {"access_token": "token-1"}
    assert fake.calls[1].body.decode() == (
        '{"touser":"openid","msgtype":"text","text":{"content":"你好"}}'
    )


def test_processes_share_one_token(with_redis: Flask, fake: FakeWechat, api: FakeApi) -> None:
    api.delay = 0.2
    processes = [registry(fake.base) for _ in range(8)]
    start = threading.Barrier(8)

    def call(wechat: Wechat) -> None:
        with with_redis.app_context():
            start.wait()
            wechat.official(OFFICIAL).send_text("openid", "x")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, processes))

    assert fetches(fake) == 1


def test_a_token_killed_elsewhere_is_fetched_once_for_everybody(
    with_redis: Flask, fake: FakeWechat, api: FakeApi
) -> None:
    processes = [registry(fake.base) for _ in range(8)]
    for wechat in processes:
        wechat.official(OFFICIAL).send_text("openid", "x")
    api.issued += 1  # somebody forced a refresh: token-1 is dead

    def call(wechat: Wechat) -> None:
        with with_redis.app_context():
            wechat.official(OFFICIAL).send_text("openid", "y")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, processes))

    assert fetches(fake) == 2


def test_a_dead_token_is_healed_without_redis(
    without_redis: Flask, fake: FakeWechat, api: FakeApi
) -> None:
    wechat = registry(fake.base)
    wechat.official(OFFICIAL).send_text("openid", "x")
    api.issued += 1

    wechat.official(OFFICIAL).send_text("openid", "y")

    assert fetches(fake) == 2


@pytest.mark.parametrize("errcode", [40001, 40014, 42001])
def test_healing_is_tried_once_only(
    without_redis: Flask, fake: FakeWechat, api: FakeApi, errcode: int
) -> None:
    api.handlers["/cgi-bin/user/info"] = lambda call: reply_json({"errcode": errcode})

    with pytest.raises(WechatError) as caught:
        registry(fake.base).official(OFFICIAL).user_info("openid")

    assert (caught.value.errcode, caught.value.token) == (errcode, True)
    assert fetches(fake) == 2
    assert len(fake.calls) == 4


def test_an_old_token_is_replaced_before_it_ends(
    without_redis: Flask, fake: FakeWechat, api: FakeApi
) -> None:
    api.lifetime = 0
    wechat = registry(fake.base)

    wechat.official(OFFICIAL).send_text("openid", "x")
    wechat.official(OFFICIAL).send_text("openid", "y")

    assert fetches(fake) == 2


def test_a_stuck_lock_is_taken_over(with_redis: Flask, fake: FakeWechat, redis: Redis) -> None:
    redis.set(f"wechat:token-lock:{OFFICIAL}", "a process that died", px=300)

    registry(fake.base).official(OFFICIAL).send_text("openid", "x")

    assert fetches(fake) == 1
    assert redis.get(f"wechat:token-lock:{OFFICIAL}") is None


def test_a_wrong_secret_is_terminal_and_not_shown(
    without_redis: Flask, fake: FakeWechat, api: FakeApi
) -> None:
    fake.answer = lambda call: reply_json(
        {"errcode": 40125, "errmsg": f"invalid appsecret {SECRET} rid: 1"}
    )

    with pytest.raises(WechatError) as caught:
        registry(fake.base).official(OFFICIAL).user_info("openid")

    assert (caught.value.errcode, caught.value.transient) == (40125, False)
    assert SECRET not in str(caught.value) + repr(caught.value)


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        ((500, {}, b"oops"), True),
        ((200, {}, b"<html>"), True),
        ((200, {}, b"[]"), True),
        ((200, {}, b'{"errcode": "x"}'), True),
        ((404, {}, b"{}"), True),
        (None, True),
    ],
)
def test_an_answer_nobody_can_read_leaves_the_outcome_unknown(
    without_redis: Flask, fake: FakeWechat, api: FakeApi, answer: Any, sent: bool
) -> None:
    api.handlers["/cgi-bin/message/custom/send"] = lambda call: answer

    with pytest.raises(WechatUnavailable) as caught:
        registry(fake.base).official(OFFICIAL).send_text("openid-x", "x")

    assert caught.value.sent is sent
    assert "token-1" not in str(caught.value) + repr(caught.value.__context__)


def test_a_slow_answer_is_not_waited_for(
    without_redis: Flask, fake: FakeWechat, api: FakeApi
) -> None:
    api.handlers["/cgi-bin/message/custom/send"] = lambda call: time.sleep(1.0)

    began = time.monotonic()
    with pytest.raises(WechatUnavailable):
        registry(fake.base, seconds=0.2).official(OFFICIAL).send_text("openid", "x")

    assert time.monotonic() - began < 0.9


def test_an_unreachable_wechat_was_not_told(without_redis: Flask) -> None:
    with pytest.raises(WechatUnavailable) as caught:
        registry("http://127.0.0.1:9").official(OFFICIAL).send_text("openid", "x")

    assert not caught.value.sent
    assert SECRET not in str(caught.value) + repr(caught.value.__context__)


def test_log_in_codes(without_redis: Flask, fake: FakeWechat, api: FakeApi) -> None:
    good = {"openid": "o1", "session_key": "a2V5", "unionid": "u1"}
    api.handlers["/sns/jscode2session"] = lambda call: (
        reply_json(good) if call.query["js_code"] == "good" else reply_json({"errcode": 40029})
    )
    mini = registry(fake.base).mini(MINI)

    session = mini.code_to_session("good")

    assert (session.openid, session.unionid) == ("o1", "u1")
    assert "a2V5" not in repr(session)
    assert fake.calls[0].query == {
        "appid": MINI,
        "secret": SECRET,
        "js_code": "good",
        "grant_type": "authorization_code",
    }
    with pytest.raises(InvalidCode):
        mini.code_to_session("bad")


def test_phone_numbers(without_redis: Flask, fake: FakeWechat, api: FakeApi) -> None:
    info = {"phoneNumber": "13800138000", "purePhoneNumber": "13800138000", "countryCode": "86"}
    api.handlers["/wxa/business/getuserphonenumber"] = lambda call: (
        reply_json({"errcode": 0, "phone_info": info})
        if call.json == {"code": "good", "openid": "oMine"}
        else reply_json({"errcode": 40003 if call.json["code"] == "good" else 40163})
    )
    mini = registry(fake.base).mini(MINI)

    assert mini.phone_number("good", "oMine") == "13800138000"
    for code, openid in (("used", "oMine"), ("good", "oTheirs")):
        with pytest.raises(InvalidCode):
            mini.phone_number(code, openid)


def test_subscribe_and_template_messages(
    without_redis: Flask, fake: FakeWechat, api: FakeApi
) -> None:
    wechat = registry(fake.base)
    api.handlers["/cgi-bin/message/template/send"] = lambda call: reply_json(
        {"errcode": 0, "msgid": 200163836}
    )

    wechat.mini(MINI).send_subscribe("o1", "tpl", {"thing1": "抹茶"}, "/pages/order/order?no=1")
    subscribe = fake.calls[-1].json
    msgid = wechat.official(OFFICIAL).send_template(
        "o1", "tpl", {"thing1": "抹茶"}, mini=(MINI, "pages/home/home"), client_msg_id="m1"
    )
    template = fake.calls[-1].json

    assert subscribe == {
        "touser": "o1",
        "template_id": "tpl",
        "data": {"thing1": {"value": "抹茶"}},
        "page": "pages/order/order?no=1",
    }
    assert msgid == "200163836"
    assert template["miniprogram"] == {"appid": MINI, "pagepath": "pages/home/home"}
    assert template["client_msg_id"] == "m1"


def test_followers_tags_and_qr_codes(without_redis: Flask, fake: FakeWechat, api: FakeApi) -> None:
    api.handlers |= {
        "/cgi-bin/user/info": lambda call: reply_json(
            {
                "subscribe": 1,
                "openid": "o1",
                "unionid": "u1",
                "subscribe_time": 1714112445,
                "subscribe_scene": "ADD_SCENE_QR_CODE",
                "tagid_list": [101],
            }
        ),
        "/cgi-bin/tags/create": lambda call: reply_json({"tag": {"id": 101, "name": "店员"}}),
        "/cgi-bin/qrcode/create": lambda call: reply_json(
            {"ticket": "g/Q=", "url": "http://weixin.qq.com/q/1"}
        ),
    }
    official = registry(fake.base).official(OFFICIAL)

    info = official.user_info("o1")
    ticket = official.create_qr("store-1", 60)

    assert (info.subscribed, info.unionid, info.tag_ids) == (True, "u1", [101])
    assert official.create_tag("店员") == 101
    assert ticket.image_url == "https://mp.weixin.qq.com/cgi-bin/showqrcode?ticket=g%2FQ%3D"
    asked = next(call for call in fake.calls if call.path == "/cgi-bin/qrcode/create").json
    assert asked == {
        "action_name": "QR_STR_SCENE",
        "expire_seconds": 60,
        "action_info": {"scene": {"scene_str": "store-1"}},
    }


def test_oauth(without_redis: Flask, fake: FakeWechat, api: FakeApi) -> None:
    path = "/sns/oauth2/access_token"
    api.handlers[path] = lambda call: reply_json({"openid": "o1", "is_snapshotuser": 1})
    official = registry(fake.base).official(OFFICIAL)

    url = official.oauth_url("https://shop.test/console/oauth?next=/x", "s1")
    user = official.oauth_user("good")

    assert url == (
        "https://open.weixin.qq.com/connect/oauth2/authorize?appid=wx7c3e1a905b2d4f60"
        "&redirect_uri=https%3A%2F%2Fshop.test%2Fconsole%2Foauth%3Fnext%3D%2Fx"
        "&response_type=code&scope=snsapi_base&state=s1#wechat_redirect"
    )
    assert (user.openid, user.unionid, user.snapshot) == ("o1", None, True)
    api.handlers[path] = lambda call: reply_json({"errcode": 40163, "errmsg": "code been used"})
    with pytest.raises(InvalidCode):
        official.oauth_user("used")


def test_what_is_not_configured_is_not_found(without_redis: Flask, fake: FakeWechat) -> None:
    wechat = registry(fake.base)

    assert wechat.mini(MINI).account.merchant == "qinghe"
    for miss in (
        lambda: wechat.mini("wx-unknown"),
        lambda: wechat.official(MINI),
        lambda: wechat.pay("1900006789"),
    ):
        with pytest.raises(UnknownAccount):
            miss()


def test_every_code_has_one_meaning_and_unknown_ones_are_errors() -> None:
    assert {code for code, meaning in API_CODES.items() if meaning.kind is Kind.token} == {
        40001,
        40014,
        42001,
    }
    unknown = WechatError(123456)
    assert (unknown.transient, unknown.token) == (False, False)
    assert [WechatError(code).transient for code in (-1, 45009, 45011, 43101, 45015)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert json.dumps(unknown.extra) == "{}"
