"""The gate of UnionPay's gateway: merchant, certificate, signature, fields; signed text back."""

import base64
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from flask import Blueprint, Response, current_app, request

from sandbox.channel_settings import AcpMerchant
from sandbox.formnotices import FormNotices
from sandbox.state import World
from sandbox.wechat.door import cut_off, hang_up

api = Blueprint("unionpay", __name__, url_prefix="/unionpay")
NAMES: set[str] = {"unionpay.notify", "unionpay.void"}
COMMON = (
    "version",
    "encoding",
    "signMethod",
    "accessType",
    "merId",
    "certId",
    "signature",
    "txnType",
    "txnSubType",
    "bizType",
    "txnTime",
    "reqReserved",
)


class Refused(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Call:
    world: World
    merchant: AcpMerchant
    fields: dict[str, str]
    title: str = ""
    detail: str = ""
    usual: str = ""
    """What a no says that is no fault, in a word."""


Handler = Callable[[Call], "dict[str, str] | Response"]


def acp_api(name: str, path: str, *, title: str) -> Callable[[Handler], Handler]:
    """Serve `path`; faults call it "unionpay.<name>"."""

    def wrap(handler: Handler) -> Handler:
        NAMES.add(f"unionpay.{name}")
        api.add_url_rule(
            path, name, lambda: _serve(f"unionpay.{name}", title, handler), methods=["POST"]
        )
        return handler

    return wrap


def known(call: Call, *names: str) -> None:
    """Raises Refused for a field that this interface does not have."""
    if unknown := set(call.fields) - {*COMMON, *names}:
        raise Refused("10", f"报文格式错误[{sorted(unknown)[0]}]")


def need(call: Call, *names: str) -> None:
    for name in names:
        if not call.fields.get(name):
            raise Refused("10", f"报文格式错误[{name}必填]")


def signed(world: World, fields: dict[str, str], *, forged: bool = False) -> dict[str, str]:
    """With our certificate inside, under a signature over the digits of the digest."""
    channels = world.settings.channels
    assert channels.acp_key is not None
    told = {name: value for name, value in fields.items() if value}
    told |= {
        "version": "5.1.0",
        "encoding": "UTF-8",
        "signMethod": "01",
        "signPubKeyCert": channels.acp_certificate,
    }
    text = b"0" * 64 if forged else _digest(told)
    raw = channels.acp_key.sign(text, padding.PKCS1v15(), hashes.SHA256())
    return {**told, "signature": base64.b64encode(raw).decode()}


def _sign_notice(
    world: World, _account: str, fields: dict[str, str], forged: bool
) -> dict[str, str]:
    return signed(world, fields, forged=forged)


FormNotices.signers["unionpay"] = _sign_notice


def _serve(name: str, title: str, handler: Handler) -> Response:
    started = time.perf_counter()
    world: World = current_app.extensions["sandbox"]
    if name == "unionpay.refund" and request.form.get("txnType") == "31":
        name = "unionpay.void"  # at the same address, with faults of its own
    faults = world.faults.take(name)
    if "delay" in faults:
        time.sleep(faults["delay"].seconds)
    if "drop_before" in faults:
        return hang_up(request.environ)
    fields = request.form.to_dict()
    call: Call | None = None
    answer: dict[str, str] | Response
    try:
        call = Call(world, _merchant(world, fields), fields, title)
        if "error" in faults:
            code = faults["error"].code
            raise Refused("06" if code == "SYSTEM_ERROR" else code, "系统繁忙，请稍后再试")
        with world.lock:
            answer = handler(call)
        if isinstance(answer, dict):
            answer = {"respCode": "00", "respMsg": "成功[0000000]", **answer}
    except Refused as error:
        answer = {"respCode": error.code, "respMsg": error.message}
    _tell(world, call, name, title, answer, (time.perf_counter() - started) * 1000)
    if "late_answer" in faults:
        time.sleep(faults["late_answer"].seconds)
    if "drop_after" in faults:
        return cut_off()
    if isinstance(answer, Response):
        return answer
    echoed = {name: fields[name] for name in (*COMMON, "orderId") if name in fields}
    for name_ in ("signature", "certId"):
        echoed.pop(name_, None)
    told = signed(world, {**echoed, **answer}, forged="wrong_signature" in faults)
    text = "&".join(f"{key}={value}" for key, value in told.items())
    return Response(text, mimetype="text/html")


def _merchant(world: World, fields: dict[str, str]) -> AcpMerchant:
    merchant = world.settings.channels.acp.get(fields.get("merId", ""))
    if merchant is None:
        raise Refused("31", "商户状态不正确")
    if (fields.get("version"), fields.get("encoding"), fields.get("signMethod")) != (
        "5.1.0",
        "UTF-8",
        "01",
    ):
        raise Refused("10", "报文格式错误")
    if fields.get("certId") != str(merchant.certificate.serial_number):
        raise Refused("11", "验证签名失败：certId")
    key = merchant.certificate.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    try:
        signature = base64.b64decode(fields.get("signature", ""), validate=True)
        key.verify(signature, _digest(fields), padding.PKCS1v15(), hashes.SHA256())
    except (ValueError, InvalidSignature):
        raise Refused("11", "验证签名失败") from None
    return merchant


def _digest(fields: dict[str, str]) -> bytes:
    pairs = sorted((k, v) for k, v in fields.items() if v and k != "signature")
    text = "&".join(f"{key}={value}" for key, value in pairs)
    return hashlib.sha256(text.encode()).hexdigest().encode()


def _tell(
    world: World,
    call: Call | None,
    name: str,
    title: str,
    answer: dict[str, str] | Response,
    ms: float,
) -> None:
    said = answer if isinstance(answer, dict) else {"respCode": "00"}
    fine = said["respCode"] == "00"
    if call and call.usual and not fine:
        seen = (call.title, call.usual, "ok", call.detail)
    elif fine:
        seen = (call.title if call else title, "已受理", "ok", call.detail if call else "")
    else:
        refusal = f"拒绝 {said['respCode']}"
        seen = (call.title if call else title, refusal, "bad", said.get("respMsg", ""))
    what, tag, tone, detail = seen
    world.feed.add(
        what,
        direction="in",
        api=name,
        tag=tag,
        tone=tone,
        detail=detail,
        ms=ms,
        raw={"fields": call.fields if call else {}, "answer": said},
    )
