"""A sandbox on a port of its own for the length of a `with` block."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from werkzeug.serving import WSGIRequestHandler, make_server

from sandbox.outgoing import Deliver
from sandbox.server import create_sandbox
from sandbox.settings import Settings
from sandbox.state import World


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        pass


@dataclass(frozen=True)
class Live:
    url: str
    world: World


@contextmanager
def running(settings: Settings, *, port: int = 0, deliver: Deliver | None = None) -> Iterator[Live]:
    """Serve until the block ends. Port 0 takes a free one."""
    app = create_sandbox(settings, deliver=deliver)
    server = make_server("127.0.0.1", port, app, threaded=True, request_handler=_Quiet)
    server.daemon_threads = True  # type: ignore[attr-defined]  # an open stream must not hold the end
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    world: World = app.extensions["sandbox"]
    try:
        yield Live(f"http://127.0.0.1:{server.server_port}", world)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        world.stop()
