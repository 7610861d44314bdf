"""A broadcast as staff see it: what it says, whom it is for, what WeChat told of it."""

from datetime import datetime
from typing import Any

from flask import url_for
from sqlalchemy.orm import Session

from console import words
from console.access import Me, me
from core import deadline
from core.clock import local
from core.clock import now as clock_now
from crm import broadcasting, contacts
from crm.segments import saving as segments
from messaging.accounts import find_official
from messaging.broadcasts import launching, queries, taking_back
from messaging.broadcasts.drafting import ARTICLE, IMAGE, TEXT, VIDEO, VOICE
from messaging.broadcasts.models import Audience, Broadcast, BroadcastState
from messaging.broadcasts.queries import Result
from messaging.materials import files, shelf

FORECAST_SECONDS = 3.0
STATES = {
    BroadcastState.draft: ("草稿", ""),
    BroadcastState.previewed: ("看过预览", "note"),
    BroadcastState.gathering: ("准备名单", "note"),
    BroadcastState.sending: ("发送中", "note"),
    BroadcastState.finished: ("发完了", "ok"),
    BroadcastState.failed: ("没有发出", "bad"),
    BroadcastState.stopped: ("已作废", ""),
}
AUDIENCES = {
    Audience.followers: "全部粉丝（不打扰拒收的人）",
    Audience.segment: "人群",
    Audience.tag: "微信标签",
    Audience.all: "全部粉丝，进公众号历史",
    Audience.campaign: "营销活动的人",
}
FORMS = {TEXT: "文字", ARTICLE: "图文", IMAGE: "图片", VOICE: "语音", VIDEO: "视频"}
SKIPPED = {
    "broadcast_spent": ("这个月 4 次群发已经用完", "下个月 1 号恢复"),
    "frequency": ("这阵子收的营销消息够多了", "过几天再发就能收到"),
    "no_consent": ("不接收营销消息", "尊重本人选择"),
    "broadcast_alone": ("只有一个人，微信不收", "群发至少要 2 人"),
}
# What WeChat's review says; the number is in its status.
VERDICTS = {
    "10001": "涉嫌广告",
    "20001": "涉嫌政治",
    "20004": "涉嫌社会",
    "20002": "涉嫌色情",
    "20006": "涉嫌违法犯罪",
    "20008": "涉嫌欺诈",
    "20013": "涉嫌版权",
    "22000": "涉嫌互推",
    "21000": "涉嫌其他",
    "40001": "管理员拒绝了",
    "40002": "管理员 30 分钟内没有确认",
}


def pictures(session: Session, appid: str) -> dict[str, str]:
    """Where the pictures of lasting materials are, by media id; for whom they are not, nowhere."""
    if not me().may("official.manage"):
        return {}
    found = shelf.list_usable(session, appid, [files.IMAGE], lasting=True, now=clock_now())
    return {
        each.media_id: url_for("console.official.material_picture", material_id=each.id)
        for each in found
    }


def said(kind: str, content: dict[str, Any], pictures: dict[str, str]) -> dict[str, Any]:
    """What followers see, for the bubble; empty words are left to the bubble's own."""
    words = {name: str(content.get(name) or "").strip() for name in ("text", "title", "digest")}
    return {
        "kind": kind,
        **words,
        "page": content.get("page") or "",
        "body": str(content.get("body") or ""),
        "file": str(content.get("name") or ""),
        "picture": pictures.get(str(content.get("media") or content.get("cover") or ""), ""),
    }


def row(broadcast: Broadcast, result: Result | None, now: datetime) -> dict[str, Any]:
    state, kind = STATES[broadcast.state]
    return {
        "name": broadcast.name,
        "href": url_for("console.broadcasts.show", broadcast_id=broadcast.id),
        "state": state,
        "kind": kind,
        "form": FORMS[broadcast.kind],
        "audience": AUDIENCES[broadcast.audience],
        "at": words.when(broadcast.started_at or broadcast.created_at, now),
        "addressed": words.count(result.addressed) if result else "",
        "sent": _told(result.sent if result else None),
        "errors": _told(result.errors if result else None),
        "share": _share(result),
        "lost": _lost(result),
    }


def whole(session: Session, broadcast: Broadcast, who: Me, now: datetime) -> dict[str, Any]:
    result = queries.results_of(session, [broadcast.id]).get(broadcast.id)
    account = find_official(broadcast.appid)
    audience = AUDIENCES[broadcast.audience]
    if broadcast.segment_id is not None:
        segment = segments.get_segment(session, broadcast.merchant_id, broadcast.segment_id)
        audience = f"人群「{segment.name}」里的粉丝"
    if broadcast.tag_id is not None:
        tags = dict(queries.list_tags(session, broadcast.appid))
        audience = f"微信标签「{tags.get(broadcast.tag_id, broadcast.tag_id)}」"
    skipped = launching.count_addressed(session, broadcast.id)
    skipped.pop("", None)
    is_open = broadcast.state in (BroadcastState.draft, BroadcastState.previewed)
    return {
        **row(broadcast, result, now),
        "id": broadcast.id,
        "said": said(broadcast.kind, broadcast.content, pictures(session, broadcast.appid)),
        "lasting": broadcast.kind not in (ARTICLE, VIDEO),
        "film": broadcast.kind == VIDEO,
        "account": account.name if account and account.name else "公众号",
        "audience": audience,
        "to_all": broadcast.audience is Audience.all,
        "is_open": is_open,
        "seen": words.when(broadcast.previewed_at, now) if broadcast.previewed_at else "",
        "may_launch": broadcast.state is BroadcastState.previewed,
        "is_gathering": broadcast.state is BroadcastState.gathering,
        "is_going": broadcast.state in (BroadcastState.gathering, BroadcastState.sending),
        "result": result,
        "may_take_back": taking_back.may_take_back(broadcast) and who.may("campaigns.launch"),
        "taken_back": _taken_back(broadcast, result, now),
        "waits": _waits(session, broadcast, now),
        "waiting": result.waiting if result else 0,
        "verdicts": [_verdict(status) for status in result.statuses] if result else [],
        "reason": "名单上没有可以群发的人" if broadcast.reason == "nobody" else "",
        "skipped": [
            {"words": SKIPPED[why][0], "hint": SKIPPED[why][1], "count": words.count(number)}
            for why, number in sorted(skipped.items(), key=lambda item: -item[1])
            if why in SKIPPED
        ],
        "forecast": _forecast(session, broadcast, now) if is_open else None,
        "may": who.may("campaigns.manage"),
    }


def _forecast(session: Session, broadcast: Broadcast, now: datetime) -> dict[str, Any] | None:
    """None: WeChat alone knows, or it takes too long to count."""
    if broadcast.audience is Audience.tag:
        return None
    try:
        with deadline.at_most(session, FORECAST_SECONDS):
            total, spent = broadcasting.forecast(session, broadcast, now)
    except deadline.TookTooLong:
        return None
    return {
        "total": words.count(total),
        "spent": words.count(spent) if spent else "",
        "reached": words.count(total - spent),
        "alone": total - spent == 1,
        "nobody": total == spent,
    }


def _taken_back(broadcast: Broadcast, result: Result | None, now: datetime) -> str:
    """How far the deletion is that somebody asked for; empty: nobody did."""
    if broadcast.taken_back_at is None:
        return ""
    when = words.when(broadcast.taken_back_at, now)
    if result is not None and result.kept:
        codes = "、".join(str(code) for code in sorted(set(result.kept)))
        return f"{when} 想删掉，微信没有答应（{codes}），还在粉丝手机上"
    if result is not None and result.taken_back == result.requests - len(result.statuses):
        return f"{when} 从粉丝手机上删掉了，点开会看到「该内容已被发布者删除」"
    return f"{when} 正在请微信删掉"


def _waits(session: Session, broadcast: Broadcast, now: datetime) -> str:
    """Until when the quiet hours hold back what has not gone out."""
    if broadcast.state in (BroadcastState.finished, BroadcastState.failed, BroadcastState.stopped):
        return ""
    until = contacts.held_until(session, broadcast.merchant_id, now)
    return "" if until is None else f"{local(until).hour} 点"


def _share(result: Result | None) -> float:
    """How much of a hundred received it; 0 as long as WeChat has not told."""
    if result is None or not result.sent or not result.addressed:
        return 0.0
    return round(min(result.sent / result.addressed, 1) * 100, 1)


def _lost(result: Result | None) -> str:
    """The share that it did not reach; empty: nobody, or untold."""
    if result is None or not result.errors or not result.addressed:
        return ""
    return f"{result.errors / result.addressed * 100:.1f}%"


def _told(number: int | None) -> str:
    return "" if number is None else words.count(number)


def _verdict(status: str) -> str:
    digits = "".join(char for char in status if char.isdigit())
    said = VERDICTS.get(digits)
    if said:
        return f"微信没有放行：{said}"
    return "微信没有接受，次数退回来了" if not digits else f"微信没有放行（{digits}）"
