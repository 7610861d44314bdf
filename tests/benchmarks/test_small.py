"""Benchmarks that write, as small as they get: their sides still say what the tables have.

What they measure is no matter here; that both sides write everything is asserted by themselves.
"""

from importlib import import_module
from typing import Any

import pytest

SMALL: dict[str, dict[str, int]] = {
    "checkout": {"BUYERS": 2, "EACH": 1},
    "notification": {"HANDS": 2, "EACH": 1},
    "redemption": {"CLERKS": 2, "EACH": 1},
    "bulk_issue": {"SLICE": 100},
}
CROWD = {"MEMBERS": 400}


@pytest.mark.parametrize("name", SMALL)
def test_both_sides_still_run(name: str, monkeypatch: pytest.MonkeyPatch, mariadb: Any) -> None:
    """`mariadb` only so that a missing program is said as everywhere."""
    crowd, benchmark = import_module("benchmarks.crowd"), import_module(f"benchmarks.{name}")
    for module, values in ((crowd, CROWD), (benchmark, SMALL[name])):
        for key, value in values.items():
            monkeypatch.setattr(module, key, value)

    results = list(benchmark.run())

    assert results
    for result in results:
        assert result.ours > 0, result.what
        assert result.yardstick > 0, result.what
