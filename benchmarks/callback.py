"""The callback of an official account, safe mode, HTTP: verify, open, keep, match, seal an answer.

The application as `deploy/web` starts it, beside a bare Flask view under the same server settings
on the same database. A text message that gets a reply, each under its own MsgId.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

from sqlalchemy import func, make_url, select

from benchmarks import load
from benchmarks.bare_callback import DEFAULT, RULES
from benchmarks.harness import Result, alternate, mariadb_app
from core.config import current_config
from core.database import reading, transaction
from core.embedded_redis import die_with_parent
from core.inbox import EventState, InboundEvent
from gateways.wechat import sealing
from messaging import replies
from messaging.models import ChatMessage, Direction, MessageWindow
from scripts.tree import free_port
from tests.conftest import KEY
from tests.working import run_inline

ROOT = Path(__file__).resolve().parent.parent
APPID, TOKEN = "wx7c3e1a905b2d4f60", "token-of-the-benchmark"
AES_KEY = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG"
PATH = f"/wechat/official/{APPID}"
SAYINGS = ("你们营业吗", "营业时间是几点", "今天有什么好喝的", "你好 👋")
PEOPLE, LINES, EACH, ROUNDS = 2_000, 32, 3_000, 5
SEALED = b"<Encrypt>"


def run() -> Iterator[Result]:
    with mariadb_app() as (_, _, url), ExitStack() as stack:
        _write_rules()
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linli-call-")))
        client = stack.enter_context(ProcessPoolExecutor(1, get_context("spawn")))
        fresh = count(24_540_000_000_000_001)
        ours = stack.enter_context(_served(folder, "app:serve", _config(folder, url)))
        bare = stack.enter_context(
            _served(folder, "benchmarks.bare_callback:create_app", _told(url))
        )
        for port in (ours, bare):  # caches filled, connections made
            _rate(client, port, fresh)
        mine, theirs = alternate(
            ROUNDS, lambda: _rate(client, ours, fresh), lambda: _rate(client, bare, fresh)
        )
        slow = _slowest_of_a_hundred(client, ours, fresh, rate=0.8 * mine)
        _act_on_them()
        _all_kept()
    what = f"text messages in safe mode, {LINES} connections"
    yield Result("callback", what, mine, theirs, "/s", 0.70, note="each kept and answered once")
    what = f"p99 at 80 % of {mine:,.0f}/s beside its limit"
    yield Result("callback", what, slow, 50.0, "ms", 1.0, at_least=False)


def _write_rules() -> None:
    with transaction() as session:
        for word, text in RULES.items():
            replies.set_answer(session, appid=APPID, kind=replies.KEYWORD, word=word, text=text)
        replies.set_answer(session, appid=APPID, kind=replies.DEFAULT, text=DEFAULT)


def _config(folder: Path, url: str) -> dict[str, str]:
    """The environment of our web processes."""
    lines = f"""
    [app]
    secret_key = "a-secret-key-for-benchmarks-of-48-characters!!!!"
    encryption_keys = ["1:{KEY}"]
    var = "{folder}"
    [database]
    url = "{url}"
    [redis]
    url = "{current_config().redis.url}"
    [[wechat.official_accounts]]
    appid = "{APPID}"
    secret = "secret"
    token = "{TOKEN}"
    encoding_aes_key = "{AES_KEY}"
    """
    file = folder / "config.toml"
    file.write_text(lines, encoding="utf-8")
    return {"LINLI_CONFIG": str(file)}


def _told(url: str) -> dict[str, str]:
    """The environment of the bare view's processes."""
    database = make_url(url)
    told = {
        "appid": APPID,
        "token": TOKEN,
        "encoding_aes_key": AES_KEY,
        "socket": database.query["unix_socket"],
        "database": database.database,
    }
    return {"BENCH_CALLBACK": json.dumps(told)}


@contextmanager
def _served(folder: Path, factory: str, environment: dict[str, str]) -> Iterator[int]:
    """A port on which granian serves `factory` as `deploy/web` does."""
    port = free_port()
    command = (ROOT / "deploy" / "web").read_text().replace("\\\n", " ").split("granian", 1)[1]
    command = command.replace('"${LINLI_WORKERS:-2}"', "2").replace("--port 8000", f"--port {port}")
    arguments = command.replace("app:serve", factory).split()
    granian = str(Path(sys.executable).parent / "granian")
    with (folder / f"{port}.log").open("wb") as log:
        process = subprocess.Popen(
            [granian, *arguments],
            cwd=ROOT,
            env={**os.environ, **environment},
            stdout=log,
            stderr=log,
            preexec_fn=die_with_parent,
        )
    try:
        _wait_for(port, process, folder / f"{port}.log")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2):
                return
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(log.read_text()[-3_000:]) from None
            time.sleep(0.05)


def _rate(client: Executor, port: int, fresh: "count[int]") -> float:
    return _ask(client, load.flat_out, port, fresh, EACH)


def _slowest_of_a_hundred(
    client: Executor, port: int, fresh: "count[int]", *, rate: float
) -> float:
    """The 99th percentile in milliseconds over about twenty seconds."""
    took = _ask(client, load.paced, port, fresh, int(20 * rate), rate=rate)
    return sorted(took)[int(0.99 * len(took))] * 1000


def _ask(
    client: Executor,
    way: Callable[..., Any],
    port: int,
    fresh: "count[int]",
    number: int,
    **more: Any,
) -> Any:
    requests = [_request(next(fresh)) for _ in range(number)]
    return client.submit(way, port, requests, lines=LINES, must_hold=SEALED, **more).result()


def _request(message_id: int) -> bytes:
    """What WeChat sends, headers included."""
    said = SAYINGS[message_id % len(SAYINGS)]
    at, nonce = str(int(time.time())), str(message_id % 10**9)
    message = (
        "<xml><ToUserName><![CDATA[gh_97417a04a28d]]></ToUserName>"
        f"<FromUserName><![CDATA[o9AgO5Kd5ggOC-bXrbNOD{message_id % PEOPLE:07}]]></FromUserName>"
        f"<CreateTime>{at}</CreateTime><MsgType><![CDATA[text]]></MsgType>"
        f"<Content><![CDATA[{said}]]></Content><MsgId>{message_id}</MsgId></xml>"
    )
    sealed = sealing.seal(sealing.aes_key(AES_KEY), message.encode(), APPID)
    query = {
        "signature": sealing.signature(TOKEN, at, nonce),
        "timestamp": at,
        "nonce": nonce,
        "openid": f"o9AgO5Kd5ggOC-bXrbNOD{message_id % PEOPLE:07}",
        "encrypt_type": "aes",
        "msg_signature": sealing.signature(TOKEN, at, nonce, sealed),
    }
    body = (
        "<xml><ToUserName><![CDATA[gh_97417a04a28d]]></ToUserName>"
        f"<Encrypt><![CDATA[{sealed}]]></Encrypt></xml>"
    ).encode()
    head = (
        f"POST {PATH}?{urlencode(query)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Content-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _act_on_them() -> None:
    """The job that the web processes asked for, as a worker would run it."""
    run_inline("messaging.act_on_kept")


def _all_kept() -> None:
    """Every message acted upon; every person has a window; what was said and answered is logged."""
    with reading() as session:
        states = dict(
            session.execute(
                select(InboundEvent.state, func.count()).group_by(InboundEvent.state)
            ).all()
        )
        said = session.scalar(
            select(func.count()).where(ChatMessage.direction == Direction.inbound)
        )
        heard = session.scalar(
            select(func.count()).where(ChatMessage.direction == Direction.outbound)
        )
        windows = session.scalar(select(func.count()).select_from(MessageWindow))
    assert set(states) == {EventState.done}, states
    assert said == heard, (said, heard)
    assert windows == PEOPLE, windows
