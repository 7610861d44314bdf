"""Rules of the templates that a machine can see: no inline code, literal icons, small scripts."""

import re
from pathlib import Path

import pytest

CONSOLE = Path(__file__).parents[2] / "console"
TEMPLATES = sorted((CONSOLE / "templates").rglob("*.html"))
BANNED = {
    "an inline style": r"\sstyle\s*=",
    "an inline handler": r"\son[a-z]+\s*=\s*[\"']",
    "a style element": r"<style\b",
    "hx-on": r"\bhx-on\b",
    "js: in htmx": r"[\"']js:",
    "a filter in a trigger": r"hx-trigger=\"[^\"]*\[",
    "text past the escaping": r"\|\s*safe\b",
    "another host": r"(?:src|href)=\"(?:https?:)?//",
}


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
def test_a_template_holds_no_code_and_no_escape_hatch(template: Path) -> None:
    text = template.read_text()

    found = [name for name, pattern in BANNED.items() if re.search(pattern, text)]
    scripts = [tag for tag in re.findall(r"<script[^>]*>", text) if "application/json" not in tag]

    assert found == []
    assert scripts == []


def test_a_page_with_a_chart_loads_what_draws_it() -> None:
    pages = [page for page in TEMPLATES if not page.name.startswith("_")]
    drawn = [page for page in pages if re.search(r"\bui\.chart\(|\.picture\(", page.read_text())]

    assert drawn
    assert [page.name for page in drawn if 'assets("charts")' not in page.read_text()] == []


def test_a_figure_in_a_card_says_what_it_is() -> None:
    """A table is cards on a phone, without a head: a figure brings its name or its unit; the one at
    the right of the name has it in its words."""
    nameless = []
    for page in TEMPLATES:
        for table in re.findall(r'<table class="[^"]*\bcards\b.*?</table>', page.read_text(), re.S):
            for cell in re.findall(r"<td\b[^>]*>", table):
                classes = set(re.findall(r'class="([^"]*)"', cell + ' class=""')[0].split())
                named = {"yuan", "hide", "people-n", "desk-only", "c-r", "o-pay", "o-off"} & classes
                if "num" in classes and not named and "data-label" not in cell:
                    nameless.append((page.name, cell))
    assert nameless == []


def test_every_icon_is_written_out_so_that_the_build_finds_it() -> None:
    for template in TEMPLATES:
        calls = re.findall(r"\bicon\(([^)]*)\)", template.read_text())
        loose = [call for call in calls if not re.match(r'"[a-z0-9-]+"', call)]
        assert loose == [], template.name


def test_the_sprite_has_every_icon() -> None:
    sprite = (CONSOLE / "static" / "dist" / "icons.svg").read_text()
    named = {n for t in TEMPLATES for n in re.findall(r'\bicon\("([a-z0-9-]+)"', t.read_text())}

    assert {name for name in named if f'id="{name}"' not in sprite} == set()


def test_scripts_stay_small() -> None:
    assert len((CONSOLE / "assets/js/console.js").read_text().splitlines()) < 150
    assert len((CONSOLE / "assets/js/charts.js").read_text().splitlines()) < 200


def test_colours_live_in_the_tokens() -> None:
    for sheet in ("_shell", "_phone", "_counter"):
        text = (CONSOLE / f"assets/scss/{sheet}.scss").read_text()
        colours = set(re.findall(r"#[0-9a-f]{3,8}\b", text)) - {"#fff"}
        assert len(colours) <= 6, (sheet, colours)


def test_every_form_that_posts_carries_the_token() -> None:
    for template in TEMPLATES:
        for form in re.findall(r'<form[^>]*method="post".*?</form>', template.read_text(), re.S):
            include = "segments/_form.html" in form
            assert "csrf_field()" in form or include, template.name


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (CONSOLE / "package-lock.json").read_text()
