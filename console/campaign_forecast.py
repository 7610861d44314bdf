"""What a launch at this moment would do, as people see it: bars, reasons, costs, and what it can
tell afterwards."""

from typing import Any

from analytics.lift import FEWEST_BUYERS, FEWEST_PEOPLE
from console import campaign_gifts, words
from console.campaign_view import list_skipped
from crm.campaigns.holdout import WHOLE
from crm.campaigns.offers import Offer
from crm.campaigns.reach import Forecast
from messaging.models import Channel

CHANNELS = {
    Channel.customer_service: ("客服会话", ""),
    Channel.subscribe: ("订阅消息", "b4"),
    Channel.broadcast: ("群发", "b2"),
}
TINY = 5
"""Where fewer than these are expected in the hold-out, it may well be empty."""


def forecast(
    found: Forecast,
    offer: Offer | None,
    holdout_bp: int,
    used_share: float | None = None,
    variants: int = 1,
) -> dict[str, Any]:
    """Bars, reasons and costs of a launch at this moment.

    Lots are drawn person by person, so all the reachable may get it: costs are of them all.
    `used_share` is the part of earlier coupons that was used, if any tell.
    """
    reached = found.reachable - found.holdout
    bars, x = [], 0.0
    parts = [(CHANNELS[channel], number) for channel, number in found.channels.items()]
    for (name, look), number in [*parts, (("对照组", "b3"), found.holdout)]:
        if name != "对照组" and found.reachable:
            number = round(number * reached / found.reachable)
        width = round(number * 100 / found.total, 1) if found.total else 0
        legend = look.replace("b", "l")
        text = f"{name} {words.count(number)}"
        if name == "对照组" and holdout_bp and found.reachable:
            text = f"{name} 约 {words.count(number)}" if number else f"{name} 不到 1"
        bars.append({"cls": look, "legend": legend, "x": x, "width": width, "words": text})
        x += width
    skipped = found.total - found.reachable
    face = offer.face_fen if offer else 0
    return {
        "audience": words.count(found.total),
        "reach": words.count(reached),
        "most": words.count(found.reachable),
        "held": _held(found, holdout_bp),
        "few": _too_few(found.reachable, holdout_bp, variants),
        "words": "，".join(str(bar["words"]) for bar in bars),
        "bars": bars,
        "skipped_count": words.count(skipped),
        "skipped": list_skipped(found.reasons),
        "most_fen": f"¥{words.yuan(found.reachable * face)}" if face else "",
        "costs": campaign_gifts.costs(offer, found.reachable, used_share),
        "received": campaign_gifts.received(offer),
    }


def _too_few(reachable: int, holdout_bp: int, variants: int) -> list[str]:
    """What the report will not be able to say, before anybody is written to."""
    if not reachable:
        return []
    said = []
    if not holdout_bp:
        said.append("没有留对照组：跑完只知道用了多少券，量不出增量。")
    elif reachable * holdout_bp < WHOLE:
        said.append(
            f"能送到的只有 {words.count(reachable)} 人，一个一个抽签，对照组可能一个人也没有，"
            "量不出增量。"
        )
    elif reachable * holdout_bp < FEWEST_PEOPLE * WHOLE:
        said.append(f"对照组不到 {FEWEST_PEOPLE} 人，跑完多半看不出增量。人群大一些再比较。")
    each = reachable * (WHOLE - holdout_bp) // WHOLE // variants
    if variants > 1 and each < FEWEST_PEOPLE:
        said.append(
            f"比 {variants} 种，一种只有约 {words.count(each)} 人，跑完多半看不出哪种更好"
            f"（一种至少要 {FEWEST_PEOPLE} 人、其中 {FEWEST_BUYERS} 人买过）。"
        )
    return said


def _held(found: Forecast, holdout_bp: int) -> str:
    """How many are kept for comparison; the lot decides, so never exactly."""
    if not holdout_bp or not found.reachable:
        return "不留对照"
    if found.reachable * holdout_bp < TINY * WHOLE:
        return f"对照约 {words.count(max(found.holdout, 1))} 人，可能没有"
    return f"对照约 {words.count(found.holdout)} 人"
