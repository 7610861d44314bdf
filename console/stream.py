"""Server-sent events: "the orders of your stores have changed", "somebody wrote", nothing else.

A stream holds a thread, so it runs in a process with many of them. It waits for Redis to be told of
something, and only then looks at one index (and twice a minute anyway); without Redis it looks
every three seconds. It ends by itself after 55 s and the client comes back with jitter; what
happened meanwhile shows in the `Last-Event-ID` it brings.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from flask import Blueprint, Flask, Response, current_app, request
from sqlalchemy.orm import Session

from console import order_list
from console.access import me, staff
from console.official.blueprint import get_account
from core.database import reading
from core.errors import TooMany
from core.live import Ears
from messaging import conversations
from orders.moving import topic

page = Blueprint("stream", __name__)

Look = Callable[[Session], str]

LASTS_SECONDS = 55.0
MOST_AT_ONCE = 4  # tabs of one browser
BREATH_SECONDS = 3.0  # a line on the wire, which also tells whether anybody is still there
LOOK_ANYWAY_SECONDS = 30.0


class _Places:
    """How many streams each log-in session holds in this process: each of them is a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: Counter[str] = Counter()

    def take(self, session_hash: str) -> bool:
        with self._lock:
            if self._taken[session_hash] >= MOST_AT_ONCE:
                return False
            self._taken[session_hash] += 1
            return True

    def leave(self, session_hash: str) -> None:
        with self._lock:
            self._taken[session_hash] -= 1
            if self._taken[session_hash] <= 0:
                del self._taken[session_hash]


def _places(app: Flask) -> _Places:
    places: _Places = app.extensions.setdefault("console.streams", _Places())
    return places


@page.get("/stream")
@staff("orders.view")
def listen() -> Response:
    store_ids = me().store_ids
    topics = [topic(store_id) for store_id in store_ids]
    return _stream("orders", topics, lambda session: order_list.fingerprint(session, store_ids))


@page.get("/stream/chats")
@staff("chats.reply")
def listen_to_chats() -> Response:
    with reading() as session:
        appid = get_account(session).appid
    topics = [conversations.topic(appid)]
    return _stream("chats", topics, lambda session: conversations.fingerprint(session, appid))


def _stream(event: str, topics: list[str], look: Look) -> Response:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    places, mine = _places(app), me().session_hash
    if not places.take(mine):
        raise TooMany(retry_after=int(LASTS_SECONDS))
    events = _events(app, event, topics, look, request.headers.get("Last-Event-ID", ""))
    response = Response(events, content_type="text/event-stream")
    response.call_on_close(lambda: places.leave(mine))
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(app: Flask, event: str, topics: list[str], look: Look, last: str) -> Iterator[str]:
    """The event whenever what `look` sees has changed since `last`."""
    ends = time.monotonic() + LASTS_SECONDS
    ears = Ears(topics)
    look_at = 0.0
    yield "retry: 1000\n\n"
    try:
        while time.monotonic() < ends:
            with app.app_context():
                was_open, is_open = ears.is_open, ears.open()
            if time.monotonic() >= look_at or not is_open or not was_open:
                with app.app_context(), reading() as session:
                    mark = look(session)
                look_at = time.monotonic() + LOOK_ANYWAY_SECONDS
                if mark != last:
                    named = f"event: {event}\ndata: {mark}\n" if last else ""
                    yield f"id: {mark}\n{named}\n"
                last = mark
            if ears.wait(BREATH_SECONDS):
                look_at = 0.0
            else:
                yield ": still here\n\n"
    finally:
        ears.close()
