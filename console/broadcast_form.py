"""The form of a broadcast: the fields that its kind and its people need, and what will be seen."""

from typing import Any

from flask import Response, url_for
from sqlalchemy.orm import Session

from console import broadcast_view, reply
from console.access import me
from console.forms import Form, whole
from console.official import materials
from console.official.blueprint import find_account
from core.config import OfficialAccount
from core.database import reading
from crm.segments import saving as segments
from messaging.accounts import ruled_officials
from messaging.broadcasts import queries
from messaging.broadcasts.drafting import ARTICLE, FILES, IMAGE, TEXT, VIDEO, VOICE, Draft
from messaging.broadcasts.errors import BroadcastInvalid
from messaging.broadcasts.models import Audience

KINDS = {TEXT: "文字", ARTICLE: "图文", IMAGE: "图片", VOICE: "语音", VIDEO: "视频"}
AUDIENCES = {
    Audience.followers: "全部粉丝",
    Audience.segment: "人群",
    Audience.tag: "标签",
    Audience.all: "进历史",
}
WAYS_IN = [
    ("", "不带"),
    ("pages/home/home", "打开小程序首页"),
    ("pages/menu/menu", "打开点单"),
    ("pages/coupons/coupons", "打开券包"),
]
_SHOWN = {
    TEXT: ("text", "page"),
    ARTICLE: ("cover", "title", "digest", "body", "url"),
    IMAGE: ("media",),
    VOICE: ("media",),
    VIDEO: ("media", "title", "digest"),
}
_FIELDS = ("text", "page", "cover", "title", "digest", "body", "url", "segment", "tag")


def draft_of(form: Form) -> Draft:
    names = ("appid", "kind", "audience", "text", "page", "title", "digest", "body", "url")
    return Draft(
        **{name: form[name] for name in names},
        cover=form["cover"],
        media=form["media"],
        segment_id=whole(form["segment"]),
        tag_id=whole(form["tag"]),
    )


def page(form: Form, title: str, action: str, status: int = 200) -> Response:
    return reply.page(
        "broadcasts/edit.html", status, form=form, title=title, action=action, **_context(form)
    )


def again(form: Form) -> Response:
    return reply.page("broadcasts/again.html", form=form, **_context(form))


def refused(form: Form, refusal: BroadcastInvalid, action: str) -> Response:
    for name, why in refusal.errors.items():
        form.refuse(name, why)
    return page(form, "写一次群发", action, 422)


def _context(form: Form) -> dict[str, Any]:
    who = me()
    kind = form["kind"] if form["kind"] in KINDS else TEXT
    known = form["audience"] in AUDIENCES
    audience = Audience(form["audience"]) if known else Audience.followers
    form.put("kind", kind)
    form.put("audience", audience.value)
    with reading() as session:
        accounts = ruled_officials(session, who.merchant_code)
        chosen = find_account(session)
        account = next((each for each in accounts if each.appid == form["appid"]), chosen)
        if account is not None:
            form.put("appid", account.appid)
        saved = segments.list_segments(session, who.merchant_id)
        tags = queries.list_tags(session, account.appid) if account else []
        picked = _files(session, account, IMAGE if kind == ARTICLE else kind)
        pictures = broadcast_view.pictures(session, account.appid) if account else {}
    own = bool(account and account.card_media_id)
    shown = {*_SHOWN[kind], *({audience.value} & {"segment", "tag"})}
    names = dict(picked)
    content = {name: form[name] for name in _SHOWN[kind]} | {"name": names.get(form["media"], "")}
    return {
        "accounts": bool(accounts),
        "account": (account.name or account.appid) if account and len(accounts) > 1 else "",
        "segments": [("", "选一个人群"), *((each.id, each.name) for each in saved)],
        "tags": [("", "选一个标签"), *tags],
        "kinds": list(KINDS.items()),
        "audiences": [(each.value, words) for each, words in AUDIENCES.items()],
        "ways_in": WAYS_IN,
        "file": FILES.get(kind, ""),
        "files": [("", f"选{FILES[kind]}"), *picked] if kind in FILES else [],
        "has_files": bool(picked),
        "covers": [("", "账号自己的封面" if own else "选一张"), *picked],
        "can_article": own or bool(picked),
        "hidden": [name for name in _FIELDS if name not in shown],
        "said": broadcast_view.said(kind, content, pictures),
        "look": url_for("console.broadcasts.look"),
    }


def _files(session: Session, account: OfficialAccount | None, kind: str) -> list[tuple[str, str]]:
    """Lasting materials of a kind, as (media id, name)."""
    if account is None or kind == TEXT:
        return []
    return materials.options(session, account.appid, kind, lasting=True)
