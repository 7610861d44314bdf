"""What a service card says: WeChat's `content_json`, by kind. Pure.

The fields are those of WeChat's public pages for 2002 (self-pickup in a shop) and 2007 (waiting to
fetch). The numbers of the steps after 2 could not be confirmed there: `service_cards.statuses` of
the configuration corrects them, and a kind's own fields are added here and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.config import ServiceCards

PICKUP, WAIT = 2002, 2007
STEPS = ("paid", "accepted", "preparing", "ready", "completed", "cancelled")
BEGUN = STEPS.index("accepted") + 1
"""The furthest that a card can be put up with; what is further is told in a second call."""
LAST = STEPS.index("completed") + 1
"""From here on nothing follows."""
CANCELLED = STEPS.index("cancelled") + 1
_STATUSES: dict[int, Mapping[str, int]] = {
    PICKUP: dict(zip(STEPS, (1, 2, 2, 4, 5, 6), strict=True)),
    WAIT: dict(zip(STEPS, (1, 2, 2, 3, 4, 5), strict=True)),
}
_MOST_GOODS, _NAME, _NUMBER = 10, 40, 10


@dataclass(frozen=True)
class Goods:
    """One line of an order; `page` of the mini-program shows it."""

    name: str
    image: str
    page: str
    count: int
    price_fen: int


@dataclass(frozen=True)
class Progress:
    """How far an order is: `step` is one of STEPS, `number` what it is called up by."""

    step: str
    page: str
    number: str
    goods: Sequence[Goods]


def rank_of(step: str) -> int:
    """Steps counted from 1: a card only goes to a higher one."""
    return STEPS.index(step) + 1


def status_of(settings: ServiceCards, kind: int, rank: int) -> int:
    """WeChat's number of a step; two steps of ours may be one of WeChat's."""
    step = STEPS[rank - 1]
    corrected: Mapping[Any, Mapping[Any, int]] = settings.statuses
    return corrected.get(str(kind), {}).get(step) or _STATUSES[kind][step]


def build(settings: ServiceCards, kind: int, progress: Progress) -> dict[str, Any]:
    given: dict[str, Any] = {
        "cur_status": status_of(settings, kind, rank_of(progress.step)),
        "wxa_path_query": progress.page,
        "product_count": sum(each.count for each in progress.goods),
        "product_list": {
            "info_list": [_goods(settings, each) for each in progress.goods[:_MOST_GOODS]]
        },
    }
    if kind == WAIT:
        # Both 0: WeChat says nothing of how long it takes.
        given |= {"queue_number": progress.number[:_NUMBER], "min_wait_time": 0, "max_wait_time": 0}
    return given


def words(content: Mapping[str, Any]) -> str:
    """Everything that a card says in words of ours."""
    goods = (content.get("product_list") or {}).get("info_list", [])
    return "".join(str(each.get("product_name", "")) for each in goods)


def _goods(settings: ServiceCards, each: Goods) -> dict[str, Any]:
    image = each.image if each.image.startswith("http") else settings.image
    return {
        "product_img": image,
        "product_name": each.name[:_NAME],
        "product_path_query": each.page,
        "count": each.count,
        "single_price": each.price_fen,
    }
