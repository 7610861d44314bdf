"""Which refunds are looked for: read from what was asked, and told in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from console import words
from console.forms import Form
from console.money_words import CHANNELS
from console.recon_filters import day_of
from merchants.models import Staff
from payments.models import Channel
from payments.refunding.listing import MOST_SUMMED, Filters, Sums

WAYS: dict[Channel, str] = {way: name for way, name in CHANNELS.items() if way is not Channel.none}
TABS = {"": "全部", "stuck": "要处理", "way": "在路上", "done": "已到账", "failed": "没退成"}
NAMES = ("state", "channel", "actor", "q", "from", "to")
OTHERS = {"member:": "顾客自己", "system": "系统自动"}
MOST_DAYS = 92
LONGEST = 32


@dataclass(frozen=True)
class Given:
    """`kept` goes into addresses: only what was understood."""

    filters: Filters
    kept: dict[str, str]

    @property
    def narrow(self) -> bool:
        """Whether it may be added up: a number, or days that are not too many."""
        first, last = self.filters.first, self.filters.last
        few = first is not None and last is not None and (last - first).days < MOST_DAYS
        return bool(self.filters.q) or few


def read(form: Form, store_ids: Sequence[int], today: date) -> Given:
    first, last = day_of(form["from"]), day_of(form["to"])
    if first and not last:
        last = max(first, today)
    if first and last and first > last:
        first, last = last, first
    channel = next((each for each in WAYS if each == form["channel"]), None)
    filters = Filters(
        store_ids,
        form["state"] if form["state"] in TABS else "",
        first,
        last,
        channel,
        form["actor"] if _is_actor(form["actor"]) else "",
        form["q"].strip()[:LONGEST],
    )
    kept = {
        "state": filters.state,
        "channel": channel or "",
        "actor": filters.actor,
        "q": filters.q,
        "from": first.isoformat() if first else "",
        "to": last.isoformat() if last else "",
    }
    return Given(filters, {name: str(value) for name, value in kept.items() if value})


def options(staff: Sequence[Staff]) -> dict[str, list[tuple[str, str]]]:
    return {
        "channel": [
            ("", "退到哪里都看"),
            *((c.value, name) for c, name in WAYS.items()),
        ],
        "actor": [
            ("", "谁退的都看"),
            *OTHERS.items(),
            *((f"staff:{each.id}", each.name) for each in staff),
        ],
    }


def told(given: Given, staff: Sequence[Staff]) -> str:
    """The filters in words."""
    filters, said = given.filters, [TABS[given.filters.state]]
    if filters.q:
        return f"{said[0]} · {filters.q}"
    if filters.channel is not None:
        said.append(f"退到{WAYS[filters.channel]}")
    if filters.actor:
        names = dict(options(staff)["actor"])
        said.append(names.get(filters.actor, "员工"))
    if filters.last is not None:
        last = words.date_of(filters.last)
        first = words.date_of(filters.first) if filters.first else ""
        said.append(last if first == last else f"{first} 到 {last}")
    return " · ".join(said)


def summed(given: Given, sums: Sums | None) -> dict[str, Any]:
    """`missing` says why there are none."""
    if not given.narrow:
        return {"missing": f"选好从哪天到哪天（{MOST_DAYS} 天以内），这里就有合计"}
    if sums is None:
        return {"missing": f"超过 {words.count(MOST_SUMMED)} 笔，日期选短一点才合计"}
    parts = [f"{words.count(sums.number)} 笔"]
    parts += [f"渠道 ¥{words.yuan(sums.channel_fen)}", f"储值余额 ¥{words.yuan(sums.balance_fen)}"]
    parts.append(f"已退 ¥{words.yuan(sums.done_fen)}")
    if going := sums.channel_fen + sums.balance_fen - sums.done_fen:
        parts.append(f"在退 ¥{words.yuan(going)}")
    failed = f"没退成 {words.count(sums.failed)} 笔，不算在内" if sums.failed else ""
    return {"parts": parts, "note": failed}


def _is_actor(text: str) -> bool:
    kind, _, number = text.partition(":")
    return text in OTHERS or (kind == "staff" and number.isdecimal() and number.isascii())
