"""Publishing menus and staff tags at WeChat: conversations, called by jobs."""

from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, aliased

import gateways
from core.clock import now as clock_now
from core.database import claim, insert_ignore, reading, transaction
from core.logs import log
from gateways.wechat.errors import WechatError, WechatUnavailable
from merchants.models import Staff, StaffState
from messaging.accounts import find_owner
from messaging.menus import versions
from messaging.models import AccountTag, MenuState, MenuVersion
from people.models import Identity, Person

_PER_CALL = 50
MEANINGS = {
    40018: "按钮名字太长",
    40025: "下级按钮名字太长",
    40054: "网址不合规",
    40055: "网址不合规",
    40165: "小程序页面不存在",
    65316: "链到的网站太多",
    48001: "公众号没有菜单权限",
}


def publish_menus(appid: str) -> None:
    """What was published last, again: a sandbox that began afresh has forgotten it."""
    with reading() as session:
        wanted = versions.current(session, appid)
    put(appid, wanted)


def publish(version_id: int) -> None:
    """Publish a version that was queued; a version that was not (any more) is left alone.

    What WeChat has is looked at first: if it is none of ours it is kept beside our versions.
    What WeChat refuses for good is written down; what may be asked again is raised.
    """
    with reading() as session:
        version = session.get_one(MenuVersion, version_id)
    if version.state is not MenuState.publishing:
        return
    try:
        live = read_live(version.appid)
        with transaction() as session:
            versions.keep_live(session, version.appid, live, wanted=version.menus, now=clock_now())
        put(version.appid, version.menus)
    except WechatError as error:
        if error.transient:
            raise
        why = f"微信没有接受：{MEANINGS.get(error.errcode, error.errmsg)}（{error.errcode}）"
        with transaction() as session:
            versions.record_refused(session, version_id, why)
        return
    with transaction() as session:
        versions.record_published(session, version_id, now=clock_now())


def put(appid: str, wanted: dict[str, Any]) -> None:
    """Everybody's menu and the staff's; asking again asks for the same.

    A new conditional menu lies on top of older ones of the same tag, which are taken away after.
    """
    official = gateways.wechat().official(appid)
    tag_id = ensure_tag(appid, official.account.staff_tag)
    official.create_menu(wanted["default"])
    older = [
        str(menu["menuid"])
        for menu in official.get_menus().get("conditionalmenu", [])
        if str(menu.get("matchrule", {}).get("tag_id", "")) == str(tag_id)
    ]
    if wanted.get("staff", {}).get("button"):
        official.add_conditional_menu(wanted["staff"], tag_id)
    for menu_id in older:
        official.delete_conditional_menu(menu_id)


def find_start(appid: str) -> dict[str, Any]:
    """What a drawing starts from: the draft, what was published last, or else what WeChat has; ours
    where it has nothing, or does not answer."""
    with reading() as session:
        version = versions.find_draft(session, appid) or versions.find_published(session, appid)
    if version is not None:
        return version.menus
    made = versions.generated(appid)
    try:
        live = versions.adopted(read_live(appid))
    except (WechatError, WechatUnavailable) as error:
        log.info("menu_not_read", code=error.code)
        return made
    ours = {name: menu for name, menu in made.items() if not live[name]["button"]}
    return live | ours


def read_live(appid: str) -> dict[str, Any]:
    """What WeChat has now: `default` and `staff`, each a menu or nothing.

    A menu that was made by hand at WeChat's own pages is told of in another place.
    """
    official = gateways.wechat().official(appid)
    given = official.get_menus()
    default = given.get("menu")
    if default is None:
        now = official.current_menu()
        default = now.get("selfmenu_info") if now.get("is_menu_open") else None
    with reading() as session:
        tag_id = find_tag(session, appid, official.account.staff_tag)
    staff = next(
        (
            menu
            for menu in given.get("conditionalmenu", [])
            if str(menu.get("matchrule", {}).get("tag_id", "")) == str(tag_id)
        ),
        None,
    )
    return {"default": default, "staff": staff}


def tag_staff(appid: str, openids: list[str]) -> None:
    """Give followers the staff tag, so that they see the staff menu."""
    official = gateways.wechat().official(appid)
    tag_id = ensure_tag(appid, official.account.staff_tag)
    for start in range(0, len(openids), _PER_CALL):
        official.tag_users(tag_id, openids[start : start + _PER_CALL])


def untag_staff(appid: str, openid: str) -> None:
    """Take the staff tag away again, and with it the staff menu."""
    official = gateways.wechat().official(appid)
    official.untag_users(ensure_tag(appid, official.account.staff_tag), [openid])


def ensure_tag(appid: str, name: str) -> int:
    """WeChat's id of a tag; asks what there is before making one, and writes down the answer."""
    official = gateways.wechat().official(appid)
    tag_id = official.list_tags().get(name)
    if tag_id is None:
        tag_id = official.create_tag(name)
    with reading() as session:
        known = find_tag(session, appid, name)
    if known != tag_id:
        with transaction() as session:
            mine = (AccountTag.appid == appid, AccountTag.name == name)
            claim(session, delete(AccountTag).where(*mine))
            row = {"appid": appid, "name": name, "tag_id": tag_id}
            insert_ignore(session, AccountTag, [row])
    return tag_id


def list_staff_openids(session: Session, appid: str) -> list[str]:
    """Active staff of the account's merchant who have bound their WeChat."""
    owner = find_owner(session, appid)
    if owner is None:
        return []
    bound = aliased(Person)  # whom the staff row names; may have been merged since
    found = (
        select(Identity.openid)
        .join(bound, Identity.person_id.in_((bound.id, bound.merged_into_id)))
        .join(Staff, Staff.person_id == bound.id)
        .where(
            Identity.appid == appid,
            Staff.merchant_id == owner.id,
            Staff.state == StaffState.active,
        )
        .distinct()
    )
    return list(session.scalars(found))


def find_tag(session: Session, appid: str, name: str) -> int | None:
    found = select(AccountTag.tag_id).where(AccountTag.appid == appid, AccountTag.name == name)
    return session.scalar(found)
