"""Menus as published: the default one and the conditional ones, newest first."""

from dataclasses import dataclass, field
from typing import Any

Menu = dict[str, Any]


@dataclass(slots=True)
class AccountMenus:
    default: Menu | None = None
    conditional: list[Menu] = field(default_factory=list)  # {menuid, button, tag_id}


class Menus:
    def __init__(self) -> None:
        self._accounts: dict[str, AccountMenus] = {}
        self._last = 400_000_000

    def of(self, appid: str) -> AccountMenus:
        return self._accounts.setdefault(appid, AccountMenus())

    def next_id(self) -> int:
        self._last += 1
        return self._last

    def seen_by(self, appid: str, tags: list[int]) -> tuple[list[Menu], bool]:
        """The buttons and whether they come from a conditional menu. The last tag counts first."""
        menus = self.of(appid)
        for tag in reversed(tags):
            for menu in menus.conditional:
                if menu["tag_id"] == tag:
                    return menu["button"], True
        return (menus.default or {}).get("button", []), False

    def clear(self) -> None:
        self._accounts.clear()

    def dump(self) -> dict[str, Any]:
        accounts = {
            appid: {"default": menus.default, "conditional": list(menus.conditional)}
            for appid, menus in list(self._accounts.items())
        }
        return {"accounts": accounts, "last": self._last}

    def load(self, data: dict[str, Any]) -> None:
        self._accounts = {appid: AccountMenus(**row) for appid, row in data["accounts"].items()}
        self._last = data["last"]
