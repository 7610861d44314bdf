"""Lists of the official account ask the database as often for fifty rows as for one."""

from typing import Any

import pytest
from sqlalchemy.orm import Session

from core import clock
from core.database import db, transaction
from core.inbox import InboundEvent
from messaging import broadcasts, inbox, scenes
from messaging.broadcasts.drafting import Draft
from messaging.models import Material, MaterialState, SceneKind
from sandbox.demo_config import OFFICIAL
from tests.console.official.conftest import Desk
from tests.counting import statements


def code(session: Session, desk: Desk, number: int) -> None:
    scenes.create_scene(
        session,
        merchant_id=desk.merchant.id,
        appid=OFFICIAL,
        kind=SceneKind.poster,
        name=f"{number} 号海报",
        store_id=desk.store.id,
        now=clock.now(),
    )


def broadcast(session: Session, desk: Desk, number: int) -> None:
    draft = Draft(OFFICIAL, "text", "followers", text=f"第 {number} 次")
    broadcasts.create(session, desk.merchant.id, draft, actor="staff:1", now=clock.now())


def material(session: Session, desk: Desk, number: int) -> None:
    row = {"appid": OFFICIAL, "kind": "image", "mime": "image/png", "size": 1, "actor": "staff:1"}
    row |= {"state": MaterialState.ready, "media_id": f"m{number}", "name": f"{number} 号"}
    session.add(Material(**row, created_at=clock.now(), changed_at=clock.now()))


def record(session: Session, desk: Desk, number: int) -> None:
    body = {"appid": OFFICIAL, "to_user": "gh", "openid": "o1", "kind": "text", "event": None}
    body |= {"event_key": "", "msg_id": str(number), "fields": {"Content": "在吗"}}
    body |= {"sealed": True, "json": False, "created_at": clock.now().timestamp()}
    session.add(
        InboundEvent(
            source=inbox.OFFICIAL + OFFICIAL,
            external_id=str(number),
            kind="text",
            openid="o1",
            body=body,
            received_at=clock.now(),
        )
    )


@pytest.mark.parametrize(
    ("path", "grow", "most"),
    [
        ("/official/codes", code, 9),
        ("/official/materials", material, 7),
        ("/official/records", record, 9),
        ("/official/records?person=o1&kind=text", record, 10),
        ("/broadcasts/", broadcast, 8),
    ],
)
def test_a_list_costs_the_same_at_one_row_and_at_fifty(
    desk: Desk, path: str, grow: Any, most: int
) -> None:
    def cost(numbers: range) -> int:
        with transaction() as session:
            for number in numbers:
                grow(session, desk, number)
        with statements(db.engine) as asked:
            assert owner.get(path).status_code == 200
        return len(asked)

    owner = desk.browser()
    at_one = cost(range(1))
    at_fifty = cost(range(1, 50))

    assert at_fifty == at_one
    assert at_fifty <= most
