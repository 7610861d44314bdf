"""python -m sandbox --port 8001 --config config.toml [--state FILE] [--keys DIR]"""

import argparse
import os
from typing import Any

from granian import Granian
from granian.constants import Interfaces


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--config", required=True, help="the backend's TOML file")
    parser.add_argument("--state", help="keep the state in this file")
    parser.add_argument("--keys", help="directory of the platform's keys")
    arguments = parser.parse_args()
    # The server loads the application in a process of its own: the environment carries the paths.
    os.environ["LINLI_SANDBOX_CONFIG"] = arguments.config
    os.environ["LINLI_SANDBOX_STATE"] = arguments.state or ""
    os.environ["LINLI_SANDBOX_KEYS"] = arguments.keys or ""
    Granian(
        "sandbox.__main__:create",
        factory=True,
        address=arguments.host,
        port=arguments.port,
        interface=Interfaces.WSGI,
        workers=1,  # the state lives in this one process
        blocking_threads=64,  # every open feed holds one
        backlog=1024,
        workers_kill_timeout=3,  # an open feed would keep it alive after the end of the demo
        log_access=False,
    ).serve()


def create() -> Any:
    from sandbox.server import create_sandbox
    from sandbox.settings import load

    settings = load(
        os.environ["LINLI_SANDBOX_CONFIG"],
        keys=os.environ["LINLI_SANDBOX_KEYS"] or None,
        state=os.environ["LINLI_SANDBOX_STATE"] or None,
    )
    return create_sandbox(settings)


if __name__ == "__main__":
    main()
