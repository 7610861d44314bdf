"""Server-sent events: "the orders of your stores have changed", and nothing else.

A stream holds a thread, so it runs in a process with many of them. It looks at one index every two
seconds, ends by itself after 55 s, and the client comes back with jitter; what happened meanwhile
shows in the `Last-Event-ID` it brings.
"""

import time
from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app, request

from console import order_list
from console.access import me, staff
from core.database import reading

page = Blueprint("stream", __name__)

LASTS_SECONDS = 55.0
LOOK_EVERY = 2.0


@page.get("/stream")
@staff("orders.view")
def listen() -> Response:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    events = _events(app, me().store_ids, request.headers.get("Last-Event-ID", ""))
    response = Response(events, content_type="text/event-stream")
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _events(app: Flask, store_ids: list[int], last: str) -> Iterator[str]:
    ends = time.monotonic() + LASTS_SECONDS
    yield "retry: 1000\n\n"
    while time.monotonic() < ends:
        with app.app_context(), reading() as session:
            mark = order_list.fingerprint(session, store_ids)
        if last and mark != last:
            yield f"id: {mark}\nevent: orders\ndata: {mark}\n\n"
        elif not last:
            yield f"id: {mark}\n\n"
        else:
            yield ": still here\n\n"
        last = mark
        time.sleep(LOOK_EVERY)
