"""What would change at WeChat if a menu was published. Pure."""

from typing import Any, NamedTuple


class Change(NamedTuple):
    """`kind` is added, removed or changed; `before` and `after` are buttons in words."""

    kind: str
    where: str
    before: str
    after: str


def differences(live: dict[str, Any] | None, wanted: dict[str, Any]) -> list[Change]:
    """Button by button, by their places; none: WeChat has just this."""
    old, new = leaves(live or {}), leaves(wanted)
    changes: list[Change] = []
    for where in sorted({*old, *new}):
        before, after = old.get(where), new.get(where)
        if before == after:
            continue
        kind = "changed" if before and after else "added" if after else "removed"
        changes.append(Change(kind, where, before or "", after or ""))
    return changes


def leaves(menu: dict[str, Any]) -> dict[str, str]:
    """Every button in words, by its place: `1`, `1.2`."""
    found: dict[str, str] = {}
    for top, button in enumerate(menu.get("button") or [], 1):
        subs = button.get("sub_button") or []
        if isinstance(subs, dict):  # as WeChat tells of a menu that was made by hand
            subs = subs.get("list") or []
        found[str(top)] = str(button.get("name", "")) if subs else describe(button)
        for below, sub in enumerate(subs, 1):
            found[f"{top}.{below}"] = describe(sub)
    return found


def describe(button: dict[str, Any]) -> str:
    """`点单 → pages/home/home`."""
    does = button.get("pagepath") or button.get("url") or button.get("key") or ""
    does = does or button.get("value") or button.get("media_id") or ""
    return f"{button.get('name', '')} → {does}" if does else str(button.get("name", ""))
