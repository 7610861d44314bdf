"""Two times: the clock of deadlines, which can be advanced, and the stamp on what crosses the wire.

With a clock file (the demo) the backend follows ours, and both are the same. Without one the
backend lives on the real clock, and stamps must too: after an advance every signature would be
outside its five minutes, and every `time_expire` of the shop already over.
"""

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

SHANGHAI = timezone(timedelta(hours=8))
SETTLING = 0.6  # the backend reads the file twice a second


class Clock:
    def __init__(self, file: Path | None = None) -> None:
        self.offset = 0.0
        self._coming = 0.0
        self._file = file
        self._lock = threading.Lock()
        self._listeners: list[Callable[[], None]] = []
        self._tell()

    @property
    def shared(self) -> bool:
        return self._file is not None

    def now(self) -> float:
        """Seconds on the sandbox clock: windows, expiries, retries."""
        return time.time() + self.offset

    def stamp(self) -> float:
        """The time that the other side's clock shows: signatures, CreateTime, success_time."""
        return self.now() if self._file else time.time()

    def deadline(self, at: float) -> float:
        """A moment that the shop named, on our clock."""
        return at if self._file else at + self.offset

    def agrees(self, stamp: float, skew: float) -> bool:
        """Is this the other side's present? While we advance it may already be ahead of us."""
        ahead = stamp - self.stamp()
        return abs(ahead) <= skew or (self._coming > 0 and abs(ahead - self._coming) <= skew)

    def advance(self, seconds: float) -> None:
        if seconds < 0:
            raise ValueError("time does not run backwards")
        with self._lock:
            self._coming = seconds
            self._tell()
            if self._file:
                time.sleep(SETTLING)
            self.offset += seconds
            self._coming = 0.0
        for listener in self._listeners:
            listener()

    def restore(self, offset: float) -> None:
        self.offset = offset
        self._tell()

    def on_advance(self, listener: Callable[[], None]) -> None:
        self._listeners.append(listener)

    def _tell(self) -> None:
        if self._file:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            draft = self._file.with_suffix(".new")
            draft.write_text(f"{self.offset + self._coming}")
            draft.replace(self._file)


def wall() -> float:
    return time.time()


def rfc3339(at: float) -> str:
    return datetime.fromtimestamp(int(at), SHANGHAI).isoformat()


def parse_rfc3339(text: str) -> float:
    """Raises ValueError on anything without an offset."""
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError("no offset")
    return moment.timestamp()
