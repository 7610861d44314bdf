"""Where the built files are: `assets("console")` and `icon("receipt")` for the templates."""

import json
from functools import cache
from pathlib import Path

from flask import url_for
from markupsafe import Markup

STATIC = Path(__file__).parent / "static"


class NotBuilt(RuntimeError):
    """The console's CSS and JavaScript are missing: `npm ci && npm run build` in console/."""


@cache
def _manifest() -> dict[str, dict[str, list[str] | str]]:
    try:
        return dict(json.loads((STATIC / "dist" / "manifest.json").read_text()))
    except FileNotFoundError as missing:
        raise NotBuilt("run `npm ci && npm run build` in console/") from missing


def assets(name: str) -> Markup:
    """The tags that load one entry of the Vite build, by hashed names that never change."""
    entry = _manifest()[f"js/{name}.js"]
    tags = [
        Markup('<link rel="stylesheet" href="{}">').format(_url(sheet))
        for sheet in entry.get("css", [])
    ]
    tags.append(Markup('<script type="module" src="{}"></script>').format(_url(str(entry["file"]))))
    return Markup("").join(tags)


def _url(file: str) -> str:
    return url_for("console.static", filename=f"dist/{file}")


def icon(name: str, size: str = "") -> Markup:
    """An icon of the sprite. The build collects literal names, so never pass a variable."""
    return Markup('<svg class="ic {}" aria-hidden="true"><use href="{}#{}"/></svg>').format(
        size, url_for("console.static", filename="dist/icons.svg"), name
    )
