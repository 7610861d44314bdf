"""Every page of staff against every role: exactly the cells of the table open."""

import pytest
from flask import Flask
from werkzeug.routing import Rule

from merchants import roles
from merchants.models import Role
from tests.architecture.test_access import path, rules
from tests.console.conftest import Chain

NEEDS = {
    "": [
        "GET /",
        "GET /more",
        "POST /logout",
        "POST /store",
    ],
    "members.import": [
        "GET /members/imports/",
        "POST /members/imports/",
        "GET /members/imports/sample",
        "GET /members/imports/<int:import_id>",
        "GET /members/imports/<int:import_id>/faults",
        "POST /members/imports/<int:import_id>/start",
        "POST /members/imports/<int:import_id>/stop",
        "POST /members/imports/<int:import_id>/drop",
    ],
    "money.settle": [
        "GET /settlement/",
        "GET /settlement/<day>",
        "GET /settlement/sharing/",
        "POST /settlement/sharing/",
        "GET /settlement/sharing/<int:receiver_id>/end",
        "POST /settlement/sharing/<int:receiver_id>/end",
        "GET /settlement/sharing/<int:sharing_id>/again",
        "POST /settlement/sharing/<int:sharing_id>/again",
        "GET /settlement/sharing/returns/<int:return_id>/again",
        "POST /settlement/sharing/returns/<int:return_id>/again",
        "GET /settlement/export",
        "POST /settlement/export",
        "GET /settlement/payouts/",
        "POST /settlement/payouts/",
        "GET /settlement/payouts/<int:payout_id>/take-back",
        "POST /settlement/payouts/<int:payout_id>/take-back",
    ],
    "money.reconcile": [
        "GET /recon/",
        "GET /recon/<int:discrepancy_id>",
        "POST /recon/<int:discrepancy_id>",
    ],
    "payments.collect": [
        "GET /collect/",
        "POST /collect/",
        "GET /collect/<no>",
        "POST /collect/<no>/code",
        "POST /collect/<no>/qr",
        "POST /collect/<no>/cancel",
    ],
    "audit.view": [
        "GET /audit/",
        "GET /audit/security",
    ],
    "campaigns.launch": [
        "GET /campaigns/<int:campaign_id>/caps",
        "GET /campaigns/<int:campaign_id>/kill",
        "GET /campaigns/<int:campaign_id>/schedule",
        "POST /campaigns/<int:campaign_id>/approve",
        "POST /campaigns/<int:campaign_id>/caps",
        "POST /campaigns/<int:campaign_id>/refuse",
        "POST /campaigns/<int:campaign_id>/schedule",
        "POST /campaigns/<int:campaign_id>/unschedule",
        "GET /campaigns/<int:campaign_id>/launch",
        "GET /journeys/<int:journey_id>/end",
        "GET /journeys/<int:journey_id>/publish",
        "POST /journeys/<int:journey_id>/end",
        "POST /journeys/<int:journey_id>/pause",
        "POST /journeys/<int:journey_id>/publish",
        "POST /journeys/<int:journey_id>/resume",
        "POST /campaigns/<int:campaign_id>/kill",
        "POST /campaigns/<int:campaign_id>/launch",
        "POST /campaigns/<int:campaign_id>/pause",
        "POST /campaigns/<int:campaign_id>/resume",
        "GET /broadcasts/<int:broadcast_id>/launch",
        "GET /broadcasts/<int:broadcast_id>/take-back",
        "POST /broadcasts/<int:broadcast_id>/take-back",
        "POST /broadcasts/<int:broadcast_id>/launch",
        "POST /broadcasts/<int:broadcast_id>/stop",
    ],
    "campaigns.manage": [
        "GET /broadcasts/<int:broadcast_id>/edit",
        "GET /broadcasts/new",
        "POST /broadcasts/<int:broadcast_id>/discard",
        "POST /broadcasts/<int:broadcast_id>/edit",
        "POST /broadcasts/<int:broadcast_id>/preview",
        "POST /broadcasts/look",
        "POST /broadcasts/new",
        "GET /campaigns/<int:campaign_id>/edit",
        "GET /campaigns/costs",
        "GET /campaigns/margin",
        "GET /campaigns/new",
        "POST /journeys/<int:journey_id>/discard",
        "POST /journeys/<int:journey_id>/start",
        "POST /journeys/<int:journey_id>/steps",
        "POST /journeys/<int:journey_id>/steps/<node>",
        "POST /journeys/<int:journey_id>/steps/<node>/drop",
        "POST /journeys/<int:journey_id>/test",
        "POST /journeys/new",
        "POST /campaigns/<int:campaign_id>/ask",
        "POST /channels/suppressed/<int:suppression_id>/lift",
        "POST /campaigns/<int:campaign_id>/edit",
        "POST /campaigns/<int:campaign_id>/test",
        "POST /campaigns/<int:campaign_id>/withdraw",
        "POST /campaigns/others",
        "POST /campaigns/forecast",
        "POST /campaigns/costs",
        "POST /campaigns/margin",
        "POST /campaigns/new",
    ],
    "campaigns.view": [
        "GET /broadcasts/",
        "GET /broadcasts/<int:broadcast_id>",
        "GET /channels",
        "GET /channels/<appid>/quota",
        "GET /campaigns/",
        "GET /campaigns/<int:campaign_id>",
        "GET /campaigns/<int:campaign_id>/report",
        "GET /campaigns/<int:campaign_id>/report.csv",
        "GET /campaigns/results",
        "GET /journeys/",
        "GET /journeys/<int:journey_id>",
        "GET /journeys/<int:journey_id>/runs",
        "GET /journeys/<int:journey_id>/runs/<int:run_id>",
    ],
    "chats.reply": [
        "POST /official/account",
        "GET /inbox/",
        "GET /inbox/<int:conversation_id>",
        "GET /inbox/<int:conversation_id>/pictures/<int:message_id>",
        "GET /inbox/<int:conversation_id>/voices/<int:message_id>",
        "GET /inbox/quick",
        "GET /stream/chats",
        "GET /members/<no>/chat",
        "POST /inbox/<int:conversation_id>/assign",
        "POST /inbox/<int:conversation_id>/close",
        "GET /inbox/<int:conversation_id>/file",
        "POST /inbox/<int:conversation_id>/file",
        "POST /inbox/<int:conversation_id>/send",
        "POST /inbox/quick",
    ],
    "coupons.issue": [
        "GET /batches/",
        "GET /batches/<int:batch_id>",
        "GET /batches/new",
        "POST /batches/<int:batch_id>/resume",
        "POST /batches/new",
        "GET /members/<no>/give",
        "POST /members/<no>/give",
    ],
    "coupons.manage": [
        "POST /loyalty/points/goods",
        "POST /loyalty/points/goods/<int:goods_id>/state",
        "GET /batches/<int:batch_id>/revoke",
        "GET /batches/<int:batch_id>/sheet",
        "GET /coupon/<int:coupon_id>/void",
        "POST /batches/<int:batch_id>/revoke",
        "POST /coupon/<int:coupon_id>/void",
        "GET /coupons/new",
        "POST /coupons/<int:template_id>/state",
        "GET /coupons/<int:template_id>/total",
        "POST /coupons/<int:template_id>/total",
        "POST /coupons/pack/<int:template_id>",
        "POST /coupons/new",
        "POST /coupons/preview",
        "GET /promotions/<int:promotion_id>",
        "POST /promotions/floor",
        "GET /promotions/new",
        "POST /promotions/<int:promotion_id>",
        "POST /promotions/<int:promotion_id>/state",
        "POST /promotions/new",
        "POST /promotions/preview",
    ],
    "coupons.redeem": [
        "GET /redeem/",
        "GET /redeem/check",
        "POST /redeem/confirm",
    ],
    "coupons.undo": [
        "GET /coupon/<int:coupon_id>/undo",
        "POST /coupon/<int:coupon_id>/undo",
        "GET /redeem/<code>/undo",
        "POST /redeem/<code>/undo",
    ],
    "coupons.view": [
        "GET /coupon/",
        "GET /coupon/<int:coupon_id>",
        "GET /coupons/",
        "GET /coupons/pack/",
        "GET /promotions/",
        "GET /promotions/calendar",
    ],
    "members.export": [
        "GET /campaigns/<int:campaign_id>/people/export",
        "POST /campaigns/<int:campaign_id>/people/export",
        "GET /members/export",
        "POST /members/export",
    ],
    "members.manage": [
        "GET /members/<no>/edit",
        "GET /members/merges",
        "GET /members/new",
        "POST /members/<no>/edit",
        "POST /members/<no>/refuse",
        "GET /loyalty/points/adjust/<no>",
        "POST /loyalty/points/adjust/<no>",
        "POST /loyalty/referral/<int:referral_id>/decide",
        "POST /members/<no>/tags",
        "POST /members/new",
    ],
    "members.view": [
        "GET /members/<no>/reach",
        "GET /channels/suppressed/",
        "GET /campaigns/<int:campaign_id>/people/",
        "GET /members/",
        "GET /members/<no>",
        "GET /loyalty/tiers/",
        "GET /members/<no>/points",
        "GET /members/<no>/balance",
        "GET /loyalty/points/",
        "GET /loyalty/plans/<kind>/",
        "GET /loyalty/sign-in/",
        "GET /loyalty/lottery/",
        "GET /loyalty/referral/",
        "POST /loyalty/tiers/preview",
    ],
    "settings.manage": [
        "GET /loyalty/tiers/of/<no>",
        "POST /loyalty/tiers/of/<no>",
        "POST /coupons/pack/",
        "GET /orders/refund-rules",
        "POST /orders/refund-rules",
        "GET /official/records",
        "GET /official/records/<int:event_id>",
        "POST /official/records/<int:event_id>/replay",
        "POST /official/followers/sync",
        "POST /official/followers/tags/<int:tag_id>",
        "POST /official/menus/<int:version_id>/publish",
        "POST /official/menus/<int:version_id>/restore",
        "POST /channels",
        "GET /campaigns/rules/",
        "POST /campaigns/rules/",
        "GET /keys/",
        "GET /keys/<int:key_id>/revoke",
        "GET /keys/new",
        "POST /keys/<int:key_id>/revoke",
        "POST /keys/new",
        "POST /loyalty/tiers/",
        "POST /loyalty/points/",
        "POST /loyalty/plans/<kind>/",
        "POST /loyalty/plans/<kind>/<int:plan_id>/state",
        "POST /loyalty/plans/top_up/low",
        "POST /loyalty/plans/top_up/sell",
        "POST /loyalty/sign-in/",
        "POST /loyalty/lottery/",
        "POST /loyalty/lottery/<int:lottery_id>/state",
        "POST /loyalty/referral/",
        "POST /shippings/rule",
    ],
    "official.manage": [
        "GET /official/",
        "GET /official/answers/<int:rule_id>",
        "GET /official/answers/new",
        "GET /official/codes",
        "GET /official/followers",
        "GET /official/codes/<int:scene_id>",
        "GET /official/codes/<int:scene_id>/picture",
        "GET /official/codes/new",
        "GET /official/codes/sheet",
        "GET /official/materials",
        "GET /official/materials/<int:material_id>/picture",
        "POST /official/materials",
        "POST /official/materials/<int:material_id>/drop",
        "POST /official/codes/missing",
        "POST /official/codes/new",
        "GET /official/menus",
        "GET /official/menus/compare",
        "POST /official/menus",
        "POST /official/menus/look",
        "POST /official/answers/<int:rule_id>",
        "POST /official/answers/<int:rule_id>/drop",
        "POST /official/answers/form",
        "POST /official/answers/new",
        "POST /official/try",
    ],
    "orders.manage": [
        "GET /orders/<no>/refund",
        "POST /orders/<no>/refund",
        "POST /orders/<no>/refund/sum",
        "GET /orders/<no>/cancel",
        "GET /orders/<no>/hand-over",
        "POST /orders/<no>/accept",
        "POST /orders/<no>/cancel",
        "POST /orders/<no>/hand-over",
        "POST /orders/<no>/ready",
        "POST /orders/waiting/<no>/deposit",
        "POST /orders/waiting/<no>/whole",
    ],
    "orders.refund": [
        "GET /redirects/<no>",
        "POST /redirects/<no>",
        "GET /orders/<no>/asked-refund",
        "POST /orders/<no>/asked-refund",
        "GET /refunds/",
        "GET /refunds/<no>",
        "GET /refunds/<no>/restart",
        "POST /refunds/<no>/restart",
        "GET /refunds/<no>/finish",
        "POST /refunds/<no>/finish",
        "GET /refunds/export",
        "POST /refunds/export",
    ],
    "orders.view": [
        "GET /orders/",
        "GET /orders/<no>",
        "GET /orders/waiting/",
        "GET /orders/waiting/<no>",
        "GET /stream",
    ],
    "reports.view": [
        "GET /home",
    ],
    "payments.view": [
        "GET /payments/",
        "GET /payments/<int:attempt_id>",
        "POST /payments/<int:attempt_id>/ask",
    ],
    "payments.raw": [
        "GET /payments/<int:attempt_id>/notices/<int:event_id>",
    ],
    "payments.export": [
        "GET /payments/export",
        "POST /payments/export",
    ],
    "shipping.manage": [
        "GET /shippings/",
        "GET /shippings/<int:shipping_id>",
        "POST /shippings/<int:shipping_id>",
        "POST /shippings/<int:shipping_id>/retry",
    ],
    "segments.manage": [
        "GET /segments/",
        "GET /segments/<int:segment_id>",
        "GET /segments/<int:segment_id>/members",
        "GET /segments/new",
        "GET /segments/rfm",
        "POST /segments/<int:segment_id>",
        "POST /segments/<int:segment_id>/refresh",
        "POST /segments/new",
        "POST /segments/preview",
    ],
    "staff.manage": [
        "GET /stores/invites/<int:scene_id>",
        "GET /stores/invites/new",
        "GET /stores/staff/<int:staff_id>/end",
        "GET /stores/staff/invites/<int:invite_id>/withdraw",
        "POST /stores/invites/new",
        "POST /stores/staff/<int:staff_id>/end",
        "POST /stores/staff/invites/<int:invite_id>/withdraw",
    ],
    "stock.manage": [
        "GET /goods/",
        "GET /goods/<int:store_id>/<int:sku_id>/stock",
        "POST /goods/<int:store_id>/<int:sku_id>/stock",
        "POST /goods/<int:store_id>/<int:sku_id>/shelf",
    ],
    "stores.view": [
        "GET /stores/",
        "GET /stores/<int:store_id>/poster",
    ],
}
"""What each page needs. A new page, or a change of what one needs, is written down here."""


def names(app: Flask) -> dict[str, tuple[Rule, str]]:
    return {
        f"{method} {rule.rule.removeprefix('/console')}": (rule, method)
        for rule, method in rules(app, "staff")
    }


def test_every_page_needs_what_the_table_says(app: Flask) -> None:
    found: dict[str, list[str]] = {}
    for name, (rule, _) in names(app).items():
        found.setdefault(app.view_functions[rule.endpoint].audience.permission, []).append(name)

    assert {need: sorted(pages) for need, pages in found.items()} == {
        need: sorted(pages) for need, pages in NEEDS.items()
    }


@pytest.mark.parametrize("role", list(Role))
def test_a_page_opens_for_a_role_exactly_when_it_has_what_the_page_needs(
    chain: Chain, role: Role
) -> None:
    browser = chain.browser(role.value)
    token = browser.token()
    needs = {page: need for need, pages in NEEDS.items() for page in pages}
    wrong = []
    last = "POST /logout"
    for name, (rule, method) in sorted(names(chain.app).items(), key=lambda each: each[0] == last):
        answer = browser.client.open(path(rule), method=method, data={"csrf_token": token})
        allowed = not needs[name] or roles.may(role, needs[name])
        refused = answer.status_code == 403 and "你的账号不能做这件事" in answer.text
        if allowed is refused or answer.status_code in (401, 500, 503):
            wrong.append((name, answer.status_code))
        answer.close()

    assert wrong == []
