"""Bills: named with their hash in a signed answer, downloaded by a signed question, unsigned."""

import gzip
import hashlib
from datetime import date, datetime, timedelta

from flask import Response, current_app, request

from sandbox.clock import SHANGHAI
from sandbox.pay import billfiles, parties
from sandbox.pay.billstore import Wrongs
from sandbox.pay.door import Body, Call, api, pay_api, signer
from sandbox.pay.errors import PayError, bad_parameter
from sandbox.state import World

READY_HOUR = 9
MONTHS = 92


@pay_api("tradebill", "/v3/bill/tradebill", method="GET", title="申请交易账单")
def tradebill(call: Call) -> Body:
    day = _day(call, {"bill_type": ("ALL",), "sub_mchid": None})
    lines = _lines(call, day)
    return _named(call, billfiles.trade_file(lines, wrong_totals=_wrongs(call).wrong_totals), day)


@pay_api("fundflowbill", "/v3/bill/fundflowbill", method="GET", title="申请资金账单")
def fundflowbill(call: Call) -> Body:
    day = _day(call, {"account_type": ("BASIC",)})
    return _named(call, billfiles.fund_file(_lines(call, day)), day)


@api.get("/v3/billdownload/file")
def download() -> Response:
    world: World = current_app.extensions["sandbox"]
    try:
        signer(world)
    except PayError as error:
        return Response(str(error), status=error.status, mimetype="text/plain")
    content = world.bills.find(request.args.get("token", ""))
    if content is None:
        return Response("token expired", status=400, mimetype="text/plain")
    return Response(content, mimetype="application/octet-stream")


def _lines(call: Call, day: date) -> list[billfiles.Line]:
    world = call.world
    found = billfiles.lines_of(world.ledger, call.merchant.mchid, day, world.bills.wrongs)
    if sub := parties.check_sub(call, call.query.get("sub_mchid")):
        found = [line for line in found if line.sub_mchid == sub]
    if not found:
        raise PayError(400, "NO_STATEMENT_EXIST", "账单不存在")
    return found


def _named(call: Call, text: str, day: date) -> Body:
    plain = (b"\xef\xbb\xbf" if _wrongs(call).bom else b"") + text.encode()
    packed = call.query.get("tar_type") == "GZIP"
    token = call.world.bills.keep(gzip.compress(plain) if packed else plain)
    hash_ = hashlib.sha1(b"?" if _wrongs(call).wrong_hash else plain, usedforsecurity=False)
    call.title = f"出了一份 {day:%m-%d} 的账单"
    url = f"{request.host_url}v3/billdownload/file?token={token}"
    return {"hash_type": "SHA1", "hash_value": hash_.hexdigest(), "download_url": url}


def _day(call: Call, known: dict[str, tuple[str, ...] | None]) -> date:
    allowed = {"bill_date": None, "tar_type": ("GZIP",), **known}
    for name, value in call.query.items():
        values = allowed.get(name, ())
        if values is not None and value not in values:
            raise bad_parameter(f"/{name}", "参数不正确", value)
    try:
        day = date.fromisoformat(call.query.get("bill_date", ""))
    except ValueError:
        raise bad_parameter("/bill_date", "应为 YYYY-MM-DD", call.query.get("bill_date")) from None
    now = datetime.fromtimestamp(call.world.clock.now(), SHANGHAI)
    if _wrongs(call).early:
        return day
    if day >= now.date() or day < now.date() - timedelta(days=MONTHS):
        raise bad_parameter("/bill_date", "账单日期不在可下载的范围内", day.isoformat())
    if day == now.date() - timedelta(days=1) and now.hour < READY_HOUR:
        raise PayError(400, "STATEMENT_CREATING", "账单生成中")
    return day


def _wrongs(call: Call) -> Wrongs:
    return call.world.bills.wrongs
