"""What docs/ and README say is what the code has."""

import subprocess
from pathlib import Path

from scripts import draw_fields, draw_states

ROOT = Path(__file__).resolve().parents[2]


def test_the_state_diagrams_are_the_codes() -> None:
    assert draw_states.FILE.read_text(encoding="utf-8") == draw_states.page(), (
        "run python -m scripts.draw_states"
    )


def test_the_table_of_what_a_segment_may_ask_is_the_codes() -> None:
    text = draw_fields.FILE.read_text(encoding="utf-8")
    assert draw_fields.page(text) == text, "run python -m scripts.draw_fields"


def test_every_folder_is_on_both_maps() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "*/*"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    folders = {path.split("/")[0] for path in listed if not path.startswith(".")}
    assert folders
    for name in ("README.md", "README.zh-CN.md"):
        drawn = (ROOT / name).read_text(encoding="utf-8").split("```\napp.py")[1].split("```")[0]
        assert sorted(folders - {word.rstrip("/") for word in drawn.split()}) == []


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

    assert len(locks) == 5
    assert naming == []


def _without_harmless(lock: Path) -> str:
    """npm writes funding pages and homepages of packages; those are no places to fetch from."""
    lines = lock.read_text(encoding="utf-8").splitlines()
    return "\n".join(
        line for line in lines if '"url": "http' not in line and '"funding"' not in line
    )
