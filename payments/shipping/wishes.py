"""What is told of a payment: from an order to a wish, and what a wish must be. Pure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from core.errors import Invalid
from gateways.pay.shipping import Logistics, Parcel, Shipping, ShippingKey

LONGEST, LONGEST_NUMBER = 120, 32
MOST_PARCELS = 15
HANDED_OVER = {
    "pickup": Logistics.pickup,
    "dine_in": Logistics.pickup,
    "none": Logistics.virtual,
    "delivery": Logistics.city,
    "parcel": Logistics.parcel,
}
"""How the goods of each fulfilment reach whoever paid; it knows those that are still to come."""


class WrongShipping(Invalid):
    code = "wrong_shipping"
    title = "发货信息不完整"


@dataclass(frozen=True)
class Wish:
    """`complete`: with these parcels everything has left; only parcels may be split."""

    logistics: Logistics
    parcels: tuple[Parcel, ...] = field(default=())
    split: bool = False
    complete: bool = True

    def as_row(self) -> dict[str, Any]:
        return {**asdict(self), "parcels": [asdict(parcel) for parcel in self.parcels]}

    def as_shipping(self, key: ShippingKey) -> Shipping:
        return Shipping(key, self.logistics, self.parcels, self.split, self.complete)


def from_row(row: dict[str, Any]) -> Wish:
    parcels = tuple(Parcel(**parcel) for parcel in row["parcels"])
    return Wish(Logistics(row["logistics"]), parcels, row["split"], row["complete"])


def describe(lines: Sequence[tuple[str, int]]) -> str:
    """杨枝甘露×2，纸袋×1: as much of it as the platform takes."""
    text = "，".join(f"{name}×{quantity}" if quantity > 1 else name for name, quantity in lines)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def check(wish: Wish) -> None:
    """Raises WrongShipping for what the platform would refuse."""
    if wish.split and wish.logistics is not Logistics.parcel:
        raise WrongShipping("只有快递能分几个包裹发", errors={"split": "只有快递能分几个包裹发"})
    if not 1 <= len(wish.parcels) <= (MOST_PARCELS if wish.split else 1):
        most = f"一次最多 {MOST_PARCELS} 个包裹" if wish.split else "整单只填一个包裹"
        raise WrongShipping(most, errors={"tracking_no": most})
    for parcel in wish.parcels:
        if not parcel.item.strip() or len(parcel.item) > LONGEST:
            raise WrongShipping(errors={"item": f"写清楚发的是什么，最多 {LONGEST} 个字"})
        if wish.logistics is Logistics.parcel:
            _check_parcel(parcel)


def merged(told: Wish | None, more: Wish) -> Wish:
    """What the platform knows after one more telling of a split order."""
    if told is None or not (told.split and more.split) or told.complete:
        return more
    return Wish(more.logistics, told.parcels + more.parcels, split=True, complete=more.complete)


def _check_parcel(parcel: Parcel) -> None:
    number = parcel.tracking_no
    if not number or len(number) > LONGEST_NUMBER or not number.isascii() or not number.isalnum():
        raise WrongShipping(errors={"tracking_no": "填快递单号，只有字母和数字"})
    if not parcel.company:
        raise WrongShipping(errors={"company": "选快递公司"})
    if parcel.company == "SF" and len([c for c in parcel.contact if c.isdigit()]) < 4:
        raise WrongShipping(errors={"contact": "顺丰要填收件人手机号"})
