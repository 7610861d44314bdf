"""The doctor's question whether WeChat holds payments back, and what waits to be told."""

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

import gateways
from cli.findings import Finding
from core import clock
from core.config import Config
from core.database import reading
from gateways.pay.errors import ChannelUnavailable
from gateways.pay.shipping import ShippingRefused
from payments.shipping.models import UNTOLD, PaymentShipping
from payments.shipping.watching import WARN_AFTER


def check_shipping(config: Config) -> Iterator[Finding]:
    """Whether WeChat holds payments of a mini-program back until they are told as shipped."""
    for mini in config.wechat.mini_programs:
        desk = gateways.wechat().mini(mini.appid).shipping
        try:
            managed, confirmed = desk.is_managed(), desk.is_confirmed()
        except (ShippingRefused, ChannelUnavailable) as error:
            yield Finding("warn", f"{mini.appid} 在不在发货管理下问不到：{error}", "稍后再试")
            continue
        if not managed:
            yield Finding("ok", f"{mini.appid} 不在发货管理下，付款不用录发货信息")
        elif not confirmed:
            what = f"{mini.appid} 在发货管理下，历史资金的结算规则还没确认"
            yield Finding("warn", what, "在小程序后台「交易管理」里确认")
        else:
            yield Finding("ok", f"{mini.appid} 在发货管理下，付款由任务去录发货信息")
    late = clock.now() - WARN_AFTER
    try:
        with reading() as session:
            old = select(func.count()).where(
                PaymentShipping.state.in_(UNTOLD), PaymentShipping.paid_at < late
            )
            number = session.scalar(old)
    except SQLAlchemyError:
        return
    if number:
        what = f"{number} 单付款满 36 小时还没录发货信息"
        yield Finding("warn", what, "看「资金 → 发货信息」；满 48 小时微信会限制收款")
