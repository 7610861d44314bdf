"""Messages said by several hands at once, as fast as an account may; what was heard is fetched.

No transaction is open here. Whoever fetches in small parts and records them leaves little in doubt
when it dies.
"""

import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import NamedTuple

from core.logs import log
from gateways.wechat import rates
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging import remote
from messaging.batches import Fate, Ready
from messaging.models import Channel, OutboundState

HANDS = 24
PATIENCE = 5.0  # seconds to wait for tokens before the rest is given back
WAIT_BUSY, WAIT_QUOTA = 15.0, 600.0
DAILY_QUOTA = 45009
_API = {
    Channel.customer_service: "custom_send",
    Channel.subscribe: "subscribe_send",
    Channel.template: "template_send",
}


class Heard(NamedTuple):
    """What became of a message; an `error` is none of WeChat's words but our own fault."""

    ready: Ready
    fate: Fate
    error: BaseException | None = None


class Hands:
    """`out`: messages that were handed over and not fetched yet."""

    def __init__(self, number: int = HANDS) -> None:
        self._pool = ThreadPoolExecutor(number)
        self._heard: SimpleQueue[Heard] = SimpleQueue()
        self.out = 0

    def __enter__(self) -> "Hands":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def say(self, ready: Sequence[Ready]) -> None:
        """Hand them over as the account's rate allows; what would wait too long is heard unsaid."""
        self.out += len(ready)
        waiting: dict[tuple[str, str], list[Ready]] = defaultdict(list)
        for each in ready:
            waiting[each.message.appid, _API[each.message.channel]].append(each)
        for (appid, api), rest in waiting.items():
            until = time.monotonic() + PATIENCE
            while rest:
                allowed = rates.take(appid, api, len(rest))
                for each in rest[: allowed.granted]:
                    self._pool.submit(copy_context().run, self._say, each)
                rest = rest[allowed.granted :]
                if rest and time.monotonic() + allowed.wait > until:
                    for each in rest:
                        unsaid = Fate(OutboundState.prepared, wait=max(allowed.wait, 1))
                        self._heard.put(Heard(each, unsaid))
                    break
                if rest:
                    time.sleep(allowed.wait)

    def hear(self, least: int) -> list[Heard]:
        """Wait for `least` answers, or for all that are out, and fetch what has come by then."""
        heard = [self._heard.get() for _ in range(min(least, self.out))]
        while True:
            try:
                heard.append(self._heard.get_nowait())
            except Empty:
                break
        self.out -= len(heard)
        return heard

    def _say(self, ready: Ready) -> None:
        try:
            self._heard.put(Heard(ready, _say(ready)))
        except BaseException as error:  # noqa: BLE001  told to whoever fetches, who raises it
            self._heard.put(Heard(ready, Fate(OutboundState.unknown, reason="error"), error))


def _say(ready: Ready) -> Fate:
    message = ready.message
    try:
        remote_id = remote.call(message, with_card=len(ready.window_ids) > 1)
    except WechatUnavailable as error:
        if not error.sent:
            return Fate(OutboundState.prepared, reason="wechat_busy", wait=WAIT_BUSY)
        return Fate(OutboundState.unknown, reason="no_answer")
    except WechatError as error:
        if error.errcode == remote.SENT_BEFORE:
            return Fate(OutboundState.sent, reason="sent_before")
        if error.transient:
            wait = WAIT_QUOTA if error.errcode == DAILY_QUOTA else WAIT_BUSY
            return Fate(OutboundState.prepared, reason="wechat_busy", wait=wait)
        log.info("message_refused", message_id=message.id, errcode=error.errcode)
        return Fate(OutboundState.failed, errcode=error.errcode)
    return Fate(OutboundState.sent, remote_id=remote_id)
