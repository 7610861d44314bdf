"""The member's card, profile, phone, consent, grants and events."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from core.audit import AuditEntry
from core.database import reading, transaction
from core.security_events import SecurityEvent
from crm.models import Member, MemberEvent, MemberPlace
from merchants.models import Merchant, Staff
from merchants.staff import find_by_person
from messaging.models import SubscribeGrant
from people import phones
from people.models import Identity, IdentityKind, Person
from sandbox.demo_config import MINI, SUBSCRIBE_TEMPLATES
from tests.conftest import NOW
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff
from tests.factories.people import make_person, make_recognition
from tests.wechat_world import Shop, Wechat, run_shop

READY = SUBSCRIBE_TEMPLATES["order_ready"]


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


class Phone:
    """A logged-in mini-program."""

    def __init__(self, shop: Shop, person: str = "aqing") -> None:
        self.client = shop.app.test_client()
        body = {"code": shop.login_code(person)}
        token = self.client.post("/api/v1/sessions", json=body).get_json()["token"]
        self.headers = {"Authorization": f"Bearer {token}"}

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.client.open(f"/api/v1{path}", method=method, json=body, headers=self.headers)


@pytest.fixture
def phone(shop: Shop) -> Phone:
    return Phone(shop)


def test_the_shop_introduces_itself_to_anybody(shop: Shop) -> None:
    answer = shop.app.test_client().get("/api/v1/config")

    assert answer.get_json() == {
        "merchant": {"code": "qinghe", "name": "青禾茶铺", "brand_color": "#0b6b4f", "logo": ""},
        "subscribe_templates": SUBSCRIBE_TEMPLATES,
        "payments": [
            {"channel": "wechat", "ways": ["code", "h5", "jsapi", "mini", "native"]},
            {"channel": "alipay", "ways": ["code", "native", "page", "wap"]},
            {"channel": "unionpay", "ways": ["page", "wap"]},
        ],
    }


def test_a_new_member_has_an_empty_card(phone: Phone) -> None:
    card = phone.call("GET", "/me").get_json()

    assert card.pop("no") == card.pop("id")
    assert card == {
        "nickname": "",
        "avatar": "",
        "phone": "",
        "tier": "青叶",
        "points": 0,
        "points_pending": 0,
        "coupons_count": 0,
        "orders_count": 0,
        "birthday": None,
        "gender": "",
        "address": "",
        "marketing_consent": True,
        "personal_recommendation": True,
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/me"),
        ("POST", "/me"),
        ("POST", "/me/phone"),
        ("POST", "/subscriptions"),
        ("POST", "/events"),
    ],
)
def test_nobody_gets_in_without_a_token(shop: Shop, method: str, path: str) -> None:
    client = shop.app.test_client()
    for headers in ({}, {"Authorization": "Bearer made-up"}, {"Authorization": "Basic x"}):
        answer = client.open(f"/api/v1{path}", method=method, json={}, headers=headers)
        assert answer.status_code == 401


def test_profile_and_consent_are_the_members_own(phone: Phone, shop: Shop) -> None:
    changed = phone.call("POST", "/me", {"nickname": " 阿青 ", "marketing_consent": False})

    card = changed.get_json()
    assert (card["nickname"], card["marketing_consent"]) == ("阿青", False)
    assert card["personal_recommendation"] is True
    other = Phone(shop, "zhixia").call("GET", "/me").get_json()
    assert (other["nickname"], other["marketing_consent"]) == ("", True)
    assert phone.call("POST", "/me", {"nickname": ""}).status_code == 422
    assert phone.call("POST", "/me", {"nickname": "a\u0000b"}).status_code == 422
    assert phone.call("POST", "/me", {"nickname": "长" * 65}).status_code == 422


def test_a_verified_phone_is_sealed_and_shown_masked(phone: Phone, shop: Shop) -> None:
    code = shop.app_post("people/aqing/phone-code", {"appid": MINI})["code"]

    answer = phone.call("POST", "/me/phone", {"code": code})

    assert answer.get_json()["phone"] == "138****1234"
    used = phone.call("POST", "/me/phone", {"code": code})
    assert (used.status_code, used.get_json()["code"]) == (401, "invalid_code")


def test_another_persons_phone_code_gives_nothing(phone: Phone, shop: Shop) -> None:
    (other,) = [each.id for each in shop.world.people.list() if each.id != "aqing"][:1]
    code = shop.app_post(f"people/{other}/phone-code", {"appid": MINI})["code"]

    answer = phone.call("POST", "/me/phone", {"code": code})

    assert (answer.status_code, answer.get_json()["code"]) == (401, "invalid_code")
    assert phone.call("GET", "/me").get_json()["phone"] == ""


def test_a_phone_known_before_joins_the_member(phone: Phone, shop: Shop) -> None:
    with transaction() as session:
        walk_in = make_person(session, nickname="青姐")
        number = shop.person("aqing").phone
        phones.attach(session, walk_in, number, walk_in.created_at)
    code = shop.app_post("people/aqing/phone-code", {"appid": MINI})["code"]

    card = phone.call("POST", "/me/phone", {"code": code}).get_json()

    assert card["nickname"] == "青姐"
    assert phone.call("GET", "/me").get_json() == card
    with reading() as session:
        me = session.scalars(select(Member)).one()
        assert session.get_one(Person, walk_in.id).merged_into_id == me.person_id
    before, after = {"person": walk_in.id}, {"person": me.person_id}
    assert audited() == [("phone.joined", f"member:{me.id}", before, after)]


def verify_phone(phone: Phone, shop: Shop) -> Any:
    code = shop.app_post("people/aqing/phone-code", {"appid": MINI})["code"]
    return phone.call("POST", "/me/phone", {"code": code})


def audited() -> list[tuple[str, str, object, object]]:
    with reading() as session:
        columns = (AuditEntry.action, AuditEntry.subject, AuditEntry.before, AuditEntry.after)
        acts = AuditEntry.action.startswith("phone.")
        return [tuple(row) for row in session.execute(select(*columns).where(acts))]


def test_a_resold_number_takes_no_log_in_and_no_coupons_with_it(phone: Phone, shop: Shop) -> None:
    """Whoever had the number before comes in by their own WeChat: they stay who they are."""
    with transaction() as session:
        before = make_recognition(session, kind=IdentityKind.mini, appid="wx00000000000000a1")
        merchant = session.scalars(select(Merchant)).one()
        theirs = make_member(session, merchant=merchant, person=before.person)
        works = make_staff(session, merchant, person=before.person)
        phones.attach(session, before.person, shop.person("aqing").phone, NOW)

    answer = verify_phone(phone, shop)

    assert answer.get_json()["phone"] == "138****1234"
    with reading() as session:
        person = session.get_one(Person, before.person.id)
        assert (person.phone, person.phone_hash, person.merged_into_id) == (None, None, None)
        assert session.get_one(Identity, before.identity.id).person_id == person.id
        assert session.get_one(Member, theirs.id).person_id == person.id
        assert find_by_person(session, person.id) == session.get_one(Staff, works.id)
        me = session.scalars(select(Member).where(Member.id != theirs.id)).one()
        assert find_by_person(session, me.person_id) is None
    assert audited() == [
        ("phone.taken", f"member:{me.id}", {"person": person.id}, {"person": me.person_id}),
        ("phone.lost", f"member:{theirs.id}", {"person": person.id}, None),
    ]


def test_a_number_of_somebody_who_works_there_takes_nothing_over(phone: Phone, shop: Shop) -> None:
    with transaction() as session:
        clerk = make_person(session, nickname="小周")
        merchant = session.scalars(select(Merchant)).one()
        works = make_staff(session, merchant, person=clerk)
        phones.attach(session, clerk, shop.person("aqing").phone, NOW)

    answer = verify_phone(phone, shop)

    assert (answer.status_code, answer.get_json()["code"]) == (409, "staff_phone")
    assert "没有合并" in answer.get_json()["detail"]
    assert phone.call("GET", "/me").get_json()["phone"] == ""
    with reading() as session:
        person = session.get_one(Person, clerk.id)
        assert (person.phone, person.merged_into_id) == (shop.person("aqing").phone, None)
        assert session.get_one(Staff, works.id).person_id == clerk.id
        me = session.scalars(select(Member)).one()
        assert find_by_person(session, me.person_id) is None
        event = session.scalars(select(SecurityEvent)).one()
        assert (event.kind, event.subject, event.merchant_id) == (
            "phone_refused",
            f"member:{me.id}",
            merchant.id,
        )
    assert audited() == [("phone.refused", f"member:{me.id}", None, None)]


def test_an_answer_to_the_popup_counts_once(phone: Phone, shop: Shop) -> None:
    """WeChat pushes the answer itself; the mini-program's report of the same is not added."""
    answers = {READY: "accept", SUBSCRIBE_TEMPLATES["coupon_arrived"]: "reject"}
    shop.app_post("people/aqing/subscribe", {"appid": MINI, "answers": answers, "wait": True})

    assert phone.call("POST", "/subscriptions", {"grants": answers}).status_code == 204

    with reading() as session:
        rows = session.execute(select(SubscribeGrant.template_id, SubscribeGrant.remaining))
        assert [tuple(row) for row in rows] == [(READY, 1)]


def test_a_batch_that_is_sent_again_is_kept_once(phone: Phone) -> None:
    seen = {"id": "abcdef-0123", "kind": "opened", "at": "2026-11-22T12:00:00+08:00"}

    answers = [phone.call("POST", "/events", {"events": [seen]}).get_json() for _ in range(2)]

    assert answers == [{"recorded": 1}, {"recorded": 0}]
    assert phone.call("POST", "/events", {"events": [{**seen, "id": "a b"}]}).status_code == 422


def test_a_birthday_is_told_once_a_year(phone: Phone) -> None:
    told = phone.call("POST", "/me", {"birthday": "1990-05-01"})
    assert told.get_json()["birthday"] == "1990-05-01"
    assert phone.call("POST", "/me", {"birthday": "1990-06-01"}).status_code == 422


def test_events_are_kept_in_batches_unless_switched_off(phone: Phone) -> None:
    event = {"kind": "viewed", "at": "2026-11-22T12:00:00+08:00", "data": {"product_id": "7"}}

    assert phone.call("POST", "/events", {"events": [event] * 3}).get_json() == {"recorded": 3}
    phone.call("POST", "/me", {"personal_recommendation": False})
    assert phone.call("POST", "/events", {"events": [event]}).get_json() == {"recorded": 0}

    with reading() as session:
        kinds = session.scalars(select(MemberEvent.kind)).all()
        assert sorted(kinds) == ["consent_changed", "viewed", "viewed", "viewed"]


@pytest.mark.parametrize(
    "event",
    [
        {"kind": "paid", "at": "2026-11-22T12:00:00+08:00"},
        {"kind": "viewed", "at": "2026-11-22T12:00:00"},
        {"kind": "viewed", "at": "yesterday"},
        {"kind": "viewed", "at": "0001-01-01T00:00:00+14:00"},
        {"kind": "viewed", "at": "9999-12-31T23:59:59-12:00"},
        {"kind": "viewed", "at": "2026-11-22T12:00:00Z", "data": {"x": ["deep"]}},
        {"kind": "viewed", "at": "2026-11-22T12:00:00Z", "data": {str(n): n for n in range(11)}},
        {"kind": "viewed", "at": "2026-11-22T12:00:00Z", "data": {"n": 2**53 + 1}},
        {"kind": "viewed", "at": "2026-11-22T12:00:00Z", "data": {"n": -1}},
        {"kind": "viewed", "at": "2026-11-22T12:00:00Z", "data": {"n": int("9" * 1_900)}},
        {
            "kind": "viewed",
            "at": "2026-11-22T12:00:00Z",
            "data": dict.fromkeys("12345", "x" * 95),
        },
        {
            "kind": "viewed",
            "at": "2026-11-22T12:00:00Z",
            "data": dict.fromkeys("12", "看" * 90),
        },
    ],
)
def test_events_of_other_shapes_are_refused(phone: Phone, event: dict[str, Any]) -> None:
    assert phone.call("POST", "/events", {"events": [event]}).status_code == 422
    assert phone.call("POST", "/events", {"events": [event] * 51}).status_code == 422
    with reading() as session:
        assert session.scalars(select(MemberEvent.id)).all() == []


def test_an_event_may_be_as_long_as_this(phone: Phone) -> None:
    data = {"n": 2**53, **{str(n): "x" * 90 for n in range(4)}, "rest": "看" * 20}
    event = {"kind": "viewed", "at": "2026-11-22T12:00:00Z", "data": data}

    assert phone.call("POST", "/events", {"events": [event]}).get_json() == {"recorded": 1}

    with reading() as session:
        assert session.scalars(select(MemberEvent.data)).one() == data


def test_a_place_is_kept_to_a_kilometre_and_only_the_last(phone: Phone) -> None:
    assert phone.call("POST", "/me/place", {"lat": 31.224381, "lng": 121.445127}).status_code == 204
    assert phone.call("POST", "/me/place", {"lat": 31.19483, "lng": 121.43673}).status_code == 204
    assert phone.call("POST", "/me/place", {"lat": 91, "lng": 0}).status_code == 422

    with reading() as session:
        kept = session.execute(select(MemberPlace.lat, MemberPlace.lng)).all()
    assert [tuple(row) for row in kept] == [(31.19, 121.44)]

    phone.call("POST", "/me", {"personal_recommendation": False})
    assert phone.call("POST", "/me/place", {"lat": 30.0, "lng": 120.0}).status_code == 204
    with reading() as session:
        assert session.scalars(select(MemberPlace.lat)).all() == [31.19]
