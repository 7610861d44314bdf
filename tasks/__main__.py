"""`python -m tasks worker [queues…]` and `python -m tasks scheduler`."""

import argparse
import os
import threading

from app import create_app
from core import patience
from core.config import ConfigError
from core.logs import log
from tasks.registry import QUEUES
from tasks.relay import relay_forever
from tasks.schedule import schedule_forever
from tasks.worker import work

SILENCE_SECONDS = 30.0  # of the database; a job may wait as long as it may run


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tasks", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    worker = commands.add_parser("worker", help="run jobs")
    worker.add_argument("queues", nargs="*", metavar="queue", help=f"of {', '.join(QUEUES)}")
    worker.add_argument("--burst", action="store_true", help="stop when no job is left")
    commands.add_parser("scheduler", help="relay the outbox to RQ and enqueue periodic jobs")
    arguments = parser.parse_args()

    try:
        app = create_app()
    except ConfigError as error:
        raise SystemExit(str(error)) from None
    with app.app_context(), patience.within(SILENCE_SECONDS):
        if arguments.command == "worker":
            work(arguments.queues, burst=arguments.burst)
            return

        def schedule() -> None:
            try:
                with app.app_context(), patience.within(SILENCE_SECONDS):
                    schedule_forever()
            except BaseException as error:  # noqa: BLE001  whatever ends it ends the process
                log.error("schedule_died", exc_info=error)
                os._exit(1)  # one that schedules nothing must not live on unseen

        threading.Thread(target=schedule, daemon=True, name="schedule").start()
        relay_forever()


if __name__ == "__main__":
    main()
