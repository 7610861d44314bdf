"""Every page of the console, by topic."""

from console import (
    audit_log,
    campaigns,
    coupons,
    goods,
    home,
    login,
    members,
    more,
    orders,
    redeem,
    segments,
    staffing,
    stores,
    stream,
    tiers,
    wechat,
)

PAGES = (
    login.page,
    wechat.page,
    home.page,
    orders.page,
    stream.page,
    redeem.page,
    goods.page,
    coupons.page,
    members.page,
    tiers.page,
    segments.page,
    campaigns.page,
    stores.page,
    staffing.page,
    audit_log.page,
    more.page,
)
