"""Whether a coupon is good on this occasion, and if not, why, in words. Pure rules.

What it takes off, and from how much on, is `coupons.amounts`; the goods it is for are looked at
there too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from coupons import scope
from coupons.models import CouponKind, UseChannel


@dataclass(frozen=True)
class Occasion:
    """Where, when and for whom. `tier` is a code; `is_first`: nothing was bought before.

    The names are only for words; what has none is called "other".
    """

    store_id: int
    now: datetime
    channel: UseChannel
    tier: str = ""
    is_first: bool = False
    store_names: Mapping[int, str] = field(default_factory=dict)
    tier_names: Mapping[str, str] = field(default_factory=dict)


class Limits(scope.Hours, Protocol):
    @property
    def kind(self) -> CouponKind: ...
    @property
    def store_ids(self) -> list[int] | None: ...
    @property
    def channel(self) -> UseChannel: ...
    @property
    def first_order(self) -> bool: ...
    @property
    def tiers(self) -> list[str] | None: ...


def blocked(limits: Limits, occasion: Occasion) -> str:
    """The first reason why it is not good there, then or for them; empty when it is."""
    if limits.store_ids is not None and occasion.store_id not in limits.store_ids:
        names = (occasion.store_names.get(id_, "其他门店") for id_ in limits.store_ids)
        return f"只能在{'、'.join(names)}用"
    if why := _wrong_channel(limits, occasion.channel):
        return why
    if limits.first_order and not occasion.is_first:
        return "只限第一单用"
    if limits.tiers is not None and occasion.tier not in limits.tiers:
        return f"只限{tiers_words(limits.tiers, occasion.tier_names)}会员用"
    if not scope.is_on(limits, occasion.now):
        return f"{scope.hours_words(limits)} 才能用"
    return ""


def tiers_words(tiers: list[str], names: Mapping[str, str]) -> str:
    return "、".join(dict.fromkeys(names.get(code, "指定等级的") for code in tiers))


def _wrong_channel(limits: Limits, channel: UseChannel) -> str:
    if limits.kind is CouponKind.delivery and channel is UseChannel.counter:
        return "配送券只能在小程序下单时用"
    if limits.channel in (UseChannel.any, channel):
        return ""
    return "只能到店给店员扫码用" if channel is UseChannel.online else "只能在小程序下单时用"
