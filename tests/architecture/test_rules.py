"""Rules that a machine keeps: who may call what, names that must exist, sizes, the example file."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from core import config
from tasks.registry import QUEUES, jobs
from tasks.schedule import SCHEDULE

ROOT = Path(__file__).resolve().parents[2]
NOT_OURS = {"tests", "migrations", "benchmarks", "scripts", "miniprogram", "var", ".venv", ".git"}
CEILING = 400


def sources() -> list[Path]:
    files = [*ROOT.glob("*.py"), *ROOT.glob("*/**/*.py")]
    return [
        file
        for file in files
        if file.relative_to(ROOT).parts[0] not in NOT_OURS and "node_modules" not in file.parts
    ]


def packages() -> set[str]:
    return {file.relative_to(ROOT).parts[0] for file in sources() if file.parent != ROOT}


def calls(name: str) -> Iterator[tuple[Path, ast.Call]]:
    for file in sources():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                called = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
                if called == name:
                    yield file, node


def enqueued() -> dict[str, Path]:
    found: dict[str, Path] = {}
    for file, call in [*calls("enqueue"), *calls("enqueue_first"), *calls("each")]:
        literals = [a.value for a in call.args[1:] if isinstance(a, ast.Constant)]
        names = [value for value in literals if isinstance(value, str)]
        if names:
            found[names[0]] = file
    return found


def test_every_package_is_in_the_import_contract() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]

    assert packages() == set(contract["root_packages"])


def test_every_package_says_what_it_owns() -> None:
    silent = [
        name
        for name in sorted(packages())
        if not ast.get_docstring(ast.parse((ROOT / name / "__init__.py").read_text()))
    ]

    assert silent == []


def test_every_route_declares_its_audience(app: Flask) -> None:
    undeclared = [
        rule.endpoint
        for rule in app.url_map.iter_rules()
        if not hasattr(app.view_functions[rule.endpoint], "audience")
    ]

    assert undeclared == []


def test_every_queued_job_exists_and_every_job_is_queued() -> None:
    asked = set(enqueued()) | {entry.name for entry in SCHEDULE}

    assert asked - set(jobs()) == set()
    assert set(jobs()) - asked == set()


def test_every_job_has_a_worker() -> None:
    assert {job.queue for job in jobs().values()} <= set(QUEUES)


def test_periodic_jobs_are_listed_once() -> None:
    names = [entry.name for entry in SCHEDULE]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("file", sources(), ids=lambda file: str(file.relative_to(ROOT)))
def test_no_module_is_long(file: Path) -> None:
    assert len(file.read_text(encoding="utf-8").splitlines()) <= CEILING


def test_the_median_module_is_short() -> None:
    lengths = sorted(len(file.read_text(encoding="utf-8").splitlines()) for file in sources())

    assert lengths[len(lengths) // 2] <= 105  # "about 100"


def test_the_example_configuration_loads() -> None:
    loaded = config.load(ROOT / "config.example.toml", environ={})

    assert loaded.wechat.official_accounts[0].merchant == "qinghe"


def test_a_wrong_configuration_lists_every_problem_at_once() -> None:
    with pytest.raises(config.ConfigError) as refusal:
        config.parse({"app": {"secret_key": "short", "encryption_keys": ["x"]}, "redis": {"u": 1}})

    assert set(refusal.value.problems) == {"app.secret_key", "app.encryption_keys", "redis.u"}


def test_the_environment_overrides_the_file() -> None:
    environ = {"LINLI_DATABASE__URL": "sqlite:///x.db", "LINLI_DATABASE__POOL_SIZE": "3"}

    loaded = config.load(ROOT / "config.example.toml", environ=environ)

    assert (loaded.database.url, loaded.database.pool_size) == ("sqlite:///x.db", 3)


def test_only_the_configuration_reads_the_environment() -> None:
    readers = [
        str(file.relative_to(ROOT))
        for file in sources()
        if re.search(r"os\.(environ|getenv)", file.read_text(encoding="utf-8"))
        and file.parts[-2:] != ("core", "config.py")
        and "sandbox" not in file.parts
    ]

    assert readers == []


def opens(source: str) -> list[str]:
    """How a transaction is opened or ended in this module, if it is. A savepoint is neither."""
    return [
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and (name := getattr(node.func, "attr", None) or getattr(node.func, "id", None))
        in {"transaction", "at_once", "begin", "commit"}
        and getattr(getattr(node.func, "value", None), "id", None) != "idempotency"
    ]


def test_every_way_to_open_a_transaction_is_known() -> None:
    ways = "with transaction() as s: pass\nwith database.at_once(): s.begin()\ns.commit()"

    assert sorted(opens(ways)) == ["at_once", "begin", "commit", "transaction"]
    assert opens("with s.begin_nested(): idempotency.begin(s)") == []


CONVERSATIONS = {"payments/counter.py", "payments/redirecting.py"}
"""Beside every `remote.py`: they talk to a channel between two short transactions."""


def test_nothing_but_doors_and_jobs_opens_a_transaction() -> None:
    doors = {
        "wxapp_api",
        "open_api",
        "official_account",
        "console",
        "tasks",
        "cli",
        "core",
        "sandbox",
        "app.py",
    }
    opened = {
        str(file.relative_to(ROOT)): ways
        for file in sources()
        if file.relative_to(ROOT).parts[0] not in doors
        and file.name != "remote.py"
        and str(file.relative_to(ROOT)) not in CONVERSATIONS
        and (ways := opens(file.read_text(encoding="utf-8")))
    }

    assert opened == {}


def test_the_import_contract_holds() -> None:
    program = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run([program], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_ledgers_only_grow() -> None:
    """Nobody changes or deletes an entry: not by a statement, not by name."""
    ledgers = {"CouponEntry", "PointEntry", "LedgerEntry", "AuditEntry", "Shift", "ShiftLine"}
    edits = {"update", "delete", "compare_and_set", "must_move", "_update_where"}
    changed = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in sources()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and (getattr(node.func, "attr", None) or getattr(node.func, "id", None)) in edits
        and ledgers & {getattr(argument, "id", None) for argument in node.args}
    ]

    assert changed == []


def test_no_two_shapes_of_the_json_doors_share_a_name() -> None:
    """The description names a shape by its class: of two, one would stand for both."""
    names = [
        node.name
        for door in ("wxapp_api", "open_api")
        for file in sorted((ROOT / door).rglob("*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and node.name.endswith(("In", "Out"))
    ]

    assert len(names) > 30
    assert sorted(names) == sorted(set(names))
