"""Web processes that die at the worst moment.

Loaded by the server as a factory: `tests.faults.dying:create_app` dies after its view has committed
and before the answer leaves, `create_app_dying_at_acts` when a payment notice is kept and not yet
acted upon.
"""

import os
import signal
from collections.abc import Iterable
from typing import Any

import app as linli
from core.web import Web
from payments import notices

LAST_WORDS = "HTTP_X_DIE_AFTER_THIS"


def create_app() -> Web:
    made = linli.create_app()
    inner = made.wsgi_app

    def die_before_answering(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        answer: Iterable[bytes] = inner(environ, start_response)
        if LAST_WORDS in environ:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    made.wsgi_app = die_before_answering  # type: ignore[method-assign]
    return made  # type: ignore[return-value]


def create_app_dying_at_acts() -> Web:
    notices.act = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    return linli.create_app()  # type: ignore[return-value]
