"""The world of a model: payers at every channel, what the channels took and gave back, a clock that
skips, workers that die. Nothing here waits and nothing runs beside the test.
"""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import event
from sqlalchemy.orm import Session

from core import clock
from sandbox import clock as sandbox_clock
from sandbox.acts import NotPossible
from sandbox.channel_keys import MER_ID
from sandbox.pay import codes, refunds, sheet
from sandbox.people import Person
from sandbox.state import World
from sandbox.unionpay import moves
from sandbox.unionpay.store import DONE, FAILED, GOING
from tests.payments.conftest import MINI, HeldNotice, Till

Shown = dict[str, str]
STALE = 240.0  # seconds; WeChat's signature counts for five minutes


class Killed(BaseException):
    """The process died here: no handler of an error sees it."""


@dataclass
class Reaper:
    """Kills whoever commits for the n-th time from now: just before the commit, or just after."""

    left: int = 0
    after: bool = False

    def arm(self, commits: int, *, after: bool) -> None:
        self.left, self.after = commits, after

    def before_commit(self, _: Session) -> None:
        self._count(after=False)

    def after_commit(self, _: Session) -> None:
        self._count(after=True)

    def _count(self, *, after: bool) -> None:
        if self.left and after is self.after:
            self.left -= 1
            if not self.left:
                raise Killed

    @contextmanager
    def about(self) -> Iterator[None]:
        for name in ("before_commit", "after_commit"):
            event.listen(Session, name, getattr(self, name))
        try:
            yield
        finally:
            for name in ("before_commit", "after_commit"):
                event.remove(Session, name, getattr(self, name))


@dataclass
class Arrived:
    """A notice that was sent, and when."""

    notice: HeldNotice
    at: float


@dataclass
class Played:
    """Every channel's other side. `later`: what the channels mean to do by and by."""

    till: Till
    clock_file: Path
    notices: list[Arrived] = field(default_factory=list)
    later: list[Callable[[], object]] = field(default_factory=list)

    @property
    def world(self) -> World:
        return self.till.channel.world

    def begin(self) -> None:
        """Another example: nobody owes anybody anything, and it is now."""
        self.world.reset()
        self.world.clock.restore(0.0)
        clock.follow_file(self.clock_file)
        self.collect()
        self.notices, self.later = [], []
        # What would happen on threads happens here and now, or when it is told to.
        timer: Any = self.world.timer
        timer.soon = lambda work: work()
        timer.at = lambda _, work: self.later.append(work)

    def skip(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        clock.follow_file(self.clock_file)

    def person(self, name: str) -> Person:
        found: Person = self.world.people.get(name)
        return found

    def pay(self, shown: Shown, name: str, outcome: str) -> None:
        """Whatever was ever shown, by whoever holds it; the channel says no to most."""
        person = self.person(name)
        with suppress(NotPossible):
            if "package" in shown:
                sheet.pay(self.world, person, MINI, dict(shown), outcome)
            elif "code_url" in shown and shown["code_url"].startswith("weixin:"):
                sheet.pay_unsigned(self.world, person, shown["code_url"], outcome)
            elif "orderId" in shown:
                self._on_page(shown, DONE if outcome == "ok" else FAILED)
            elif outcome == "ok":
                self._press(shown.get("code_url") or shown["url"])
        self.collect()

    def _press(self, url: str) -> None:
        """Alipay's page, or what its QR leads to: the payer comes, and pays if that can be."""
        client, parts = self.till.channel.client, urlsplit(url)
        answer = client.get(f"{parts.path}?{parts.query}")
        while answer.status_code in (302, 303) and "/alipay/" in answer.headers["Location"]:
            parts = urlsplit(answer.headers["Location"])
            answer = client.get(parts.path)
        if "/cashier/" in parts.path:
            client.post(parts.path, data={"act": "pay"})

    def _on_page(self, shown: Shown, code: str) -> None:
        form = {name: value for name, value in shown.items() if name != "url"}
        self.till.channel.client.post(urlsplit(shown["url"]).path, data=form)
        move = self.world.moves.find(MER_ID, form["orderId"])
        if move is not None:
            moves.pay(self.world, move, code=code)

    def code(self, channel: str, name: str, *, asks_password: bool, poor: bool) -> str:
        if channel == "alipay_code":
            return f"28{random.randrange(10**13):013d}{0 if poor else 1}"
        person = self.person(name)
        person.asks_password, person.balance_fen = asks_password, 0 if poor else 10**6
        return self.world.pay_codes.new(person)

    def type_passwords(self, outcome: str) -> None:
        for person in self.world.people.list():
            for order in codes.asked_of(self.world, person):
                with suppress(NotPossible):
                    codes.answer(self.world, person, order.out_trade_no, outcome)

    def decide_refunds(self, verdict: str) -> None:
        for refund in list(self.world.ledger.refunds.values()):
            if refund.status == "PROCESSING":
                refunds.finish(self.world, refund, verdict)
        for move in list(self.world.moves.moves.values()):
            if move.kind == "04" and move.code == GOING:
                moves.end(self.world, move, DONE if verdict == "SUCCESS" else FAILED)
        self.collect()

    def happen(self, number: int | None = None) -> None:
        """One of the things that the channels meant to do, or all: a notice comes again, a refund
        arrives."""
        acts = self.later if number is None else [self.later[number % len(self.later)]]
        for act in list(acts):
            act()
        self.collect()

    def collect(self) -> None:
        held = self.till.channel.held
        while not held.empty():
            self.notices.append(Arrived(held.get(), self.world.clock.now()))

    def tell(self, arrived: Arrived) -> None:
        """A notice is taken, or refused because it is too old: then the channel sends another."""
        answer = self.till.deliver(arrived.notice)
        old = self.world.clock.now() - arrived.at > STALE
        assert answer in (200, 204) or (old and answer == 403), answer

    def taken(self) -> dict[str, int]:
        """What each channel took and has not taken back itself (撤销)."""
        found = {
            "wechat": sum(
                order.total_fen
                for order in self.world.ledger.orders.values()
                if order.success_at and order.state != "REVOKED"
            ),
            "alipay": sum(
                trade.total_fen
                for trade in self.world.trades.trades.values()
                if trade.paid_at and "cancel" not in trade.refunds
            ),
            "unionpay": sum(
                move.fen
                for move in self.world.moves.moves.values()
                if move.kind == "01" and move.code == DONE
            ),
        }
        return {name: fen for name, fen in found.items() if fen}

    def returned(self) -> dict[str, int]:
        found = {
            "wechat": sum(
                refund.refund_fen
                for refund in self.world.ledger.refunds.values()
                if refund.status == "SUCCESS"
            ),
            "alipay": sum(
                trade.refunded_fen
                for trade in self.world.trades.trades.values()
                if "cancel" not in trade.refunds
            ),
            "unionpay": sum(
                move.fen
                for move in self.world.moves.moves.values()
                if move.kind in ("04", "31") and move.code == DONE
            ),
        }
        return {name: fen for name, fen in found.items() if fen}


@contextmanager
def skipping() -> Iterator[None]:
    """The clock skips at once, and is the real one again afterwards."""
    settling, sandbox_clock.SETTLING = sandbox_clock.SETTLING, 0.0
    try:
        yield
    finally:
        sandbox_clock.SETTLING = settling
        clock.follow_file(None)
