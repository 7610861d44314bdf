"""What the fault tests do with a tree: break a part, mend it, look inside."""

import contextlib
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from redis import Redis
from sqlalchemy import Select, select, update

from core import embedded_redis
from core.database import reading, transaction
from crm.models import Campaign, CampaignState
from orders.models import Order
from payments.models import Bill, LedgerEntry, PaymentAttempt
from scripts.player import Console, Person, Sandbox, cart, eventually
from scripts.tree import Tree
from tests.servers import MariaDB, frozen

STORE = "静安寺店"
PATIENCE = 120.0  # seconds; a quiet machine needs a tenth of it
T = TypeVar("T")


@dataclass
class World:
    """A running tree and its database server; the test is inside the application's context."""

    tree: Tree
    server: MariaDB

    @property
    def sandbox(self) -> Sandbox:
        return Sandbox(self.tree.sandbox_url)

    # — people —————————————————————————————————————————————————————————————————————————————————

    def person(self, name: str) -> Person:
        """The persona called `name`, made when there is none."""
        people = self.sandbox.get("people")["people"]
        found = next((person for person in people if person["name"] == name), None)
        found = found or self.sandbox.post("people", name=name, role="顾客")
        accounts = self.sandbox.get("accounts")["accounts"]
        appids = {account["kind"]: account["appid"] for account in accounts}
        return Person(
            self.tree.base_url,
            self.sandbox,
            found["id"],
            name,
            official=appids["official"],
            mini=appids["mini"],
        )

    def guest(self, name: str) -> Person:
        """A person who is logged in to the mini-program."""
        person = self.person(name)
        person.log_in()
        return person

    def console(self) -> Console:
        console = Console(self.tree.base_url)
        owner = next(s for s in self.tree.data["staff"] if s["username"] == "owner")
        console.log_in("owner", owner["password"])
        return console

    def cup(self, guest: Person, *, quantity: int = 1) -> dict[str, Any]:
        """A cart with something that never runs out."""
        stores = guest.call("GET", "stores?lat=31.2243&lng=121.4457")["items"]
        store_id = next(store["id"] for store in stores if store["name"] == STORE)
        return cart(guest.menu(store_id)["桂花乌龙鲜奶"], store_id, quantity)

    def poster(self) -> str:
        """What the QR code at the store's door says."""
        return str(
            self.sandbox.qr(
                lambda qr: STORE in qr["title"] and qr["kind"] != "screen", "the store's poster"
            )["text"]
        )

    # — faults —————————————————————————————————————————————————————————————————————————————————

    def fault(self, api: str, kind: str, **more: Any) -> None:
        self.sandbox.post("faults", api=api, kind=kind, **more)

    @property
    def redis(self) -> Redis:
        return Redis.from_url(self.tree.redis_url)

    def stop_redis(self) -> None:
        self.tree.kill("redis")

    def start_redis(self) -> None:
        start_redis(self.tree)

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A process that still holds its sockets and answers nobody."""
        with frozen(self.tree.processes[name]):
            yield

    @contextmanager
    def frozen_database(self) -> Iterator[None]:
        """The server takes connections and says nothing on any of them."""
        with frozen(self.server.process):
            yield

    def kill_web(self, name: str = "web") -> None:
        """The server and the process it works in, both at once."""
        kill_family(self.tree, name)

    # — looking ————————————————————————————————————————————————————————————————————————————————

    def notices_of(self, out_trade_no: str, event: str) -> list[dict[str, Any]]:
        """What the channel told us about a payment, with the answers it got."""
        return [
            notice
            for notice in self.sandbox.get("state")["notices"]
            if notice["plain"].get("out_trade_no") == out_trade_no and notice["event_type"] == event
        ]

    def calls(self, api: str, *, after: int) -> list[dict[str, Any]]:
        """What was asked of the sandbox under this name since the feed's entry `after`."""
        events = self.sandbox.get("feed", after=after)["events"]
        return [event for event in events if event["api"] == api]

    def log(self, name: str) -> list[dict[str, Any]]:
        """The lines that a process of the tree has logged."""
        lines: list[dict[str, Any]] = []
        for line in (self.tree.directory / f"{name}.log").read_text("utf-8").splitlines():
            with contextlib.suppress(ValueError):
                lines.append(json.loads(line))
        return [line for line in lines if isinstance(line, dict)]


def wait(look: Callable[[], T | None], what: str) -> T:
    return eventually(look, what, seconds=PATIENCE)


def fetch(statement: Select[Any]) -> list[Any]:
    """The rows, or the values if there is one column."""
    with reading() as session:
        rows = session.execute(statement).all()
    return [row[0] if len(row) == 1 else tuple(row) for row in rows]


def get_order(no: str) -> Order:
    with reading() as session:
        return session.scalars(select(Order).where(Order.no == no)).one()


def attempts_of(no: str) -> list[PaymentAttempt]:
    return fetch(
        select(PaymentAttempt)
        .join(Bill, Bill.id == PaymentAttempt.bill_id)
        .join(Order, Order.id == Bill.order_id)
        .where(Order.no == no)
        .order_by(PaymentAttempt.id)
    )


def postings_of(order: Order) -> dict[str, int]:
    """By cause, what its entries add up to; each cause has two sides, so a repetition shows."""
    entries = fetch(
        select(LedgerEntry.cause, LedgerEntry.amount_fen).where(LedgerEntry.order_id == order.id)
    )
    sums: dict[str, int] = {}
    for cause, amount_fen in entries:
        sums[cause] = sums.get(cause, 0) + amount_fen
    return sums


def heal(tree: Tree, server: MariaDB) -> None:
    """Everything runs that should, nothing else does, and WeChat is in a good mood."""
    if server.process is None or server.process.poll() is not None:
        server.start()
    dead = [name for name, process in tree.processes.items() if process.poll() is not None]
    for name in dead:
        tree.processes.pop(name)
    for name in set(tree.processes) - {"redis", "sandbox", "web", "worker-1", "scheduler"}:
        kill_family(tree, name)
    if "redis" not in tree.processes:
        start_redis(tree)
    if "sandbox" not in tree.processes:
        tree.start_sandbox()
    if "web" not in tree.processes:
        tree.start_web()
    if "worker-1" not in tree.processes:
        tree.start_worker("worker-1")
    if "scheduler" not in tree.processes:
        tree.start_scheduler()
    Sandbox(tree.sandbox_url).delete("faults")


def give_up_campaigns() -> None:
    """What a failed test left running must not keep the workers busy."""
    with transaction() as session:
        session.execute(
            update(Campaign)
            .where(Campaign.state == CampaignState.running)
            .values(state=CampaignState.killed)
        )


def start_redis(tree: Tree) -> None:
    started = embedded_redis.start(tree.directory / "redis")
    assert started, "the old Redis still answers"
    tree.processes["redis"] = started


def kill_family(tree: Tree, name: str) -> None:
    """SIGKILL a process of the tree together with its children."""
    pid = tree.processes[name].pid
    children = _children(pid)
    tree.kill(name)
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    deadline = time.monotonic() + 30
    while any(_is_alive(child) for child in children):
        assert time.monotonic() < deadline, "a killed process is still there"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found += [child, *_children(child)]
    return found


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
