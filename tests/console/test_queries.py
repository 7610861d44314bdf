"""A list asks the database as often for fifty rows as for one."""

import html
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from catalogue import shelf
from core import audit, security_events
from core.database import reading
from coupons import issuing
from crm import balance, campaigns, points, segments, tags
from crm.campaigns.drafting import Draft
from crm.models import BatchKind, BatchState, CouponBatch, Member, Referral, ReferralState
from merchants import api_keys
from merchants.models import Merchant, Store
from tests.console.conftest import Chain
from tests.factories.campaigns import EVERYBODY
from tests.factories.catalogue import make_product, make_sku
from tests.factories.coupons import make_template
from tests.factories.crm import make_member, make_order_id


def orders(chain: Chain, session: Any, number: int) -> None:
    """Written by `grow`, since an order opens its own transaction."""


def members(chain: Chain, session: Any, number: int) -> None:
    merchant = session.get_one(Merchant, chain.merchant_id)
    member = make_member(session, merchant=merchant, name=f"会员{number}", spent_fen=number)
    tag = tags.ensure_tag(session, merchant.id, f"标签{number % 3}", now=chain.now)
    tags.put(session, tag, [member.id], actor="staff:1", now=chain.now)


def coupons(chain: Chain, session: Any, number: int) -> None:
    """Each is for some goods only, which every ticket names."""
    product = make_product(session, chain.here, name=f"茶{number}").id
    merchant = session.get_one(Merchant, chain.merchant_id)
    template = make_template(session, merchant, product_ids=[product])
    member = session.query(Member).first()
    issuing.issue(session, template.id, member.id, source="staff", key=f"k{number}", now=chain.now)


def campaigns_(chain: Chain, session: Any, number: int) -> None:
    template = make_template(session, session.get_one(Merchant, chain.merchant_id))
    segment = segments.create(
        session, chain.merchant_id, name=f"群{number}", rule=EVERYBODY, actor="x:1", now=chain.now
    )
    draft = Draft(f"活动{number}", segment.id, template.id, "来吧")
    campaigns.create(session, chain.merchant_id, draft, actor="staff:1", now=chain.now)


def goods(chain: Chain, session: Any, number: int) -> None:
    make_sku(session, chain.here)


def acts(chain: Chain, session: Any, number: int) -> None:
    """One of each kind of thing that the records name, done by everybody."""
    merchant = session.get_one(Merchant, chain.merchant_id)
    member = make_member(session, merchant=merchant, name=f"会员{number}")
    sku = make_sku(session, chain.here)
    template = make_template(session, merchant)
    shelf.set_state(
        session, chain.here.id, sku.id, "sold_out", actor=f"staff:{chain.clerk.id}", now=chain.now
    )
    for subject in (f"member:{member.id}", f"template:{template.id}", "order:1", "campaign:1"):
        audit.record(
            session,
            actor=f"staff:{chain.owner.id}",
            action="coupon.give",
            subject=subject,
            after={"template_id": template.id},
            merchant_id=merchant.id,
            now=chain.now,
        )
    security_events.record(
        session, "phone_refused", f"member:{member.id}", merchant_id=merchant.id, now=chain.now
    )


def batches(chain: Chain, session: Any, number: int) -> None:
    template = make_template(session, session.get_one(Merchant, chain.merchant_id))
    session.add(
        CouponBatch(
            merchant_id=chain.merchant_id,
            template_id=template.id,
            kind=BatchKind.sheet,
            name=f"第 {number} 批",
            state=BatchState.done,
            created_by_id=chain.owner.id,
            created_at=chain.now,
            allowed_at=chain.now,
        )
    )


def keys(chain: Chain, session: Any, number: int) -> None:
    api_keys.make(
        session,
        chain.merchant_id,
        name=f"{number} 号",
        scopes=["coupons.read"],
        store_id=chain.here.id,
        staff_id=chain.owner.id,
        now=chain.now,
    )


def top_ups(chain: Chain, session: Any, number: int) -> None:
    member = session.query(Member).first()
    order_id = make_order_id(session, member, session.get_one(Store, chain.here.id))
    given = {"paid_fen": 100, "bonus_fen": 10, "now": chain.now}
    balance.credit(session, member.id, order_id, **given)
    points.grant(session, member.id, 1, cause=f"gift:{number}", now=chain.now)


def invitations(chain: Chain, session: Any, number: int) -> None:
    merchant = session.get_one(Merchant, chain.merchant_id)
    pair = [make_member(session, merchant=merchant, name=f"{side}{number}") for side in "甲乙"]
    row = {"merchant_id": merchant.id, "inviter_id": pair[0].id, "newcomer_id": pair[1].id}
    session.add(Referral(**row, state=ReferralState.held, reason="too_fast", at=chain.now))


@pytest.mark.parametrize(
    ("path", "grow", "most"),
    [
        ("/orders/", orders, 12),
        ("/orders/?tab=done", orders, 12),
        ("/members/", members, 18),
        ("/coupons/", coupons, 12),
        ("/batches/", batches, 6),
        ("/keys/", keys, 6),
        ("/segments/", campaigns_, 9),
        ("/campaigns/", campaigns_, 11),
        ("/goods/", goods, 8),
        ("/stores/", members, 10),
        ("/redeem/", coupons, 8),
        ("/audit/", acts, 14),
        ("/audit/security", acts, 8),
        ("/loyalty/plans/top_up/", top_ups, 14),
        ("/loyalty/referral/", invitations, 8),
        ("/loyalty/referral/?of=held", invitations, 8),
        ("/members/NO/points", top_ups, 7),
        ("/members/NO/balance", top_ups, 7),
    ],
)
def test_a_list_costs_the_same_at_one_row_and_at_fifty(
    chain: Chain,
    count_queries: Callable[[Callable[[], Any]], int],
    path: str,
    grow: Callable[[Chain, Any, int], None],
    most: int,
) -> None:
    state = "completed" if "done" in path else "placed"

    def add(numbers: range) -> None:
        with chain.writing() as session:
            if not session.query(Member).first():
                make_member(session, merchant=session.get_one(Merchant, chain.merchant_id))
            for number in numbers:
                grow(chain, session, number)
        for number in numbers if grow is orders else ():
            chain.order(state=state, paid_at=chain.now - timedelta(seconds=number))

    owner = chain.browser("owner")
    add(range(1))
    with reading() as session:
        first = session.query(Member.no).order_by(Member.id).first()
    path = path.replace("NO", first.no)
    at_one = count_queries(lambda: owner.get(path))
    add(range(1, 50))
    at_fifty = count_queries(lambda: owner.get(path))

    assert at_fifty == at_one
    assert at_fifty <= most


def test_only_the_first_page_of_members_counts(
    chain: Chain, count_queries: Callable[[Callable[[], Any]], int]
) -> None:
    with chain.writing() as session:
        for number in range(52):
            members(chain, session, number)
        campaigns_(chain, session, 0)
    owner = chain.browser("owner")

    pages: list[str] = []
    narrowed = count_queries(lambda: pages.append(got := owner.get("/members/?tag=1")) or got)
    first = count_queries(lambda: pages.append(got := owner.get("/members/")) or got)
    onward = html.unescape(re.search(r'href="/console([^"]*cursor=[^"]*)"', pages[1].text)[1])
    second = count_queries(lambda: pages.append(got := owner.get(onward)) or got)

    assert (narrowed, first, second) == (20, 18, 17)
    assert ["52 人" in page.text for page in pages] == [True, True, False]
    assert ["实时人群" in page.text for page in pages] == [True, True, False]
    assert "回到第一页" in pages[2].text
