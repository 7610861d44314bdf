"""Menus: drawn as a form, looked at as a phone, compared with WeChat, published, taken back."""

from datetime import datetime
from typing import Any

from flask import Response, request, url_for
from sqlalchemy.orm import Session

from console import reply, words
from console.access import me, staff
from console.official import menu_form, menu_words
from console.official.blueprint import find_account, get_account, page, shown
from core import audit
from core.clock import now as clock_now
from core.config import OfficialAccount, current_config
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
        context = _context(session, account.appid, draft, clock_now())
    wanted = draft.menus if draft else remote.find_start(account.appid)
    form = menu_form.typed(wanted.get(audience) or {}, base_url=_base_url())
    return _page(audience, form, account, **context)


@page.post("/menus/look")
@staff("official.manage")
def look_at_menu() -> Response:
    """The form again with what is wrong, and the phone beside it. Nothing is kept."""
    audience = _audience(request.form.get("for", ""))
    with reading() as session:
        account = get_account(session)
    return _page(audience, request.form, account, template="official/menu_again.html")


@page.post("/menus")
@staff("official.manage")
def save_menu() -> Response:
    audience, now = _audience(request.form.get("for", "")), clock_now()
    with reading() as session:
        account = get_account(session)
        context = _context(session, account.appid, None, now)
    drawn = _drawn(request.form, account)
    if checking.check(drawn.menu, conditional=audience == "staff"):
        return _page(audience, request.form, account, 422, **context)
    start = remote.find_start(account.appid)
    with transaction() as session:
        draft = versions.find_draft(session, account.appid)
        before = draft.menus if draft else start
        texts = {**before.get("texts", {}), **drawn.texts}
        wanted = {**before, audience: drawn.menu, "texts": texts}
        version = versions.save_draft(session, account.appid, wanted, actor=me().actor, now=now)
        _record(session, "menu.save", version, now)
    to = url_for("console.official.compare_menu")
    return reply.done(to, "草稿存好了，看看和微信上的差别再发布")


@page.get("/menus/compare")
@staff("official.manage")
def compare_menu() -> Response:
    """The draft beside what WeChat has at this moment."""
    with reading() as session:
        account = get_account(session)
        draft = versions.find_draft(session, account.appid)
        say = menu_words.read(session, account.appid, draft.menus if draft else None).describe
    if draft is None:
        return reply.done(url_for("console.official.menus"), "没有要发布的草稿")
    try:
        live: dict[str, Any] | None = remote.read_live(account.appid)
    except (WechatError, WechatUnavailable) as error:
        log.info("menu_not_read", code=error.code)
        live = None
    changes = [
        {
            "title": title,
            "rows": comparing.differences((live or {}).get(name), draft.menus[name], say),
        }
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
    return reply.done(url_for("console.official.menus"), f"正在换回「{_title(old)}」")


def _page(
    audience: str,
    form: Any,
    account: OfficialAccount,
    status: int = 200,
    template: str = "official/menus.html",
    **context: Any,
) -> Response:
    menu = _drawn(form, account).menu
    wrong = checking.check(menu, conditional=audience == "staff")
    with reading() as session:
        draft = versions.find_draft(session, account.appid)
        say = menu_words.read(session, account.appid, draft.menus if draft else None)
    return reply.page(
        template,
        status,
        account=shown(account),
        audience=audience,
        audiences=AUDIENCES,
        places=menu_form.places(form, wrong),
        phone=menu["button"],
        wrong=wrong,
        types=[
            (kind, title)
            for kind, title in menu_form.TYPES.items()
            if audience == "staff" or kind != menu_form.CONSOLE
        ],
        choices={
            "miniprogram": DEFAULT_PAGES,
            "click": say.options(audience),
            menu_form.CONSOLE: list(menu_words.CONSOLE_PAGES.items()),
        },
        of_key=say.of_key,
        **context,
    )


def _context(
    session: Session, appid: str, draft: MenuVersion | None, now: datetime
) -> dict[str, Any]:
    return {
        "draft": _shown(draft, now) if draft else None,
        "versions": [_shown(each, now) for each in versions.list_published(session, appid)],
    }


def _drawn(form: Any, account: OfficialAccount) -> menu_form.Drawn:
    mini = mini_for_official(account.appid)
    appid = mini.appid if mini else ""
    return menu_form.read(form, mini_appid=appid, base_url=_base_url(), appid=account.appid)


def _base_url() -> str:
    return current_config().app.base_url.rstrip("/")


def _audience(name: str) -> str:
    return name if name in AUDIENCES else "default"


def _shown(version: MenuVersion, now: datetime) -> dict[str, Any]:
    state, kind = STATES[version.state]
    tops = [str(each.get("name")) for each in version.menus.get("default", {}).get("button", [])]
    return {
        "id": version.id,
        "title": _title(version),
        "state": state,
        "kind": kind,
        "busy": version.state is MenuState.publishing,
        "problem": version.problem,
        "at": words.when(version.published_at or version.created_at, now),
        "tops": "、".join(tops),
    }


def _title(version: MenuVersion) -> str:
    if version.actor == versions.OF_WECHAT:
        return "发布前微信上的" if version.number == 0 else "在别处改过的"
    return f"第 {version.number} 版"


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
