"""One pool of connections for all calls, with time limits and errors that give nothing away."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlencode, urlsplit

import certifi
import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ReadTimeoutError,
)

CONNECT_SECONDS = 3.0
READ_SECONDS = 5.0
MAX_ANSWER_BYTES = 8 * 1024 * 1024


class NoAnswer(Exception):
    """No usable answer came. `sent` says whether the other side may have done what was asked."""

    def __init__(self, what: str, *, sent: bool, slow: bool = False) -> None:
        """`slow`: all of the time that it was given is gone."""
        super().__init__(what)
        self.sent = sent
        self.slow = slow


@dataclass(frozen=True)
class Answer:
    """What came back: nothing of the request is kept."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Writes(Protocol):
    """Where a download goes."""

    def write(self, data: bytes, /) -> object: ...


class Http:
    """A thread-safe client: pooled, no cookies, no redirects, no retries once a request was sent.

    The environment is not read (proxies, netrc): configuration is one file. urllib3 itself:
    a mass send makes a million calls, and what `requests` does around each costs more than it.
    """

    def __init__(
        self,
        *,
        pool: int = 64,
        identity: tuple[Path, Path] | None = None,
        authorities: str | None = None,
    ) -> None:
        """`identity`: certificate and key to show to whoever asks for ours. `authorities`: whom to
        believe about the others, instead of the usual ones."""
        # urllib3 writes whole URLs, with their tokens, at DEBUG.
        logging.getLogger("urllib3").setLevel(logging.INFO)
        # A failed connect was certainly not sent, so trying it once more is always safe.
        self._retry = urllib3.Retry(
            total=1, connect=1, read=0, redirect=0, status=0, other=0, backoff_factor=0
        )
        self._pools = urllib3.PoolManager(
            num_pools=8,
            maxsize=pool,
            cert_reqs="CERT_REQUIRED",
            ca_certs=authorities or certifi.where(),
            cert_file=str(identity[0]) if identity else None,
            key_file=str(identity[1]) if identity else None,
        )

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
            response = self._pools.urlopen(
                method,
                f"{url}?{urlencode(params)}" if params else url,
                body=body,
                headers=dict(headers or {}),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=read_seconds),
                retries=self._retry,
                redirect=False,
                preload_content=False,
            )
            try:
                content = _read(response, deadline, place)
            except BaseException:
                response.close()  # what is left of it must not be somebody else's answer
                raise
            return Answer(response.status, response.headers, content)
        except NoAnswer as error:
            failure = error
        except (HTTPError, OSError, ValueError) as error:
            slow = isinstance(_cause(error), ReadTimeoutError)
            failure = NoAnswer(f"{place}: {_name(error)}", sent=not _never_sent(error), slow=slow)
        # Raised outside the handler: the library's exception holds the whole request.
        raise failure

    def download(
        self, url: str, into: Writes, *, headers: Mapping[str, str], most_seconds: float
    ) -> int:
        """GET a file of any size, as it is on the wire, into `into`; the status.

        What came with a status that is no success is thrown away. Raises NoAnswer.
        """
        place = _place("GET", url)
        deadline = time.monotonic() + most_seconds
        failure: NoAnswer
        try:
            response = self._pools.urlopen(
                "GET",
                url,
                headers=dict(headers),
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
                retries=self._retry,
                redirect=False,
                preload_content=False,
            )
            try:
                if 200 <= response.status < 300:
                    for chunk in response.stream(64 * 1024, decode_content=False):
                        if time.monotonic() > deadline:
                            raise NoAnswer(f"{place}: too slow", sent=True)
                        into.write(chunk)
                else:
                    response.close()
            except BaseException:
                response.close()
                raise
            return response.status
        except NoAnswer as error:
            failure = error
        except HTTPError as error:
            failure = NoAnswer(f"{place}: {_name(error)}", sent=not _never_sent(error))
        raise failure


def _read(response: urllib3.BaseHTTPResponse, deadline: float, place: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    for chunk in response.stream(64 * 1024, decode_content=True):
        size += len(chunk)
        if size > MAX_ANSWER_BYTES:
            raise NoAnswer(f"{place}: answer too large", sent=True)
        if time.monotonic() > deadline:
            raise NoAnswer(f"{place}: answer too slow", sent=True, slow=True)
        parts.append(chunk)
    return b"".join(parts)


def _never_sent(error: Exception) -> bool:
    return isinstance(_cause(error), NewConnectionError | ConnectTimeoutError)


def _name(error: Exception) -> str:
    return type(_cause(error)).__name__


def _cause(error: Exception) -> Exception:
    """What the last try failed of."""
    return error.reason or error if isinstance(error, MaxRetryError) else error


def _place(method: str, url: str) -> str:
    parts = urlsplit(url)
    return f"{method} {parts.hostname}{parts.path}"
