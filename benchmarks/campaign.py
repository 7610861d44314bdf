"""A campaign for everybody: issued in full, then sent to the sandbox by RQ's workers, one and two.

`SIZE` people (100,000 unless said otherwise) are written down and issued to, all of them. Sending
is measured for SECONDS with one worker, for SECONDS with two, which then go on to the last person;
in the end every one has one coupon and one message. What a worker could do at most is measured in
the same minutes: jobs of RQ that do nothing, and the same requests by a bare client with the same
hands.

WeChat answers after LATENCY seconds, and the sandbox does too: a worker waits for WeChat, it does
not compute, so what is measured is how well it waits for many answers at once. Without a latency
the sandbox would be what is measured: it plays WeChat on the same cores that the workers, the
database and Redis share, and whatever another worker gained it would lose.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import func, select, text

from app import create_app
from benchmarks import crowd
from benchmarks.harness import Result
from core import clock, config, database
from core.config import current_config
from core.database import reading, transaction
from coupons.models import Coupon
from crm import campaigns, contacts, segments
from crm.campaigns import tallies
from crm.campaigns.drafting import Draft
from crm.models import Campaign, RecipientState
from merchants.models import Merchant
from messaging.hands import HANDS
from scripts.tree import Tree, free_port, new_directory
from tests.factories.coupons import make_template
from tests.servers import MariaDB

SECONDS = float(os.environ.get("SECONDS", "20"))
LATENCY = float(os.environ.get("LATENCY", "0.05"))
SENDS = "api.subscribe_send,api.custom_send"
NOTHING = 2_000  # jobs
WARM = 3.0


def run() -> Iterator[Result]:
    with _tree() as tree:
        app = create_app(config.load(tree.config, environ={}))
        with app.app_context():
            campaign_id, prefix = _prepare(tree)
            issuing = _issue(campaign_id)
            tree.start_worker("worker-1", "bulk")
            tree.spawn("relay", sys.executable, "-m", "tasks", "scheduler")
            began = time.perf_counter()
            _wait_sent(campaign_id)
            at_first = _memory(tree, "worker-1")
            one = _sent_per_second(campaign_id)
            tree.start_worker("worker-2", "bulk")
            time.sleep(WARM)
            two = _sent_per_second(campaign_id)
            _finish(campaign_id)
            took = time.perf_counter() - began
            at_last = max(_memory(tree, name) for name in ("worker-1", "worker-2"))
            for name in ("relay", "worker-1", "worker-2"):
                tree.kill(name)
            _check(tree, campaign_id)
            jobs = _jobs_per_second(tree)
            bare = _bare_client(tree, prefix)
            database.db.engine.dispose()
    size = f"{crowd.MEMBERS:,} people, WeChat answers after {LATENCY * 1000:.0f} ms"
    note = f"no-op jobs {jobs:,.0f}/s, bare client {bare:,.0f}/s, issued at {issuing:,.0f}/s"
    yield Result("campaign", f"one worker: {size}", one, min(jobs, bare), "/s", 0.70, note=note)
    whole = f"everybody was sent to in {took / 60:.1f} minutes"
    yield Result("campaign", "two workers beside one", two, one, "/s", 1.70, note=whole)
    grown = "the larger of two at the end, beside the first when it had just begun"
    yield Result("campaign", "a worker's memory", at_last, at_first, "MiB", 1.15, False, grown)


@contextmanager
def _tree() -> Iterator[Tree]:
    with tempfile.TemporaryDirectory(prefix="linli-bench-") as folder:
        root = Path(folder)
        with MariaDB(root, buffer_pool="2G", durable=True) as server, server.database() as url:
            tree = Tree(new_directory(root), free_port(), free_port(), database_url=url)
            try:
                tree.prepare()
                _set(tree.config, "wechat", "sends_per_second = 10000")
                _set(tree.config, "sandbox", "send_events = false")
                tree.start_sandbox()
                yield tree
            finally:
                tree.stop()


def _set(file: Path, section: str, line: str) -> None:
    """The account's own rate is not what is measured, and nobody is there to hear of arrivals."""
    head, _, rest = file.read_text().partition(f"[{section}]\n")
    file.write_text(f"{head}[{section}]\n{line}\n{rest}")


def _prepare(tree: Tree) -> tuple[int, str]:
    """Everybody may be sent one subscribe message, and WeChat knows them all."""
    mini = current_config().wechat.mini_programs[0]
    template_id = mini.subscribe_templates["coupon_arrived"]
    # What the bare client sends is not granted to anybody yet: it has a second one.
    made = tree.ask_sandbox("crowd", {"size": crowd.MEMBERS, "grants": {template_id: 2}})
    slow = {"api": SENDS, "kind": "delay", "times": None, "seconds": LATENCY}
    tree.ask_sandbox("faults", slow)
    prefix = made["prefixes"][mini.appid]
    now = clock.now()
    with database.Session(database.db.engine) as session:
        crowd.fill(session, orders_each=1)
        values = {"appid": mini.appid, "prefix": prefix, "template": template_id}
        for statement in (
            "INSERT INTO identities (person_id, kind, appid, openid, created_at)"
            " SELECT id, 'mini', :appid, CONCAT(:prefix, LPAD(id - 1, 16, '0')), :now FROM members",
            "INSERT INTO subscribe_grants (appid, openid, template_id, remaining, updated_at)"
            " SELECT :appid, CONCAT(:prefix, LPAD(id - 1, 16, '0')), :template, 1, :now"
            " FROM members",
            "ANALYZE TABLE identities, subscribe_grants",
        ):
            session.execute(text(statement), {**values, "now": now.replace(tzinfo=None)})
        session.commit()
    with transaction() as session:
        merchant = session.get_one(Merchant, 1)
        contacts.set_rules(session, 1, most=0, quiet_hours=None, actor="system", now=now)
        segment = segments.create(
            session, 1, name="所有人", rule={"op": "and", "rules": []}, actor="system", now=now
        )
        template = make_template(session, merchant)
        draft = Draft("全员", segment.id, template.id, "好久不见", 0)
        campaign = campaigns.create(session, 1, draft, actor="system", now=now)
        campaigns.approve(session, campaign, actor="system", now=now)
        return campaign.id, prefix


def _issue(campaign_id: int) -> float:
    """Launch and issue to everybody, slice by slice as the job does; people a second."""
    now, began = clock.now(), time.perf_counter()
    with transaction() as session:
        campaign = session.get_one(Campaign, campaign_id)
        assert campaigns.launch(session, campaign, actor="system", now=now) == crowd.MEMBERS
    last = False
    while not last:
        with transaction() as session:
            batch = campaigns.next_batch(session, campaign_id, now=now)
            assert batch is not None
            last = batch.last
    return crowd.MEMBERS / (time.perf_counter() - began)


def _wait_sent(campaign_id: int) -> None:
    while not _count(campaign_id, RecipientState.sent):
        time.sleep(0.2)
    time.sleep(WARM)


def _count(campaign_id: int, state: RecipientState) -> int:
    with reading() as session:
        return tallies.read(session, campaign_id).get(tallies.reached(state), 0)


def _sent_per_second(campaign_id: int) -> float:
    began, before = time.perf_counter(), _count(campaign_id, RecipientState.sent)
    while time.perf_counter() - began < SECONDS:
        time.sleep(0.5)
        if not _count(campaign_id, RecipientState.issued):
            break
    now = _count(campaign_id, RecipientState.sent)
    return (now - before) / (time.perf_counter() - began)


def _finish(campaign_id: int) -> None:
    """Until nobody is left."""
    while _count(campaign_id, RecipientState.issued) or _count(campaign_id, RecipientState.sending):
        time.sleep(1)


def _check(tree: Tree, campaign_id: int) -> None:
    """Everybody has one coupon, and WeChat brought everybody one message."""
    with reading() as session:
        coupons = session.scalar(select(func.count(Coupon.id)))
        owners = session.scalar(select(func.count(Coupon.member_id.distinct())))
        stand = tallies.read(session, campaign_id)
    assert coupons == owners == crowd.MEMBERS, (coupons, owners)
    assert stand.get(tallies.reached(RecipientState.sent)) == crowd.MEMBERS, stand
    with urlopen(f"{tree.sandbox_url}/sandbox/api/state?limit=1") as answer:
        brought = json.load(answer)["sent_counts"]
    assert brought == {"subscribe:0": crowd.MEMBERS}, brought


def _memory(tree: Tree, name: str) -> float:
    """Resident, in MiB."""
    status = Path(f"/proc/{tree.processes[name].pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1_024


def _jobs_per_second(tree: Tree) -> float:
    connection = Redis.from_url(tree.redis_url)
    queue = Queue("noop", connection=connection, serializer=JSONSerializer)
    queue.empty()
    for _ in range(NOTHING):
        queue.enqueue("time.sleep", 0, result_ttl=0)
    code = (
        "import sys; from redis import Redis; from rq import Queue, SimpleWorker;"
        "from rq.serializers import JSONSerializer as S;"
        "c = Redis.from_url(sys.argv[1]); q = Queue('noop', connection=c, serializer=S);"
        "SimpleWorker([q], connection=c, serializer=S).work(burst=True, logging_level='ERROR')"
    )
    with subprocess.Popen([sys.executable, "-c", code, tree.redis_url]) as worker:
        while queue.count > NOTHING - 100:
            time.sleep(0.02)
        began, left = time.perf_counter(), queue.count
        while queue.count > 100:
            time.sleep(0.02)
        took = time.perf_counter() - began
        done = left - queue.count
        worker.wait(60)
    return done / took


def _bare_client(tree: Tree, prefix: str) -> float:
    """The same request by the same number of hands, each with a connection kept alive."""
    settings = current_config().wechat
    mini = settings.mini_programs[0]
    token = _token(tree, mini)
    template_id = mini.subscribe_templates["coupon_arrived"]
    host = urlsplit(tree.sandbox_url).netloc
    until = time.perf_counter() + min(SECONDS, 10)
    answered = [0] * HANDS

    def work(hand: int) -> None:
        connection, number = HTTPConnection(host), crowd.MEMBERS - 1 - hand  # the last ones
        while time.perf_counter() < until:
            body = {
                "touser": f"{prefix}{number:016d}",
                "template_id": template_id,
                "page": "pages/coupons/coupons",
                "data": {
                    "thing1": {"value": "老客回店券"},
                    "time2": {"value": "2026年12月1日 10:00"},
                    "thing3": {"value": "好久不见"},
                },
            }
            path = f"/cgi-bin/message/subscribe/send?access_token={token}"
            connection.request("POST", path, json.dumps(body, ensure_ascii=False).encode())
            said = json.loads(connection.getresponse().read())
            assert said["errcode"] == 0, said
            answered[hand] += 1
            number -= HANDS

    began = time.perf_counter()
    threads = [Thread(target=work, args=(hand,)) for hand in range(HANDS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(answered) / (time.perf_counter() - began)


def _token(tree: Tree, mini: Any) -> str:
    connection = HTTPConnection(urlsplit(tree.sandbox_url).netloc)
    asked = {
        "grant_type": "client_credential",
        "appid": mini.appid,
        "secret": mini.secret.get_secret_value(),
    }
    connection.request("POST", "/cgi-bin/stable_token", json.dumps(asked).encode())
    return str(json.loads(connection.getresponse().read())["access_token"])
