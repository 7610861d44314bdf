"""A process that dies right after its commit has told nobody: the outbox tells them."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import select

from core import database
from core.database import reading
from core.outbox import JobState, OutboxJob
from tasks import relay, worker
from tests.conftest import raw_config

pytestmark = [pytest.mark.faults, pytest.mark.mariadb]

DYING_DOOR = """
import os, signal, sys
from app import create_app
from core import config, outbox
from core.database import transaction

app = create_app(config.parse({raw!r}))
with app.app_context():
    outbox.wake = lambda: os.kill(os.getpid(), signal.SIGKILL)
    with transaction() as session:
        outbox.enqueue(session, "core.tidy")
"""


def test_a_job_of_a_killed_process_still_runs(
    mariadb_app: Flask, redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    url = database.db.engine.url.render_as_string(hide_password=False)
    raw = raw_config(tmp_path, database={"url": url}, redis={"url": redis_url})
    code = DYING_DOOR.format(raw=raw)
    died = subprocess.run([sys.executable, "-c", code], check=False)
    assert died.returncode == -signal.SIGKILL

    assert relay.push_due(redis) == 1
    worker.work([], burst=True)

    with reading() as session:
        assert session.scalars(select(OutboxJob.state)).all() == [JobState.done]
