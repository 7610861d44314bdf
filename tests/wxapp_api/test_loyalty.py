"""The member centre over its door."""

from sqlalchemy import select

from core import clock
from core.database import reading, transaction
from crm import points
from crm.models import (
    Lottery,
    Member,
    Plan,
    PlanKind,
    PointGoods,
    Prize,
    PrizeKind,
    ReferralRules,
    SignRules,
)
from crm.play import drawing
from crm.tiers import editing
from orders import paying
from orders.models import Order
from tests.factories.coupons import make_template
from tests.wxapp_api.conftest import Phone, Stall

KEY = {"Idempotency-Key": "key-0001"}


def test_the_centre_says_where_one_stands(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        session.get_one(Member, phone.member.id).spent_fen = 12_000
        points.grant(session, phone.member.id, 40, cause="gift", now=clock.now())

    found = phone.get("membership").json

    assert found
    assert (found["tier"]["name"], found["next"]["name"], found["next_needed"]) == (
        "青叶", "银毫", 18_000,
    )  # fmt: skip
    assert (found["points"], found["balance_fen"], found["has_sign_in"]) == (40, 0, False)
    assert (found["earn_bp"], found["tier"]["discount_bp"], found["discount_alone"]) == (
        10_000, 0, False,
    )  # fmt: skip
    entries = phone.get("points").json
    assert entries
    assert [(each["text"], each["points"]) for each in entries["items"]] == [("赠送", 40)]


def test_points_buy_a_coupon_and_a_repeat_buys_none(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        template = make_template(session, stall.merchant)
        goods = PointGoods(
            merchant_id=stall.merchant.id, template_id=template.id, points=30, per_member=2,
            created_at=clock.now(),
        )  # fmt: skip
        session.add(goods)
        points.grant(session, phone.member.id, 40, cause="gift", now=clock.now())
        session.flush()
        path = f"point-goods/{goods.id}/exchange"

    first, again = (phone.post(path, headers=KEY) for _ in range(2))
    poor = phone.post(path, headers={"Idempotency-Key": "key-0002"})

    assert (first.status_code, first.json) == (201, again.json)
    assert first.json
    assert first.json["points"] == 10
    assert poor.json
    assert (poor.status_code, poor.json["code"]) == (409, "not_enough_points")


def test_a_plan_is_ordered_paid_and_there(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        row = {"price_fen": 10_000, "bonus_fen": 2_000, "created_at": clock.now()}
        plan = Plan(merchant_id=stall.merchant.id, kind=PlanKind.top_up, name="充 100 送 20", **row)
        session.add(plan)
        session.flush()
        plan_id = plan.id
    assert (phone.get("plans?kind=top_up").json or {})["items"] == []
    assert phone.post(f"plans/{plan_id}/orders", headers=KEY).status_code == 404
    assert (phone.get("membership").json or {})["has_top_up"] is False
    with transaction() as session:
        by = {"actor": "staff:1", "now": clock.now()}
        editing.set_top_ups(session, stall.merchant.id, True, **by)

    assert (phone.get("plans?kind=top_up").json or {})["items"][0]["bonus_fen"] == 2_000
    order = phone.post(f"plans/{plan_id}/orders", headers=KEY).json
    assert order
    assert order["balance_usable"] is False  # stored value buys no stored value
    assert (order["kind"], order["payable_fen"], order["lines"][0]["sku_id"]) == (
        "top_up", 10_000, None,
    )  # fmt: skip
    with transaction() as session:
        row_ = session.scalars(select(Order).where(Order.no == order["no"])).one()
        paying.mark_paid(session, row_, amount_fen=10_000, now=clock.now())

    assert (phone.get(f"orders/{order['no']}").json or {})["state"] == "completed"
    assert (phone.get("membership").json or {})["balance_fen"] == 12_000
    (entry,) = (phone.get("balance").json or {})["items"]
    assert (entry["text"], entry["amount_fen"], entry["bonus_fen"]) == ("储值到账", 12_000, 2_000)


def test_a_pass_says_what_its_coupons_are_worth(phone: Phone, stall: Stall) -> None:
    with transaction() as session:
        uses = {"uses_total": 10, "min_spend_fen": 0}
        cash = make_template(session, stall.merchant, face_fen=2_000, **uses)
        share = make_template(session, stall.merchant, name="八折", off_bp=2_000, **uses)
        for name, template in (("日券", cash), ("折扣卡", share)):
            row = {"price_fen": 16_800, "template_id": template.id, "created_at": clock.now()}
            kind = PlanKind.card
            session.add(Plan(merchant_id=stall.merchant.id, kind=kind, name=name, **row))

    found = (phone.get("plans?kind=pass").json or {})["items"]

    assert {each["name"]: (each["uses"], each["worth_fen"]) for each in found} == {
        "日券": (10, 20_000),
        "折扣卡": (10, 0),
    }


def test_signing_in_drawing_and_inviting(phone: Phone, stall: Stall) -> None:
    now, merchant_id = clock.now(), stall.merchant.id
    for path in ("sign-in", "referral"):
        assert phone.get(path).status_code == 404
    with transaction() as session:
        session.add(SignRules(merchant_id=merchant_id, points=3, milestones=[[3, 9, 0]]))
        session.add(ReferralRules(merchant_id=merchant_id, inviter_points=5, newcomer_points=5))
        lottery = Lottery(
            merchant_id=merchant_id, name="转盘", points=1, per_day=1,
            starts_at=now, ends_at=now.replace(year=now.year + 1),
        )  # fmt: skip
        tea = Prize(kind=PrizeKind.points, name="十分", odds_bp=10_000, stock=1, points=10)
        drawing.create(session, lottery, [tea], actor="staff:1", now=now)
        lottery_id = lottery.id

    assert phone.post("sign-in").json == {"streak": 1, "points": 3, "coupon": False}
    assert phone.post("sign-in").status_code == 409
    found = phone.get("sign-in").json
    assert found
    assert (found["signed_today"], found["next_days"], found["next_points"]) == (True, 2, 9)
    ahead = [(each["points"], each["coupon"]) for each in found["ahead"]]
    assert ahead[:4] == [(3, False), (12, False), (3, False), (3, False)]
    assert len(ahead) == 31
    assert found["days"][-1] == found["today"] < found["ahead"][0]["day"]
    drawn = phone.post(f"lotteries/{lottery_id}/draws", headers=KEY).json
    assert drawn
    assert (drawn["prize"], drawn["points"]) == ("十分", 12)
    assert phone.post(f"lotteries/{lottery_id}/draws", headers=KEY).json == drawn
    shown = phone.get(f"lotteries/{lottery_id}").json
    assert shown
    assert (shown["left_today"], shown["nothing_bp"], shown["seed"]) == (0, 0, None)
    assert (shown["points"], shown["have"]) == (1, 12)
    assert (shown["prizes"][0]["odds_now_bp"], shown["nothing_now_bp"]) == (0, 10_000)
    code = (phone.get("referral").json or {})["code"]
    refused = phone.post("referral", json={"code": code}).json
    assert refused
    assert (refused["code"], refused["why"]) == ("invite_refused", "self")
    with reading() as session:
        assert session.get_one(Member, phone.member.id).points == 12
