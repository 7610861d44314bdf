"""Subscribe grants: one message per accept. Members of the crowd all start with the same."""

from collections import defaultdict
from typing import Any

from sandbox.people import CROWD


class Grants:
    def __init__(self) -> None:
        self._left: dict[str, int] = defaultdict(int)
        self.crowd_each: dict[str, int] = {}

    def add(self, openid: str, template_id: str, count: int = 1) -> None:
        self._left[f"{openid}|{template_id}"] += count

    def clear_for(self, openid: str, template_id: str) -> None:
        self._left[f"{openid}|{template_id}"] = 0

    def spend(self, openid: str, template_id: str) -> bool:
        key = f"{openid}|{template_id}"
        left = self.left(openid, template_id)
        if left <= 0:
            return False
        self._left[key] = left - 1
        return True

    def left(self, openid: str, template_id: str) -> int:
        key = f"{openid}|{template_id}"
        if openid.startswith(CROWD) and key not in self._left:
            return self.crowd_each.get(template_id, 0)
        return self._left.get(key, 0)

    def clear(self, *, crowd: bool = False) -> None:
        """Forget what people granted; what the crowd began with stays unless `crowd`."""
        self._left.clear()
        if crowd:
            self.crowd_each.clear()

    def dump(self) -> dict[str, Any]:
        return {"left": dict(self._left), "crowd_each": dict(self.crowd_each)}

    def load(self, data: dict[str, Any]) -> None:
        self._left = defaultdict(int, data["left"])
        self.crowd_each = dict(data["crowd_each"])
