"""A till: the application, the sandbox as WeChat Pay, and notices that wait for the test.

The sandbox is a real server on loopback and signs what it says; only the way of its notices to us
is held, so that a test may lose, repeat and reorder them.
"""

import queue
import threading
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

import gateways
from core import clock, config, database, outbox
from core.outbox import JobState, OutboxJob
from crm.models import Member
from gateways.cashier import Cashier
from gateways.pay.records import Transaction, Way
from gateways.wechat.registry import Wechat
from merchants.models import Store
from orders.models import Order
from payments import billing, remote
from payments.asks import asked_of
from payments.attempts import Means
from payments.models import Bill, BillState, LedgerEntry, PaymentAttempt, Refund
from payments.models import Channel as Channels
from people.logins import open_session
from people.models import Audience, Identity, IdentityKind, Person
from sandbox import demo_config, settings
from sandbox.outgoing import Answer
from sandbox.people import openid_of
from sandbox.server import create_sandbox
from sandbox.state import World
from tasks import runner
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_store
from tests.factories.orders import make_order
from tests.servers import MariaDB
from tests.tables import lease, running

MINI, MCHID = demo_config.MINI, demo_config.MCHID
PAY_WITHIN = timedelta(minutes=15)
HELD = Answer(503, "held by the test")


@dataclass
class HeldNotice:
    path: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Channel:
    """WeChat Pay, played by the sandbox."""

    world: World
    client: Any
    base: str
    held: "queue.Queue[HeldNotice]" = field(default_factory=queue.Queue)

    def pay(self, sheet: dict[str, str], *, person: str = "aqing", outcome: str = "ok") -> None:
        answer = self.client.post(
            f"/sandbox/api/people/{person}/pay", json={"appid": MINI, "outcome": outcome, **sheet}
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)

    def next_notice(self) -> HeldNotice:
        return self.held.get(timeout=10)

    def fault(self, **values: Any) -> None:
        assert self.client.post("/sandbox/api/faults", json=values).status_code == 201

    def decide_refund(self, out_refund_no: str, status: str) -> None:
        answer = self.client.post(
            f"/sandbox/api/refunds/{MCHID}/{out_refund_no}", json={"status": status}
        )
        assert answer.json["changed"] is True


@pytest.fixture(scope="session")
def keys_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("till")


@pytest.fixture
def till_config(keys_directory: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The demo's configuration on the real clock, as a dict."""

    def make(sandbox_url: str, database_url: str, **own: Any) -> dict[str, Any]:
        path = demo_config.write(
            tmp_path / "config.toml",
            base_url="http://127.0.0.1:8000",
            sandbox_url=sandbox_url,
            directory=keys_directory,
            database_url=database_url,
            redis_url="redis://127.0.0.1:1/0",
            sandbox={"retry_scale": 1000.0, "refund_seconds": 3600.0, "refund_gap_seconds": 0.0}
            | own,
        )
        raw = tomllib.loads(path.read_text())
        del raw["app"]["clock_file"]
        raw["logging"] = {"level": "error"}
        return raw

    return make


@pytest.fixture
def channel(till_config: Callable[..., dict[str, Any]]) -> Iterator[Channel]:
    held: queue.Queue[HeldNotice] = queue.Queue()

    def hold(url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        held.put(HeldNotice(url.removeprefix("http://127.0.0.1:8000"), body, dict(headers)))
        return HELD

    app = create_sandbox(
        settings.from_mapping(till_config("http://127.0.0.1:1", "sqlite://")), deliver=hold
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    world: World = app.extensions["sandbox"]
    yield Channel(world, app.test_client(), f"http://127.0.0.1:{server.server_port}", held)
    server.shutdown()
    thread.join()
    server.server_close()
    world.stop()


@pytest.fixture
def app(
    channel: Channel, till_config: Callable[..., dict[str, Any]], tmp_path: Path
) -> Iterator[Flask]:
    raw = till_config(channel.base, f"sqlite:///{tmp_path}/till.db")
    with running(config.parse(raw)) as app:
        yield app


@dataclass
class Till:
    """The shop's side of a test: orders, sheets, jobs, and what the tables say."""

    app: Flask
    channel: Channel
    member: Member
    store: Store

    @property
    def wechat(self) -> Wechat:
        return gateways.wechat()

    @property
    def cashier(self) -> Cashier:
        return gateways.cashier()

    @property
    def means(self) -> Means:
        return Means(Channels.wechat, Way.mini, MCHID, MINI, openid_of(MINI, "aqing"))

    def open(self, order: Order, means: Means | None = None) -> dict[str, str]:
        """The pay sheet, as the mini-program is given it; of several bills, for the first open."""
        with database.reading() as session:
            mine = select(Bill.seq).where(Bill.order_id == order.id, Bill.state == BillState.open)
            seq = session.scalar(mine.order_by(Bill.seq).limit(1))
        opening = remote.open_payment(
            self.cashier,
            order.id,
            means or self.means,
            description="青禾茶铺",
            now=clock.now(),
            seq=seq,
        )
        return dict(opening.params)

    def asked(self, attempt: PaymentAttempt) -> Transaction:
        """What the channel says of an attempt that it knows."""
        found = self.cashier.of(attempt.channel, attempt.account).query(asked_of(attempt))
        assert found is not None
        return found

    def order(self, payable_fen: int = 2500, **values: Any) -> Order:
        """Placed a moment ago, with its bill."""
        now = datetime.now(UTC)
        with database.transaction() as session:
            placed: dict[str, Any] = {"placed_at": now, "expires_at": now + PAY_WITHIN} | values
            order = make_order(session, self.member, self.store, payable_fen=payable_fen, **placed)
            billing.open_bill(session, order)
        return order

    def deliver(self, notice: HeldNotice) -> int:
        answer = self.app.test_client().post(notice.path, data=notice.body, headers=notice.headers)
        return answer.status_code

    def run_jobs(self, *names: str, until: datetime | None = None) -> list[str]:
        """Run each waiting job of these names once, due or not (`until`: those that are due by
        then); each outcome in a word."""
        now = clock.now()
        due = () if until is None else (OutboxJob.run_at <= until,)
        with database.reading() as session:
            ids = session.scalars(
                select(OutboxJob.id)
                .where(OutboxJob.state == JobState.waiting, OutboxJob.name.in_(names), *due)
                .order_by(OutboxJob.id)
            ).all()
        outcomes = []
        for job_id in ids:
            with database.transaction() as session:
                assert outbox.take(session, job_id, lease=timedelta(minutes=1), now=now)
                attempt = session.get_one(OutboxJob, job_id, populate_existing=True).attempt
            outcomes.append(runner.execute(job_id, attempt))
        return outcomes

    def queued(self) -> list[str]:
        with database.reading() as session:
            return list(
                session.scalars(
                    select(OutboxJob.name)
                    .where(OutboxJob.state == JobState.waiting)
                    .order_by(OutboxJob.id)
                )
            )

    def read(self, order: Order) -> Order:
        with database.reading() as session:
            return session.get_one(Order, order.id)

    def bill(self, order: Order) -> Bill:
        with database.reading() as session:
            return session.scalars(select(Bill).where(Bill.order_id == order.id)).one()

    def attempts(self, order: Order) -> list[PaymentAttempt]:
        with database.reading() as session:
            return list(
                session.scalars(
                    select(PaymentAttempt)
                    .join(Bill, Bill.id == PaymentAttempt.bill_id)
                    .where(Bill.order_id == order.id)
                    .order_by(PaymentAttempt.id)
                )
            )

    def refunds(self, order: Order) -> list[Refund]:
        with database.reading() as session:
            return list(
                session.scalars(
                    select(Refund).where(Refund.order_id == order.id).order_by(Refund.id)
                )
            )

    def ledger(self) -> list[tuple[str, int]]:
        """(account without its number, amount) in the order of posting."""
        with database.reading() as session:
            rows = session.scalars(select(LedgerEntry).order_by(LedgerEntry.id)).all()
        return [(row.account.partition(":")[0], row.amount_fen) for row in rows]


@pytest.fixture
def till(app: Flask, channel: Channel) -> Till:
    return open_till(app, channel)


@pytest.fixture
def mariadb_till(
    channel: Channel, till_config: Callable[..., dict[str, Any]], mariadb: MariaDB
) -> Iterator[Till]:
    """The same on an empty MariaDB database, with connections for a crowd."""
    with lease(mariadb) as url:
        raw = till_config(channel.base, url)
        raw["database"]["pool_size"] = 40
        with running(config.parse(raw)) as app:
            yield open_till(app, channel)


def open_till(app: Flask, channel: Channel) -> Till:
    with database.transaction() as session:
        merchant = make_merchant(session, code=demo_config.MERCHANT)
        store = make_store(session, merchant)
        member = make_member(session, merchant=merchant)
    return Till(app, channel, member, store)


Post = Callable[..., TestResponse]


@pytest.fixture
def post(till: Till) -> Post:
    """Calls as 阿青, who is the member of the till."""
    token = log_in(till.member, "aqing")

    def call(path: str, *, key: str | None = None, body: Any = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {token}"}
        if key:
            headers["Idempotency-Key"] = key
        return till.app.test_client().post(
            f"/api/v1/{path}", json={"channel": "wechat"} if body is None else body, headers=headers
        )

    return call


def log_in(member: Member, name: str) -> str:
    """The token of a member, who is `name` among the people of the sandbox."""
    now = clock.now()
    with database.transaction() as session:
        member = session.get_one(Member, member.id)
        identity = Identity(
            person_id=member.person_id,
            kind=IdentityKind.mini,
            appid=MINI,
            openid=openid_of(MINI, name),
            created_at=now,
        )
        session.add(identity)
        session.flush()
        return open_session(
            session,
            person=session.get_one(Person, member.person_id),
            identity=identity,
            audience=Audience.member,
            lifetime=timedelta(days=1),
            now=now,
        )
