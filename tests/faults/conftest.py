"""One tree of processes on a MariaDB and a Redis of its own, to be killed and stopped.

The tree is started once, because that takes longer than most tests; every test finds it whole
again and plays with people of its own.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import create_app
from core import clock, config, database
from scripts.tree import Tree, free_port, new_directory
from tests.faults.world import World, give_up_campaigns, heal
from tests.servers import MariaDB


@pytest.fixture(scope="session")
def _tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Tree, MariaDB]]:
    with ExitStack() as stack:
        root = Path(tmp_path_factory.mktemp("world"))
        server = stack.enter_context(MariaDB(root))
        url = stack.enter_context(server.database())
        tree = Tree(new_directory(root), free_port(), free_port(), database_url=url)
        stack.callback(tree.stop)
        tree.start()
        yield tree, server


@pytest.fixture
def world(_tree: tuple[Tree, MariaDB]) -> Iterator[World]:
    """The running tree, whole at the beginning of the test and again at its end."""
    tree, server = _tree
    heal(tree, server)
    app = create_app(config.load(tree.config, environ={}))
    with app.app_context():
        yield World(tree, server)
        heal(tree, server)
        give_up_campaigns()
        database.db.engine.dispose()
    clock.follow_file(None)
