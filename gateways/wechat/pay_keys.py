"""WeChat Pay's own keys: one public key that never changes, or certificates that come and go."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_KEEP = timedelta(hours=12)
_NOT_AGAIN = timedelta(seconds=60)
_NOT_AGAIN_WITHOUT_ANY = timedelta(seconds=5)

Download = Callable[[datetime], dict[str, RSAPublicKey]]


class PlatformKeys:
    """Finds the key that a `Wechatpay-Serial` names.

    In public-key mode certificates still count, because notices come signed by either while a
    merchant is being switched. An unknown serial fetches them at most once a minute, so that
    strangers cannot make us call WeChat.
    """

    def __init__(
        self, public_key_id: str | None, public_key: RSAPublicKey | None, download: Download
    ) -> None:
        self._fixed = {public_key_id: public_key} if public_key_id and public_key else {}
        self._download = download
        self._certificates: dict[str, RSAPublicKey] = {}
        self._fetched_at: datetime | None = None
        self._tried_at: datetime | None = None
        self._lock = threading.Lock()

    def newest(self, now: datetime) -> tuple[str, RSAPublicKey] | None:
        """The key to seal for, with its number; None when none can be had. May call WeChat."""
        for fixed in self._fixed.items():
            return fixed
        with self._lock:
            if self._is_due("", now):
                self._tried_at = now
                self._certificates = self._download(now) or self._certificates
                self._fetched_at = now
            return next(iter(self._certificates.items()), None)

    def find(self, serial: str, now: datetime) -> RSAPublicKey | None:
        """None: nobody we know. May call WeChat."""
        fixed = self._fixed.get(serial)
        if fixed is not None or serial.startswith("PUB_KEY_ID_"):
            return fixed
        serial = serial.upper().lstrip("0")
        with self._lock:
            if self._is_due(serial, now):
                self._tried_at = now
                self._certificates = self._download(now) or self._certificates
                self._fetched_at = now
            return self._certificates.get(serial)

    def _is_due(self, serial: str, now: datetime) -> bool:
        pause = _NOT_AGAIN if self._certificates else _NOT_AGAIN_WITHOUT_ANY
        if self._tried_at is not None and abs(now - self._tried_at) < pause:
            return False
        stale = self._fetched_at is None or now - self._fetched_at > _KEEP
        return stale or serial not in self._certificates
