"""One pool of connections for all calls, with time limits and errors that give nothing away."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter

CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024


class NoAnswer(Exception):
    """No usable answer came. `sent` says whether the other side may have done what was asked."""

    def __init__(self, what: str, *, sent: bool) -> None:
        super().__init__(what)
        self.sent = sent


@dataclass(frozen=True)
class Answer:
    """What came back: nothing of the request is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Http:
    """A thread-safe client: pooled, no cookies, no redirects, no retries once a request was sent.

    The environment is not read (proxies, netrc): configuration is one file.
    """

    def __init__(self, *, pool: int = 32) -> None:
        # urllib3 writes whole URLs, with their tokens, at DEBUG.
        logging.getLogger("urllib3").setLevel(logging.INFO)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        # A failed connect was certainly not sent, so trying it once more is always safe.
        retry = urllib3.Retry(
            total=1, connect=1, read=0, redirect=0, status=0, other=0, backoff_factor=0
        )
        adapter = HTTPAdapter(pool_connections=8, pool_maxsize=pool, max_retries=retry)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def send(
        self,
        method: str,
        url: str,
        *,
        params: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        read_seconds: float = READ_SECONDS,
    ) -> Answer:
        """Send exactly these bytes. Raises NoAnswer, which names the host and path only."""
        place = _place(method, url)
        deadline = time.monotonic() + CONNECT_SECONDS + 2 * read_seconds
        failure: NoAnswer
        try:
            with self._session.request(
                method,
                url,
                params=params,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, read_seconds),
                allow_redirects=False,
                stream=True,
            ) as response:
                content = _read(response, deadline, place)
                return Answer(response.status_code, response.headers, content)
        except NoAnswer as error:
            failure = error
        except requests.RequestException as error:
            failure = NoAnswer(f"{place}: {type(error).__name__}", sent=not _never_sent(error))
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            failure = NoAnswer(f"{place}: {type(error).__name__}", sent=True)
        # Raised outside the handler: the library's exception holds the whole request.
        raise failure


def _read(response: requests.Response, deadline: float, place: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in response.iter_content(64 * 1024):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise NoAnswer(f"{place}: answer too large", sent=True)
        if time.monotonic() > deadline:
            raise NoAnswer(f"{place}: answer too slow", sent=True)
        parts.append(chunk)
    return b"".join(parts)


def _never_sent(error: requests.RequestException) -> bool:
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    reason = getattr(cause, "reason", None)
    return isinstance(reason, urllib3.exceptions.NewConnectionError)


def _place(method: str, url: str) -> str:
    parts = urlsplit(url)
    return f"{method} {parts.hostname}{parts.path}"
