"""会员体系: what the pages of tiers say and do."""

from sqlalchemy import select

from core.audit import AuditEntry
from core.database import reading
from crm import balance, tiers
from crm.models import (
    Loyalty,
    Member,
    Plan,
    PlanKind,
    PointGoods,
    Referral,
    ReferralState,
    TierMove,
)
from crm.play import referring, signing_in
from crm.tiers import editing
from merchants.models import Merchant, Store
from orders import paying, selling
from tests.console.conftest import Chain
from tests.console.test_queries import members, top_ups
from tests.factories.coupons import make_template
from tests.working import run_inline

FORM = {
    "measure": "spent",
    "window": "0",
    "term": "0",
    "grace": "",
    "fall": "one_step",
    "existing": "all",
    "code_0": "green_leaf",
    "name_0": "青叶",
    "threshold_0": "0",
    "rate_0": "1",
    "birthday_0": "",
    "benefits_0": "",
    "code_1": "",
    "alone": "no",
    "name_1": "常客",
    "threshold_1": "88.50",
    "rate_1": "1.5",
    "birthday_1": "",
    "benefits_1": "新品先喝",
}


def test_movers_are_counted_before_and_moved_after_saving(chain: Chain) -> None:
    chain.member(spent_fen=8_850)
    chain.member(spent_fen=8_849)
    owner = chain.browser("owner")

    said = owner.touch("/loyalty/tiers/preview", **FORM).text
    assert "人会升级" in said
    assert "升到 常客" in said
    with reading() as session:
        assert session.scalar(select(Loyalty.id)) is None

    assert owner.post("/loyalty/tiers/", **FORM).status_code == 303
    run_inline("crm.reweigh_tiers", merchant_id=chain.merchant_id, may_fall=True)

    with reading() as session:
        steps = tiers.load(session, chain.merchant_id).steps
        assert [(step.name, step.threshold, step.points_bp) for step in steps] == [
            ("常客", 8_850, 15_000),
            ("青叶", 0, 10_000),
        ]
        found = session.scalars(select(Member.tier).where(Member.spent_fen >= 8_849))
        assert sorted(found) == sorted([steps[0].code, "green_leaf"])
        assert (
            session.scalar(select(AuditEntry.actor).where(AuditEntry.action == "loyalty.tiers"))
            == f"staff:{chain.owner.id}"
        )
    page = owner.get("/loyalty/tiers/").text
    assert 'value="88.50"' in page
    assert "常客" in owner.get("/audit/").text or "改会员等级" in owner.get("/audit/").text


def test_a_discount_is_kept_and_the_rules_of_points_stay(chain: Chain) -> None:
    owner = chain.browser("owner")
    rules = {
        "earn": "2", "expiry": "yearly", "months": "12", "month": "6", "day": "30",
        "remind": "7", "rate": "100", "cap": "30", "adjust": "500",
    }  # fmt: skip
    assert owner.post("/loyalty/points/", **rules).status_code == 303

    typed = {**FORM, "alone": "yes", "fold_1": "9.5"}
    assert owner.post("/loyalty/tiers/", **typed).status_code == 303
    assert owner.post("/loyalty/tiers/", **{**typed, "fold_1": "10"}).status_code == 422
    assert owner.post("/loyalty/plans/top_up/low", low="35").status_code == 303
    assert owner.post("/loyalty/plans/top_up/low", low="x").status_code == 422

    with reading() as session:
        kept = tiers.load(session, chain.merchant_id)
        assert [step.discount_bp for step in kept.steps] == [500, 0]
        assert (kept.earn_bp, kept.spend_rate, kept.expiry.value) == (20_000, 100, "yearly")
        assert (kept.discount_alone, kept.balance_low_fen) == (True, 3_500)
    assert 'value="9.5"' in owner.get("/loyalty/tiers/").text
    assert 'value="35"' in owner.get("/loyalty/plans/top_up/").text


def test_what_is_wrong_is_said_beside_the_field_and_nothing_is_saved(chain: Chain) -> None:
    owner = chain.browser("owner")

    page = owner.post("/loyalty/tiers/", **{**FORM, "threshold_1": "0", "rate_1": "x"})

    assert page.status_code == 422
    assert "0 到 10 倍之间" in page.text
    with reading() as session:
        assert session.scalar(select(Loyalty.id)) is None


def test_a_manager_sees_the_tiers_and_changes_none(chain: Chain) -> None:
    manager = chain.browser("manager")

    assert manager.get("/loyalty/tiers/").status_code == 200
    assert manager.post("/loyalty/tiers/", **FORM).status_code == 403


def test_an_owner_puts_a_member_into_a_tier_with_a_reason(chain: Chain) -> None:
    member, path = chain.member(), "/loyalty/tiers/of/{}"
    owner, mine = chain.browser("owner"), path.format(member.no)
    typed = {"tier": "golden_bud", "reason": "老街坊"}

    assert "现在是青叶" in owner.get(mine).text
    wrong = [
        owner.post(mine, **{**typed, **each}).status_code
        for each in ({"tier": "x"}, {"reason": ""})
    ]
    assert chain.browser("manager").post(mine, **typed).status_code == 403
    assert chain.browser("rival").post(mine, **typed).status_code in (403, 404)
    with reading() as session:
        assert session.get_one(Member, member.id).tier == "green_leaf"
    assert owner.post(mine, **typed).status_code == 303
    page = owner.get(f"/members/{member.no}").text
    assert owner.post(mine, **typed).status_code == 303

    assert wrong == [422, 422]
    assert "升到金芽" in page
    with reading() as session:
        assert session.get_one(Member, member.id).tier == "golden_bud"
        moves = session.execute(select(TierMove.before, TierMove.after, TierMove.reason)).all()
        assert moves == [("green_leaf", "golden_bud", "hand")]
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "tier.set")).one()
        assert (entry.before, entry.after, entry.reason) == (
            {"tier": "青叶"}, {"tier": "金芽"}, "老街坊",
        )  # fmt: skip


def test_points_are_adjusted_with_a_reason_and_once(chain: Chain) -> None:
    member = chain.member()
    manager, path = chain.browser("manager"), f"/loyalty/points/adjust/{member.no}"
    typed = {"key": "k1", "way": "give", "points": "300", "reason": "点错了单"}

    other = chain.member()
    assert "你今天还能调 1,000 分" in manager.get(path).text
    said = []
    for _ in range(2):
        assert manager.post(path, **typed).status_code == 303
        said.append(manager.get(f"/members/{member.no}").text)
    elsewhere = manager.post(f"/loyalty/points/adjust/{other.no}", **typed)  # the same key
    refused = [
        manager.post(path, **{**typed, **wrong}).status_code
        for wrong in (
            {"key": "k2", "points": "401"},  # 600 of today's 1,000 are gone
            {"key": "k3", "reason": ""},
            {"key": ""},
            {"key": "k4", "way": "take", "points": "301"},
        )
    ]

    assert elsewhere.status_code == 303
    assert "你今天还能调 400 分" in manager.get(path).text
    assert ["加了 300 分" in page for page in said] == [True, False]
    assert "这一笔刚才已经记过了，没有再记一次" in said[1]
    assert refused == [422, 422, 422, 422]
    with reading() as session:
        assert session.get_one(Member, member.id).points == 300
        assert session.get_one(Member, other.id).points == 300
    assert manager.get("/loyalty/points/adjust/nobody").status_code == 404


def test_rules_goods_and_plans_are_written_as_typed(chain: Chain) -> None:
    owner = chain.browser("owner")
    with chain.writing() as session:
        template = make_template(session, session.get_one(Merchant, chain.merchant_id))
        template_id = template.id
    rules = {
        "earn": "1.5", "expiry": "yearly", "months": "12", "month": "6", "day": "30",
        "remind": "7", "rate": "100", "cap": "30", "adjust": "500",
    }  # fmt: skip
    goods = {"template": str(template_id), "points": "88", "left": "", "each": "2"}

    assert owner.post("/loyalty/points/", **rules).status_code == 303
    assert owner.post("/loyalty/points/", **{**rules, "earn": "nan"}).status_code == 422
    assert owner.post("/loyalty/points/goods", **goods).status_code == 303
    top_up = {"name": "充 100 送 20", "price": "100", "bonus": "20", "benefits": ""}
    assert "储值没有卖" in owner.get("/loyalty/plans/top_up/").text
    assert owner.post("/loyalty/plans/top_up/sell", state="on").status_code == 303
    assert "储值正在卖" in owner.get("/loyalty/plans/top_up/").text
    assert owner.post("/loyalty/plans/top_up/", **top_up).status_code == 303
    assert owner.post("/loyalty/plans/top_up/", **{**top_up, "bonus": "101"}).status_code == 422
    assert owner.get("/loyalty/plans/nothing/").status_code == 404

    with reading() as session:
        programme = tiers.load(session, chain.merchant_id)
        assert (programme.earn_bp, programme.expiry.value, programme.spend_cap_bp) == (
            15_000, "yearly", 3_000,
        )  # fmt: skip
        found = session.execute(select(PointGoods.points, PointGoods.left, PointGoods.per_member))
        assert [tuple(row) for row in found] == [(88, None, 2)]
        assert session.execute(select(Plan.price_fen, Plan.bonus_fen)).all() == [(10_000, 2_000)]


def test_things_to_play_are_set_up_and_a_held_invitation_is_decided(chain: Chain) -> None:
    owner = chain.browser("owner")
    sign = {
        "points": "2", "growth": "", "is_on": "on", "days_0": "3", "more_0": "5",
        "coupon_0": "", "days_1": "", "days_2": "",
    }  # fmt: skip
    refer = {
        "inviter": "50",
        "newcomer": "20",
        "growth": "",
        "month": "9",
        "held": "1",
        "is_on": "on",
    }
    wheel = {
        "name": "转盘", "cost": "10", "per_day": "3", "days": "7", "name_0": "十分",
        "kind_0": "points", "odds_0": "12.5", "stock_0": "40", "points_0": "10", "coupon_0": "",
    }  # fmt: skip
    assert owner.post("/loyalty/sign-in/", **sign).status_code == 303
    assert owner.post("/loyalty/referral/", **refer).status_code == 303
    assert owner.post("/loyalty/lottery/", **wheel).status_code == 303
    assert owner.post("/loyalty/lottery/", **{**wheel, "odds_0": "101"}).status_code == 422
    assert "87.5%" in owner.get("/loyalty/lottery/").text

    inviter = chain.member("阿青")
    with chain.writing() as session:
        code = referring.code_of(session, inviter.id)
        rules = signing_in.find_rules(session, chain.merchant_id)
        assert rules
        assert rules.milestones == [[3, 5, 0]]
    for name in ("甲", "乙"):
        newcomer = chain.member(name)
        with chain.writing() as session:
            held = referring.accept(
                session, session.get_one(Member, newcomer.id), code, now=chain.now
            )
            held_id = held.id
    assert "一天里邀请太多" in owner.get("/loyalty/referral/?of=held").text
    owner.post(f"/loyalty/referral/{held_id}/decide", fair="no")

    with reading() as session:
        assert session.get_one(Referral, held_id).state is ReferralState.refused


def test_a_plan_has_an_order_that_staff_can_read_and_refund(chain: Chain) -> None:
    member = chain.member("阿青")
    with chain.writing() as session:
        plan = Plan(
            merchant_id=chain.merchant_id, kind=PlanKind.top_up, name="充 100 送 20",
            price_fen=10_000, bonus_fen=2_000, created_at=chain.now,
        )  # fmt: skip
        session.add(plan)
        session.flush()
        editing.set_top_ups(session, chain.merchant_id, True, actor="staff:1", now=chain.now)
        order, _ = selling.place_plan(
            session,
            plan,
            session.get_one(Member, member.id),
            session.get_one(Store, chain.here.id),
            key="plan-0001",
            now=chain.now,
        )
        paying.mark_paid(session, order, amount_fen=10_000, now=chain.now)
        no = order.no

    page = chain.browser("owner").get(f"/orders/{no}").text

    assert "线上购买" in page
    assert "充 100 送 20" in page
    assert "None" not in page
    assert "120.00" in chain.browser("owner").get(f"/members/{member.no}").text
    ledger = chain.browser("owner").get(f"/members/{member.no}/balance").text
    assert "100.00" in ledger
    assert "20.00" in ledger
    entries = chain.browser("owner").get("/loyalty/plans/top_up/").text
    assert "2,000" not in entries
    assert "20.00" in entries


def test_what_moved_on_a_balance_reads_as_a_sum_on_a_phone(chain: Chain) -> None:
    """A minus stands before the sum, never behind the currency; no gift says nothing."""
    with chain.writing() as session:
        members(chain, session, 0)
        top_ups(chain, session, 0)
        member = session.scalars(select(Member)).first()
        assert member is not None
        assert balance.freeze(session, member.id, "attempt:1", 40, now=chain.now)

    shown = chain.browser("owner").get("/loyalty/plans/top_up/").text

    assert "本金 1.00 · 赠送 0.10 元" in shown
    assert "本金 −0.40 元" in shown
    assert "¥−" not in shown
