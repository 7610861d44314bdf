"""Notices of Alipay and UnionPay on their way: signed forms, repeated until accepted."""

import secrets
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sandbox.faults import Fault
from sandbox.outgoing import Answer, NoAnswer

if TYPE_CHECKING:
    from sandbox.state import World

LADDERS = {
    "alipay": (240, 600, 600, 3600, 7200, 21600, 54000),
    "unionpay": (60, 300, 600, 1800, 7200),
}


@dataclass(slots=True)
class FormNotice:
    """`fields` are what is told, without the signature, which every try gets anew."""

    id: str
    channel: str
    account: str
    url: str
    title: str
    fields: dict[str, str]
    next_at: float
    tries: int = 0
    done: bool = False
    statuses: list[int] = field(default_factory=list)


class FormNotices:
    """`signers` are hung in by the channels: account and fields → fields with a signature."""

    signers: dict[str, Callable[["World", str, dict[str, str], bool], dict[str, str]]] = {}

    def __init__(self) -> None:
        self.all: dict[str, FormNotice] = {}

    def clear(self) -> None:
        self.all.clear()

    def dump(self) -> list[dict[str, Any]]:
        return [asdict(each) for each in self.all.values()]

    def load(self, data: list[dict[str, Any]]) -> None:
        self.all = {row["id"]: FormNotice(**row) for row in data}


def create(
    world: "World", channel: str, account: str, url: str, title: str, fields: dict[str, str]
) -> FormNotice:
    """Remember the notice and send it at once, on a thread of its own."""
    notice = FormNotice(
        secrets.token_hex(17), channel, account, url, title, fields, world.clock.now()
    )
    world.form_notices.all[notice.id] = notice
    world.timer.soon(lambda: _deliver(world, notice))
    return notice


def resume(world: "World") -> None:
    """After a restart: what was not accepted yet goes on where it was."""
    for notice in world.form_notices.all.values():
        if not notice.done and notice.tries <= len(LADDERS[notice.channel]):
            _later(world, notice, notice.next_at)


def _deliver(world: "World", notice: FormNotice) -> None:
    faults = world.faults.take(f"{notice.channel}.notify")
    if "delay" in faults:
        due = world.clock.now() + faults.pop("delay").seconds
        world.timer.at(due, lambda: _send(world, notice, faults))
        return
    _send(world, notice, faults)


def _send(world: "World", notice: FormNotice, faults: dict[str, Fault]) -> None:
    notice.tries += 1
    if "wrong_signature" in faults:
        _attempt(world, notice, forged=True)
    for _ in range(1, faults["duplicate"].copies if "duplicate" in faults else 1):
        world.timer.soon(lambda: _attempt(world, notice))
    answer = None if "error" in faults else _attempt(world, notice)
    ladder = LADDERS[notice.channel]
    if answer is not None and _accepts(notice, answer) and "drop_after" not in faults:
        notice.done = True
    elif notice.tries <= len(ladder):
        wait = ladder[notice.tries - 1] * world.settings.retry_scale
        _later(world, notice, world.clock.now() + wait)


def _later(world: "World", notice: FormNotice, at: float) -> None:
    notice.next_at = at
    world.timer.at(at, lambda: _deliver(world, notice))


def _accepts(notice: FormNotice, answer: Answer) -> bool:
    return answer.status == 200 and (notice.channel != "alipay" or answer.body == "success")


def _attempt(world: "World", notice: FormNotice, *, forged: bool = False) -> Answer | None:
    told = FormNotices.signers[notice.channel](world, notice.account, notice.fields, forged)
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"}
    started, problem = time.perf_counter(), ""
    try:
        answer: Answer | None = world.deliver(
            notice.url, urlencode(told).encode(), headers, world.settings.push_timeout
        )
    except NoAnswer as error:
        answer, problem = None, str(error)
    ms = (time.perf_counter() - started) * 1000
    notice.statuses.append(answer.status if answer else 0)
    fine = answer is not None and _accepts(notice, answer)
    world.feed.add(
        f"有人送来伪造的{notice.title}" if forged else f"通知：{notice.title}",
        direction="out",
        api=f"{notice.channel}.notify",
        tag="已收下" if fine else f"没有收下 {answer.status if answer else ''}".strip(),
        tone="ok" if fine != forged else "bad",
        detail=problem or f"{ms:.0f} 毫秒",
        ms=ms,
        raw={"POST": notice.url, "fields": told, "answer": answer.body[:500] if answer else ""},
    )
    return answer
