"""A web process that dies after its view has committed and before the answer leaves.

Loaded by the server as a factory: `tests.faults.dying:create_app`.
"""

import os
import signal
from collections.abc import Iterable
from typing import Any

import app as linli
from core.web import Web

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
