"""The menu interfaces: limits on buttons, and only a tag can choose another menu."""

from typing import Any
from urllib.parse import urlsplit

from sandbox.wechat.door import ApiError, Body, Call, wechat_api
from sandbox.wechat.menustore import Menu

KEY_TYPES = (
    "click",
    "scancode_push",
    "scancode_waitmsg",
    "pic_sysphoto",
    "pic_photo_or_album",
    "pic_weixin",
    "location_select",
)
DEAD_RULES = ("sex", "gender", "country", "province", "city", "language", "client_platform_type")


@wechat_api("menu_create", "/cgi-bin/menu/create", title="发布菜单")
def create_menu(call: Call) -> Body:
    buttons = _checked(call.body.get("button"))
    menus = call.world.menus.of(call.own.appid)
    menus.default = {"button": buttons, "menuid": call.world.menus.next_id()}
    call.title = f"发布了公众号菜单：{_names(buttons)}"
    return {}


@wechat_api("menu_conditional", "/cgi-bin/menu/addconditional", title="发布个性化菜单")
def add_conditional(call: Call) -> Body:
    rule = call.body.get("matchrule")
    if not isinstance(rule, dict) or not any(rule.values()):
        raise ApiError(65305)
    if any(rule.get(name) for name in DEAD_RULES):
        raise ApiError(65320)
    menus = call.world.menus.of(call.own.appid)
    if menus.default is None:
        raise ApiError(65303)
    tag = str(rule.get("tag_id", ""))
    if not tag.isdigit() or int(tag) not in call.world.tags.of(call.own.appid):
        raise ApiError(45159)
    buttons = _checked(call.body.get("button"))
    if len(_domains(buttons)) > 3:
        raise ApiError(65316)
    menu_id = call.world.menus.next_id()
    menu = {"button": buttons, "menuid": menu_id, "tag_id": int(tag)}
    menus.conditional = [menu, *menus.conditional]
    name = call.world.tags.of(call.own.appid)[int(tag)]
    call.title = f"给「{name}」发布了另一套菜单：{_names(buttons)}"
    return {"menuid": str(menu_id)}


@wechat_api("menu_get", "/cgi-bin/menu/get", method="GET", title="读取菜单")
def get_menu(call: Call) -> Body:
    menus = call.world.menus.of(call.own.appid)
    if menus.default is None:
        raise ApiError(46003)
    answer: Body = {"menu": menus.default}
    if menus.conditional:
        answer["conditionalmenu"] = [
            {
                "button": menu["button"],
                "matchrule": {"group_id": str(menu["tag_id"]), "tag_id": str(menu["tag_id"])},
                "menuid": menu["menuid"],
            }
            for menu in menus.conditional
        ]
    return answer


@wechat_api("menu_delete", "/cgi-bin/menu/delete", method="GET", title="删除菜单")
def delete_menu(call: Call) -> Body:
    """Deleting the default menu deletes all."""
    menus = call.world.menus.of(call.own.appid)
    menus.default, menus.conditional = None, []
    return {}


@wechat_api("menu_delconditional", "/cgi-bin/menu/delconditional", title="删除个性化菜单")
def delete_conditional(call: Call) -> Body:
    menus, menu_id = call.world.menus.of(call.own.appid), str(call.body.get("menuid", ""))
    kept = [menu for menu in menus.conditional if str(menu["menuid"]) != menu_id]
    if len(kept) == len(menus.conditional):
        raise ApiError(65301)
    menus.conditional = kept
    return {}


@wechat_api("menu_trymatch", "/cgi-bin/menu/trymatch", title="看某个人的菜单")
def try_match(call: Call) -> Body:
    follow = call.world.followers.find(call.own.appid, call.text("user_id", 40003))
    if follow is None:
        raise ApiError(46004)
    buttons, _ = call.world.menus.seen_by(call.own.appid, follow.tags)
    return {"button": buttons}


@wechat_api(
    "menu_current", "/cgi-bin/get_current_selfmenu_info", method="GET", title="读取当前菜单"
)
def current_menu(call: Call) -> Body:
    menus = call.world.menus.of(call.own.appid)
    if menus.default is None:
        return {"is_menu_open": 0}
    buttons = [
        {**button, "sub_button": {"list": button["sub_button"]}}
        if button.get("sub_button")
        else button
        for button in menus.default["button"]
    ]
    return {"is_menu_open": 1, "selfmenu_info": {"button": buttons}}


def _checked(buttons: Any) -> list[Menu]:
    if not isinstance(buttons, list) or not 1 <= len(buttons) <= 3:
        raise ApiError(40016)
    for button in buttons:
        below = button.get("sub_button") if isinstance(button, dict) else None
        if below:
            if not isinstance(below, list) or len(below) > 5:
                raise ApiError(40023)
            _check_name(button, 16, 40018)
            for sub in below:
                _check_button(sub, top=False)
        else:
            _check_button(button, top=True)
    return buttons


def _check_button(button: Any, *, top: bool) -> None:
    if not isinstance(button, dict):
        raise ApiError(40016 if top else 40023)
    _check_name(button, 16 if top else 60, 40018 if top else 40025)
    kind = button.get("type")
    if kind in KEY_TYPES:
        _check_size(button.get("key"), 128, 40019 if top else 40026)
    elif kind in ("view", "miniprogram"):
        _check_size(button.get("url"), 1024, 40020 if top else 40027)
        if urlsplit(button["url"]).scheme not in ("http", "https"):
            raise ApiError(40055 if top else 40054)
        if kind == "miniprogram":
            _check_size(button.get("appid"), 64, 40013)
            _check_size(button.get("pagepath"), 1024, 40165)
    elif kind in ("media_id", "article_id", "article_view_limited"):
        _check_size(button.get("article_id" if "article" in kind else "media_id"), 256, 40007)
    else:
        raise ApiError(40017 if top else 40024)


def _check_name(button: dict[str, Any], most: int, errcode: int) -> None:
    _check_size(button.get("name"), most, errcode)


def _check_size(value: Any, most: int, errcode: int) -> None:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= most:
        raise ApiError(errcode)


def _domains(buttons: list[Menu]) -> set[str]:
    leaves = [leaf for button in buttons for leaf in button.get("sub_button") or [button]]
    return {urlsplit(leaf["url"]).netloc for leaf in leaves if leaf.get("type") == "view"}


def _names(buttons: list[Menu]) -> str:
    return "、".join(button["name"] for button in buttons)
