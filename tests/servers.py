"""Private servers for tests and benchmarks: started in a folder of their own, gone afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import pymysql

from core.embedded_redis import die_with_parent
from core.numbers import random_code


@contextlib.contextmanager
def frozen(process: subprocess.Popen[bytes] | None) -> Iterator[None]:
    """A process that holds its sockets and answers nobody.

    The signal is only asked for: a thread that runs, or is woken, may answer once more.
    """
    assert process is not None
    tasks = Path(f"/proc/{process.pid}/task")
    process.send_signal(signal.SIGSTOP)
    try:
        while not all(_stands(file) for file in tasks.glob("*/stat")):
            time.sleep(0.005)
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def _stands(stat: Path) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended
        return stat.read_text().rpartition(")")[2].split()[0] == "T"
    return True


class MariaDB:
    """A MariaDB of one's own on a unix socket, READ COMMITTED, tuned for tests."""

    def __init__(
        self, directory: Path, *, buffer_pool: str = "256M", durable: bool = False
    ) -> None:
        self.directory = directory
        self.socket = Path(f"/tmp/linli-{os.getpid()}-{random_code(6).lower()}.sock")
        self.options = [
            f"--datadir={directory / 'data'}",
            f"--socket={self.socket}",
            f"--pid-file={directory / 'mariadbd.pid'}",
            f"--tmpdir={directory}",  # a server that starts clears its folder of others' tables
            "--skip-networking",
            "--skip-grant-tables",
            "--transaction-isolation=READ-COMMITTED",
            "--character-set-server=utf8mb4",
            "--collation-server=utf8mb4_unicode_ci",
            f"--innodb-buffer-pool-size={buffer_pool}",
            f"--innodb-flush-log-at-trx-commit={1 if durable else 2}",
            "--max-connections=400",
            "--skip-log-bin",
            "--innodb-use-native-aio=0",  # the kernel's places for it run out with a few servers
        ]
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "MariaDB":
        install = shutil.which("mariadb-install-db") or "/usr/bin/mariadb-install-db"
        user = ["--user=root"] if os.geteuid() == 0 else []
        made = subprocess.run(
            [
                install,
                "--no-defaults",
                f"--datadir={self.directory / 'data'}",
                f"--tmpdir={self.directory}",
                *user,
                "--auth-root-authentication-method=normal",
                "--skip-test-db",
                "--innodb-use-native-aio=0",
            ],
            capture_output=True,
            text=True,
        )
        if made.returncode:
            raise RuntimeError(f"mariadb-install-db: {made.stdout[-1_000:]}{made.stderr[-1_000:]}")
        self.start()
        return self

    def start(self) -> None:
        """Start the server and wait until it answers."""
        program = shutil.which("mariadbd") or "/usr/sbin/mariadbd"
        user = ["--user=root"] if os.geteuid() == 0 else []
        with (self.directory / "mariadbd.log").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "--no-defaults", *self.options, *user],
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(pymysql.Error, OSError):
                self.connect().close()
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.directory / "mariadbd.log").read_text()[-2_000:])
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it as a crash would not: cleanly. `kill` is for the other case."""
        if self.process:
            self.process.terminate()
            self.process.wait(60)

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait(60)

    def connect(self, name: str | None = None) -> pymysql.Connection:
        return pymysql.connect(
            unix_socket=str(self.socket), user="root", database=name, autocommit=True
        )

    def url(self, name: str) -> str:
        return f"mysql+pymysql://root@localhost/{name}?unix_socket={self.socket}"

    @contextlib.contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a fresh, empty database that is dropped afterwards."""
        name = self.create_database()
        yield self.url(name)
        self.drop_database(name)

    def create_database(self) -> str:
        name = f"linli_{random_code(8).lower()}"
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        return name

    def drop_database(self, name: str) -> None:
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE {name}")

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.kill()
        with contextlib.suppress(FileNotFoundError):
            self.socket.unlink()
