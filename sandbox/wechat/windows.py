"""When an official account may write to a person: each occasion opens a window with a quota."""

from dataclasses import asdict, dataclass
from typing import Any

from sandbox.clock import Clock
from sandbox.people import CROWD

MINUTE, HOURS_48 = 60.0, 48 * 3600.0
RULES: dict[str, tuple[float, int | None]] = {
    "message": (HOURS_48, 5),
    "menu": (MINUTE, 3),
    "follow": (MINUTE, 3),
    "scan": (MINUTE, 3),
    "payment": (HOURS_48, None),
}


@dataclass(slots=True)
class Window:
    kind: str
    expires_at: float
    left: int | None


class Windows:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[str, dict[str, Window]] = {}

    def open(self, appid: str, openid: str, kind: str) -> None:
        seconds, quota = RULES[kind]
        window = Window(kind, self._clock.now() + seconds, quota)
        self._windows.setdefault(f"{appid}|{openid}", {})[kind] = window

    def close_all(self, appid: str, openid: str) -> None:
        self._windows.pop(f"{appid}|{openid}", None)

    def spend(self, appid: str, openid: str) -> str:
        """ "ok", "over" (no window is open) or "spent" (one is, its quota is used)."""
        now = self._clock.now()
        windows = self._windows.get(f"{appid}|{openid}", {})
        live = [window for window in windows.values() if window.expires_at > now]
        if not live:
            return "over"
        usable = [window for window in live if window.left is None or window.left > 0]
        if not usable:
            return "spent"
        first = min(usable, key=lambda window: window.expires_at)
        if first.left is not None:
            first.left -= 1
        return "ok"

    def list(self, appid: str, openid: str) -> list[dict[str, Any]]:
        now = self._clock.now()
        windows = self._windows.get(f"{appid}|{openid}", {}).values()
        return [
            {"kind": w.kind, "seconds_left": int(w.expires_at - now), "left": w.left}
            for w in windows
            if w.expires_at > now
        ]

    def clear(self, *, crowd: bool = False) -> None:
        """Shut every window; those of the crowd stay unless `crowd`."""
        for key in list(self._windows):
            if crowd or f"|{CROWD}" not in key:
                del self._windows[key]

    def dump(self) -> dict[str, Any]:
        return {
            key: [asdict(window) for window in list(windows.values())]
            for key, windows in list(self._windows.items())
        }

    def load(self, data: dict[str, Any]) -> None:
        self._windows = {
            key: {row["kind"]: Window(**row) for row in rows} for key, rows in data.items()
        }
