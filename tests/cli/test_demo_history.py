"""The demo's past: one finished campaign with a verdict, and every page tells the same of it."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from analytics import campaigns as reports
from analytics import measuring
from analytics import templates as usage
from cli import demo_cards, demo_chats
from cli.demo_lessons import GIVEN, HEARD
from core.clock import now as clock_now
from core.crypto import keyring
from core.database import reading
from core.outbox import OutboxJob
from coupons.models import Coupon, CouponState, CouponTemplate
from crm.campaigns import queries
from crm.models import (
    BalanceEntry,
    BalanceKind,
    Campaign,
    CampaignState,
    ImportState,
    Member,
    MemberImport,
    PointEntry,
    Purchase,
    RecipientState,
    Tag,
)
from messaging import conversations, staff_replies
from messaging.cards import queries as cards
from messaging.models import ChatMessage, Conversation, OutboundMessage, OutboundState
from orders.models import LineKind, Order, PaymentState
from people.models import Person, tail_index
from sandbox.demo_config import OFFICIAL
from tests.console.conftest import Browser
from tests.wechat_world import Shop, run_shop

DEMO = ("demo-data", "--history", "6", "--audience", "400")


@pytest.fixture(scope="module")
def past(wechat: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """One past for all that look at it."""
    wechat.reset()
    with run_shop(wechat, tmp_path_factory.mktemp("past")) as shop:
        done = shop.app.test_cli_runner().invoke(args=DEMO)
        assert done.exit_code == 0, done.output
        assert json.loads(done.output)["history"]["members"] == 406
        yield shop


def total(session: Any, what: Any, *where: Any) -> int:
    return int(session.scalar(select(func.coalesce(func.sum(what), 0)).where(*where)) or 0)


def first_of(session: Any) -> Campaign:
    """The campaign that the others came after."""
    return session.scalars(select(Campaign).order_by(Campaign.id).limit(1)).one()


def test_the_other_campaigns_do_not_pretend_to_know(past: Shop) -> None:
    with reading() as session:
        first, *lessons = reports.latest_launched(session, 1, limit=9)[::-1]
        spent = reports.spendings(session, lessons, clock_now())
        assert first.id == first_of(session).id
        found = {each.name: spent[each.id].lift for each in lessons}
        given = total(session, PointEntry.points, PointEntry.cause.startswith("campaign:"))

    assert (found[HEARD.name].enough, found[HEARD.name].sure) == (True, False)
    assert found[GIVEN.name].enough is False
    assert given == 20 * spent[lessons[1].id].reached.people > 0


def test_the_campaign_is_over_and_its_lift_is_sure(past: Shop) -> None:
    now = clock_now()
    with reading() as session:
        campaign = first_of(session)
        progress = queries.progress(session, campaign)
        spent = reports.spending(session, campaign, now)

        assert campaign.state is CampaignState.finished
        assert campaign.launched_at
        assert now - campaign.launched_at > measuring.WINDOW
        assert progress.audience == 400
        assert progress.reach + progress.held_out + sum(progress.skipped.values()) == 400
        assert progress.states == {RecipientState.sent: progress.reach}
        assert spent
        assert spent.held.people == progress.held_out
        assert spent.lift.sure
        assert spent.lift.low > 0
        waiting = (
            select(func.count()).select_from(OutboxJob).where(OutboxJob.name.like("crm.campaign%"))
        )
        assert session.scalar(waiting) == 0


def test_members_orders_and_purchases_agree(past: Shop) -> None:
    with reading() as session:
        bought = Order.kind != LineKind.top_up  # stored value is no turnover before it is spent
        whole = (
            Order.payment_state != PaymentState.part_paid
        )  # nor is an order that is paid in part
        paid = total(session, Order.paid_fen, bought, whole)
        assert paid > 0
        stored = total(
            session, BalanceEntry.principal_fen, BalanceEntry.kind == BalanceKind.topped_up
        )
        assert total(session, Order.paid_fen, whole) - paid == stored
        assert total(session, Member.spent_fen) == total(session, Purchase.amount_fen) == paid
        counted = (
            select(func.count())
            .select_from(Order)
            .where(bought, Order.payment_state.in_((PaymentState.paid, PaymentState.part_refunded)))
        )
        orders = session.scalar(counted)
        assert total(session, Member.orders_count) == orders


def test_coupons_messages_and_report_agree(past: Shop) -> None:
    with reading() as session:
        campaign = first_of(session)
        template = session.get_one(CouponTemplate, campaign.template_id)
        told = reports.redemption(session, campaign.id)
        of_template = usage.usage(session, [template.id])[template.id]
        sent = queries.progress(session, campaign).count(RecipientState.sent)
        gone = select(func.count()).where(
            OutboundMessage.state == OutboundState.sent,
            OutboundMessage.key.startswith(f"campaign:{campaign.id}:"),
        )
        used = (Coupon.campaign_id == campaign.id, Coupon.state == CouponState.redeemed)
        late = select(func.count()).where(*used, Coupon.redeemed_at > clock_now() - timedelta(7))

        assert told.issued == of_template.issued == template.issued_count == sent
        assert told.redeemed == of_template.redeemed > 0
        assert told.cost_fen == of_template.cost_fen == told.redeemed * template.face_fen
        assert session.scalar(gone) == sent
        assert session.scalar(late)  # so that the last week's costs have something to show


def test_four_of_five_have_a_phone_and_the_guides_example_is_one(past: Shop) -> None:
    """Sealed and found like those that WeChat verified, with the tail that docs/crm.md names."""
    with reading() as session:
        known = session.scalars(select(Person).where(Person.phone.is_not(None))).all()
        (named,) = [each for each in known if each.phone_tail == tail_index("3097")]

        assert len(known) == 325
        assert len({each.phone_tail for each in known}) == 325
        assert {each.phone_hash == keyring().blind_index(each.phone or "") for each in known} == {
            True
        }
        assert (named.union_id, named.phone) == ("demo-union-0000", "13820003097")


def test_the_console_shows_list_report_and_day_alike(past: Shop) -> None:
    owner = Browser(past.app)
    assert owner.log_in("owner", "linli-demo").status_code == 303
    with reading() as session:
        campaign = first_of(session)
        progress = queries.progress(session, campaign)
        spent = reports.spending(session, campaign, clock_now())
        assert spent

    listed = owner.get("/campaigns/").text
    report = owner.get(f"/campaigns/{campaign.id}/report").text
    today = owner.get("/home").text

    assert "已结束" in listed
    assert f"名单 400 · 送达 {progress.reach} ·" in listed
    assert f"多带来约 ¥{round(spent.total_fen / 100):,} 收入" in report
    assert "第一杯，我们请一点" in today
    assert f"＋¥{spent.lift.point / 100:.2f}" in today
    assert "新客首单券" in today


def test_cards_of_the_last_days_went_to_their_end(past: Shop) -> None:
    now = clock_now()
    with reading() as session:
        goods = (Order.paid_at > now - demo_cards.LATELY, Order.kind == LineKind.goods)
        paid = session.scalar(select(func.count()).where(*goods, Order.paid_fen > 0))
        merchant_id = session.scalars(select(Order.merchant_id).limit(1)).one()
        totals = cards.totals_of(session, merchant_id, now)

    assert (totals.all, totals.live) == (paid, 0)
    assert totals.over > 0


def test_four_conversations_wait_for_whoever_opens_the_console(past: Shop) -> None:
    now = clock_now()
    with reading() as session:
        talks = session.scalars(select(Conversation).order_by(Conversation.last_at)).all()
        waiting = conversations.list_page(session, OFFICIAL, waiting=True).items
        [spilt] = session.scalars(select(ChatMessage).where(ChatMessage.kind == "image"))
        first = waiting[0].openid
        window = staff_replies.find_windows(session, OFFICIAL, [first]).get(first)
        left = staff_replies.list_unsent(session, OFFICIAL, first, since=now)

    assert [bool(talk.staff_id) for talk in talks] == [False, False, True, False]
    assert [talk.last_text for talk in waiting] == [
        "包也湿了，你们看怎么办吧",
        "请问可以带自己的杯子吗",
        "周六下午想订 20 杯送到愚园路，能提前做好吗",
    ]
    assert (spilt.openid, spilt.data["media_id"]) == (waiting[0].openid, demo_chats.SPILT)
    assert window is not None
    assert timedelta(hours=1) < window.expires_at - now < timedelta(hours=2)
    assert left == []


def test_a_second_start_adds_nothing(past: Shop) -> None:
    again = past.app.test_cli_runner().invoke(args=DEMO)

    assert json.loads(again.output)["history"] == {"members": 0, "orders": 0}
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Campaign)) == 4
        assert session.scalar(select(func.count()).select_from(Member)) == 406


def test_a_file_of_members_waits_to_be_brought_and_guests_wear_tags(past: Shop) -> None:
    with reading() as session:
        found = session.scalars(select(MemberImport)).one()
        assert (found.state, found.total, found.faulty) == (ImportState.checked, 4, 2)
        assert found.summary["points"] == 1280 + 640 + 3102 + 86
        assert session.scalars(select(Tag.name).order_by(Tag.id)).all()[:2] == [
            "爱喝鲜果茶",
            "周末常来",
        ]
