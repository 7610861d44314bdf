"""Publishing menus and staff tags at WeChat: conversations, called by jobs."""

from sqlalchemy import delete, select
from sqlalchemy.orm import Session, aliased

import gateways
from core.clock import now as clock_now
from core.config import current_config
from core.database import claim, insert_ignore, reading, transaction
from merchants.models import Staff, StaffState
from messaging import menus
from messaging.accounts import find_owner, mini_for_official
from messaging.models import AccountTag, PublishedMenu
from people.models import Identity, Person

_PER_CALL = 50


def publish_menus(appid: str) -> None:
    """The default menu, and the one for staff; asking again publishes again, which is harmless."""
    official = gateways.wechat().official(appid)
    mini = mini_for_official(appid)
    base_url = current_config().app.base_url.rstrip("/")
    default = menus.default_menu(mini_appid=mini.appid if mini else None, base_url=base_url)
    staff = menus.staff_menu(appid=appid, base_url=base_url)
    tag_id = ensure_tag(appid, official.account.staff_tag)
    official.create_menu(default)
    official.add_conditional_menu(staff, tag_id)
    with transaction() as session:
        for audience, menu in (("default", default), (f"tag:{tag_id}", staff)):
            which = delete(PublishedMenu).where(
                PublishedMenu.appid == appid, PublishedMenu.audience == audience
            )
            claim(session, which)
            session.add(
                PublishedMenu(appid=appid, audience=audience, menu=menu, published_at=clock_now())
            )


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
