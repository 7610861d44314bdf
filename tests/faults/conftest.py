"""One tree of processes on a MariaDB and a Redis of its own, to be killed and stopped.

The tree is started once, because that takes longer than most tests; every test finds it whole
again and plays with people of its own.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from app import create_app
from core import clock, config, database
from sandbox.demo_config import SUB_MCHID
from scripts.tree import Tree, free_port, new_directory
from tests.faults.world import World, give_up_campaigns, heal
from tests.servers import MariaDB


@pytest.fixture(scope="session")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tree, MariaDB]]:
    with _started(Path(tmp_path_factory.mktemp("world"))) as started:
        yield started


@pytest.fixture
def world(_tree: tuple[Tree, MariaDB]) -> Iterator[World]:
    """The running tree, whole at the beginning of the test and again at its end."""
    tree, server = _tree
    heal(tree, server)
    with _inside(tree, server) as found:
        yield found
        heal(tree, server)
        give_up_campaigns()


@pytest.fixture
def lone_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A tree for this test only: whoever waits for the night's jobs would find those of the
    others, and what it leaves would be theirs."""
    with _started(Path(tmp_path_factory.mktemp("lone"))) as started, _inside(*started) as found:
        yield found


@pytest.fixture
def provider_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The same, of a shop whose money comes in through a service provider."""
    root = Path(tmp_path_factory.mktemp("provider"))
    with _started(root, sub_mchid=SUB_MCHID) as started, _inside(*started) as found:
        yield found


@contextmanager
def _started(root: Path, **options: Any) -> Iterator[tuple[Tree, MariaDB]]:
    with ExitStack() as stack:
        server = stack.enter_context(MariaDB(root))
        url = stack.enter_context(server.database())
        tree = Tree(new_directory(root), free_port(), free_port(), database_url=url, **options)
        stack.callback(tree.stop)
        tree.start()
        yield tree, server


@contextmanager
def _inside(tree: Tree, server: MariaDB) -> Iterator[World]:
    app = create_app(config.load(tree.config, environ={}))
    try:
        with app.app_context():
            yield World(tree, server)
            database.db.engine.dispose()
    finally:
        clock.follow_file(None)
