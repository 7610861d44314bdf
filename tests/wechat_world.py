"""The shop on its own database and the sandbox as WeChat, talking to each other over loopback.

The sandbox runs in a thread and pushes straight into the shop's WSGI application; the shop calls
the sandbox over HTTP, with the client code that runs in production.
"""

import threading
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.serving import BaseWSGIServer, make_server

import gateways
from core import clock, config, outbox
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob
from sandbox import acts, settings
from sandbox.demo_config import MINI, OFFICIAL, write
from sandbox.outgoing import Answer
from sandbox.people import Person, openid_of
from sandbox.server import create_sandbox
from sandbox.state import World
from tasks.registry import find_job
from tasks.runner import execute
from tests.tables import running


class Switchboard:
    """What the sandbox pushes goes to the application that is running now."""

    app: Flask | None = None

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        assert self.app is not None
        path = "/" + url.split("/", 3)[3]
        answer = self.app.test_client().post(path, data=body, headers=dict(headers))
        return Answer(answer.status_code, answer.get_data(as_text=True))


@dataclass
class Wechat:
    """A sandbox for the whole run: `reset` between tests. `raw` is the shop's configuration."""

    server: BaseWSGIServer
    world: World
    switchboard: Switchboard
    raw: dict[str, Any]

    def reset(self) -> None:
        self.world.reset(everything=True)
        self.world.faults.remove()
        self.set_mode("safe")

    def set_mode(self, mode: str) -> None:
        """WeChat pushes in this mode from now on, and the shop's accounts are set to it."""
        self.push_in(mode)
        for kind in ("official_accounts", "mini_programs"):
            for account in self.raw["wechat"][kind]:
                account["mode"] = mode
        if self.switchboard.app is not None:
            gateways.connect(self.switchboard.app, config.parse(self.raw))

    def push_in(self, mode: str) -> None:
        """WeChat pushes in this mode, whatever the shop expects."""
        for account in self.world.settings.accounts.values():
            object.__setattr__(account, "mode", mode)


@contextmanager
def run_sandbox(directory: Path, **options: Any) -> Iterator[Wechat]:
    server_socket = make_server("127.0.0.1", 0, Flask("placeholder"), threaded=True)
    url = f"http://127.0.0.1:{server_socket.server_port}"
    file = write(
        directory / "config.toml",
        base_url="http://127.0.0.1:8000",
        sandbox_url=url,
        directory=directory,
        database_url="sqlite:///unused.db",
        redis_url="redis://127.0.0.1:1/0",
        sandbox={"send_events": False},
        **options,
    )
    raw = tomllib.loads(file.read_text())
    del raw["app"]["clock_file"]  # tests live on the real clock
    raw["logging"] = {"level": "error"}
    switchboard = Switchboard()
    sandbox = create_sandbox(settings.from_mapping(raw), deliver=switchboard)
    server_socket.app = sandbox
    thread = threading.Thread(target=server_socket.serve_forever, daemon=True)
    thread.start()
    yield Wechat(server_socket, sandbox.extensions["sandbox"], switchboard, raw)
    server_socket.shutdown()
    thread.join(5)
    server_socket.server_close()


@dataclass
class Shop:
    """One application and the people around it."""

    app: Flask
    wechat: Wechat

    @property
    def world(self) -> World:
        return self.wechat.world

    def person(self, person_id: str) -> Person:
        return self.world.people.get(person_id)

    def openid(self, person_id: str, appid: str = OFFICIAL) -> str:
        return openid_of(appid, person_id)

    def scan(self, person_id: str, scene: str) -> dict[str, Any]:
        qr = next(qr for qr in self.world.qrs.list(limit=10_000) if qr.scene == scene)
        return acts.scan(self.world, self.person(person_id), qr.content)

    def follow(self, person_id: str) -> dict[str, Any]:
        return acts.follow(
            self.world, self.person(person_id), self.world.settings.accounts[OFFICIAL]
        )

    def unfollow(self, person_id: str) -> dict[str, Any]:
        return acts.unfollow(
            self.world, self.person(person_id), self.world.settings.accounts[OFFICIAL]
        )

    def say(self, person_id: str, text: str) -> dict[str, Any]:
        account = self.world.settings.accounts[OFFICIAL]
        return acts.say(self.world, self.person(person_id), account, text)

    def chat(self, person_id: str, appid: str = OFFICIAL) -> list[dict[str, Any]]:
        """What the person sees of the account's messages."""
        shown = self.world.chats.list(self.person(person_id), appid)
        return [message for message in shown if message["from"] == "account"]

    def login_code(self, person_id: str, appid: str = MINI) -> str:
        return self.app_post(f"people/{person_id}/login-code", {"appid": appid})["code"]

    def app_post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """A call to the sandbox's control API."""
        client = self.wechat.server.app.test_client()
        answer = client.post(f"/sandbox/api/{path}", json=body)
        assert answer.status_code < 300, answer.get_data(as_text=True)
        return dict(answer.get_json())

    def fault(self, **values: Any) -> None:
        self.world.faults.add(values)

    def drain(self, *, but: tuple[str, ...] = ()) -> list[str]:
        """Run every job that is due, in order, until none is; returns `name:outcome`."""
        ran: list[str] = []
        while True:
            with reading() as session:
                gathering = OutboxJob.name == "messaging.act_on_kept"  # due half a second later
                found = select(OutboxJob).where(
                    OutboxJob.state == JobState.waiting,
                    (OutboxJob.run_at <= clock.now()) | gathering,
                )
                rows = [row for row in session.scalars(found) if row.name not in but]
            if not rows:
                return ran
            for row in rows:
                job = find_job(row.name)
                assert job is not None, row.name
                with transaction() as session:
                    lease = clock.timedelta(seconds=60)
                    assert outbox.take(session, row.id, lease=lease, now=clock.now())
                ran.append(f"{row.name}:{execute(row.id, row.attempt + 1)}")


@contextmanager
def run_shop(wechat: Wechat, directory: Path, **sections: dict[str, Any]) -> Iterator[Shop]:
    raw = {**wechat.raw}
    raw["database"] = {"url": f"sqlite:///{directory}/shop.db"}
    raw["app"] = {**raw["app"], "var": str(directory)}
    for name, values in sections.items():
        raw[name] = {**raw.get(name, {}), **values}
    with running(config.parse(raw)) as app:
        wechat.switchboard.app = app
        yield Shop(app, wechat)
    wechat.switchboard.app = None
