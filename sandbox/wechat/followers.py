"""Who follows which official account, since when and through which code."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field
from typing import Any

from sandbox.people import CROWD, People

PAGE = 10_000


@dataclass(slots=True)
class Follow:
    appid: str
    openid: str
    subscribe_time: int
    scene: str = "ADD_SCENE_SEARCH"
    qr_scene_str: str = ""
    remark: str = ""
    tags: list[int] = field(default_factory=list)


class Followers:
    """A page is read by position: an unfollow leaves a hole that later pages step over."""

    def __init__(self, people: People) -> None:
        self._people = people
        self._follows: dict[str, Follow] = {}
        self._order: dict[str, list[str | None]] = defaultdict(list)
        self._positions: dict[str, int] = {}
        self._totals: dict[str, int] = defaultdict(int)

    def find(self, appid: str, openid: str) -> Follow | None:
        found = self._follows.get(f"{appid}|{openid}")
        if found is None and openid.startswith(CROWD) and self._people.owner_of(openid, appid):
            return Follow(appid, openid, 1_760_000_000)
        return found

    def add(self, follow: Follow) -> None:
        key = f"{follow.appid}|{follow.openid}"
        if key not in self._follows:
            order = self._order[follow.appid]
            self._positions[key] = len(order)
            order.append(follow.openid)
            self._totals[follow.appid] += 1
        self._follows[key] = follow

    def keep(self, follow: Follow) -> None:
        """Remember a change (tags, remark) of a follow that may have been computed."""
        if not follow.openid.startswith(CROWD):
            return
        self._follows[f"{follow.appid}|{follow.openid}"] = follow

    def remove(self, appid: str, openid: str) -> bool:
        key = f"{appid}|{openid}"
        if key not in self._positions or self._follows.pop(key, None) is None:
            return False
        self._order[appid][self._positions.pop(key)] = None
        self._totals[appid] -= 1
        return True

    def page(self, appid: str, after: str) -> tuple[int, list[str]]:
        """The total and up to 10,000 openids after that one; raises KeyError for a stranger."""
        order, crowd = self._order[appid], self._people.crowd_size
        start = 0
        if after.startswith(CROWD):
            start = len(order) + int(after[12:]) + 1
        elif after:
            start = self._positions[f"{appid}|{after}"] + 1
        openids: list[str] = []
        for position in range(start, len(order) + crowd):
            if len(openids) == PAGE:
                break
            if position >= len(order):
                openids.append(self._people.crowd_openid(appid, position - len(order)))
            elif (openid := order[position]) is not None:
                openids.append(openid)
        return self._totals[appid] + crowd, openids

    def of_tag(self, appid: str, tag_id: int) -> list[str]:
        return [f.openid for f in self._follows.values() if f.appid == appid and tag_id in f.tags]

    def clear(self) -> None:
        for store in (self._follows, self._order, self._positions, self._totals):
            store.clear()

    def dump(self) -> list[dict[str, Any]]:
        return [asdict(follow) for follow in list(self._follows.values())]

    def load(self, data: list[dict[str, Any]]) -> None:
        self.clear()
        for row in data:
            follow = Follow(**row)
            if follow.openid.startswith(CROWD):
                self.keep(follow)
            else:
                self.add(follow)
