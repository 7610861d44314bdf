"""The whole of Linli as one process tree: sandbox, web, workers, scheduler, and Redis if needed.

The demo, the story, the browser tests and the fault tests all start this. Every child ends with
its parent, however that ends.
"""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

from core import embedded_redis
from core.embedded_redis import die_with_parent
from sandbox import demo_config
from scripts.codes import name_codes

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
AUDIENCE = 560
"""Of the finished campaign in the past: enough that its report may come to a verdict."""


def free_port(wanted: int = 0) -> int:
    """`wanted` if nobody listens there, else a free one."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise RuntimeError("no free port")


@dataclass
class Tree:
    """Where everything of one tree lives, and its processes by name."""

    directory: Path
    web_port: int
    sandbox_port: int
    database_url: str = ""
    redis_url: str = ""
    workers: int = 1
    history: int = 0
    sub_mchid: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)
    say: Callable[[str], None] = lambda _text: None

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.web_port}"

    @property
    def sandbox_url(self) -> str:
        return f"http://127.0.0.1:{self.sandbox_port}"

    @property
    def config(self) -> Path:
        return self.directory / "config.toml"

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "LINLI_CONFIG": str(self.config), "PYTHONUNBUFFERED": "1"}

    def prepare(self) -> None:
        """Keys and configuration; then the schema and the demo's data. Safe to repeat."""
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.redis_url:
            self.redis_url = embedded_redis.url(self.directory / "redis")
            started = embedded_redis.start(self.directory / "redis")
            if started:
                self.processes["redis"] = started
        demo_config.write(
            self.config,
            base_url=self.base_url,
            sandbox_url=self.sandbox_url,
            directory=self.directory,
            database_url=self.database_url or f"sqlite:///{self.directory.resolve()}/linli.db",
            redis_url=self.redis_url,
            card_media_id="demo-ticket" if self.history else "",
            sub_mchid=self.sub_mchid,
            past=bool(self.history),
        )
        self.say("建表")
        self.flask("db", "upgrade")

    def flask(self, *command: str) -> str:
        """Run a `flask --app app` command; its output. Raises RuntimeError when it fails."""
        done = subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *command],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"flask {' '.join(command)}\n{done.stdout}\n{done.stderr[-4_000:]}")
        return done.stdout

    def spawn(self, name: str, *command: str) -> None:
        """Start one process of the tree; its output goes to `<directory>/<name>.log`."""
        with (self.directory / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [*command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )

    def start_sandbox(self) -> None:
        command = (sys.executable, "-m", "sandbox", "--port", str(self.sandbox_port))
        state = ("--config", str(self.config), "--state", str(self.directory / "sandbox.json"))
        self.spawn("sandbox", *command, *state)
        self.wait_for(f"{self.sandbox_url}/sandbox/api/clock", "sandbox")

    def start_web(self, name: str = "web", port: int = 0, *, factory: str = "app:serve") -> None:
        options = (
            "--interface",
            "wsgi",
            "--host",
            "127.0.0.1",
            "--port",
            str(port or self.web_port),
        )
        pool: tuple[str, ...] = (
            "--workers",
            "1",
            "--blocking-threads",
            "48",
            "--backlog",
            "1024",
            "--no-ws",
        )
        pool += ("--workers-kill-timeout", "3")  # open streams do not end by themselves
        self.spawn(name, str(BIN / "granian"), *options, *pool, "--factory", factory)
        self.wait_for(f"http://127.0.0.1:{port or self.web_port}/healthz", name)

    def start_worker(self, name: str = "worker", *queues: str) -> None:
        self.spawn(name, sys.executable, "-m", "tasks", "worker", *queues)

    def start_scheduler(self, name: str = "scheduler") -> None:
        self.spawn(name, sys.executable, "-m", "tasks", "scheduler")

    def start(self) -> None:
        """Everything, in the order in which each part needs the others."""
        self.prepare()
        self.say("启动沙箱")
        self.start_sandbox()
        self.say("放进演示数据")
        self.load_data()
        self.say("启动网站、任务和调度")
        for number in range(self.workers):
            self.start_worker(f"worker-{number + 1}")
        self.start_scheduler()
        self.start_web()

    def load_data(self) -> None:
        """The demo's data; with `history` also a past of members and orders, if there is none."""
        command, told = ["demo-data"], self.directory / "past.json"
        if self.history:
            grants = {demo_config.SUBSCRIBE_TEMPLATES["coupon_arrived"]: 1}
            # Whom the shop believes to have talked to it lately, WeChat must know too.
            wanted = {"size": self.history + AUDIENCE, "grants": grants, "open_windows": True}
            crowd = self.ask_sandbox("crowd", wanted)
            command += ["--history", str(self.history), "--audience", str(AUDIENCE)]
            command += ["--crowd", json.dumps(crowd["prefixes"])]
            command += ["--told", str(told)]
        self.data = json.loads(self.flask(*command))
        if told.exists():
            self.ask_sandbox("past", json.loads(told.read_text("utf-8")))
            told.unlink()
        name_codes(self.sandbox_url, self.data)

    def ask_sandbox(self, path: str, body: dict[str, Any]) -> Any:
        request = Request(
            f"{self.sandbox_url}/sandbox/api/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def wait_for(self, url: str, name: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                with urlopen(url, timeout=2):
                    return
            except (URLError, OSError):
                process = self.processes[name]
                if process.poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / f"{name}.log").read_text()[-3_000:]
                    raise RuntimeError(f"{name} 没有启动成功\n{log}") from None
                time.sleep(0.05)

    def kill(self, name: str) -> None:
        """SIGKILL: what a crash or the kernel would do."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(30)

    def stop(self) -> None:
        """End everything, the last started first; what does not listen is killed."""
        for name, process in reversed(list(self.processes.items())):
            process.terminate()
            try:
                process.wait(8)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(8)
            self.processes.pop(name)


@contextmanager
def running(directory: Path, **options: Any) -> Iterator[Tree]:
    """A started tree on free ports, stopped at the end."""
    tree = Tree(directory, free_port(), free_port(), **options)
    try:
        tree.start()
        yield tree
    finally:
        tree.stop()


def new_directory(under: Path) -> Path:
    """A fresh folder with a short path: unix sockets allow 107 bytes."""
    directory = under / f"tree-{secrets.token_hex(3)}"
    directory.mkdir(parents=True)
    return directory
