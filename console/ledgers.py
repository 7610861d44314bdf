"""A member's ledgers of points and of stored value, page by page."""

from collections.abc import Sequence
from datetime import datetime

from flask import Blueprint, Response, request, url_for

from console import people, reply, words
from console.access import staff
from console.members import get_member
from console.plans import ENTRIES as BALANCES
from core import cursors
from core.clock import now as clock_now
from core.database import reading
from crm import balance_ledger, points
from crm.models import BalanceEntry, EntryKind, Member, PointEntry

page = Blueprint("ledgers", __name__, url_prefix="/members")

PAGE = 50
POINTS = {
    EntryKind.earned: "消费得积分",
    EntryKind.released: "到账",
    EntryKind.clawed_back: "退款收回",
    EntryKind.merged: "账号合并",
    EntryKind.spent: "抵扣",
    EntryKind.returned: "退还",
    EntryKind.expired: "过期",
    EntryKind.adjusted: "手工调整",
    EntryKind.granted: "赠送",
    EntryKind.exchanged: "兑换",
    EntryKind.imported: "从别处转来",
}


@page.get("/<no>/points")
@staff("members.view")
def of_points(no: str) -> Response:
    now, before = clock_now(), cursors.place(request.args.get("cursor", ""))
    with reading() as session:
        member = get_member(session, no)
        found = points.ledger(session, member.id, before=before, limit=PAGE + 1)
        rows = [
            {
                "what": POINTS[line.entry.kind],
                "why": line.entry.reason or _lands(line, now),
                "first": _signed(line.points),
                "second": _signed(line.pending),
                "at": words.when(line.entry.at, now),
            }
            for line in found[:PAGE]
        ]
    last = [line.entry for line in found[PAGE - 1 : PAGE + 1]]
    sums = [("能用", f"{words.count(member.points)} 分"),
            ("待到账", f"{words.count(member.points_pending)} 分")]  # fmt: skip
    heads = ("能用", "待到账")
    return _page("积分明细", "of_points", member, last, rows, heads, sums)


@page.get("/<no>/balance")
@staff("members.view")
def of_balance(no: str) -> Response:
    now, before = clock_now(), cursors.place(request.args.get("cursor", ""))
    with reading() as session:
        member = get_member(session, no)
        found = balance_ledger.entries_of(session, member.id, before=before, limit=PAGE + 1)
        rows = [
            {
                "what": BALANCES[entry.kind],
                "why": "",
                "first": words.yuan(entry.principal_fen),
                "second": words.yuan(entry.bonus_fen),
                "at": words.when(entry.at, now),
            }
            for entry in found[:PAGE]
        ]
    last = found[PAGE - 1 : PAGE + 1]
    own = member.balance_fen - member.balance_bonus_fen
    sums = [("本金", f"¥{words.yuan(own)}"), ("赠送", f"¥{words.yuan(member.balance_bonus_fen)}")]
    heads = ("本金（元）", "赠送（元）")
    return _page("储值明细", "of_balance", member, last, rows, heads, sums)


def _page(
    title: str,
    endpoint: str,
    member: Member,
    last: Sequence[PointEntry | BalanceEntry],
    rows: list[dict[str, str]],
    heads: tuple[str, str],
    sums: list[tuple[str, str]],
) -> Response:
    """`last`: of the page, and the one after it, if there is one."""
    to, no = f"console.ledgers.{endpoint}", member.no
    more = cursors.after(last[0].at, last[0].id) if len(last) > 1 else ""
    return reply.page(
        "members/ledger.html",
        title=title,
        who={"name": people.name_of(member), "href": url_for("console.members.show", no=no)},
        rows=rows,
        heads=heads,
        sums=sums,
        pager={
            "next": url_for(to, no=no, cursor=more) if more else "",
            "first": url_for(to, no=no) if request.args.get("cursor") else "",
        },
    )


def _lands(line: points.Line, now: datetime) -> str:
    return f"{words.on(line.lands_at, now)} 到账" if line.lands_at else ""


def _signed(number: int) -> str:
    return f"+{words.count(number)}" if number > 0 else words.count(number) if number else ""
