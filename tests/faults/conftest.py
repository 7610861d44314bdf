"""Whole trees of processes on MariaDB and a Redis of their own, to be killed and stopped."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask

from app import create_app
from core import config, database, embedded_redis
from scripts.player import Console, Person, Sandbox
from scripts.tree import Tree, free_port, new_directory
from tests.servers import MariaDB

STORE = "静安寺店"


@dataclass
class World:
    """A running tree, with what the tests need to look inside it."""

    tree: Tree
    server: MariaDB
    app: Flask

    @property
    def sandbox(self) -> Sandbox:
        return Sandbox(self.tree.sandbox_url)

    def person(self, name: str) -> Person:
        """The persona called `name`, made when there is none."""
        people = self.sandbox.get("people")["people"]
        found = next((person for person in people if person["name"] == name), None)
        found = found or self.sandbox.post("people", name=name, role="顾客")
        accounts = self.sandbox.get("accounts")["accounts"]
        appids = {account["kind"]: account["appid"] for account in accounts}
        return Person(
            self.tree.base_url,
            self.sandbox,
            found["id"],
            name,
            official=appids["official"],
            mini=appids["mini"],
        )

    def console(self) -> Console:
        console = Console(self.tree.base_url)
        owner = next(s for s in self.tree.data["staff"] if s["username"] == "owner")
        console.log_in("owner", owner["password"])
        return console

    def start_redis(self) -> None:
        started = embedded_redis.start(self.tree.directory / "redis")
        assert started
        self.tree.processes["redis"] = started


@pytest.fixture
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., World]]:
    """Start a tree on a fresh MariaDB; everything is stopped at the end of the test."""
    with ExitStack() as stack:

        def make(**options: object) -> World:
            root = Path(tmp_path_factory.mktemp("world"))
            server = stack.enter_context(MariaDB(root))
            url = stack.enter_context(server.database())
            tree = Tree(new_directory(root), free_port(), free_port(), database_url=url, **options)
            stack.callback(tree.stop)
            tree.start()
            app = create_app(config.load(tree.config, environ={}))
            context = app.app_context()
            context.push()
            stack.callback(context.pop)
            stack.callback(database.db.engine.dispose)
            return World(tree, server, app)

        yield make


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()
