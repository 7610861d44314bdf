"""Notices on their way to the shop: encrypted, signed, repeated for a day until answered 2xx."""

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

from sandbox.clock import rfc3339
from sandbox.faults import Fault
from sandbox.outgoing import Answer, NoAnswer
from sandbox.pay import signing
from sandbox.pay.ledger import Notice

if TYPE_CHECKING:
    from sandbox.state import World

LADDER = (15, 15, 30, 180, 600, 1200, 1800, 1800, 1800, 3600, 10800, 10800, 10800, 21600, 21600)


def create(
    world: "World",
    mchid: str,
    url: str,
    *,
    event_type: str,
    original_type: str,
    summary: str,
    plain: dict[str, Any],
    title: str,
    person: str | None,
) -> Notice:
    """Remember the notice and send it at once, on a thread of its own."""
    notice = Notice(
        id=f"EV-{secrets.token_hex(16)}",
        mchid=mchid,
        url=url,
        event_type=event_type,
        original_type=original_type,
        summary=summary,
        plain=plain,
        created_at=world.clock.stamp(),
        next_at=world.clock.now(),
    )
    world.ledger.notices[notice.id] = notice
    world.timer.soon(lambda: deliver(world, notice, title, person))
    return notice


def resume(world: "World") -> None:
    """After a restart: what was not answered yet goes on where it was."""
    for notice in world.ledger.notices.values():
        if not notice.done and notice.tries <= len(LADDER):
            _later(world, notice, notice.next_at, f"通知：{notice.summary}", None)


def deliver(world: "World", notice: Notice, title: str, person: str | None) -> None:
    faults = world.faults.take("pay.notify")
    if "delay" in faults:
        due = world.clock.now() + faults.pop("delay").seconds
        world.timer.at(due, lambda: _deliver(world, notice, title, person, faults))
        return
    _deliver(world, notice, title, person, faults)


def _deliver(
    world: "World", notice: Notice, title: str, person: str | None, faults: dict[str, Fault]
) -> None:
    notice.tries += 1
    if notice.tries > 1:
        title = f"第 {notice.tries} 次{title.removeprefix('通知：')}的通知"
    if "wrong_signature" in faults:
        _attempt(world, notice, f"有人送来伪造的{title}", person, broken="forged")
    copies = faults["duplicate"].copies if "duplicate" in faults else 1
    for number in range(2, copies + 1):
        again = f"同一条通知送第 {number} 次：{title.removeprefix('通知：')}"
        world.timer.soon(lambda again=again: _attempt(world, notice, again, person))  # type: ignore[misc]
    every = world.settings.signtest_every
    broken = "probe" if every and next(world.ledger.attempts) % every == 0 else ""
    answer = None
    if "error" not in faults:
        answer = _attempt(world, notice, title, person, broken=broken)
    accepted = answer is not None and answer.status in (200, 204)
    if accepted and "drop_after" not in faults:
        notice.done = True
    elif notice.tries <= len(LADDER):
        wait = LADDER[notice.tries - 1] * world.settings.retry_scale
        base = title if notice.tries == 1 else f"通知：{notice.summary}"
        _later(world, notice, world.clock.now() + wait, base, person)


def _later(world: "World", notice: Notice, at: float, title: str, person: str | None) -> None:
    notice.next_at = at
    world.timer.at(at, lambda: deliver(world, notice, title, person))


def sealed(world: "World", notice: Notice) -> bytes:
    """The body of a notice. Every attempt is encrypted anew, under the same id."""
    merchant = world.settings.payee(notice.mchid)
    plain = json.dumps(notice.plain, ensure_ascii=False).encode()
    resource = signing.encrypt(merchant.api_v3_key, plain, notice.original_type)
    body = {
        "id": notice.id,
        "create_time": rfc3339(notice.created_at),
        "resource_type": "encrypt-resource",
        "event_type": notice.event_type,
        "summary": notice.summary,
        "resource": {"original_type": notice.original_type, **resource},
    }
    return json.dumps(body, ensure_ascii=False).encode()


def signed_headers(world: "World", notice: Notice, body: bytes, broken: str = "") -> dict[str, str]:
    public_key = world.settings.payee(notice.mchid).public_key_id is not None
    if world.settings.mixed_keys:
        public_key = secrets.randbelow(2) == 0
    stamp = world.clock.stamp()
    signature = signing.headers(
        world.settings.platform, body, stamp, public_key=public_key, broken=broken
    )
    return {"Content-Type": "application/json", "Accept": "*/*", **signature}


def _attempt(
    world: "World", notice: Notice, title: str, person: str | None, *, broken: str = ""
) -> Answer | None:
    body = sealed(world, notice)
    headers = signed_headers(world, notice, body, broken)
    started = time.perf_counter()
    problem = ""
    try:
        answer = world.deliver(notice.url, body, headers, world.settings.push_timeout)
    except NoAnswer as error:
        answer, problem = None, str(error)
    ms = (time.perf_counter() - started) * 1000
    notice.statuses.append(answer.status if answer else 0)
    fine = answer is not None and answer.status in (200, 204)
    refused = "拒绝" if answer else "没有应答"
    world.feed.add(
        title,
        direction="out",
        api="pay.notify",
        tag="已收下" if fine else f"{refused} {answer.status if answer else ''}".strip(),
        tone="ok" if fine != bool(broken) else "bad",
        detail=problem or ("签名探测，应该被拒绝" if broken == "probe" else f"{ms:.0f} 毫秒"),
        ms=ms,
        person=person,
        raw={
            "POST": notice.url,
            "id": notice.id,
            "event_type": notice.event_type,
            "plain": notice.plain,
            "headers": headers,
            "status": answer.status if answer else None,
            "answer": answer.body[:2000] if answer else problem,
        },
    )
    return answer
