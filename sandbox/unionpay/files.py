"""A day's settlement file: fixed columns, in a ZIP, deflated, in base64."""

import base64
import io
import zipfile
import zlib
from datetime import datetime

from sandbox.clock import SHANGHAI
from sandbox.state import World
from sandbox.unionpay.door import Call, Refused, acp_api, known, need
from sandbox.unionpay.store import DONE, Move

FEE_BASIS_POINTS = 55
WIDTHS = (
    *(3, 11, 11, 6, 10, 19, 12, 4, 2, 21, 2, 32, 2, 6, 10, 13, 13, 4, 15, 2, 2),
    *(6, 2, 4, 32, 1, 21, 15, 1, 15, 32, 13, 13, 8, 32, 13, 13, 12, 2, 1, 32, 98),
)
"""Of the merchant's detail file (ZM), one blank between two columns."""


@acp_api("file", "/files", title="下载银联对账文件")
def file(call: Call) -> dict[str, str]:
    known(call, "fileType", "settleDate")
    need(call, "fileType", "settleDate", "txnTime")
    fields, world = call.fields, call.world
    kind = (fields.get("txnType"), fields.get("txnSubType"), fields.get("bizType"))
    if kind != ("76", "01", "000000") or fields["fileType"] != "00":
        raise Refused("10", "报文格式错误[txnType]")
    found = moves_of(world, call.merchant.mer_id, fields["settleDate"])
    today = datetime.fromtimestamp(world.clock.stamp(), SHANGHAI).strftime("%m%d")
    if not found or fields["settleDate"] == today:
        raise Refused("98", "文件不存在")
    name = f"{call.merchant.mer_id}_{fields['settleDate']}.zip"
    packed = zlib.compress(zipped(call.merchant.mer_id, fields["settleDate"], found))
    return {
        "settleDate": fields["settleDate"],
        "fileType": "00",
        "fileName": name,
        "fileContent": base64.b64encode(packed).decode(),
    }


def moves_of(world: World, mer_id: str, day: str) -> list[Move]:
    return [
        move
        for move in world.moves.moves.values()
        if move.mer_id == mer_id
        and move.code == DONE
        and f"{datetime.fromtimestamp(move.at, SHANGHAI):%m%d}" == day
    ]


def zipped(mer_id: str, day: str, found: list[Move]) -> bytes:
    lines = "".join(_line(move) + "\r\n" for move in found)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"INN{day}88ZM_{mer_id}", lines.encode("gbk"))
    return out.getvalue()


def _line(move: Move) -> str:
    """What the shop pays is D, what it gets C."""
    at = datetime.fromtimestamp(move.at, SHANGHAI)
    refund = move.kind != "01"  # of which a void gives the fee back too
    fee = 0 if move.kind == "04" else (move.fen * FEE_BASIS_POINTS + 5_000) // 10_000
    values = dict.fromkeys(range(len(WIDTHS)), "")
    values |= {
        0: {"04": "S30", "31": "S31"}.get(move.kind, "S22"),
        1: "00010344",
        2: "00049992",
        3: move.trace_no,
        4: f"{at:%m%d%H%M%S}",
        5: "6216***********0018",
        6: f"{move.fen:012d}",
        7: "5812",
        8: "08",
        9: move.query_id,
        11: move.order_id,
        12: "01",
        15: f"{'C' if refund else 'D'}{fee:012d}",
        16: f"{'D' if refund else 'C'}{move.fen - fee:012d}",
        19: move.kind,
        20: "01" if move.kind == "01" else "00",
        21: "000201",
        26: move.origin,
        27: move.mer_id,
        32: f"{'D' if refund else 'C'}{move.fen - fee:012d}",
    }
    return " ".join(values[at_].ljust(width) for at_, width in enumerate(WIDTHS))
