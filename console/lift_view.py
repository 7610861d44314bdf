"""A lift as it is drawn and said. Pure: places on an axis in percent, and honest words."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from analytics.lift import Lift
from console import words

EDGE = 4  # percent of the axis in which no label has room


@dataclass(frozen=True)
class Axis:
    """From `low` to `high` fen over the width, always with zero and some room on it."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a value stands, in percent from the left."""
        span = self.high - self.low
        return round(min(max((value - self.low) / span * 100, 0), 100), 1) if span else 50.0


def axis(lifts: Sequence[Lift]) -> Axis:
    values = [0.0, *(v for lift in lifts for v in (lift.low, lift.high))]
    low, high = min(values), max(values)
    room = (high - low) * 0.08 or 100.0
    return Axis(low - room, high + room)


def said(lift: Lift, people: int = 0) -> str:
    """The one thing that may be said: an amount only when the interval does not touch zero.

    Per person, or for so many `people` together.
    """
    if not lift.enough:
        return "人数不足"
    if not lift.sure:
        return "还看不出"
    return rough(lift.point * people) if people else signed(lift.point)


def counted_by(margin_bp: int | None, known: float) -> str:
    """How the profit was told: by costs where they are known, by the margin elsewhere."""
    if margin_bp is None or round(known * 100) == 100:
        return "按商品成本算"
    margin = f"按毛利率 {margin_bp / 100:g}% 估"
    share = max(1, round(known * 100))
    return f"{share}% 的销售按商品成本算，其余{margin}" if known else margin


def signed(fen: float) -> str:
    return f"{'−' if fen < 0 else '＋'}¥{words.yuan(abs(round(fen)))}"


def rough(fen: float) -> str:
    """Without cents, where an estimate would pretend to be exact."""
    whole = round(abs(fen) / 100)
    return f"{'−' if fen < 0 else '＋'}¥{whole:,}" if whole else "¥0"


def _ticks(scale: Axis) -> list[dict[str, Any]]:
    """Round amounts along the axis, three to five of them with the zero; none at the very edge."""
    span = scale.high - scale.low
    if not span:
        return [{"x": 50.0, "words": "0"}]
    wanted = span / 4
    power = 10.0 ** floor(log10(wanted))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= wanted)
    places = [
        number * step for number in range(ceil(scale.low / step), int(scale.high // step) + 1)
    ]
    return [
        {"x": scale.place(fen), "words": _tick(fen, step)}
        for fen in places
        if EDGE <= scale.place(fen) <= 100 - EDGE
    ]


def _tick(fen: float, step: float) -> str:
    """In yuan, with cents only where the steps are smaller than a yuan."""
    if not fen:
        return "0"
    amount = f"{abs(fen) / 100:,.0f}" if step >= 100 else f"{abs(fen) / 100:.1f}"
    return f"{'−' if fen < 0 else '＋'}{amount}"


def forest(found: Sequence[tuple[str, str, Lift]]) -> dict[str, Any]:
    """Several campaigns on one axis. Those with too few people get no bar."""
    scale = axis([lift for _, _, lift in found if lift.enough])
    return {
        "rows": [
            {
                "name": name,
                "href": href,
                "words": said(lift),
                "sure": lift.sure,
                "drawn": lift.enough,
                "low": scale.place(lift.low),
                "high": scale.place(lift.high),
                "point": scale.place(lift.point),
            }
            for name, href, lift in found
        ],
        "drawn": any(lift.enough for _, _, lift in found),
        "zero": scale.place(0),
        "ticks": _ticks(scale),
    }
