"""The mirror in WeChat's card pack: it follows the ledger, and never takes money off by itself."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import pytest
from sqlalchemy import select, update

import gateways
from catalogue.models import Product
from cli.doctor import check_card_pack
from core import clock, config
from core.database import reading, transaction
from core.inbox import InboundEvent
from core.outbox import JobState, OutboxJob
from coupons import gifting, redemption, undoing, voiding
from coupons.errors import CouponVoid
from coupons.locking import give_back, lock, redeem_locked
from coupons.models import Coupon, CouponEntry, CouponKind, CouponState, CouponTemplate
from coupons.pack import faces, settings
from coupons.pack.models import BatchState, CardPack, CardState, PackCard, PackTemplate
from coupons.pack.steps import Facts, Step, next_step
from crm.models import Member
from gateways.wechat.errors import PayError
from merchants.models import Merchant, Staff, Store
from payments.models import AttemptState, Bill, BillState, Channel, PaymentAttempt
from people.models import Identity, IdentityKind
from sandbox.demo_config import MCHID, MINI
from sandbox.keys import BRAND_ID
from sandbox.pay.ledger import Order as PaidAtWechat
from tests.factories.catalogue import make_product, make_sku
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.factories.merchants import make_merchant, make_staff, make_store
from tests.factories.orders import make_order
from tests.wechat_world import Shop
from tests.working import run_inline

LOGO = "https://wxpaylogo.qpic.cn/wxpaylogo/tests/"


@dataclass
class Tea:
    """A shop with its card pack open, one template in it, and a member with a coupon."""

    shop: Shop
    store: Store
    clerk: Staff
    member: Member
    template: CouponTemplate
    coupon: Coupon

    def look(self) -> Coupon:
        with reading() as session:
            return session.get_one(Coupon, self.coupon.id)

    def card(self) -> PackCard | None:
        with reading() as session:
            return session.get(PackCard, self.coupon.id)

    def theirs(self) -> str:
        card = self.shop.world.cards.find(BRAND_ID, self.coupon.code)
        return card.state if card else ""

    def minute(self) -> None:
        """The ledger settles, whatever waits for a time is due, and the jobs run."""
        early = clock.now() - timedelta(hours=1)
        for _ in range(2):  # note how far the ledger reaches; a minute later follow it
            with transaction() as session:
                session.execute(update(CardPack).values(high_at=early))
            run_inline("coupons.pack_follow")
        with transaction() as session:
            waiting = update(PackCard).where(PackCard.due_at.is_not(None))
            session.execute(waiting.values(due_at=early))
        run_inline("coupons.pack_push", merchant_id=self.store.merchant_id)
        self.shop.drain()

    def night(self) -> None:
        with transaction() as session:
            session.execute(update(PackCard).values(checked_at=clock.now() - timedelta(days=1)))
        run_inline("coupons.compare_packs")
        self.shop.drain()
        self.minute()

    def redeem(self, key: str = "tap") -> Coupon:
        with transaction() as session:
            return redemption.redeem(
                session,
                self.coupon.code,
                store_id=self.store.id,
                staff_id=self.clerk.id,
                key=key,
                now=clock.now(),
            )


@pytest.fixture
def tea(shop: Shop) -> Tea:
    now = clock.now()
    shop.world.cards.pictures += [f"{LOGO}1", f"{LOGO}2"]
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        store = make_store(session, merchant)
        clerk = make_staff(session, merchant, stores=(store,))
        member = make_member(session, merchant=merchant)
        session.add(
            Identity(
                person_id=member.person_id,
                kind=IdentityKind.mini,
                appid=MINI,
                openid=shop.openid("aqing", MINI),
                created_at=now,
            )
        )
        template = make_template(session, merchant, valid_days=30, min_spend_fen=0)
        coupon = make_coupon(session, member, template, now=now)
        pictures = (f"{LOGO}1", f"{LOGO}2")
        settings.set_pictures(session, merchant.id, *pictures, actor="staff:1", now=now)
        settings.switch(session, merchant.id, is_on=True, actor="staff:1", now=now)
        settings.put_in(session, merchant.id, template.id, appid=MINI, actor="staff:1", now=now)
    shop.drain()
    world = Tea(shop, store, clerk, member, template, coupon)
    world.minute()
    return world


def paid_order(tea: Tea) -> int:
    """An order that used the coupon and was paid through WeChat Pay."""
    now, transaction_id = clock.now(), "4200000000202611230000000001"
    with transaction() as session:
        order = make_order(session, tea.member, tea.store)
        bill = Bill(order_id=order.id, amount_fen=2200, state=BillState.paid, created_at=now)
        session.add(bill)
        session.flush()
        session.add(
            PaymentAttempt(
                out_trade_no="P1",
                bill_id=bill.id,
                live=True,
                channel=Channel.wechat,
                amount_fen=2200,
                channel_fen=2200,
                state=AttemptState.succeeded,
                transaction_id=transaction_id,
                expires_at=now,
                created_at=now,
            )
        )
        lock(session, session.get_one(Coupon, tea.coupon.id), order.id, now, discount_fen=800)
        assert redeem_locked(session, order.id, tea.store.id, now)
    at_wechat = PaidAtWechat("m", "P1", MINI, "o", 2200, {}, 0.0, transaction_id=transaction_id)
    tea.shop.world.ledger.add_order(at_wechat)
    return order.id


def test_a_coupon_gets_its_card_and_the_card_is_confirmed(tea: Tea) -> None:
    card = tea.card()
    assert card is not None
    assert (tea.theirs(), card.state, card.unsure) == ("EFFECTIVE", CardState.effective, False)
    with reading() as session:
        batch = session.get_one(PackTemplate, tea.template.id)
        told = session.scalars(select(InboundEvent).where(InboundEvent.kind.like("PRODUCT%")))
        assert batch.state is BatchState.live
        assert [event.outcome for event in told] == ["handled"]
    assert len(tea.shop.world.cards.products) == 1


def test_a_card_is_used_with_the_order_and_comes_back_with_the_refund(tea: Tea) -> None:
    order_id = paid_order(tea)
    tea.minute()
    assert tea.theirs() == "USED"

    with transaction() as session:
        assert give_back(session, order_id, clock.now())
    tea.minute()
    assert (tea.look().state, tea.theirs()) == (CouponState.issued, "EFFECTIVE")
    card = tea.card()
    assert card is not None
    assert card.uses == 1  # the next use is asked under a number of its own


def test_a_card_ends_once_the_clerk_can_undo_no_more(tea: Tea) -> None:
    tea.redeem()
    run_inline("coupons.pack_push", merchant_id=tea.store.merchant_id)
    assert tea.theirs() == "EFFECTIVE"
    with transaction() as session:
        session.execute(update(CardPack).values(high_at=clock.now() - timedelta(hours=1)))
    for _ in range(2):
        run_inline("coupons.pack_follow")
        with transaction() as session:
            session.execute(update(CardPack).values(high_at=clock.now() - timedelta(hours=1)))
    card = tea.card()
    assert card is not None
    assert card.due_at is not None
    assert card.due_at > clock.now() + undoing.UNDO_WINDOW - timedelta(minutes=1)

    tea.minute()
    assert (tea.look().state, tea.theirs()) == (CouponState.redeemed, "DEACTIVATED")


def test_what_was_undone_meanwhile_keeps_its_card(tea: Tea) -> None:
    tea.redeem()
    with transaction() as session:
        undoing.undo(
            session, tea.coupon.id, staff_id=tea.clerk.id, reason="扫错了", now=clock.now()
        )
    tea.minute()
    assert (tea.look().state, tea.theirs()) == (CouponState.issued, "EFFECTIVE")


def test_a_voided_coupon_leaves_the_pack(tea: Tea) -> None:
    with transaction() as session:
        voiding.void_many(
            session, [tea.coupon.id], actor="staff:1", reason="发错了", now=clock.now()
        )
    tea.minute()
    assert tea.theirs() == "DEACTIVATED"


def test_a_coupon_given_to_a_friend_leaves_the_pack_under_its_old_number(tea: Tea) -> None:
    with transaction() as session:
        session.execute(update(CouponTemplate).values(giftable=True))
        merchant = session.get_one(Merchant, tea.store.merchant_id)
        friend = make_member(session, merchant=merchant)
        _, secret = gifting.offer(session, tea.coupon.id, tea.member.id, now=clock.now())
        to = {"member_id": friend.id, "merchant_id": merchant.id}
        gifting.accept(session, secret, now=clock.now(), **to)
    tea.minute()

    assert tea.look().code != tea.coupon.code
    assert tea.theirs() == "DEACTIVATED"


def test_who_deletes_the_card_keeps_the_coupon_and_gets_no_second_card(tea: Tea) -> None:
    tea.shop.app_post("people/aqing/pack", {"code": tea.coupon.code, "do": "delete"})
    tea.night()
    tea.night()
    card = tea.card()
    assert card is not None
    assert (card.state, tea.theirs()) == (CardState.deleted, "DELETED")
    assert tea.redeem().state is CouponState.redeemed
    tea.minute()
    assert tea.theirs() == "DELETED"


def test_what_is_used_at_wechat_behind_our_back_cannot_be_used_with_us(tea: Tea) -> None:
    tea.shop.app_post("people/aqing/pack", {"code": tea.coupon.code, "do": "use"})
    tea.minute()
    with pytest.raises(CouponVoid):
        tea.redeem()
    with reading() as session:
        last = select(CouponEntry.reason).order_by(CouponEntry.id.desc()).limit(1)
        assert session.scalar(last) == "在微信卡包里用掉了"
    assert tea.theirs() == "USED"


def test_a_lost_answer_is_asked_about_and_nothing_is_done_twice(tea: Tea) -> None:
    with transaction() as session:
        second = make_coupon(
            session, tea.member, session.get_one(CouponTemplate, tea.template.id), now=clock.now()
        )
    tea.coupon = second
    tea.shop.world.cards.notify_urls.clear()  # a notice would tell what the answer did not
    tea.shop.fault(api="pay.card_send", kind="drop_after", times=1)
    tea.minute()
    card = tea.card()
    assert card is not None
    assert (card.state, card.last, card.unsure) == (CardState.unsent, "send", True)
    sent = next(iter(tea.shop.world.cards.stocks.values())).sent
    tea.minute()
    assert tea.theirs() == "EFFECTIVE"
    assert next(iter(tea.shop.world.cards.stocks.values())).sent == sent == 2


def test_a_use_whose_answer_was_lost_still_comes_back(tea: Tea) -> None:
    """Used by us, though nobody said so: giving it back must not void the coupon."""
    tea.shop.fault(api="pay.card_use", kind="drop_after", times=1)
    order_id = paid_order(tea)
    tea.minute()
    tea.minute()
    with transaction() as session:
        assert give_back(session, order_id, clock.now())
    tea.minute()
    assert (tea.look().state, tea.theirs()) == (CouponState.issued, "EFFECTIVE")


def test_a_forged_notice_changes_nothing(tea: Tea) -> None:
    before = tea.card()
    answer = tea.shop.app.test_client().post(
        f"/pay/wechat/brand/{BRAND_ID}/notify",
        json={"id": "EV-1", "event_type": "PRODUCT_COUPON.USE", "resource": {}},
    )
    assert answer.status_code == 403
    after = tea.card()
    assert before is not None
    assert after is not None
    assert (after.due_at, after.unsure) == (before.due_at, before.unsure)


def test_a_closed_pack_takes_nothing_new_and_keeps_what_it_has_right(tea: Tea) -> None:
    old = tea.coupon
    with transaction() as session:
        settings.switch(
            session, tea.store.merchant_id, is_on=False, actor="staff:1", now=clock.now()
        )
        template = session.get_one(CouponTemplate, tea.template.id)
        tea.coupon = make_coupon(session, tea.member, template, now=clock.now())
    tea.minute()
    assert (tea.card(), tea.theirs()) == (None, "")
    tea.coupon = old
    tea.redeem()
    tea.minute()
    assert tea.theirs() == "DEACTIVATED"


def test_what_wechat_will_not_make_says_why(tea: Tea) -> None:
    with transaction() as session:
        pack = session.get_one(CardPack, tea.store.merchant_id)
        pack.picture_url = "https://elsewhere.test/1.png"
        merchant = session.get_one(Merchant, tea.store.merchant_id)
        template = make_template(session, merchant, name="另一张券")
        settings.put_in(
            session,
            tea.store.merchant_id,
            template.id,
            appid=MINI,
            actor="staff:1",
            now=clock.now(),
        )
    tea.shop.drain()
    with reading() as session:
        batch = session.get_one(PackTemplate, template.id)
        assert batch.state is BatchState.refused
        assert batch.why.startswith("微信没有收：")


def at_wechat(tea: Tea) -> tuple[str, str]:
    """Of which batch the coupon's card is, there and here."""
    card, ours = tea.shop.world.cards.find(BRAND_ID, tea.coupon.code), tea.card()
    assert card is not None
    assert ours is not None
    assert (card.product_id, card.stock_id) == (ours.product_id, ours.stock_id)
    return card.product_id, card.stock_id


def another(tea: Tea) -> Coupon:
    with transaction() as session:
        template = session.get_one(CouponTemplate, tea.template.id)
        template.per_member_limit = 9
        return make_coupon(session, tea.member, template, now=clock.now())


def test_an_exchange_coupon_lies_there_with_the_price_of_its_product(tea: Tea) -> None:
    with transaction() as session:
        product_id = make_product(session, tea.store, name="桂花冻").id
        make_sku(session, tea.store, product=session.get_one(Product, product_id), price_fen=1_200)
        merchant = session.get_one(Merchant, tea.store.merchant_id)
        worth = {"kind": CouponKind.exchange, "face_fen": 0, "pay_fen": 200, "min_spend_fen": 0}
        template = make_template(
            session, merchant, name="桂花冻兑换券", product_ids=[product_id], **worth
        )
        given: dict[str, Any] = {"appid": MINI, "actor": "staff:1", "now": clock.now()}
        settings.put_in(session, merchant.id, template.id, **given)
        tea.coupon = make_coupon(session, tea.member, template, now=clock.now())
        gone = make_template(session, merchant, name="下架的", product_ids=[999])
        with pytest.raises(settings.NotForPack) as refused:
            settings.put_in(session, merchant.id, gone.id, **given)
    assert refused.value.detail == "这种商品没有在卖，微信要写它的原价"
    tea.shop.drain()
    tea.minute()

    asked = list(tea.shop.world.cards.products.values())[-1].request
    assert (asked["scope"], asked["type"]) == ("SINGLE", "EXCHANGE")
    assert "single_usage_info" not in asked
    assert asked["display_info"]["original_price"] == 1_200
    assert asked["stock"]["single_usage_rule"]["exchange_coupon"] == {
        "threshold": 0,
        "exchange_price": 200,
    }
    assert tea.theirs() == "EFFECTIVE"


def test_a_batch_that_ends_soon_is_followed_by_another_and_old_cards_stay_good(tea: Tea) -> None:
    first, old = at_wechat(tea), tea.coupon
    with transaction() as session:
        session.execute(update(PackTemplate).values(ends_at=clock.now() + timedelta(days=59)))
    tea.night()
    tea.night()  # asked for once

    tea.coupon = another(tea)
    tea.minute()
    second = at_wechat(tea)
    assert second == (first[0], f"{first[0]}002")
    assert sorted(tea.shop.world.cards.stocks) == [first[1], second[1]]
    with reading() as session:
        batch = session.get_one(PackTemplate, tea.template.id)
        assert (batch.state, batch.stock_id, batch.why) == (BatchState.live, second[1], "")
        assert batch.ends_at > clock.now() + timedelta(days=364)
    tea.coupon = old
    assert at_wechat(tea) == first
    tea.redeem()
    tea.minute()
    assert tea.theirs() == "DEACTIVATED"


def test_a_batch_that_cannot_be_followed_goes_on_and_somebody_hears_why(tea: Tea) -> None:
    first = at_wechat(tea)
    with transaction() as session:
        session.execute(update(PackTemplate).values(ends_at=clock.now() + timedelta(days=59)))
    tea.shop.fault(api="pay.card_add_stock", kind="error", status=403, code="NO_AUTH")
    tea.night()

    tea.coupon = another(tea)
    tea.minute()
    assert at_wechat(tea) == first
    with reading() as session:
        batch = session.get_one(PackTemplate, tea.template.id)
        assert batch.state is BatchState.live
        assert batch.why.startswith("到期后续不上：微信没有收：")


def test_a_renewal_that_is_not_answered_is_asked_again_as_it_was(tea: Tea) -> None:
    first, now = at_wechat(tea), clock.now()
    with transaction() as session:
        session.execute(update(PackTemplate).values(ends_at=now + timedelta(days=50)))

    def renew(at: datetime) -> tuple[int, str, dict[str, Any]]:
        with transaction() as session:
            asked = settings.renew(session, tea.store.merchant_id, MINI, at)
        with reading() as session:
            batch = session.get_one(PackTemplate, tea.template.id)
            return asked, batch.number, batch.body["stock"]

    asked, number, stock = renew(now)
    assert asked == 1
    assert renew(now + timedelta(days=8)) == (0, number, stock)  # the job is under way
    waits = update(OutboxJob).where(OutboxJob.name == "coupons.pack_renew")
    with transaction() as session:
        session.execute(waits.values(state=JobState.dead))
    assert renew(now + timedelta(days=8)) == (1, number, stock)  # nobody knows what became of it

    tea.shop.drain()
    ours = tea.shop.world.cards.stocks[f"{first[0]}002"]
    assert (ours.number, ours.request) == (number, stock)
    with reading() as session:
        batch = session.get_one(PackTemplate, tea.template.id)
        period = stock["single_usage_rule"]["coupon_available_period"]
        assert batch.ends_at == datetime.fromisoformat(period["available_end_time"])


def test_what_was_refused_is_asked_for_anew_in_another_week(tea: Tea) -> None:
    at_wechat(tea)
    now = clock.now()
    with transaction() as session:
        session.execute(update(PackTemplate).values(ends_at=now + timedelta(days=50)))
        assert settings.renew(session, tea.store.merchant_id, MINI, now) == 1
    tea.shop.fault(api="pay.card_add_stock", kind="error", status=403, code="NO_AUTH")
    tea.shop.drain()

    def renew(at: datetime) -> tuple[int, str]:
        with transaction() as session:
            asked = settings.renew(session, tea.store.merchant_id, MINI, at)
            return asked, session.get_one(PackTemplate, tea.template.id).why

    asked, why = renew(now)
    assert (asked, why[:6]) == (0, "到期后续不上")
    assert renew(now + timedelta(days=8)) == (1, "")


def test_put_in_again_old_cards_are_asked_about_where_they_are(tea: Tea) -> None:
    first, old = at_wechat(tea), tea.coupon
    given: dict[str, Any] = {"actor": "staff:1", "now": clock.now()}
    with transaction() as session:
        settings.take_out(session, tea.store.merchant_id, tea.template.id, **given)
    tea.shop.drain()
    with transaction() as session:
        whose = (tea.store.merchant_id, tea.template.id)
        settings.put_in(session, *whose, appid=MINI, **given)
    tea.shop.drain()
    tea.coupon = another(tea)
    tea.minute()

    assert at_wechat(tea)[0] != first[0]
    tea.coupon = old
    tea.night()
    assert (tea.theirs(), at_wechat(tea)) == ("EFFECTIVE", first)


def test_the_doctor_sees_that_switch_brand_and_comparison_fit(tea: Tea) -> None:
    def told(**brands: Any) -> list[tuple[str, str]]:
        given = config.current_config()
        wechat = given.wechat.model_copy(update=brands)
        found = check_card_pack(given.model_copy(update={"wechat": wechat}))
        return [(each.level, each.what) for each in found]

    late = ("warn", "qinghe 的微信卡包两天没有和微信对过")
    assert told() == [late]
    tea.night()
    assert told() == [("ok", "qinghe 的微信卡包开着，每天和微信对")]
    assert told(brands=[]) == [
        ("fail", "qinghe 打开了微信卡包，配置里却没有它的品牌：卡包里的券不再跟着变")
    ]
    assert ("fail", f"品牌 {BRAND_ID} 的 appid {MINI} 不是这里的小程序") in told(mini_programs=[])
    with transaction() as session:
        session.execute(update(PackTemplate).values(why="微信没有收：图太大"))
        session.execute(update(CardPack).values(is_on=False))
    assert told() == [("ok", f"品牌 {BRAND_ID} 配好了，微信卡包没有打开")]
    with transaction() as session:
        session.execute(update(CardPack).values(is_on=True))
    assert told()[1:] == [("warn", f"卡包里的券（模板 {tea.template.id}）：微信没有收：图太大")]


@pytest.fixture
def provider(shop: Shop) -> Iterator[None]:
    """The brand is not ours: a service provider acts for it."""
    brand = shop.world.settings.brands[BRAND_ID]
    raw = copy.deepcopy(shop.wechat.raw)
    pay = raw["wechat"]["pay_merchants"][0]
    own = {name: pay[name] for name in ("mchid", "serial_no", "private_key_path", "api_v3_key")}
    raw["wechat"]["brands"][0] |= own
    object.__setattr__(brand, "provider", pay["mchid"])
    gateways.connect(shop.app, config.parse(raw))
    yield
    object.__setattr__(brand, "provider", "")


def test_a_service_provider_puts_cards_there_for_a_brand_and_hears_of_them(
    provider: None, tea: Tea
) -> None:
    assert tea.theirs() == "EFFECTIVE"
    order_id = paid_order(tea)
    tea.minute()
    assert tea.theirs() == "USED"
    with transaction() as session:
        assert give_back(session, order_id, clock.now())
    tea.minute()
    assert tea.theirs() == "EFFECTIVE"
    assert set(tea.shop.world.cards.notify_urls) == {MCHID}
    with reading() as session:
        told = session.scalars(select(InboundEvent).where(InboundEvent.kind.like("PRODUCT%"))).all()
        assert {event.source for event in told} == {f"wechat.brand:{BRAND_ID}"}
        assert {event.outcome for event in told} == {"handled"}


def test_a_provider_that_the_brand_does_not_know_is_refused(provider: None, shop: Shop) -> None:
    object.__setattr__(shop.world.settings.brands[BRAND_ID], "provider", "")
    brand = gateways.wechat().brand(BRAND_ID)
    with pytest.raises(PayError) as refused:
        brand.query_stock("1000000000", "1000000000001")
    assert refused.value.pay_code == "NO_AUTH"


def facts(**values: Any) -> Facts:
    usual = Facts(
        ours=CouponState.issued,
        theirs=CardState.effective,
        mine=True,
        paid=False,
        open=True,
        unsure=False,
        used_by_us=False,
    )
    return replace(usual, **values)


@pytest.mark.parametrize(
    ("given", "step"),
    [
        (facts(), None),
        (facts(unsure=True), Step.ask),
        (facts(theirs=CardState.unsent), Step.send),
        (facts(theirs=CardState.unsent, open=False), None),
        (facts(theirs=CardState.confirming), Step.confirm),
        (facts(ours=CouponState.locked, theirs=CardState.confirming), Step.confirm),
        (facts(ours=CouponState.redeemed, paid=True), Step.use),
        (facts(ours=CouponState.redeemed, paid=True, theirs=CardState.confirming), Step.confirm),
        (facts(ours=CouponState.redeemed), Step.end),
        (facts(ours=CouponState.void), Step.end),
        (facts(ours=CouponState.expired), None),
        (facts(mine=False), Step.end),
        (facts(theirs=CardState.used, used_by_us=True), Step.back),
        (facts(theirs=CardState.used), Step.void),
        (facts(theirs=CardState.used, ours=CouponState.redeemed), None),
        (facts(theirs=CardState.deleted), None),
    ],
)
def test_the_next_step(given: Facts, step: Step | None) -> None:
    assert next_step(given) is step


def test_a_card_is_never_used_nor_revived_for_a_coupon_that_nobody_used() -> None:
    flags = product((True, False), repeat=5)
    for ours, theirs, (mine, paid, open_, unsure, by_us) in product(CouponState, CardState, flags):
        step = next_step(Facts(ours, theirs, mine, paid, open_, unsure, by_us))
        if step is Step.use:
            assert ours is CouponState.redeemed
        if step in (Step.back, Step.send, Step.void):
            assert ours in (CouponState.issued, CouponState.locked)
            assert mine


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({}, ""),
        ({"name": "券券"}, "名字至少 3 个字"),
        ({"uses_total": 5}, "微信的多次券每次换一个它自己的码，和这里的次卡对不上"),
        ({"product_ids": [1]}, ""),
        ({"product_ids": [1], "kind": CouponKind.exchange}, ""),
        ({"product_ids": [1, 2]}, "限商品的券只能限一种商品，微信要写它的原价"),
        ({"category_ids": [1]}, "限商品的券只能限一种商品，微信要写它的原价"),
        ({"kind": CouponKind.nth}, "微信那边没有这种券，只能放满减、折扣和兑换"),
        ({"off_bp": 1550}, "微信那边只认整数折扣，比如 85 折"),
    ],
)
def test_what_cannot_stand_in_a_pack(session: Any, values: dict[str, Any], why: str) -> None:
    template = make_template(session, make_merchant(session), **values)
    assert faces.why_not(template) == why
