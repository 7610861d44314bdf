"""A client outside the servers' processes: raw keep-alive sockets, one thread, requests at hand.

`flat_out` sends the next request as soon as one is answered; `paced` sends at random moments of a
given mean rate, whether or not the server keeps up, and counts from the moment that was due.
"""

import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

HEAD_END = b"\r\n\r\n"


@dataclass
class Line:
    """One connection and the request on its way."""

    socket: socket.socket
    due: float = 0.0
    answer: bytes = b""


def flat_out(port: int, requests: Sequence[bytes], *, lines: int, must_hold: bytes) -> float:
    """Answers per second."""
    began = time.perf_counter()
    _send(port, requests, [began] * len(requests), lines, must_hold)
    return len(requests) / (time.perf_counter() - began)


def paced(
    port: int, requests: Sequence[bytes], *, lines: int, must_hold: bytes, rate: float
) -> list[float]:
    """Seconds that each answer took, waiting for a connection included."""
    chance = random.Random(7)
    at, due = time.perf_counter() + 0.1, []
    for _ in requests:
        due.append(at)
        at += chance.expovariate(rate)
    return _send(port, requests, due, lines, must_hold)


def _send(
    port: int, requests: Sequence[bytes], due: Sequence[float], lines: int, must_hold: bytes
) -> list[float]:
    selector = selectors.DefaultSelector()
    idle: deque[Line] = deque()
    for _ in range(lines):
        opened = socket.create_connection(("127.0.0.1", port))
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        idle.append(Line(opened))
        selector.register(opened, selectors.EVENT_READ, idle[-1])
    took: list[float] = []
    sent = 0
    while len(took) < len(requests):
        now = time.perf_counter()
        while idle and sent < len(requests) and due[sent] <= now:
            line = idle.popleft()
            line.due, line.answer = due[sent], b""
            line.socket.sendall(requests[sent])
            sent += 1
        wait = due[sent] - now if idle and sent < len(requests) else None
        for key, _ in selector.select(wait):
            line = key.data
            line.answer += line.socket.recv(65_536)
            if _is_whole(line.answer):
                assert line.answer[9:12] == b"200", line.answer
                assert must_hold in line.answer, line.answer
                took.append(time.perf_counter() - line.due)
                idle.append(line)
    for line in idle:
        line.socket.close()
    return took


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(HEAD_END)
    assert answer, "the server hung up"
    if not found:
        return False
    length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
    return len(body) >= int(length)
