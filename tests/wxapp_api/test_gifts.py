"""A coupon on its way from one phone to another."""

from collections.abc import Callable
from typing import Any

from core import clock
from core.database import transaction
from tests.factories.coupons import make_coupon, make_template
from tests.wxapp_api.conftest import Phone, Stall


def give(phone: Phone, stall: Stall, **values: Any) -> str:
    """A coupon that the phone's member holds; its id."""
    with transaction() as session:
        template = make_template(session, stall.merchant, **{"giftable": True, **values})
        return str(make_coupon(session, phone.member, template, now=clock.now()).id)


def test_a_coupon_goes_from_phone_to_phone(make_phone: Callable[[], Phone], stall: Stall) -> None:
    giver, friend, late = make_phone(), make_phone(), make_phone()
    coupon_id = give(giver, stall)
    listed: Any = giver.get("coupons").json
    assert [each["giftable"] for each in listed["items"]] == [True]

    offered: Any = giver.post(f"coupons/{coupon_id}/gift", json={"words": "请你喝"})
    assert offered.status_code == 201
    secret = offered.json["secret"]
    assert offered.json["path"] == f"pages/gift/gift?secret={secret}"
    held: Any = giver.get("coupons").json["items"][0]
    assert (held["state_text"], held["usable"], held["giftable"]) == ("转送中", False, False)
    seen: Any = friend.get(f"gifts/by-secret/{secret}").json
    assert (seen["state"], seen["mine"], seen["from_name"], seen["words"]) == (
        "offered",
        False,
        "林小满",
        "请你喝",
    )
    assert seen["coupon"]["face_text"] == "¥8"

    for _ in range(2):
        taken: Any = friend.post(f"gifts/by-secret/{secret}/accept")
        assert (taken.status_code, taken.json["state"]) == (200, "accepted")
    refused: Any = late.post(f"gifts/by-secret/{secret}/accept")
    assert (refused.status_code, refused.json["code"]) == (410, "gift_gone")

    mine: Any = friend.get("coupons").json["items"]
    assert [(each["id"], each["source_text"], each["giftable"]) for each in mine] == [
        (coupon_id, "朋友送的", False)
    ]
    assert giver.get("coupons").json["items"] == []
    for phone, is_mine in ((giver, True), (friend, False)):
        gifts: Any = phone.get("gifts").json["items"]
        assert [(each["state_text"], each["mine"]) for each in gifts] == [("已被领走", is_mine)]
    kinds: Any = late.get("gifts").json["items"]
    assert kinds == []


def test_the_giver_takes_it_back(make_phone: Callable[[], Phone], stall: Stall) -> None:
    giver, friend = make_phone(), make_phone()
    coupon_id = give(giver, stall)
    offered: Any = giver.post(f"coupons/{coupon_id}/gift", json={}).json

    not_mine: Any = friend.post(f"gifts/{offered['id']}/withdraw")
    back: Any = giver.post(f"gifts/{offered['id']}/withdraw")

    assert (not_mine.status_code, not_mine.json["code"]) == (404, "gift_not_found")
    assert (back.status_code, back.json["state_text"]) == (200, "已取回")
    usable: Any = giver.get("coupons").json["items"][0]
    assert (usable["id"], usable["usable"]) == (coupon_id, True)
    gone: Any = friend.get(f"gifts/by-secret/{offered['secret']}").json
    assert gone["state"] == "withdrawn"


def test_what_cannot_be_given(make_phone: Callable[[], Phone], stall: Stall) -> None:
    giver, other = make_phone(), make_phone()
    fixed, mine = give(giver, stall, giftable=False), give(giver, stall)

    answers = [
        giver.post(f"coupons/{fixed}/gift", json={}),
        other.post(f"coupons/{mine}/gift", json={}),
        giver.post(f"coupons/{mine}/gift", json={"words": "长" * 61}),
        giver.get(f"gifts/by-secret/{'x' * 43}"),
    ]

    said = [(answer.status_code, answer.get_json()["code"]) for answer in answers]
    assert said == [
        (409, "not_giftable"),
        (404, "coupon_not_found"),
        (422, "invalid"),
        (404, "gift_not_found"),
    ]
