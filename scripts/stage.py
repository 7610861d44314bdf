"""Where a story is played: a fresh tree, the sandbox, and everybody who is in it."""

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core import embedded_redis
from scripts.player import Console, Person, Sandbox, Unexpected
from scripts.tree import Tree, free_port, new_directory
from tests.servers import MariaDB


@dataclass
class Story:
    """Everybody in the story, and what the last steps left behind."""

    tree: Tree
    sandbox: Sandbox
    guest: Person
    clerk: Person
    owner: Console
    counter: Console
    seen: dict[str, Any] = field(default_factory=dict)

    def password(self, username: str) -> str:
        return str(
            next(s for s in self.tree.data["staff"] if s["username"] == username)["password"]
        )


def expect(holds: object, what: str) -> None:
    if not holds:
        raise Unexpected(what)


@contextmanager
def stage(database: str) -> Iterator[Tree]:
    """A fresh tree on SQLite with the embedded Redis, or on MariaDB with a Redis of its own."""
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="linli-")))
        options: dict[str, Any] = {}
        if database == "mariadb":
            server = stack.enter_context(MariaDB(root))
            options["database_url"] = stack.enter_context(server.database())
            redis = embedded_redis.start(root / "redis")
            options["redis_url"] = embedded_redis.url(root / "redis")
            if redis:
                stack.callback(redis.wait, 10)
                stack.callback(redis.terminate)
        tree = Tree(new_directory(root), free_port(), free_port(), **options)
        stack.callback(tree.stop)
        tree.start()
        yield tree


def begin(tree: Tree) -> Story:
    sandbox = Sandbox(tree.sandbox_url)
    people = {person["name"]: person for person in sandbox.get("people")["people"]}
    appids = {a["kind"]: a["appid"] for a in sandbox.get("accounts")["accounts"]}

    def person(name: str) -> Person:
        return Person(
            tree.base_url,
            sandbox,
            people[name]["id"],
            name,
            official=appids["official"],
            mini=appids["mini"],
        )

    consoles = {staff["username"]: Console(tree.base_url) for staff in tree.data["staff"]}
    for staff in tree.data["staff"]:
        consoles[staff["username"]].log_in(staff["username"], staff["password"])
    return Story(
        tree, sandbox, person("阿青"), person("小周"), consoles["owner"], consoles["xiaozhou"]
    )
