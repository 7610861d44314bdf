"""Calls to the shop. Tests may hand in another way to deliver, e.g. into a WSGI application."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import requests
from requests.adapters import HTTPAdapter


class NoAnswer(Exception):
    """Nothing usable came back in time."""


@dataclass(frozen=True)
class Answer:
    status: int
    body: str


class Deliver(Protocol):
    def __call__(
        self, url: str, body: bytes, headers: Mapping[str, str], timeout: float
    ) -> Answer: ...


class HttpDelivery:
    def __init__(self) -> None:
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy has no business between two local processes
        adapter = HTTPAdapter(pool_maxsize=32)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def __call__(self, url: str, body: bytes, headers: Mapping[str, str], timeout: float) -> Answer:
        try:
            answer = self._session.post(
                url, data=body, headers=dict(headers), timeout=timeout, allow_redirects=False
            )
        except requests.RequestException as error:
            raise NoAnswer(type(error).__name__) from error
        answer.encoding = "utf-8"
        return Answer(answer.status_code, answer.text)
