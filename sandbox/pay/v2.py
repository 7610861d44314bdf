"""The gate of WeChat Pay's older interface: XML and a shared key, in and out.

The demo and the tests speak HTTP, so the merchant's certificate, which the real one asks for
before it takes anything back, cannot be seen here.
"""

import functools
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

from flask import Response, current_app, request

from sandbox.pay.door import NAMES, api
from sandbox.pay.errors import PayError
from sandbox.settings import Merchant
from sandbox.state import World
from sandbox.wechat import xml
from sandbox.wechat.door import cut_off, hang_up

Fields = dict[str, str]


class Unsigned(Exception):
    """Refused before anybody knows who asks."""


@dataclass
class Call:
    world: World
    merchant: Merchant
    fields: Fields
    title: str = ""
    detail: str = ""
    more: Fields = field(default_factory=dict)  # beside a no


Handler = Callable[[Call], Fields]


def v2_api(name: str, path: str, *, title: str) -> Callable[[Handler], Handler]:
    def wrap(handler: Handler) -> Handler:
        @functools.wraps(handler)
        def view() -> Response:
            return _serve(f"pay.{name}", title, handler)

        NAMES.add(f"pay.{name}")
        api.add_url_rule(path, f"v2:{path}", view, methods=["POST"])
        return handler

    return wrap


def sign(fields: Fields, key: str, kind: str) -> str:
    told = sorted(f"{name}={value}" for name, value in fields.items() if value and name != "sign")
    text = "&".join([*told, f"key={key}"]).encode()
    if kind == "HMAC-SHA256":
        return hmac.new(key.encode(), text, hashlib.sha256).hexdigest().upper()
    return hashlib.md5(text, usedforsecurity=False).hexdigest().upper()


def _serve(name: str, title: str, handler: Handler) -> Response:
    started = time.perf_counter()
    world: World = current_app.extensions["sandbox"]
    faults = world.faults.take(name)
    if "delay" in faults:
        time.sleep(faults["delay"].seconds)
    if "drop_before" in faults:
        return hang_up(request.environ)
    call: Call | None = None
    try:
        call = _call(world, title)
        if "error" in faults:
            code = faults["error"].code
            raise PayError(200, "SYSTEMERROR" if code == "SYSTEM_ERROR" else code, "系统超时")
        with world.lock:
            answer = {"result_code": "SUCCESS", "err_code": "", **handler(call)}
    except Unsigned as refusal:
        answer = {"return_code": "FAIL", "return_msg": str(refusal)}
    except PayError as error:
        said = {"err_code": error.code, "err_code_des": error.message}
        answer = {"result_code": "FAIL", **said, **(call.more if call else {})}
    if call:
        answer = _signed(call, answer, forged="wrong_signature" in faults)
    fine = answer.get("result_code") == "SUCCESS"
    world.feed.add(
        call.title if call else title,
        direction="in",
        api=name,
        tag="已受理" if fine else f"拒绝 {answer.get('err_code') or answer.get('return_msg')}",
        tone="ok" if fine else "bad",
        detail=call.detail if call else "",
        ms=(time.perf_counter() - started) * 1000,
        raw={"POST": request.path, "body": call.fields if call else {}, "answer": answer},
    )
    if "late_answer" in faults:
        time.sleep(faults["late_answer"].seconds)
    return cut_off() if "drop_after" in faults else _response(answer)


def _call(world: World, title: str) -> Call:
    try:
        read = xml.parse(request.get_data(as_text=True))
    except ValueError:
        raise Unsigned("XML格式错误") from None
    fields = {name: value for name, value in read.items() if isinstance(value, str)}
    merchant = world.settings.merchants.get(fields.get("mch_id", ""))
    if merchant is None or not merchant.api_v2_key:
        raise Unsigned("商户号mch_id与appid不匹配" if merchant else "mch_id参数错误")
    kind = fields.get("sign_type", "MD5")
    if not hmac.compare_digest(sign(fields, merchant.api_v2_key, kind), fields.get("sign", "")):
        raise Unsigned("签名错误")
    if not world.nonces.use(f"v2|{merchant.mchid}|{fields.get('nonce_str', '')}"):
        raise Unsigned("nonce_str 已经用过")
    if fields.get("sub_mch_id", "") not in ("", *merchant.subs):
        raise Unsigned("受理机构与子商户关系校验失败")
    return Call(world, merchant, fields, title)


def _signed(call: Call, answer: Fields, *, forged: bool) -> Fields:
    named = ("appid", "mch_id", "sub_mch_id")
    told = {
        "return_code": "SUCCESS",
        "return_msg": "OK",
        **{name: call.fields[name] for name in named if call.fields.get(name)},
        "nonce_str": secrets.token_hex(16),
        **{name: value for name, value in answer.items() if value},
    }
    key = "somebody else's key" if forged else call.merchant.api_v2_key
    return {**told, "sign": sign(told, key, call.fields.get("sign_type", "MD5"))}


def _response(answer: Fields) -> Response:
    inside = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in answer.items())
    return Response(f"<xml>{inside}</xml>", mimetype="text/xml")
