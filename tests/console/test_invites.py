"""Invites that nobody has accepted yet: seen, named, and taken back."""

import pytest
from sqlalchemy import select

from console.words import when
from core.audit import AuditEntry
from core.clock import now as clock_now
from core.database import reading
from merchants import invites
from merchants.errors import InviteUnusable
from merchants.models import Staff, StaffInvite
from messaging import scenes
from tests.console.conftest import Chain
from tests.factories.crm import make_person

CODES: dict[str, str] = {}


def make_invite(chain: Chain, name: str = "小林", **values: int) -> StaffInvite:
    with chain.writing() as session:
        CODES[name] = invites.invite(
            session,
            merchant_id=values.get("merchant_id", chain.merchant_id),
            name=name,
            role="clerk",
            store_ids=[chain.here.id],
            now=chain.now,
            invited_by_id=chain.owner.id,
        )
        found = invites.find_invite(session, CODES[name])
        assert found
        return found


def is_open(chain: Chain, invite: StaffInvite) -> bool:
    with reading() as session:
        waiting = invites.list_open(session, invite.merchant_id, chain.now)
        return invite.id in [one.id for one in waiting]


def audited() -> list[AuditEntry]:
    with reading() as session:
        mine = select(AuditEntry).where(AuditEntry.action == "staff.invite_end")
        return list(session.scalars(mine))


def test_the_staff_page_lists_who_was_invited_until_when(chain: Chain) -> None:
    invite = make_invite(chain)
    make_invite(chain, "隔壁小王", merchant_id=chain.rival_merchant_id)

    page = chain.browser("owner").get("/stores/").text

    waiting = page.split('id="waiting-invites"')[1]
    assert "小林" in waiting
    assert "店员" in waiting
    assert "静安寺店" in waiting
    assert f'data-label="有效到">{when(invite.expires_at, clock_now())}<' in waiting
    assert f"/stores/staff/invites/{invite.id}/withdraw" in waiting
    assert "隔壁小王" not in page
    assert "waiting-invites" not in chain.browser("manager").get("/stores/").text


def test_a_withdrawn_invite_brings_nobody_in(chain: Chain) -> None:
    invite = make_invite(chain)
    owner = chain.browser("owner")
    path = f"/stores/staff/invites/{invite.id}/withdraw"
    assert "作废给店员小林的邀请" in owner.get(path).text

    assert owner.post(path).status_code == 303

    assert "waiting-invites" not in owner.get("/stores/").text
    with chain.writing() as session, pytest.raises(InviteUnusable):
        invites.accept_invite(session, CODES["小林"], make_person(session), clock_now())
    with reading() as session:
        assert "小林" not in list(session.scalars(select(Staff.name)))
    (entry,) = audited()
    assert (entry.actor, entry.subject) == (f"staff:{chain.owner.id}", f"invite:{invite.id}")
    assert entry.after == {"name": "小林", "role": "clerk"}
    assert "作废邀请" in owner.get("/audit/").text
    assert owner.post(path).status_code == 404
    assert len(audited()) == 1


@pytest.mark.parametrize(("username", "status"), [("manager", 403), ("clerk", 403), ("rival", 404)])
def test_nobody_else_withdraws_it(chain: Chain, username: str, status: int) -> None:
    invite = make_invite(chain)
    path = f"/stores/staff/invites/{invite.id}/withdraw"

    assert chain.browser(username).get(path).status_code == status
    assert chain.browser(username).post(path).status_code == status

    assert is_open(chain, invite)
    assert audited() == []


def test_an_accepted_invite_waits_no_more_and_is_not_withdrawn(chain: Chain) -> None:
    invite = make_invite(chain)
    with chain.writing() as session:
        invites.accept_invite(session, CODES["小林"], make_person(session), clock_now())

    owner = chain.browser("owner")

    assert "waiting-invites" not in owner.get("/stores/").text
    assert owner.post(f"/stores/staff/invites/{invite.id}/withdraw").status_code == 404
    assert audited() == []


def test_the_page_with_the_code_says_whose_it_is(chain: Chain) -> None:
    invite = make_invite(chain)
    with chain.writing() as session:
        scene = scenes.create_invite_scene(
            session,
            merchant_id=chain.merchant_id,
            appid="wx",
            invite_code=CODES["小林"],
            expires_at=invite.expires_at,
            now=chain.now,
        )

    page = chain.browser("owner").get(f"/stores/invites/{scene.id}").text

    assert "<h1>小林的邀请码</h1>" in page
    assert "请小林用微信扫这个码" in page
    assert "店员" in page
