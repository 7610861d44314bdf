"""Three lights under the feed: is the shop there, is its queue empty, is its access token good.

And what nobody tells WeChat: orders handed over, coupons redeemed. The shop counts its answers for
Prometheus; those counts are read, so that the story can go on.
"""

import re
from typing import Any

import requests
from flask import Response, current_app, jsonify

from sandbox.phone.pages import blueprint, setup
from sandbox.state import World

TIMEOUT = 2.0
LATE = 5.0  # seconds a due job may wait before the light turns
LAG = re.compile(r"^linli_outbox_lag_seconds (\S+)", re.M)
DEAD = re.compile(r'^linli_outbox_jobs\{state="dead"\} (\S+)', re.M)

SERVED = re.compile(
    r'^linli_request_seconds_count\{endpoint="([\w.]+)",status="[23]\d\d"\} (\S+)', re.M
)
STEPS = {
    "console.orders.hand_over": "handover",
    "console.redeem.confirm": "redeem",
}

Light = dict[str, str]


@blueprint.get("/health")
def health() -> Response:
    """What the lights show: {"lights": [{"name", "state": good|busy|bad|unknown, "note"}]}.

    With "counts" of the story's steps that only the shop knows about.
    """
    metrics = _metrics()
    answer = jsonify(lights=[_shop(), _queue(metrics), _token()], counts=_counts(metrics))
    answer.headers["Cache-Control"] = "no-store"
    return answer


def _light(name: str, state: str, note: str = "") -> Light:
    return {"name": name, "state": state, "note": note}


def _get(path: str) -> requests.Response | None:
    with requests.Session() as session:
        session.trust_env = False  # a proxy has no business between two local processes
        try:
            return session.get(setup().backend + path, timeout=TIMEOUT)
        except requests.RequestException:
            return None


def _shop() -> Light:
    answer = _get("/readyz")
    if answer is None:
        return _light("店没有开", "bad", f"{setup().backend} 没有回答，后端可能还在启动")
    if answer.ok:
        return _light("店在线", "good", "后端、数据库都在")
    return _light("店不太好", "busy", f"/readyz 回了 {answer.status_code}")


def _metrics() -> str | None:
    answer = _get("/metrics")
    return answer.text if answer is not None and answer.ok else None


def _counts(metrics: str | None) -> dict[str, int]:
    counts = dict.fromkeys(STEPS.values(), 0)
    for endpoint, count in SERVED.findall(metrics or ""):
        if endpoint in STEPS:
            counts[STEPS[endpoint]] += int(float(count))
    return counts


def _queue(metrics: str | None) -> Light:
    if metrics is None:
        return _light("队列未知", "unknown")
    dead = sum(float(count) for count in DEAD.findall(metrics))
    lag = max((float(seconds) for seconds in LAG.findall(metrics)), default=0.0)
    if dead:
        return _light(f"{dead:.0f} 件做不成", "bad", "有任务重试用完了，去后台看看")
    if lag > LATE:
        return _light("队列忙", "busy", f"最早的一件已经等了 {lag:.0f} 秒")
    return _light("队列空", "good", "没有到点还等着的后台任务")


def _token() -> Light:
    world: Any = current_app.extensions.get("sandbox")
    assert isinstance(world, World)
    kept, now = world.tokens.dump(), world.clock.now()
    known = [kept["tokens"].get(value) for value in kept["current"].values()]
    if any(token and token["expires_at"] > now for token in known):
        return _light("令牌有效", "good", "店拿着有效的 access_token")
    return _light("令牌未取", "unknown", "店还没来取过 access_token，用到时会取")
