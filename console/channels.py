"""渠道: which ways campaigns may take, what is left of each, and how one member can be reached."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for

import gateways
from console import people, reply, suppressed, words
from console.access import me, staff
from console.forms import Form, whole
from console.members import get_member
from core.clock import now as clock_now
from core.config import MiniProgram
from core.database import reading, transaction
from core.errors import NotFound
from crm import suppressed as addresses
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging import ledger, policies, templates
from messaging.accounts import minis_of, officials_of
from messaging.broadcasts.quotas import PER_MONTH
from messaging.cards import keeping
from messaging.cards import queries as card_queries
from messaging.cards.notices import REFUSED
from messaging.cards.queries import CardTotals
from messaging.ledger import Ledger
from messaging.models import WindowKind
from messaging.policies import Policy
from messaging.templates import Purpose

page = Blueprint("channels", __name__)

WINDOWS = {
    WindowKind.user_message: "发过消息",
    WindowKind.menu: "点过菜单",
    WindowKind.follow: "刚关注",
    WindowKind.scan: "刚扫码",
}
CARD_STEPS = {
    "paid": "已付款",
    "accepted": "已接单",
    "preparing": "制作中",
    "ready": "可以取了",
    "completed": "已取走",
    "cancelled": "已取消",
}
ASKED = (
    ("群发", "/cgi-bin/message/mass/send"),
    ("模板消息", "/cgi-bin/message/template/send"),
    ("客服消息", "/cgi-bin/message/custom/send"),
)


@page.get("/channels")
@staff("campaigns.view")
def index() -> Response:
    with reading() as session:
        policy = policies.policy_of(session, me().merchant_id)
    return _page(_form(policy))


@page.post("/channels")
@staff("settings.manage")
def save() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    policy = Policy(
        customer_service=form["customer_service"] == "1",
        subscribe=form["subscribe"] == "1",
        broadcast=form["broadcast"] == "1",
        keep_broadcasts=whole(form["keep_broadcasts"]) or 0,
    )
    try:
        with transaction() as session:
            policies.set_policy(session, who.merchant_id, policy, actor=who.actor, now=now)
    except policies.PolicyInvalid as refused:
        for name, why in refused.errors.items():
            form.refuse(name, why)
        return _page(form, 422)
    return reply.done(url_for("console.channels.index"), "记下了，下一个活动就按它走")


@page.get("/channels/<appid>/quota")
@staff("campaigns.view")
def quota(appid: str) -> Response:
    """What WeChat itself says is left of today; asked when somebody wants to know."""
    if appid not in [account.appid for account in officials_of(me().merchant_code)]:
        raise NotFound("没有这个公众号")
    rows, failed = [], ""
    mass = gateways.wechat().official(appid).mass
    for name, path in ASKED:
        try:
            found = mass.quota(path)
        except (WechatError, WechatUnavailable):
            failed = "微信没有回答，过一会儿再问"
            break
        left, most = words.count(found.remain), words.count(found.daily_limit)
        rows.append((name, f"还剩 {left}，一天 {most}"))
    return reply.page("channels/quota.html", rows=rows, failed=failed)


@page.get("/members/<no>/reach")
@staff("members.view")
def member(no: str) -> Response:
    now = clock_now()
    with reading() as session:
        found = get_member(session, no)
        known = ledger.of_person(session, me().merchant_id, found.person_id, now)
        policy = policies.policy_of(session, me().merchant_id)
        left_alone = addresses.of_member(session, found, now=now)
    return reply.page(
        "channels/member.html",
        name=people.name_of(found),
        no=no,
        consents=found.marketing_consent,
        ways=_ways(known, policy, now, {each.address.appid for each in left_alone}),
        barred=[suppressed.row(each, now) for each in left_alone],
    )


def _ways(known: Ledger, policy: Policy, now: datetime, barred: set[str]) -> list[dict[str, Any]]:
    """Every way, open or shut, with what is left and what would open it; `barred`: the accounts
    whose messages WeChat does not take for this person."""
    code = me().merchant_code
    no_chat = {account.appid for account in officials_of(code)} <= barred
    no_notice = {account.appid for account in minis_of(code)} <= barred
    talks = [
        f"{WINDOWS[w.kind]}，还能发 {w.remaining} 条，到 {words.when(w.until, now)}"
        for w in known.windows
    ]
    marketing = [f"{g.name}：{g.remaining} 次" for g in known.grants if g.marketing]
    service = [f"{g.name}：{g.remaining} 次" for g in known.grants if not g.marketing]
    sends = [f"{b.account}：这个月还剩 {b.left} 次" for b in known.broadcasts]
    has_broadcast = policy.broadcast and any(
        b.left > policy.keep_broadcasts for b in known.broadcasts
    )
    return [
        {
            "name": "客服消息",
            "open": bool(talks) and not no_chat,
            "facts": talks,
            "hint": "不花钱，活动先走这里。对方给公众号发一句话，就开 48 小时。",
        },
        {
            "name": "订阅消息（能说优惠）",
            "open": bool(marketing) and not no_notice,
            "facts": marketing,
            "hint": "对方在小程序里点一次允许，能发一条。",
        },
        {
            "name": "订阅消息（只说服务）",
            "open": bool(service) and not no_notice,
            "facts": service,
            "hint": "取餐、预约这类提醒用。微信不许在里面放优惠。",
        },
        {
            "name": "群发",
            "open": (has_broadcast or any(b.left for b in known.broadcasts)) and not no_chat,
            "facts": sends,
            "hint": f"每人每月最多 {PER_MONTH} 次。"
            + (
                f"活动可以用，给自己留 {policy.keep_broadcasts} 次。"
                if policy.broadcast
                else "现在只用来手动群发，活动不用它。"
            ),
        },
        *([_card_way(known, now)] if keeping.are_on() else []),
    ]


def _card_way(known: Ledger, now: datetime) -> dict[str, Any]:
    """No way for a message: what WeChat shows of their orders by itself."""
    return {
        "name": "服务卡片",
        "open": bool(known.cards),
        "state": "在显示" if known.cards else "没有",
        "facts": [
            f"{CARD_STEPS[card.step]}，能更新到 {words.when(card.until, now)}"
            for card in known.cards
        ],
        "hint": "付款以后微信自己的订单卡片，跟着做单走 30 天。只说这一单，活动不能用。",
    }


def _form(policy: Policy) -> Form:
    return Form(
        customer_service="1" if policy.customer_service else "0",
        subscribe="1" if policy.subscribe else "0",
        broadcast="1" if policy.broadcast else "0",
        keep_broadcasts=policy.keep_broadcasts,
    )


def _page(form: Form, status: int = 200) -> Response:
    now, code = clock_now(), me().merchant_code
    with reading() as session:
        officials = [
            {
                "name": account.name or "公众号",
                "appid": account.appid,
                "followers": words.count(totals.followers),
                "talking": words.count(totals.in_window),
                "left": [
                    (f"{left} 次", totals.left.get(left, 0), totals.followers)
                    for left in range(PER_MONTH, -1, -1)
                ],
            }
            for account in officials_of(code)
            for totals in [ledger.of_account(session, account.appid, now)]
        ]
        granted = {
            account.appid: ledger.granted_by_template(session, account.appid)
            for account in minis_of(code)
        }
        cards = card_queries.totals_of(session, me().merchant_id, now)
    return reply.page(
        "channels/index.html",
        status,
        form=form,
        officials=officials,
        templates=[row for mini in minis_of(code) for row in _templates(mini, granted[mini.appid])],
        cards=_cards(cards) if keeping.are_on() else None,
        left_choices=[(str(n), f"{n} 次") for n in range(PER_MONTH)],
    )


def _cards(totals: CardTotals) -> dict[str, Any]:
    share = totals.over / totals.all if totals.all else 0
    return {
        "all": words.count(totals.all),
        "live": words.count(totals.live),
        "over": words.count(totals.over),
        "share": round(share * 100),
        "failed": [(_card_reason(why), words.count(n)) for why, n in totals.failed.items()],
    }


def _card_reason(reason: str) -> tuple[str, str]:
    """Why a card was not shown, and what to do about it."""
    if reason == keeping.LATE:
        return "付款超过一天才轮到", "微信只收一天以内付的款"
    if reason.startswith(keeping.ADVERT):
        word = reason.partition("：")[2]
        return f"商品名里有「{word}」", "服务卡片里不能有广告，改个名就好"
    if reason == REFUSED:
        return reason, "尊重本人选择"
    return reason or "微信没有收", "看一眼微信后台的模板和类目"


def _templates(mini: MiniProgram, granted: dict[str, tuple[int, int]]) -> list[dict[str, str]]:
    rows = []
    for moment, template_id in mini.subscribe_templates.items():
        known = templates.MOMENTS.get(moment)
        people_count, total = granted.get(template_id, (0, 0))
        may_sell = known is not None and known.purpose is Purpose.marketing
        rows.append(
            {
                "name": known.name if known else moment,
                "when": known.when if known else "",
                "purpose": "能说优惠" if may_sell else "只说服务",
                "people": words.count(people_count),
                "total": words.count(total),
            }
        )
    return rows
