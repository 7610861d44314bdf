"""Whoever takes back at WeChat what they had allowed is forgotten, as far as they said."""

from typing import Any

import pytest
from sqlalchemy import select

from core import clock
from core.audit import AuditEntry
from core.database import reading, transaction
from crm import members
from crm.models import Member
from people import phones
from people.models import Person
from sandbox.demo_config import MINI
from tests.official_account.conftest import TeaShop
from tests.official_account.test_following import event, post


def known(tea: TeaShop) -> None:
    """阿青 with a name and a number, known from the mini-program."""
    with transaction() as session:
        member = members.recognise(
            session,
            merchant_id=tea.merchant.id,
            kind="mini",
            appid=MINI,
            openid=tea.shop.openid("aqing", MINI),
            now=clock.now(),
        )
        person = session.get_one(Person, member.person_id)
        person.nickname = member.name = "阿青"
        phones.attach(session, person, "13800001111", clock.now())


def tell(tea: TeaShop, name: str, **fields: Any) -> None:
    openid = tea.shop.openid("aqing", MINI)
    push = event(tea.shop, name, OpenID=openid, AppID=MINI, **fields)
    # WeChat tells the mini-program's own callback.
    object.__setattr__(push, "account", tea.shop.world.settings.accounts[MINI])
    push.fields["FromUserName"] = openid
    assert post(tea.shop, push) == (200, "success")
    tea.shop.drain()


@pytest.mark.parametrize(
    ("name", "revoked", "left", "gone"),
    [
        ("user_authorization_revoke", "6", ("", "", True, True), ["name"]),
        ("user_authorization_revoke", "6,8", ("", "", False, True), ["name", "phone"]),
        ("user_authorize_revoke", "8", ("阿青", "阿青", False, True), ["phone"]),
        (
            "user_authorization_cancellation",
            "",
            ("", "", False, False),
            ["name", "phone", "marketing"],
        ),
        ("user_info_modified", "", ("阿青", "阿青", True, True), None),
        ("user_authorization_revoke", "1", ("阿青", "阿青", True, True), None),
    ],
)
def test_what_was_taken_back_is_forgotten(
    tea: TeaShop, name: str, revoked: str, left: tuple[str, str, bool, bool], gone: list[str] | None
) -> None:
    known(tea)

    tell(tea, name, **({"RevokeInfo": revoked} if revoked else {}))

    with reading() as session:
        member = session.scalars(select(Member)).one()
        person = session.get_one(Person, member.person_id)
        has_phone = person.phone is not None and person.phone_hash is not None
        assert (person.nickname, member.name, has_phone, member.marketing_consent) == left
        said = session.scalars(select(AuditEntry).where(AuditEntry.action == "member.withdrawn"))
        assert [entry.after for entry in said] == ([{"forgotten": gone}] if gone else [])


def test_a_stranger_has_nothing_to_forget(tea: TeaShop) -> None:
    tell(tea, "user_authorization_cancellation")

    with reading() as session:
        assert session.scalars(select(Person)).all() == []
