"""Menus: drawn as a form, looked at as a phone, compared with WeChat, published, taken back."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy.orm import Session

from console import reply, words
from console.access import me, staff
from console.official import menu_form
from console.official.blueprint import find_account, get_account, page, shown
from core import audit
from core.clock import now as clock_now
from core.config import current_config
from core.database import reading, transaction
from core.errors import NotFound
from core.logs import log
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging.accounts import mini_for_official
from messaging.menus import DEFAULT_PAGES, checking, comparing, remote, versions
from messaging.models import MenuState, MenuVersion

AUDIENCES = {"default": "所有人", "staff": "店员"}
STATES = {
    MenuState.draft: ("草稿", "note"),
    MenuState.publishing: ("正在发布", "warn"),
    MenuState.published: ("已发布", "ok"),
    MenuState.failed: ("没发布成", "bad"),
}


@page.get("/menus")
@staff("official.manage")
def menus() -> Response:
    audience = _audience(request.args.get("for", ""))
    with reading() as session:
        account = find_account(session)
        if account is None:
            return reply.page("official/menus.html", account=None)
        draft = versions.find_draft(session, account.appid)
        wanted = draft.menus if draft else versions.current(session, account.appid)
        context = _context(session, account.appid, draft, clock_now())
    form = menu_form.typed(wanted.get(audience) or {})
    return _page(audience, form, account=shown(account), **context)


@page.post("/menus/look")
@staff("official.manage")
def look_at_menu() -> Response:
    """The form again with what is wrong, and the phone beside it. Nothing is kept."""
    audience = _audience(request.form.get("for", ""))
    return _page(audience, request.form, template="official/menu_again.html")


@page.post("/menus")
@staff("official.manage")
def save_menu() -> Response:
    audience, now = _audience(request.form.get("for", "")), clock_now()
    menu = _menu(request.form)
    wrong = checking.check(menu, conditional=audience == "staff")
    with transaction() as session:
        account = get_account(session)
        if not wrong:
            draft = versions.find_draft(session, account.appid)
            before = draft.menus if draft else versions.current(session, account.appid)
            wanted = {**before, audience: menu}
            version = versions.save_draft(session, account.appid, wanted, actor=me().actor, now=now)
            _record(session, "menu.save", version, now)
    if wrong:
        with reading() as session:
            context = _context(session, account.appid, None, now)
        return _page(audience, request.form, 422, account=shown(account), **context)
    to = url_for("console.official.compare_menu")
    return reply.done(to, "草稿存好了，看看和微信上的差别再发布")


@page.get("/menus/compare")
@staff("official.manage")
def compare_menu() -> Response:
    """The draft beside what WeChat has at this moment."""
    with reading() as session:
        account = get_account(session)
        draft = versions.find_draft(session, account.appid)
    if draft is None:
        return reply.done(url_for("console.official.menus"), "没有要发布的草稿")
    try:
        live: dict[str, Any] | None = remote.read_live(account.appid)
    except (WechatError, WechatUnavailable) as error:
        log.info("menu_not_read", code=error.code)
        live = None
    changes = [
        {"title": title, "rows": comparing.differences((live or {}).get(name), draft.menus[name])}
        for name, title in AUDIENCES.items()
        if draft.menus.get(name)
    ]
    return reply.page(
        "official/menu_compare.html",
        account=shown(account),
        draft=_shown(draft, clock_now()),
        known=live is not None,
        changes=changes,
        same=live is not None and not any(each["rows"] for each in changes),
    )


@page.post("/menus/<int:version_id>/publish")
@staff("settings.manage")
def publish_menu(version_id: int) -> Response:
    now = clock_now()
    with transaction() as session:
        version = _version(session, version_id)
        if versions.publish(session, version, now=now):
            _record(session, "menu.publish", version, now)
    return reply.done(url_for("console.official.menus"), "正在发布，手机上 5 分钟内换成新菜单")


@page.post("/menus/<int:version_id>/restore")
@staff("settings.manage")
def restore_menu(version_id: int) -> Response:
    """An old version becomes the draft and is published at once."""
    now = clock_now()
    with transaction() as session:
        old = _version(session, version_id)
        version = versions.save_draft(session, old.appid, old.menus, actor=me().actor, now=now)
        versions.publish(session, version, now=now)
        _record(session, "menu.restore", old, now)
    return reply.done(url_for("console.official.menus"), f"正在换回第 {old.number} 版")


def _page(
    audience: str,
    form: Any,
    status: int = 200,
    template: str = "official/menus.html",
    **context: Any,
) -> Response:
    menu = _menu(form)
    wrong = checking.check(menu, conditional=audience == "staff")
    return reply.page(
        template,
        status,
        audience=audience,
        audiences=AUDIENCES,
        places=menu_form.places(form, wrong),
        phone=menu["button"],
        wrong=wrong,
        types=list(menu_form.TYPES.items()),
        pages=DEFAULT_PAGES,
        **context,
    )


def _context(
    session: Session, appid: str, draft: MenuVersion | None, now: datetime
) -> dict[str, Any]:
    return {
        "draft": _shown(draft, now) if draft else None,
        "versions": [_shown(each, now) for each in versions.list_published(session, appid)],
    }


def _menu(form: Any) -> dict[str, Any]:
    account = find_mini()
    base_url = current_config().app.base_url.rstrip("/")
    return menu_form.read(form, mini_appid=account, base_url=base_url)


def find_mini() -> str:
    """The appid of the mini-program that this merchant's menu opens."""
    with reading() as session:
        account = find_account(session)
    mini = mini_for_official(account.appid) if account else None
    return mini.appid if mini else ""


def _audience(name: str) -> str:
    return name if name in AUDIENCES else "default"


def _shown(version: MenuVersion, now: datetime) -> dict[str, Any]:
    state, kind = STATES[version.state]
    tops = [str(each.get("name")) for each in version.menus.get("default", {}).get("button", [])]
    return {
        "id": version.id,
        "number": version.number,
        "state": state,
        "kind": kind,
        "busy": version.state is MenuState.publishing,
        "problem": version.problem,
        "at": words.when(version.published_at or version.created_at, now),
        "tops": "、".join(tops),
    }


def _version(session: Session, version_id: int) -> MenuVersion:
    found = versions.get_version(session, get_account(session).appid, version_id)
    if found is None:
        raise NotFound("没有这一版菜单")
    return found


def _record(session: Session, action: str, version: MenuVersion, now: datetime) -> None:
    buttons = comparing.leaves(version.menus.get("default", {}))
    audit.record(
        session,
        actor=me().actor,
        action=action,
        subject=f"menu:{version.id}",
        after={"message": "；".join(buttons.values())[:500]},
        merchant_id=me().merchant_id,
        now=now,
    )
