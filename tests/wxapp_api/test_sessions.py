"""Logging in, in either order with following, and what a bad code gets."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core import clock
from core.database import reading, transaction
from crm.models import Member
from merchants.models import Merchant
from people import logins
from people.models import Identity, LoginSession, Person
from sandbox.demo_config import MINI
from tests.factories.merchants import make_merchant
from tests.wechat_world import Shop, Wechat, run_shop


@pytest.fixture
def shop(wechat: Wechat, tmp_path: Path) -> Iterator[Shop]:
    """Here the mini-program logs in at the sandbox itself."""
    wechat.reset()
    with run_shop(wechat, tmp_path) as shop:
        yield shop


@pytest.fixture(autouse=True)
def merchant(shop: Shop) -> Merchant:
    with transaction() as session:
        return make_merchant(session, code="qinghe")


def people_count() -> tuple[int, int, int]:
    with reading() as session:
        living = select(func.count()).select_from(Person).where(Person.merged_into_id.is_(None))
        members = select(func.count()).select_from(Member).where(Member.merged_into_id.is_(None))
        identities = select(func.count()).select_from(Identity)
        return (
            session.scalar(living) or 0,
            session.scalar(members) or 0,
            session.scalar(identities) or 0,
        )


def test_a_code_becomes_a_session(shop: Shop) -> None:
    client = shop.app.test_client()

    answer = client.post("/api/v1/sessions", json={"code": shop.login_code("aqing"), "appid": MINI})

    assert answer.status_code == 201
    body = answer.get_json()
    assert body["expires_in"] == 30 * 86_400
    assert set(body["user"]) == {"id", "nickname", "avatar"}
    with reading() as session:
        login = logins.find_session(session, body["token"], clock.now())
        assert login is not None
        assert body["token"] not in str(session.scalars(select(LoginSession.token_hash)).all())
    again = client.post("/api/v1/sessions", json={"code": shop.login_code("aqing")})
    assert again.get_json()["user"] == body["user"]
    assert people_count() == (1, 1, 1)


def test_a_used_or_made_up_code_is_refused_and_changes_nothing(shop: Shop) -> None:
    client = shop.app.test_client()
    code = shop.login_code("aqing")
    assert client.post("/api/v1/sessions", json={"code": code}).status_code == 201

    for wrong in (code, "made-up"):
        answer = client.post("/api/v1/sessions", json={"code": wrong})
        assert (answer.status_code, answer.get_json()["code"]) == (401, "invalid_code")

    assert people_count() == (1, 1, 1)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"code": ""}, 422),
        ({"code": 7}, 422),
        ({"code": "x" * 300}, 422),
        ({"code": "x", "appid": "wxnobody"}, 404),
        ([], 422),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(shop: Shop, body: object, status: int) -> None:
    answer = shop.app.test_client().post("/api/v1/sessions", json=body)

    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"


def test_wechat_away_is_a_clear_503(shop: Shop) -> None:
    code = shop.login_code("aqing")
    shop.fault(api="api.*", kind="drop_after", times=5)

    answer = shop.app.test_client().post("/api/v1/sessions", json={"code": code})

    assert answer.status_code == 503
    assert answer.headers["Retry-After"]
    assert people_count() == (0, 0, 0)


@pytest.mark.parametrize("follow_first", [True, False])
def test_following_and_logging_in_make_one_member(shop: Shop, follow_first: bool) -> None:
    client = shop.app.test_client()

    def follow() -> None:
        shop.follow("aqing")
        shop.drain()

    def log_in() -> None:
        assert client.post("/api/v1/sessions", json={"code": shop.login_code("aqing")}).status_code
        shop.drain()

    for act in (follow, log_in) if follow_first else (log_in, follow):
        act()

    assert people_count() == (1, 1, 2)


def test_two_parallel_first_logins_are_one_person(shop: Shop) -> None:
    codes = [shop.login_code("aqing") for _ in range(4)]

    def log_in(code: str) -> int:
        client = shop.app.test_client()
        return client.post("/api/v1/sessions", json={"code": code}).status_code

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(log_in, codes)) == [201] * 4

    assert people_count() == (1, 1, 1)
