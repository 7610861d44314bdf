"""What would change at WeChat if a menu was published. Pure."""

from collections.abc import Callable
from typing import Any, NamedTuple

from messaging.menus.adopting import below as under

Button = dict[str, Any]


class Change(NamedTuple):
    """`kind` is added, removed or changed; `before` and `after` are buttons in words."""

    kind: str
    where: str
    before: str
    after: str


def differences(
    live: dict[str, Any] | None, wanted: dict[str, Any], say: Callable[[Button], str] | None = None
) -> list[Change]:
    """Button by button, by their places; none: WeChat has just this.

    `say` puts a button in words, for whoever reads the changes.
    """
    old, new = leaves(live or {}), leaves(wanted)
    told = (leaves(live or {}, say), leaves(wanted, say)) if say else (old, new)
    changes: list[Change] = []
    for where in sorted({*old, *new}):
        before, after = old.get(where), new.get(where)
        if before == after:
            continue
        kind = "changed" if before and after else "added" if after else "removed"
        said = (told[0].get(where, ""), told[1].get(where, ""))
        changes.append(Change(kind, where, *said))
    return changes


def leaves(menu: dict[str, Any], say: Callable[[Button], str] | None = None) -> dict[str, str]:
    """Every button in words, by its place: `1`, `1.2`."""
    say = say or describe
    found: dict[str, str] = {}
    for top, button in enumerate(menu.get("button") or [], 1):
        subs = under(button)
        found[str(top)] = str(button.get("name", "")) if subs else say(button)
        for below, sub in enumerate(subs, 1):
            found[f"{top}.{below}"] = say(sub)
    return found


def describe(button: Button) -> str:
    """`点单 → pages/home/home`."""
    fields = ("pagepath", "url", "key", "value", "media_id", "article_id")
    does = next((button[field] for field in fields if button.get(field)), "")
    return f"{button.get('name', '')} → {does}" if does else str(button.get("name", ""))
