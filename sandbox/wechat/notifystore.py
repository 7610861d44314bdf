"""Service cards that the shop put up, and who does not want any."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class Notify:
    """`content` is what was last said; `made_at` and `paid_at` on our clock."""

    appid: str
    openid: str
    kind: int
    code: str
    content: dict[str, Any]
    paid_at: float
    made_at: float


class Notifies:
    def __init__(self) -> None:
        self._by_code: dict[str, Notify] = {}
        self.refusing: set[str] = set()  # openids

    def find(self, appid: str, code: str) -> Notify | None:
        return self._by_code.get(f"{appid}|{code}")

    def put(self, notify: Notify) -> None:
        self._by_code[f"{notify.appid}|{notify.code}"] = notify

    def list(self) -> list[Notify]:
        return list(self._by_code.values())

    def clear(self) -> None:
        self._by_code.clear()
        self.refusing.clear()

    def dump(self) -> dict[str, Any]:
        return {
            "cards": [asdict(each) for each in self._by_code.values()],
            "refusing": sorted(self.refusing),
        }

    def load(self, data: dict[str, Any]) -> None:
        self.clear()
        for row in data["cards"]:
            self.put(Notify(**row))
        self.refusing.update(data["refusing"])
