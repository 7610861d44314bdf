"""What docs/ and README say is what the code has."""

from pathlib import Path

from scripts import draw_states

ROOT = Path(__file__).resolve().parents[2]


def test_the_state_diagrams_are_the_codes() -> None:
    assert draw_states.FILE.read_text(encoding="utf-8") == draw_states.page(), (
        "run python -m scripts.draw_states"
    )


def test_every_package_is_on_both_maps() -> None:
    packages = {file.parent.name for file in ROOT.glob("*/__init__.py")} - {"tests", "scripts"}
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        assert [package for package in sorted(packages) if f"{package}/" not in text] == []


def test_every_link_of_the_readmes_leads_somewhere() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        links = [part.split(")")[0] for part in text.split("](")[1:]]
        files = [link.split("#")[0] for link in links if "://" not in link]
        broken = [file for file in files if not (ROOT / file).exists()]
        assert broken == []


def test_the_lock_files_name_no_registry() -> None:
    locks = [*ROOT.glob("*.lock"), *ROOT.glob("*/package-lock.json")]
    naming = [lock.name for lock in locks if "://" in _without_harmless(lock)]

    assert len(locks) == 4
    assert naming == []


def _without_harmless(lock: Path) -> str:
    """npm writes funding pages and homepages of packages; those are no places to fetch from."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return "\n".join(
        line for line in lines if '"url": "http' not in line and '"funding"' not in line
    )
