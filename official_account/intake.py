"""One verified message: stored and acted upon once, answered. Whatever fails, WeChat is answered.

An error page would only make WeChat repeat the message and tell the user that the account is out
of order; what could not be done stays in the inbox, or in Redis with the database away, and is
done by the sweep.
"""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

from flask import current_app
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from core import patience
from core.clock import now as clock_now
from core.database import at_once, is_away, reading, retrying, transaction
from core.errors import Unavailable
from core.logs import log
from core.outbox import enqueue
from gateways.wechat.callback import Callback
from gateways.wechat.messages import Message
from messaging import answers, inbox, parking
from messaging.answers import Part
from official_account import commands, wording
from official_account.commands import Command

Keep = Callable[[str, Message], None]

SILENCE_SECONDS = 2.0
"""WeChat waits five seconds: with the database silent there must be time left to park."""
GATHER_SECONDS = 0.5
EXTENSION = "official_account.gathering"


class Gathering:
    """One job acts on all messages that wait: a process asks for one at most twice a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked = self._due = 0.0

    def ask(self) -> float | None:
        """In how many seconds the job should run; None: one that is asked for runs late enough.

        To be called when the message is committed: a job that is due later will see it.
        """
        now = time.monotonic()
        with self._lock:
            if self._due > now:
                return None
            self._due = max(now, self._asked + GATHER_SECONDS)
            self._asked = self._due
            return self._due - now


def take_in(callback: Callback, source: str, message: Message) -> tuple[str, str]:
    """Body and content type of the answer. Raises Unavailable only with nowhere left to keep it."""
    parts: list[Part] = []
    take = _keep_once if message.event is None else _act_once
    try:
        with patience.within(SILENCE_SECONDS):
            parts = retrying(take, source, message)
    except Exception as error:  # noqa: BLE001 - the message is kept and the sweep takes it up
        if is_away(error):
            log.warning("message_parked", source=source, error=type(error).__name__)
            _save(source, message, _park, _store)
        else:
            log.error("message_not_acted_upon", source=source, exc_info=error)
            _save(source, message, _store, _park)
    return callback.reply(message, answers.reply(parts), now=clock_now())


def _keep_once(source: str, message: Message) -> list[Part]:
    """An ordinary message: the reply needs the rules only, and a job does the rest."""
    now = clock_now()
    said = commands.read(message.text)
    if said is not None and (parts := _obey_once(source, message, said)) is not None:
        return parts
    with at_once() as session:
        parts = wording.answer_words(session, message, now)
        parts, fresh = inbox.keep(session, source, message, parts, now=now)
    gathering: Gathering = current_app.extensions[EXTENSION]
    seconds = gathering.ask() if fresh else None
    if seconds is not None:
        with transaction() as session:
            run_at = clock_now() + timedelta(seconds=seconds)
            enqueue(session, "messaging.act_on_kept", run_at=run_at if seconds else None)
    return parts


def _obey_once(source: str, message: Message, said: Command) -> list[Part] | None:
    """A command is obeyed where it is stored, once; None: they are not staff, or asked nothing."""
    now = clock_now()
    with reading() as session:
        if not commands.is_meant(session, message, said, now):
            return None
    with transaction() as session:
        return inbox.act_once(session, source, message, now=now, answer=commands.obey, waits=False)


def _act_once(source: str, message: Message) -> list[Part]:
    """An event: the reply is written now, or an earlier copy of the event was given one."""
    with transaction() as session:
        return inbox.act_once(session, source, message, now=clock_now(), answer=wording.write_reply)


def _save(source: str, message: Message, *places: Keep) -> None:
    """In the first place that takes it."""
    for place in places:
        try:
            return place(source, message)
        except (SQLAlchemyError, RedisError, Unavailable) as error:
            log.error("message_not_kept", place=place.__name__, error=type(error).__name__)
    raise Unavailable("服务正在恢复", retry_after=5)


def _store(source: str, message: Message) -> None:
    with patience.within(SILENCE_SECONDS), transaction() as session:
        inbox.store(session, source, message, now=clock_now())


def _park(source: str, message: Message) -> None:
    parking.park(source, message)
