"""Which differences are looked for: read from what was asked, and told in words."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from console import recon_view, words
from console.forms import Form
from payments.models.statements import UNSOLVED, Difference, DiscrepancyState
from payments.recon.queries import Wanted

TABS = {
    "open": ("待处理", UNSOLVED),
    "solved": ("已解决", (DiscrepancyState.fixed, DiscrepancyState.accepted)),
}
KINDS = {
    Difference.long: "账单里多了",
    Difference.short: "账单里没有",
    Difference.amount: "金额不一样",
    Difference.state: "状态不一样",
    Difference.fee: "手续费不一样",
}


@dataclass(frozen=True)
class Given:
    """`kept` goes into addresses: only what was understood. `day`: the one that was chosen among
    the days above, of which all differences are shown."""

    tab: str
    wanted: Wanted
    kept: dict[str, Any]
    day: date | None = None

    @property
    def filtered(self) -> bool:
        return bool(self.kept.keys() - {"tab", "day"})


def read(form: Form, tab: str, day: date | None = None) -> Given:
    """`day`: of the case that is looked at, where a day was chosen."""
    day = day or day_of(form["day"])
    tab = tab if tab in TABS else "open"
    states = TABS[tab][1]
    state = next((each for each in states if each == form["state"]), None)
    kind = next((each for each in Difference if each == form["kind"]), None)
    channel = form["channel"] if form["channel"] in recon_view.CHANNELS else ""
    first, last = day_of(form["from"]), day_of(form["to"])
    first, last = first or last, last or first
    if first and last and first > last:
        first, last = last, first
    if day:
        first = last = None
    least = _fen(form["least"])
    kept = {
        "tab": tab,
        "state": state,
        "kind": kind,
        "channel": channel,
        "from": first.isoformat() if first else "",
        "to": last.isoformat() if last else "",
        "least": f"{least / 100:g}" if least else "",
        "day": day.isoformat() if day else "",
    }
    wanted = Wanted((state,) if state else states, kind, channel, day or first, day or last, least)
    return Given(tab, wanted, {name: str(value) for name, value in kept.items() if value}, day)


def options(tab: str) -> dict[str, list[tuple[str, str]]]:
    return {
        "state": [("", "全部状态"), *((s.value, recon_view.STANDS[s][0]) for s in TABS[tab][1])],
        "kind": [("", "全部差异"), *((k.value, text) for k, text in KINDS.items())],
        "channel": [("", "全部渠道"), *recon_view.CHANNELS.items()],
    }


def told(given: Given) -> str:
    """The filters in words."""
    wanted, said = given.wanted, [TABS[given.tab][0]]
    if "state" in given.kept:
        said.append(recon_view.STANDS[DiscrepancyState(given.kept["state"])][0])
    if wanted.kind:
        said.append(KINDS[wanted.kind])
    if wanted.channel:
        said.append(recon_view.CHANNELS[wanted.channel])
    if wanted.first and wanted.last:
        same = wanted.first == wanted.last
        last = "" if same else f"到 {words.date_of(wanted.last)}"
        said.append(f"账单日 {words.date_of(wanted.first)}{last}")
    if wanted.least_fen:
        said.append(f"差 ¥{words.yuan(wanted.least_fen)} 以上")
    return " · ".join(said)


def day_of(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 < found.year < 2200 else None


def _fen(text: str) -> int:
    """Yuan as they were typed; what is no amount asks for nothing."""
    whole, _, rest = text.strip().partition(".")
    if not (whole.isascii() and whole.isdecimal() and len(whole) <= 7):
        return 0
    if rest and not (rest.isascii() and rest.isdecimal() and len(rest) <= 2):
        return 0
    return int(whole) * 100 + int(rest.ljust(2, "0") or 0)
