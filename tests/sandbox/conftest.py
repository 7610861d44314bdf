"""A sandbox in process, a shop double that records what it is told, and both over real HTTP."""

import base64
import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from flask.testing import FlaskClient
from wechatpy.crypto import WeChatCrypto

from sandbox import demo_config, keys, live, settings
from sandbox.outgoing import Answer, NoAnswer
from sandbox.server import create_sandbox
from sandbox.settings import Account, Settings
from sandbox.state import World

OFFICIAL, MINI, MCHID = demo_config.OFFICIAL, demo_config.MINI, demo_config.MCHID
ORDER_READY = demo_config.SUBSCRIBE_TEMPLATES["order_ready"]
OFFICIAL_READY = demo_config.TEMPLATES["order_ready"]


@dataclass(frozen=True)
class Told:
    """One delivery as it reached the shop."""

    url: str
    body: bytes
    headers: Mapping[str, str]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.url).query))


@dataclass
class Shop:
    """The backend's place: keeps what it is told, answers what the test wants."""

    answer: Callable[[Told], Answer] = lambda told: Answer(200, "success")
    told: list[Told] = field(default_factory=list)

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        told = Told(url, body, headers)
        self.told.append(told)
        return self.answer(told)

    def wait_for(self, count: int, seconds: float = 15.0) -> list[Told]:
        """What arrived once at least `count` deliveries are there."""
        end = time.monotonic() + seconds
        while len(self.told) < count and time.monotonic() < end:
            time.sleep(0.01)
        assert len(self.told) >= count, f"{len(self.told)} of {count} deliveries"
        return self.told


def unreachable(told: Told) -> Answer:
    raise NoAnswer("ConnectTimeout")


@pytest.fixture(scope="session")
def config_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("sandbox")
    return demo_config.write(
        directory / "config.toml",
        base_url="http://127.0.0.1:8000",
        sandbox_url="http://127.0.0.1:8001",
        directory=directory,
        database_url="sqlite:///unused.db",
        redis_url="redis://127.0.0.1:1/0",
    )


@pytest.fixture(scope="session")
def merchant_keys(config_path: Path) -> keys.Keys:
    return keys.ensure(config_path.parent / "keys")


@pytest.fixture(scope="session")
def base_settings(config_path: Path) -> Settings:
    """Templates take any typed field; those of the demo's own are tested by name."""
    loaded = settings.load(config_path)
    return replace(loaded, clock_file=None, send_events=False, template_fields={})


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
def make_world(shop: Shop, base_settings: Settings) -> Iterator[Callable[..., FlaskClient]]:
    """A client of a fresh sandbox; keywords replace settings. `mode` is that of all accounts."""
    worlds: list[World] = []

    def make(*, mode: str | None = None, **changes: Any) -> FlaskClient:
        chosen = replace(base_settings, **changes)
        if mode:
            accounts = {a.appid: replace(a, mode=mode) for a in chosen.accounts.values()}
            chosen = replace(chosen, accounts=accounts)
        app = create_sandbox(chosen, deliver=shop)
        worlds.append(app.extensions["sandbox"])
        return app.test_client()

    yield make
    for world in worlds:
        world.stop()


@pytest.fixture
def sandbox_client(make_world: Callable[..., FlaskClient]) -> FlaskClient:
    return make_world()


@pytest.fixture
def world(sandbox_client: FlaskClient) -> World:
    return world_of(sandbox_client)


@pytest.fixture
def live_sandbox(base_settings: Settings, shop: Shop) -> Iterator[live.Live]:
    with live.running(base_settings, deliver=shop) as running:
        yield running


def world_of(client: FlaskClient) -> World:
    world: World = client.application.extensions["sandbox"]
    return world


def act(client: FlaskClient, path: str, /, **body: Any) -> dict[str, Any]:
    """A call of the control interface that must succeed."""
    answer = client.post(f"/sandbox/api/{path}", json=body)
    assert answer.status_code < 300, answer.text
    data: dict[str, Any] = answer.get_json()
    return data


def chat(client: FlaskClient, person: str = "aqing", appid: str = OFFICIAL) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = client.get(
        f"/sandbox/api/people/{person}/chat?appid={appid}"
    ).get_json()["messages"]
    return messages


def openid(client: FlaskClient, person: str = "aqing", appid: str = OFFICIAL) -> str:
    people = client.get("/sandbox/api/people").get_json()["people"]
    return str(next(p for p in people if p["id"] == person)["openids"][appid])


def token(client: FlaskClient, appid: str = OFFICIAL) -> str:
    secret = world_of(client).account(appid).secret
    answer = client.post(
        "/cgi-bin/stable_token",
        json={"grant_type": "client_credential", "appid": appid, "secret": secret},
    )
    return str(answer.get_json()["access_token"])


def call(
    client: FlaskClient,
    path: str,
    body: Any = None,
    /,
    appid: str = OFFICIAL,
    **query: str,
) -> dict[str, Any]:
    """A call of the WeChat interface with a good token; POST when there is a body."""
    query = {"access_token": token(client, appid), **query}
    if body is None:
        answer = client.get(path, query_string=query)
    else:
        answer = client.post(path, query_string=query, json=body)
    assert answer.status_code == 200
    data: dict[str, Any] = json.loads(answer.text)
    return data


def crypto(account: Account) -> WeChatCrypto:
    """The public client library's cipher: it must open ours, and ours must open its."""
    return WeChatCrypto(account.token, account.encoding_aes_key, account.appid)


def opened(account: Account, told: Told) -> str:
    """What the shop reads with wechatpy: verified and decrypted."""
    query = told.query
    text: str = crypto(account).decrypt_message(
        told.body.decode(), query["msg_signature"], query["timestamp"], query["nonce"]
    )
    return text


def merchant_signature(
    files: keys.Keys, method: str, target: str, body: bytes, *, at: float | None = None
) -> dict[str, str]:
    """Headers of a request signed by the demo merchant, written here once more on purpose."""
    stamp, nonce = str(int(at if at is not None else time.time())), secrets.token_hex(16)
    text = f"{method}\n{target}\n{stamp}\n{nonce}\n".encode() + body + b"\n"
    signature = rsa_sign(files, text)
    pairs = {
        "mchid": MCHID,
        "nonce_str": nonce,
        "timestamp": stamp,
        "serial_no": files.merchant_serial,
        "signature": signature,
    }
    joined = ",".join(f'{name}="{value}"' for name, value in pairs.items())
    return {
        "Authorization": f"WECHATPAY2-SHA256-RSA2048 {joined}",
        "Accept": "application/json",
        "User-Agent": "tests",
        "Content-Type": "application/json",
    }


def rsa_sign(files: keys.Keys, text: bytes) -> str:
    key: Any = serialization.load_pem_private_key(files.merchant_key.read_bytes(), None)
    return base64.b64encode(key.sign(text, padding.PKCS1v15(), hashes.SHA256())).decode()


def pay_call(
    client: FlaskClient,
    files: keys.Keys,
    method: str,
    target: str,
    body: Any = None,
    **options: Any,
) -> tuple[int, dict[str, Any]]:
    raw = b"" if body is None else json.dumps(body, ensure_ascii=False).encode()
    headers = merchant_signature(files, method, target, raw, **options)
    answer = client.open(target, method=method, data=raw, headers=headers)
    return answer.status_code, json.loads(answer.data) if answer.data else {}


def prepay_body(client: FlaskClient, **changes: Any) -> dict[str, Any]:
    return {
        "appid": MINI,
        "mchid": MCHID,
        "description": "青禾茶铺（静安寺店）",
        "out_trade_no": "LL20261122A217",
        "notify_url": f"http://127.0.0.1:8000/pay/wechat/notify/{MCHID}",
        "amount": {"total": 6600, "currency": "CNY"},
        "payer": {"openid": openid(client, appid=MINI)},
        **changes,
    }


def sheet(files: keys.Keys, prepay_id: str, **changes: str) -> dict[str, str]:
    stamp, nonce, package = str(int(time.time())), secrets.token_hex(16), f"prepay_id={prepay_id}"
    text = f"{MINI}\n{stamp}\n{nonce}\n{package}\n"
    return {
        "appid": MINI,
        "timeStamp": stamp,
        "nonceStr": nonce,
        "package": package,
        "signType": "RSA",
        "paySign": rsa_sign(files, text.encode()),
        **changes,
    }


def paid_order(client: FlaskClient, files: keys.Keys, **changes: Any) -> dict[str, Any]:
    """Prepay and pay as 阿青; the body that was ordered."""
    body = prepay_body(client, **changes)
    status, answer = pay_call(client, files, "POST", "/v3/pay/transactions/jsapi", body)
    assert status == 200, answer
    act(client, "people/aqing/pay", **sheet(files, answer["prepay_id"]))
    return body


def settled(client: FlaskClient, tries: int) -> None:
    """Wait until the newest notice's try of that number is over and the next one is planned."""
    world, end = world_of(client), time.monotonic() + 15
    while time.monotonic() < end:
        notice = next(reversed(world.ledger.notices.values()))
        waiting = notice.done or notice.next_at > world.clock.now()
        if notice.tries >= tries and len(notice.statuses) >= tries and waiting:
            return
        time.sleep(0.005)
    raise AssertionError("the notice did not settle")
