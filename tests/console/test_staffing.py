"""Ending somebody's work: out at once, on the record, and never the last owner."""

import pytest
from sqlalchemy import select

from core.audit import AuditEntry
from core.database import reading
from merchants.models import Merchant, Role, Staff, StaffState
from people.models import LoginSession
from tests.console.conftest import Chain
from tests.factories.merchants import make_staff


def state_of(staff: Staff) -> tuple[StaffState, Role]:
    with reading() as session:
        row = session.get_one(Staff, staff.id)
        return row.state, row.role


def audited(action: str) -> list[AuditEntry]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry).where(AuditEntry.action == action)))


def test_who_is_ended_is_out_on_every_device_at_once(chain: Chain) -> None:
    phone, till = chain.browser("clerk"), chain.browser("clerk")
    owner = chain.browser("owner")
    assert till.get("/orders/").status_code == 200
    question = owner.get(f"/stores/staff/{chain.clerk.id}/end", **{"HX-Request": "true"})
    assert "停用店员小周" in question.text

    answer = owner.touch(f"/stores/staff/{chain.clerk.id}/end")

    assert (answer.status_code, answer.headers["HX-Redirect"]) == (204, "/console/stores/")
    assert state_of(chain.clerk) == (StaffState.left, Role.clerk)
    for browser in (phone, till):
        assert browser.get("/orders/").status_code == 303
    with reading() as session:
        mine = select(LoginSession).where(LoginSession.staff_id == chain.clerk.id)
        assert all(login.revoked_at is not None for login in session.scalars(mine))
        others = select(LoginSession).where(LoginSession.staff_id == chain.owner.id)
        assert all(login.revoked_at is None for login in session.scalars(others))
    (entry,) = audited("staff.end")
    assert (entry.actor, entry.subject) == (f"staff:{chain.owner.id}", f"staff:{chain.clerk.id}")
    assert entry.before == {"state": "active", "role": "clerk"}
    assert entry.after == {"state": "left", "role": "clerk"}
    assert entry.merchant_id == chain.merchant_id
    assert chain.browser().log_in("clerk").status_code == 422
    people = owner.get("/stores/").text
    assert f"/stores/staff/{chain.clerk.id}/end" not in people
    assert owner.post(f"/stores/staff/{chain.clerk.id}/end").status_code == 404
    assert len(audited("staff.end")) == 1


def test_an_owner_ends_another_owner_but_not_themselves(chain: Chain) -> None:
    owner = chain.browser("owner")

    refused = owner.post(f"/stores/staff/{chain.owner.id}/end")

    assert refused.status_code == 409
    assert "不能停用自己" in refused.text
    assert state_of(chain.owner) == (StaffState.active, Role.owner)
    assert f"/stores/staff/{chain.owner.id}/end" not in owner.get("/stores/").text
    with chain.writing() as session:
        second = make_staff(
            session, session.get_one(Merchant, chain.merchant_id), role=Role.owner, name="老沈"
        )
    assert owner.post(f"/stores/staff/{second.id}/end").status_code == 303
    assert state_of(second) == (StaffState.left, Role.owner)


@pytest.mark.parametrize("username", ["manager", "clerk", "rival"])
def test_nobody_else_ends_anybody(chain: Chain, username: str) -> None:
    browser = chain.browser(username)
    status = 404 if username == "rival" else 403

    assert browser.get(f"/stores/staff/{chain.clerk.id}/end").status_code == status
    assert browser.post(f"/stores/staff/{chain.clerk.id}/end").status_code == status

    assert state_of(chain.clerk) == (StaffState.active, Role.clerk)
    assert audited("staff.end") == []
