"""Messages and events on their way to the shop's callback: signed, sealed, three tries in all."""

import json
import secrets
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sandbox.faults import Fault
from sandbox.outgoing import Answer, NoAnswer
from sandbox.people import Person
from sandbox.settings import Account
from sandbox.wechat import crypto, replies, xml

if TYPE_CHECKING:
    from sandbox.state import World

BROKEN = "该公众号提供的服务出现故障，请稍后再试"


@dataclass(frozen=True)
class Push:
    """`shown`: a reply, or the notice of a failure, appears in the person's chat."""

    account: Account
    person: Person
    openid: str
    fields: dict[str, Any]
    title: str
    shown: bool = True


@dataclass(frozen=True)
class Outcome:
    accepted: bool
    tries: int
    status: int | None = None
    reply: dict[str, Any] | None = None


def build(world: "World", account: Account, person: Person, openid: str, /, **fields: Any) -> Push:
    """A push with the common fields; `title` and `shown` are taken out of the fields."""
    title, shown = fields.pop("title"), fields.pop("shown", True)
    common = {
        "ToUserName": account.original_id,
        "FromUserName": openid,
        "CreateTime": int(world.clock.stamp()),
    }
    if fields.get("MsgType") != "event":
        fields["MsgId"] = world.next_message_id()
    return Push(account, person, openid, {**common, **fields}, title, shown)


def send(world: "World", push: Push, *, wait: bool = True) -> Outcome | None:
    """Deliver now; without `wait` on a thread of its own, and None is returned."""
    if not push.account.token:
        return None
    faults = world.faults.take(f"{push.account.kind}.push")
    delay = faults["delay"].seconds if "delay" in faults else 0.0
    if wait:
        time.sleep(delay)
        return deliver(world, push, faults)
    world.timer.after(delay, lambda: deliver(world, push, faults))
    return None


def deliver(world: "World", push: Push, faults: dict[str, Fault]) -> Outcome:
    if "wrong_signature" in faults:
        _attempt(world, push, 1, forged=True)
    outcome = _three_tries(world, push, faults)
    for number in range(2, faults["duplicate"].copies + 1 if "duplicate" in faults else 2):
        _attempt(world, replace(push, shown=False), 1, copy=number)
    return outcome


def _three_tries(world: "World", push: Push, faults: dict[str, Fault]) -> Outcome:
    for number in range(1, world.settings.push_tries + 1):
        lost = number == 1 and "error" in faults
        answer = None if lost else _attempt(world, push, number)
        if lost:
            world.feed.add(
                push.title,
                direction="out",
                api=f"{push.account.kind}.push",
                tag="没送到",
                tone="warn",
                detail="故意弄丢了这一次，马上重送",
            )
        if answer is None or answer.status != 200:
            continue
        if number == 1 and "drop_after" in faults:
            continue
        return _show(world, push, answer, number)
    if push.shown:
        world.chats.add(push.person, push.account.appid, sender="system", kind="event", text=BROKEN)
    return Outcome(False, world.settings.push_tries)


def _attempt(
    world: "World", push: Push, number: int, *, forged: bool = False, copy: int = 1
) -> Answer | None:
    query, body, content_type = sealed(world, push, forged=forged)
    url = f"{world.settings.push_base}{push.account.callback_path}?{urlencode(query)}"
    started = time.perf_counter()
    try:
        answer = world.deliver(
            url, body, {"Content-Type": content_type}, world.settings.push_timeout
        )
        problem = ""
    except NoAnswer as error:
        answer, problem = None, str(error)
    ms = (time.perf_counter() - started) * 1000
    tag, tone = _verdict(answer, forged)
    title = push.title
    if forged:
        title = f"有人送来一条伪造的消息：{title}"
    elif copy > 1:
        title = f"同一条消息送第 {copy} 次：{title}"
    elif number > 1:
        title = f"第 {number} 次重送：{title}"
    world.feed.add(
        title,
        direction="out",
        api=f"{push.account.kind}.push",
        tag=tag,
        tone=tone,
        detail=problem or f"{_MODES[push.account.mode]} · {ms:.0f} 毫秒",
        ms=ms,
        person=push.person.id,
        raw={
            "POST": push.account.callback_path,
            "message": push.fields,
            "status": answer.status if answer else None,
            "answer": answer.body[:2000] if answer else problem,
        },
    )
    return answer


_MODES = {"plain": "明文", "compatible": "兼容模式", "safe": "加密并签名"}


def _verdict(answer: Answer | None, forged: bool) -> tuple[str, str]:
    if answer is None:
        return "没有应答", "bad"
    if answer.status == 200:
        return ("居然收下了", "bad") if forged else ("已应答", "ok")
    return f"拒收 {answer.status}", "ok" if forged else "bad"


def sealed(
    world: "World", push: Push, *, forged: bool = False
) -> tuple[dict[str, str], bytes, str]:
    """Query, body and content type of one attempt, in the account's mode."""
    account, as_json = push.account, _speaks_json(world, push.account)
    plain = json.dumps(push.fields, ensure_ascii=False) if as_json else xml.render(push.fields)
    stamp, nonce = str(int(world.clock.stamp())), str(secrets.randbelow(10**10))
    signed = crypto.signature(account.token, stamp, nonce)
    query = {"signature": signed, "timestamp": stamp, "nonce": nonce, "openid": push.openid}
    fields: dict[str, Any] = push.fields if account.mode == "compatible" else {}
    if account.mode != "plain":
        cipher = crypto.seal(account.encoding_aes_key, account.appid, plain.encode())
        query["encrypt_type"] = "aes"
        query["msg_signature"] = crypto.signature(account.token, stamp, nonce, cipher)
        fields = {"ToUserName": account.original_id, **fields, "Encrypt": cipher}
        plain = json.dumps(fields, ensure_ascii=False) if as_json else xml.render(fields)
    if forged:
        query = {k: _spoil(v) if k.endswith("signature") else v for k, v in query.items()}
    return query, plain.encode(), "application/json" if as_json else "text/xml"


def _speaks_json(world: "World", account: Account) -> bool:
    return account.kind == "mini" and world.settings.mini_format == "json"


def _spoil(signature: str) -> str:
    return ("0" if signature[0] != "0" else "1") + signature[1:]


def _show(world: "World", push: Push, answer: Answer, tries: int) -> Outcome:
    try:
        fields = None
        if push.account.kind == "official":
            sealed_push = push.account.mode != "plain"
            fields = replies.read(push.account, sealed_push, answer.body, push.openid)
        message = replies.content(fields) if fields else None
    except replies.BadReply as problem:
        world.feed.add(
            f"回复的格式不对，{push.person.name}看到「服务出现故障」",
            direction="out",
            api="official.push",
            tag="格式错误",
            tone="bad",
            detail=str(problem),
            raw={"answer": answer.body[:2000]},
        )
        if push.shown:
            world.chats.add(
                push.person, push.account.appid, sender="system", kind="event", text=BROKEN
            )
        return Outcome(False, tries, answer.status)
    if message and push.shown:
        world.chats.add(push.person, push.account.appid, sender="account", **message)
    return Outcome(True, tries, answer.status, message)
