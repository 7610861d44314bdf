"""What a template looks like at WeChat, and whether it can be there at all. Pure rules.

Names and limits are those of "创建商品券". A card only shows: what it says must be true of the
coupon, so kinds of ours that theirs cannot say stay out.
"""

from datetime import datetime, timedelta
from typing import Any

from catalogue.goods import Good
from core.clock import local
from coupons import scope
from coupons.models import CouponKind, CouponTemplate, UseChannel
from coupons.pack.models import CardPack

TYPES = {
    CouponKind.amount: "NORMAL",
    CouponKind.percent: "DISCOUNT",
    CouponKind.exchange: "EXCHANGE",
}
NAME = (3, 12)
LONGEST = timedelta(days=365)
MOST = 100_000_000
EACH = 100
"""Of a batch, and of one person in it: our own limits are narrower and are the ones that hold."""
HOME = "pages/coupons/coupons"


def why_not(template: CouponTemplate) -> str:
    """Why this template cannot stand in a card pack; empty when it can."""
    if template.kind not in TYPES:
        return "微信那边没有这种券，只能放满减、折扣和兑换"
    if template.uses_total > 1:
        return "微信的多次券每次换一个它自己的码，和这里的次卡对不上"
    if template.category_ids is not None or len(template.product_ids or ()) > 1:
        return "限商品的券只能限一种商品，微信要写它的原价"
    if template.kind is CouponKind.percent and template.off_bp % 100:
        return "微信那边只认整数折扣，比如 85 折"
    if len(template.name.strip()) < NAME[0]:
        return f"名字至少 {NAME[0]} 个字"
    return ""


def is_single(template: CouponTemplate) -> bool:
    """For one product: WeChat wants its price, and keeps what is taken off with the batch."""
    return template.product_ids is not None


def ends_at(template: CouponTemplate, now: datetime) -> datetime:
    """A batch lasts a year at most; who wants more starts it again."""
    latest = now + LONGEST
    return min(template.valid_until or latest, latest)


def body(
    template: CouponTemplate,
    pack: CardPack,
    *,
    number: str,
    appid: str,
    where: str,
    now: datetime,
    good: Good | None = None,
) -> dict[str, Any]:
    """What is asked to make it. `where`: the stores in words; `good`: what it is limited to."""
    period: dict[str, Any] = {
        "available_begin_time": _time(max(now, template.valid_from or now)),
        "available_end_time": _time(ends_at(template, now)),
    }
    if template.valid_days:
        period["available_days"] = template.valid_days
    display: dict[str, Any] = {
        "name": template.name.strip()[: NAME[1]],
        "image_url": pack.picture_url,
        "background_url": pack.background_url,
    }
    if good is not None:
        display |= {"original_price": good.price_fen, "combo_package_list": [_package(good, pack)]}
    worth = _worth(template)
    return {
        "out_request_no": number,
        "scope": "ALL" if good is None else "SINGLE",
        "type": TYPES[template.kind],
        "usage_mode": "SINGLE",
        **({"single_usage_info": worth} if good is None else {}),
        "display_info": display,
        "out_product_no": f"template-{template.id}",
        "stock": {
            "coupon_code_mode": "API_ASSIGN",
            "stock_send_rule": {
                "max_count": min(template.total_limit or MOST, MOST),
                "max_count_per_user": EACH,
            },
            "single_usage_rule": {
                "coupon_available_period": period,
                **({} if good is None else worth),
            },
            "usage_rule_display_info": {
                "coupon_usage_method_list": _methods(template),
                "mini_program_appid": appid,
                "mini_program_path": HOME,
                "usage_description": _terms(template),
                "coupon_available_store_info": {"description": where},
            },
            "coupon_display_info": {
                "code_display_mode": "QRCODE",
                "entrance_mini_program": {
                    "appid": appid,
                    "path": HOME,
                    "entrance_wording": "去使用",
                    "guidance_wording": "看我的券",
                },
            },
            "notify_config": {"notify_appid": appid},
            "store_scope": "NONE",
        },
    }


def _worth(template: CouponTemplate) -> dict[str, Any]:
    if template.kind is CouponKind.amount:
        rule = {"threshold": template.min_spend_fen, "discount_amount": template.face_fen}
        return {"normal_coupon": rule}
    if template.kind is CouponKind.exchange:
        rule = {"threshold": template.min_spend_fen, "exchange_price": template.pay_fen}
        return {"exchange_coupon": rule}
    rule = {"threshold": template.min_spend_fen, "percent_off": template.off_bp // 100}
    return {"discount_coupon": rule}


def _package(good: Good, pack: CardPack) -> dict[str, Any]:
    choice = {
        "name": good.name[: NAME[1]],
        "price": good.price_fen,
        "count": 1,
        "image_url": pack.picture_url,
    }
    return {"name": good.name[: NAME[1]], "pick_count": 1, "choice_list": [choice]}


def _methods(template: CouponTemplate) -> list[str]:
    methods = {UseChannel.counter: ["OFFLINE"], UseChannel.online: ["MINI_PROGRAM"]}
    return methods.get(template.channel, ["OFFLINE", "MINI_PROGRAM"])


def _terms(template: CouponTemplate) -> str:
    """What limits it that the card has no field for."""
    terms = [f"最多减 {template.cap_fen / 100:g} 元"] if template.cap_fen else []
    if hours := scope.hours_words(template):
        terms.append(f"{hours} 可用")
    if template.first_order:
        terms.append("只限第一单用")
    if template.tiers is not None:
        terms.append("只限指定等级的会员用")
    return "；".join([*terms, "以小程序里的券为准"])


def _time(at: datetime) -> str:
    return local(at).isoformat(timespec="seconds")
