"""A batch in the console: looked at, confirmed, worked through, printed, taken back."""

import io

from sqlalchemy import select, update

from core.database import reading, transaction
from coupons.models import Coupon, CouponState
from crm.models import BatchKind, BatchState, CouponBatch
from merchants.models import Merchant
from tests.console.conftest import PASSWORD, Browser, Chain
from tests.factories.coupons import make_template
from tests.working import run_inline


def template(chain: Chain) -> str:
    with chain.writing() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        return str(make_template(session, merchant).id)


def the_batch() -> CouponBatch:
    with reading() as session:
        return session.scalars(select(CouponBatch)).one()


def work(batch: CouponBatch) -> None:
    for _ in range(3):
        run_inline("crm.coupon_batch", batch_id=batch.id)


def confirm(browser: Browser, **fields: str) -> CouponBatch:
    answer = browser.post("/batches/new", name="周末", step="go", **fields)
    assert answer.status_code == 303, answer.text
    return the_batch()


def test_a_list_is_shown_with_its_faults_before_anything_happens(chain: Chain) -> None:
    manager = chain.browser("manager")
    first, second = chain.member(), chain.member("周小雨")
    given = f"{first.no}\n{second.no}\n{first.no}\nhello"

    looked = manager.post(
        "/batches/new",
        way="members",
        template=template(chain),
        name="周末",
        list=given,
        step="look",
    )

    assert looked.status_code == 200
    assert "确认，发给 2 人" in looked.text
    assert "和第 1 行是同一个人" in looked.text
    assert "不是会员号，也不是手机号" in looked.text
    with reading() as session:
        assert session.scalars(select(CouponBatch)).all() == []


def test_a_confirmed_list_is_worked_through_and_taken_back(chain: Chain) -> None:
    manager = chain.browser("manager")
    members = [chain.member(), chain.member("周小雨")]
    given = "\n".join([*(member.no for member in members), "hello"])

    batch = confirm(manager, way="members", template=template(chain), list=given)
    assert (batch.kind, batch.state, batch.total) == (BatchKind.members, BatchState.running, 2)
    assert 'hx-trigger="every 2s"' in manager.get(f"/batches/{batch.id}").text
    work(batch)
    shown = manager.get(f"/batches/{batch.id}").text
    assert "发完了" in shown
    assert "跳过的行" in shown
    assert "周末" in manager.get("/batches/").text
    assert "还没有人用" in shown
    with transaction() as session:
        session.scalars(select(Coupon).limit(1)).one().state = CouponState.redeemed
    assert (
        '用掉 <b class="strong">1</b> 张</span><span class="end muted">50%'
        in manager.get(f"/batches/{batch.id}").text
    )
    with transaction() as session:
        session.execute(update(Coupon).values(state=CouponState.issued))

    unproved = manager.post(f"/batches/{batch.id}/revoke", reason="发错了")
    assert unproved.status_code == 422
    revoked = manager.post(f"/batches/{batch.id}/revoke", reason="发错了", password=PASSWORD)
    assert revoked.status_code == 303
    run_inline("crm.void_batch", batch_id=batch.id, actor="staff:1")
    with reading() as session:
        assert set(session.scalars(select(Coupon.state))) == {CouponState.void}
    assert "作废原因：发错了" in manager.get(f"/batches/{batch.id}").text


def test_a_file_is_read_like_a_pasted_list(chain: Chain) -> None:
    manager = chain.browser("manager")
    file = (io.BytesIO(f"\ufeff会员号\n{chain.member().no}\n".encode()), "members.csv")

    answer = manager.post(
        "/batches/new",
        way="members",
        template=template(chain),
        name="周末",
        list="",
        file=file,
        step="look",
    )

    assert "确认，发给 1 人" in answer.text


def test_printed_codes_have_a_picture_each_and_only_managers_print_them(chain: Chain) -> None:
    manager = chain.browser("manager")
    batch = confirm(manager, way="sheet", template=template(chain), number="3")
    work(batch)

    sheet = manager.get(f"/batches/{batch.id}/sheet").text

    assert sheet.count('class="code-cell"') == 3
    with reading() as session:
        code = session.scalars(select(Coupon.code).order_by(Coupon.id)).first()
    assert code is not None
    assert f"{code[:4]} {code[4:8]} {code[8:]}" in sheet
    assert "打印券码" in chain.browser("owner").get("/audit/").text
    assert chain.browser("clerk").get(f"/batches/{batch.id}/sheet").status_code == 403
    assert chain.browser("rival").get(f"/batches/{batch.id}/sheet").status_code == 404


def test_a_members_number_is_not_printed(chain: Chain) -> None:
    manager, member = chain.browser("manager"), chain.member()
    batch = confirm(manager, way="sheet", template=template(chain), number="3")
    assert manager.get(f"/batches/{batch.id}/sheet").status_code == 404
    work(batch)
    with transaction() as session:
        claimed, used, free = session.scalars(select(Coupon).order_by(Coupon.id)).all()
        claimed.member_id = member.id
        used.state = CouponState.redeemed

    page = manager.get(f"/batches/{batch.id}/sheet").text
    with transaction() as session:
        session.execute(update(CouponBatch).values(kind=BatchKind.members))
    assert manager.get(f"/batches/{batch.id}/sheet").status_code == 404

    shown = [f"{c.code[:4]} {c.code[4:8]} {c.code[8:]}" in page for c in (claimed, used, free)]
    assert shown == [False, False, True]


def test_nobody_chooses_the_coupon_for_anybody(chain: Chain) -> None:
    template(chain)
    manager = chain.browser("manager")
    page = manager.get("/batches/new?way=sheet").text
    assert '<option value="" selected>选一张券</option>' in page
    refused = manager.post("/batches/new", way="sheet", number="5", name="传单", step="go")
    assert (refused.status_code, "选一张券" in refused.text) == (422, True)
    with reading() as session:
        assert session.scalars(select(CouponBatch)).all() == []


def test_what_is_missing_is_said(chain: Chain) -> None:
    manager = chain.browser("manager")
    chosen = template(chain)

    nothing = manager.post(
        "/batches/new", way="members", template=chosen, name="", list="", step="go"
    )
    nobody = manager.post(
        "/batches/new", way="members", template=chosen, name="x", list="hello", step="go"
    )
    no_group = manager.post("/batches/new", way="segment", template=chosen, name="x", step="go")
    foreign = manager.post("/batches/new", way="sheet", template="999", number="1", name="x")

    assert "名单是空的" in nothing.text
    assert "没有一行能用" in nobody.text
    assert "还没有人群" in no_group.text
    assert [a.status_code for a in (nothing, nobody, no_group, foreign)] == [422] * 4
    with reading() as session:
        assert session.scalars(select(CouponBatch)).all() == []


def test_a_coupons_moves_are_read_and_it_is_taken_back_with_a_reason(chain: Chain) -> None:
    manager = chain.browser("manager")
    batch = confirm(manager, way="sheet", template=template(chain), number="1")
    work(batch)
    with reading() as session:
        coupon = session.scalars(select(Coupon)).one()

    found = manager.get(f"/coupon/?code={coupon.code}")
    assert found.location.endswith(f"/console/coupon/{coupon.id}")
    assert "没有这张券" in manager.get("/coupon/?code=123456789012").text
    assert "还没有人领" in manager.get(f"/coupon/{coupon.id}").text
    assert manager.post(f"/coupon/{coupon.id}/void", reason="").status_code == 422
    manager.post(f"/coupon/{coupon.id}/void", reason="印错了")
    shown = manager.get(f"/coupon/{coupon.id}").text
    assert "印错了" in shown
    assert "已作废" in shown
    assert chain.browser("rival").get(f"/coupon/{coupon.id}").status_code == 404
    with transaction() as session:
        assert session.get_one(Coupon, coupon.id).state is CouponState.void


def test_an_owner_undoes_what_a_clerk_redeemed(chain: Chain) -> None:
    batch = confirm(chain.browser("manager"), way="sheet", template=template(chain), number="1")
    work(batch)
    with reading() as session:
        coupon = session.scalars(select(Coupon)).one()
    clerk, owner = chain.browser("clerk"), chain.browser("owner")
    clerk.post("/redeem/confirm", code=coupon.code, key="k1", store=str(chain.here.id))

    assert "撤销核销" in owner.get(f"/coupon/{coupon.id}").text
    assert owner.post(f"/coupon/{coupon.id}/undo", reason="顾客没来").status_code == 303
    with reading() as session:
        assert session.get_one(Coupon, coupon.id).state is CouponState.issued


def test_a_clerk_says_whose_a_printed_code_becomes(chain: Chain) -> None:
    batch = confirm(chain.browser("manager"), way="sheet", template=template(chain), number="1")
    work(batch)
    with reading() as session:
        code = session.scalars(select(Coupon.code)).one()
    clerk, member = chain.browser("clerk"), chain.member()
    store = str(chain.here.id)

    assert "记到哪位会员名下" in clerk.get(f"/redeem/check?code={code}").text
    unknown = clerk.post("/redeem/confirm", code=code, key="k1", store=store, member="13800000000")
    assert unknown.status_code == 422
    assert "没有这位会员，不填也能核销" in unknown.text
    clerk.post("/redeem/confirm", code=code, key="k2", store=store, member=member.no)

    with reading() as session:
        coupon = session.scalars(select(Coupon)).one()
        assert (coupon.state, coupon.member_id) == (CouponState.redeemed, member.id)
