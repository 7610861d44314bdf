"""The gate of Alipay's gateway: signature in, known fields only, faults, signed answer, feed."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, request

from sandbox.alipay import signing
from sandbox.alipay.errors import AlipayError
from sandbox.channel_settings import AlipayApp
from sandbox.clock import SHANGHAI
from sandbox.formnotices import FormNotices
from sandbox.state import World
from sandbox.wechat.door import cut_off, hang_up

api = Blueprint("alipay", __name__, url_prefix="/alipay")
SKEW = 600
Body = dict[str, Any]
FormNotices.signers["alipay"] = signing.signed_form


@dataclass
class Call:
    world: World
    app: AlipayApp
    params: dict[str, str]
    content: Body
    title: str = ""
    detail: str = ""

    @property
    def number(self) -> str:
        """The trade that is meant."""
        number = self.content.get("out_trade_no") or self.content.get("trade_no")
        if not isinstance(number, str) or not number:
            raise AlipayError("40004", "ACQ.INVALID_PARAMETER", "参数无效：缺少 out_trade_no")
        return number


Handler = Callable[[Call], Body | Response]


@dataclass(frozen=True)
class Method:
    name: str
    title: str
    fields: frozenset[str]
    handler: Handler


METHODS: dict[str, Method] = {}
NAMES: set[str] = {"alipay.notify"}


def alipay_api(method: str, *fields: str, title: str) -> Callable[[Handler], Handler]:
    """Serve `method`, which knows these fields; faults call it "alipay.<last words>"."""

    def wrap(handler: Handler) -> Handler:
        name = "alipay." + method.removeprefix("alipay.").removeprefix("trade.")
        METHODS[method] = Method(name, title, frozenset(fields), handler)
        NAMES.add(name)
        return handler

    return wrap


@api.route("/gateway.do", methods=["GET", "POST"])
def gateway() -> Response:
    started = time.perf_counter()
    world: World = current_app.extensions["sandbox"]
    params = {**request.args.to_dict(), **request.form.to_dict()}
    method = METHODS.get(params.get("method", ""))
    name = method.name if method else "alipay.unknown"
    faults = world.faults.take(name)
    if "delay" in faults:
        time.sleep(faults["delay"].seconds)
    if "drop_before" in faults:
        return hang_up(request.environ)
    call: Call | None = None
    answer: Body | Response
    try:
        call = _opened(world, method, params)
        if "error" in faults:
            code = faults["error"].code
            raise AlipayError("20000" if code == "SYSTEM_ERROR" else "40004", code, "系统繁忙")
        assert method is not None
        with world.lock:
            answer = method.handler(call)
        if isinstance(answer, dict):
            answer = {"code": "10000", "msg": "Success", **answer}
    except AlipayError as error:
        answer = error.body()
    _tell(world, call, name, method, answer, (time.perf_counter() - started) * 1000)
    if "late_answer" in faults:
        time.sleep(faults["late_answer"].seconds)
    if "drop_after" in faults:
        return cut_off()
    if isinstance(answer, Response):
        return answer
    return _signed(world, params, answer, forged="wrong_signature" in faults)


def _opened(world: World, method: Method | None, params: dict[str, str]) -> Call:
    app = world.settings.channels.alipay.get(params.get("app_id", ""))
    if app is None:
        raise AlipayError("40002", "isv.invalid-app-id", "无效的AppID参数")
    signing.check(app, world.settings.channels, params)
    if method is None or params.get("version") != "1.0" or params.get("format") != "JSON":
        raise AlipayError("40002", "isv.invalid-method", "不存在的方法名")
    _check_time(world, params.get("timestamp", ""))
    try:
        content = json.loads(params.get("biz_content", ""))
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise AlipayError("40002", "isv.invalid-parameter", "biz_content 不是 JSON 对象")
    if unknown := set(content) - method.fields:
        raise AlipayError("40004", "ACQ.INVALID_PARAMETER", f"参数无效：{sorted(unknown)[0]}")
    return Call(world, app, params, content, method.title)


def _check_time(world: World, text: str) -> None:
    try:
        at = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=SHANGHAI).timestamp()
    except ValueError:
        raise AlipayError("40002", "isv.invalid-timestamp", "非法的时间戳参数") from None
    if not world.clock.agrees(at, SKEW):
        raise AlipayError("40002", "isv.invalid-timestamp", "时间戳与现在相差太多")


def _signed(world: World, params: dict[str, str], answer: Body, *, forged: bool) -> Response:
    """The object is signed as it stands in the text, in the charset that was asked for."""
    charset = "gbk" if params.get("charset", "").lower() == "gbk" else "utf-8"
    written = json.dumps(answer, ensure_ascii=False, separators=(",", ":")).replace("/", "\\/")
    name = params.get("method", "").replace(".", "_") + "_response"
    text = f'{{"{name}":{written}'
    app = world.settings.channels.alipay.get(params.get("app_id", ""))
    if (
        app is not None
        and app.certificate is not None
        and world.settings.channels.alipay_certificate
    ):
        serial = signing.serial_of(world.settings.channels.alipay_certificate)
        text += f',"alipay_cert_sn":"{serial}"'
    # A stranger's request is refused without a signature.
    if app is not None and answer.get("sub_code") != "isv.invalid-signature":
        signature = signing.signed(world, b"{}" if forged else written.encode(charset))
        text += f',"sign":"{signature}"'
    return Response((text + "}").encode(charset), content_type=f"text/html;charset={charset}")


def _tell(
    world: World,
    call: Call | None,
    name: str,
    method: Method | None,
    answer: Body | Response,
    ms: float,
) -> None:
    said: Body = answer if isinstance(answer, dict) else {"code": "10000"}
    fine = said["code"] in ("10000", "10003")
    title = call.title if call else method.title if method else "支付宝接口"
    world.feed.add(
        title,
        direction="in",
        api=name,
        tag="已受理" if fine else f"拒绝 {said['code']}",
        tone="ok" if fine else "bad",
        detail=(call.detail if call else "") if fine else str(said.get("sub_msg", "")),
        ms=ms,
        raw={"method": name, "content": call.content if call else {}, "answer": said},
    )
