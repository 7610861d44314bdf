"""The people with phones, and a crowd without them.

A person has one openid per account, derived from both, and one UnionID. The crowd (for benchmarks
and mass tests) is a number: its members' openids are computed, so a million of them cost nothing.
"""

import base64
import hashlib
import threading
from dataclasses import asdict, dataclass
from typing import Any

CROWD = "oCrowd"


@dataclass(slots=True)
class Person:
    id: str
    name: str
    role: str
    phone: str
    balance_fen: int = 100_000
    screen: str = ""  # the code this phone is showing to other cameras
    screen_title: str = ""
    asks_password: bool = False  # before anybody takes money by this phone's payment code

    @property
    def union_id(self) -> str:
        return "oU" + _digest("union", self.id)[:26]


DEFAULT = (
    ("aqing", "阿青", "顾客", "13800001234"),
    ("xiaozhou", "小周", "静安寺店店员", "13800002345"),
    ("zhixia", "沈知夏", "店主", "13800003456"),
)
STAFF = frozenset({"xiaozhou", "zhixia"})


class People:
    def __init__(self, appids: list[str]) -> None:
        self._appids = appids
        self._tails = {_digest("app", appid)[:6]: appid for appid in appids}
        self._lock = threading.Lock()
        self._by_id: dict[str, Person] = {}
        self._openids: dict[str, tuple[str, Person]] = {}
        self.crowd_size = 0
        self.generation = 1
        self.reset()

    def restart(self) -> list[Person]:
        """Strangers under the customers' names, staff stay themselves; answers who left.

        A shop remembers whom it has welcomed, so a story told again needs somebody new.
        """
        leaving = [person for person in self.list() if person.id not in STAFF]
        with self._lock:
            self.generation += 1
            for person in leaving:
                del self._by_id[person.id]
                for appid in self._appids:
                    del self._openids[openid_of(appid, person.id)]
        staff = self.list()
        self._by_id.clear()
        for person_id, name, role, phone in DEFAULT:
            if person_id not in STAFF:
                number = f"{phone[:3]}{int(phone[3:]) + self.generation * 10_000:08d}"
                self.add(Person(f"{person_id}-{self.generation}", name, role, number))
        for person in staff:
            self.add(person)
        return leaving

    def reset(self) -> None:
        with self._lock:
            self._by_id.clear()
            self._openids.clear()
        for person in DEFAULT:
            self.add(Person(*person))

    def add(self, person: Person) -> Person:
        with self._lock:
            self._by_id[person.id] = person
            for appid in self._appids:
                self._openids[openid_of(appid, person.id)] = (appid, person)
        return person

    def create(self, name: str, role: str = "顾客") -> Person:
        number = len(self._by_id) + 1
        made_of = _digest("new", name, str(number), str(self.generation))
        person_id = f"p{number}-{made_of[:6]}"
        return self.add(Person(person_id, name, role, f"1390000{number:04d}"))

    def get(self, person_id: str) -> Person:
        """Raises KeyError."""
        return self._by_id[person_id]

    def list(self) -> list[Person]:
        return list(self._by_id.values())

    def owner_of(self, openid: str, appid: str) -> Person | None:
        """Who has this openid of this account; a member of the crowd is made on the spot."""
        found = self._openids.get(openid)
        if found is not None:
            return found[1] if found[0] == appid else None
        number = self._crowd_number(openid, appid)
        return None if number is None else Person(f"crowd-{number}", f"路人 {number}", "crowd", "")

    def crowd_openid(self, appid: str, number: int) -> str:
        return openid_of(appid, f"crowd-{number}")

    def _crowd_number(self, openid: str, appid: str) -> int | None:
        if not openid.startswith(CROWD) or self._tails.get(openid[6:12]) != appid:
            return None
        digits = openid[12:]
        if len(digits) != 16 or not digits.isdigit() or int(digits) >= self.crowd_size:
            return None
        return int(digits)

    def dump(self) -> dict[str, Any]:
        return {
            "people": [asdict(p) for p in self.list()],
            "crowd_size": self.crowd_size,
            "generation": self.generation,
        }

    def load(self, data: dict[str, Any]) -> None:
        self._by_id.clear()
        self._openids.clear()
        for row in data["people"]:
            self.add(Person(**row))
        self.crowd_size = data["crowd_size"]
        self.generation = data.get("generation", 1)


def openid_of(appid: str, person_id: str) -> str:
    if person_id.startswith("crowd-"):
        return f"{CROWD}{_digest('app', appid)[:6]}{int(person_id[6:]):016d}"
    return "o" + _digest(appid, person_id)[:27]


def _digest(*parts: str) -> str:
    """Letters and digits only: openids travel in URLs, XML and log lines."""
    digest = hashlib.sha256("\n".join(parts).encode()).digest()
    return base64.b64encode(digest, altchars=b"Aa").decode().rstrip("=")
