"""The words under the demo's printed codes: a poster, a table's card, an invite.

WeChat knows a code only by its scene; who prints it adds the words. Here the sandbox, whose phones
let a visitor choose a code, is told them.
"""

import json
from collections.abc import Iterator
from typing import Any
from urllib.request import Request, urlopen

WORDS = {
    "store.": ("{}的海报", "贴在门口，扫了就关注"),
    "poster.": ("{}", "换个地方贴的海报，看哪里带来的人多"),
    "table.": ("{} 桌", "贴在桌角，堂食点单用"),
    "invite.": ("{}的店员邀请", "一次有效，扫了就能用店员菜单"),
}


def name_codes(sandbox_url: str, made: Any) -> None:
    """Tell the sandbox the words for every scene in what `demo-data` printed."""
    for name, scene in _scenes(made):
        title, note = next(words for prefix, words in WORDS.items() if scene.startswith(prefix))
        body = {"scene": scene, "title": title.format(name), "note": note}
        request = Request(
            f"{sandbox_url}/sandbox/api/qrs",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=10):
            pass


def _scenes(made: Any) -> Iterator[tuple[str, str]]:
    """Every (name, scene) pair, however deep."""
    if not isinstance(made, dict):
        return
    for name, value in made.items():
        if isinstance(value, str) and value.startswith(tuple(WORDS)):
            yield name, value
        else:
            yield from _scenes(value)
