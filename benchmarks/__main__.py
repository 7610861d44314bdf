"""`python -m benchmarks [name…]`: run, print, and write what was measured to RESULTS.md."""

import importlib
import pkgutil
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import benchmarks
from benchmarks.harness import Result

FILE = Path(__file__).parent / "RESULTS.md"
SHARED = {"harness", "crowd", "load", "bare_callback", "__main__"}
HEAD = "| name | what | ours | yardstick | unit | ratio | limit | holds | note |\n"
RULE = "| --- | --- | ---: | ---: | --- | ---: | ---: | --- | --- |\n"


def names() -> list[str]:
    found = [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]
    return [name for name in found if name not in SHARED]


def sign(result: Result) -> str:
    return "≥" if result.at_least else "≤"


def row(result: Result) -> str:
    verdict = "yes" if result.holds else "**no**"
    cells = (
        result.name,
        result.what,
        f"{result.ours:,.1f}",
        f"{result.yardstick:,.1f}",
        result.unit,
        f"{result.ratio:.2f}",
        f"{sign(result)} {result.limit:.2f}",
        verdict,
        result.note,
    )
    return f"| {' | '.join(cells)} |\n"


def main() -> None:
    wanted = sys.argv[1:] or names()
    if unknown := set(wanted) - set(names()):
        sys.exit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    results: list[Result] = []
    for name in wanted:
        print(f"… {name}", flush=True)
        for result in importlib.import_module(f"benchmarks.{name}").run():
            print(
                f"  {result.what}: {result.ours:,.1f} against {result.yardstick:,.1f} {result.unit}"
                f" = {result.ratio:.2f} ({sign(result)} {result.limit:.2f})"
                f" {'holds' if result.holds else 'FAILS'}",
                flush=True,
            )
            results.append(result)
    if not sys.argv[1:]:
        about = f"{platform.machine()}, Python {platform.python_version()}"
        FILE.write_text(
            f"# Measured on {datetime.now(UTC):%Y-%m-%d}\n\nBy `make bench`; {about}. Both sides in"
            f" the same run, on MariaDB with durable commits.\n\n{HEAD}{RULE}"
            + "".join(row(result) for result in results),
            encoding="utf-8",
        )
    sys.exit(0 if all(result.holds for result in results) else 1)


if __name__ == "__main__":
    main()
