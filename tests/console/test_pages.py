"""Every page says what it should, to the figure."""

from sqlalchemy import select

from core.audit import AuditEntry
from core.database import reading
from core.outbox import OutboxJob
from coupons.models import Coupon, CouponTemplate
from crm import campaigns, segments, tags
from crm.campaigns.drafting import Draft
from crm.models import Campaign, CampaignState, MemberTag, Recipient, Segment
from merchants.models import Merchant, StaffInvite, Store
from messaging.models import Scene
from orders.models import OrderState, PaymentState
from tests.console.conftest import PASSWORD, Chain
from tests.factories.catalogue import make_product, make_sku
from tests.factories.coupons import make_coupon, make_template
from tests.factories.crm import make_member
from tests.working import run_inline


def assert_says(page: str, *texts: str) -> None:
    assert [text for text in texts if text not in page] == []


def test_today_adds_up_what_was_paid_and_what_waits(chain: Chain) -> None:
    chain.order(paid_at=chain.now)
    chain.order(chain.there, paid_at=chain.now, state=OrderState.completed)
    chain.order(chain.rival_store, paid_at=chain.now)
    chain.order(paid_at=chain.now, refunded_fen=600, state=OrderState.completed)
    chain.order(
        paid_at=chain.now,
        refunded_fen=2600,
        state=OrderState.cancelled,
        payment_state=PaymentState.refunded,
    )

    page = chain.browser("owner").get("/home").text

    assert_says(page, "¥72.00", "<dd>3</dd>", "¥24.00", "1 单待接", "分时实收")


def test_today_of_one_store_is_that_stores(chain: Chain) -> None:
    chain.order(paid_at=chain.now)
    chain.order(chain.there, paid_at=chain.now)
    browser = chain.browser("owner")

    browser.post("/store", store=str(chain.there.id))

    assert_says(browser.get("/home").text, "<dd>¥26.00</dd>", "徐汇店", "1 单待接")


def test_goods_are_sold_out_in_one_press_and_back_in_another(chain: Chain) -> None:
    with chain.writing() as session:
        store = session.get_one(Store, chain.here.id)
        product = make_product(session, store, name="桂花乌龙", category="手冲与茶")
        sku = make_sku(session, store, product=product, name="中杯", price_fen=1800, available=7)
    clerk = chain.browser("clerk")

    before = clerk.get("/goods/").text
    row = clerk.touch(f"/goods/{chain.here.id}/{sku.id}/shelf", state="sold_out").text
    back = clerk.post(f"/goods/{chain.here.id}/{sku.id}/shelf", state="on")

    assert_says(before, "手冲与茶", "桂花乌龙", "中杯", "¥18.00 · 还剩 7", "都在卖")
    assert_says(row, "售罄", "恢复在卖")
    assert "<html" not in row
    assert back.status_code == 303
    with reading() as session:
        actions = list(session.scalars(select(AuditEntry.action)))
    assert actions == ["shelf.set", "shelf.set"]


def test_a_member_is_shown_whole_and_masked(chain: Chain) -> None:
    member = chain.member(
        "陈思雨", spent_fen=86_400, orders_count=22, points=1284, points_pending=46
    )
    with chain.writing() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        make_coupon(session, member, make_template(session, merchant, name="老客回店券"))
        tag = tags.ensure_tag(session, chain.merchant_id, "爱喝拿铁", now=chain.now)
        tags.put(session, tag, [member.id], actor="staff:1", now=chain.now)

    page = chain.browser("manager").get(f"/members/{member.no}").text

    assert_says(
        page, "陈思雨", "¥864.00", "1,284", "待到账 46", "爱喝拿铁", "1 张能用", "老客回店券"
    )


def test_members_are_found_by_name_number_segment_and_tag(chain: Chain) -> None:
    rich = chain.member("林小满", spent_fen=50_000)
    chain.member("乔安", spent_fen=100)
    chain.member("别家的人", merchant_id=chain.rival_merchant_id)
    with chain.writing() as session:
        tag = tags.ensure_tag(session, chain.merchant_id, "甜品", now=chain.now)
        tags.put(session, tag, [rich.id], actor="staff:1", now=chain.now)
        segment = segments.create(
            session,
            chain.merchant_id,
            name="花得多",
            rule={"op": "and", "rules": [{"field": "spent", "op": ">=", "value": 30_000}]},
            actor="staff:1",
            now=chain.now,
        )
    owner = chain.browser("owner")

    everyone = owner.get("/members/").text
    assert_says(everyone, "林小满", "乔安", "500.00", "2 人", "花得多")
    assert "别家的人" not in everyone
    for query in ("q=林", f"q={rich.no}", f"segment={segment.id}", f"tag={tag.id}"):
        found = owner.get(f"/members/?{query}").text
        assert "林小满" in found, query
        assert "乔安" not in found, query


def test_tags_are_put_on_and_taken_off(chain: Chain) -> None:
    member = chain.member()
    manager = chain.browser("manager")

    added = manager.touch(f"/members/{member.no}/tags", add="老客")
    too_long = manager.touch(f"/members/{member.no}/tags", add="很" * 17)
    with reading() as session:
        put = session.scalars(select(MemberTag)).one()
    dropped = manager.touch(f"/members/{member.no}/tags", drop=str(put.tag_id))

    assert "老客" in added.text
    assert "标签名要 1 到 16 个字" in too_long.text
    assert "去掉标签 老客" not in dropped.text
    with reading() as session:
        assert session.scalars(select(MemberTag)).all() == []


def test_a_coupon_is_given_once_however_often_the_button_is_pressed(chain: Chain) -> None:
    member = chain.member()
    with chain.writing() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        template = make_template(session, merchant, name="赔礼券")
        full = make_template(session, merchant, name="发完的券", total_limit=1, issued_count=1)
    manager = chain.browser("manager")
    path = f"/members/{member.no}/give"

    for _ in range(2):
        assert manager.post(path, template=str(template.id), key="once").status_code == 303
    refused = manager.post(path, template=str(full.id), key="twice")

    assert refused.status_code == 422
    assert "已经领完了" in refused.text
    with reading() as session:
        coupons = session.scalars(select(Coupon)).all()
    assert [(c.member_id, c.source) for c in coupons] == [(member.id, f"staff:{chain.manager.id}")]


def test_an_export_asks_who_is_there_and_is_on_the_record(chain: Chain) -> None:
    chain.member("=cmd()", spent_fen=1234)
    owner = chain.browser("owner")

    asked = owner.post("/members/export", sort="spent")
    given = owner.post("/members/export", sort="spent", password=PASSWORD)
    owner.post("/members/export", q="13800138097", sort="spent", password=PASSWORD)

    assert asked.status_code == 422
    assert given.status_code == 200
    assert given.headers["Content-Disposition"] == "attachment; filename=members.csv"
    assert "'=cmd(),,12.34" in given.text
    with reading() as session:
        entries = select(AuditEntry.after).where(AuditEntry.action == "members.export")
        whole, searched = session.scalars(entries.order_by(AuditEntry.id)).all()
    assert whole == {"people": 1, "filters": {"sort": "spent"}, "proved_again": True}
    filters = {"sort": "spent", "searched": True}
    assert searched == {"people": 0, "filters": filters, "proved_again": True}


def test_a_segment_is_counted_while_it_is_written_and_then_kept(chain: Chain) -> None:
    chain.member("林小满", spent_fen=50_000)
    chain.member("乔安", spent_fen=100)
    owner = chain.browser("owner")
    rule = {"0.op": "all", "0-0.field": "spent", "0-0.cmp": ">=", "0-0.value": "200"}

    counted = owner.touch("/segments/preview", name="", **rule, **{"0-0.days": ""})
    wrong = owner.post("/segments/new", name="", do="save", **{**rule, "0-0.value": "很多"})
    kept = owner.post("/segments/new", name="老客", do="save", **rule)

    assert_says(counted.text, "单独符合 1 人", "占会员 50.0%", "林小满", "累计消费 ¥500.00")
    assert wrong.status_code == 422
    assert_says(wrong.text, "名字要 1 到 32 个字", "要是整数")
    assert kept.status_code == 303
    with reading() as session:
        segment = session.scalars(select(Segment)).one()
    assert segment.rule["rules"][0] == {"field": "spent", "op": ">=", "value": 20_000, "days": 90}
    assert_says(owner.get("/segments/").text, "老客", "最近 90 天消费金额至少 200 元")


def test_a_campaign_goes_from_draft_to_running_to_paused_to_stopped(chain: Chain) -> None:
    chain.member()
    with chain.writing() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        template = make_template(session, merchant, name="回店券", face_fen=1200)
        segment = segments.create(
            session,
            merchant.id,
            name="所有人",
            rule={"op": "and", "rules": []},
            actor="staff:1",
            now=chain.now,
        )
    owner = chain.browser("owner")
    fields = {
        "segment": str(segment.id),
        "template": str(template.id),
        "holdout": "1000",
        "message": "{昵称}，给你留了「{券名}」",
    }

    forecast = owner.touch("/campaigns/forecast", name="", **fields).text
    nameless = owner.post("/campaigns/new", name="", **fields)
    drafted = owner.post("/campaigns/new", name="冬季回店", **fields)
    path = drafted.location.removeprefix("/console")

    assert_says(forecast, "/ 1 人", "跳过 1 人", "没有绑定微信", "小满，给你留了「回店券」")
    assert nameless.status_code == 422
    assert "名字要 1 到 32 个字" in nameless.text
    assert chain.browser("manager").post(f"{path}/launch").status_code == 403
    assert owner.post(f"{path}/launch").status_code == 303
    with reading() as session:
        campaign = session.scalars(select(Campaign)).one()
        assert campaign.state is CampaignState.scheduled
        assert list(session.scalars(select(Recipient.id))) == []  # not in the request
        launches = OutboxJob.name.like("crm.campaign%")
        asked = session.execute(select(OutboxJob.name, OutboxJob.args).where(launches)).all()
    args = {"campaign_id": campaign.id, "actor": f"staff:{chain.owner.id}"}
    assert asked == [("crm.campaign_launch", args)]
    waiting = owner.get(path).text
    assert_says(waiting, "正在准备名单…", 'hx-trigger="every 2s"')
    assert "停掉" not in waiting
    assert owner.post(f"{path}/launch").status_code == 422
    run_inline("crm.campaign_launch", **args)
    with reading() as session:
        assert "crm.campaign_batch" in list(session.scalars(select(OutboxJob.name)))
    assert_says(owner.get(path).text, "跳过的 1 人", "没有绑定微信", "在发")
    owner.post(f"{path}/pause")
    assert "已暂停" in owner.get(path).text
    unnamed = owner.post(f"{path}/kill", name="冬季")
    assert unnamed.status_code == 422
    assert "和活动名字不一样" in unnamed.text
    assert owner.post(f"{path}/kill", name="冬季回店").status_code == 303
    with reading() as session:
        assert session.scalar(select(Campaign.state)) is CampaignState.killed


def test_a_campaign_without_enough_people_says_so(chain: Chain) -> None:
    with chain.writing() as session:
        merchant = session.get_one(Merchant, chain.merchant_id)
        make_member(session, merchant=merchant)
        template = make_template(session, merchant)
        segment = segments.create(
            session,
            merchant.id,
            name="所有人",
            rule={"op": "and", "rules": []},
            actor="staff:1",
            now=chain.now,
        )
        campaign = campaigns.create(
            session,
            merchant.id,
            Draft("回店", segment.id, template.id, "来吧"),
            actor="staff:1",
            now=chain.now,
        )
        campaigns.approve(session, campaign, actor="staff:1", now=chain.now)
        campaigns.launch(session, campaign, actor="staff:1", now=chain.now)

    page = chain.browser("owner").get(f"/campaigns/{campaign.id}/report").text

    assert_says(page, "人数不足，还不能说带来了多少", "没送到的 1 人", "没有绑定微信")


def test_a_template_is_written_paused_and_resumed(chain: Chain) -> None:
    owner = chain.browser("owner")
    good = {"kind": "percent", "name": "周末 85 折", "tenths": "8.5", "days": "14", "each": "1"}
    good |= {"cap": "20", "min": "", "stores": str(chain.here.id), "remind": "2"}

    wrong = owner.post("/coupons/new", **{**good, "tenths": "12", "each": "0"})
    late = owner.post("/coupons/new", **{**good, "remind": "14"})
    assert (late.status_code, "要比有效期短" in late.text) == (422, True)
    made = owner.post("/coupons/new", **good)

    assert wrong.status_code == 422
    assert_says(wrong.text, "填 0.1 到 9.9", "在 1 到 100 之间")
    assert made.status_code == 303
    with reading() as session:
        template = session.scalars(select(CouponTemplate)).one()
    assert (template.off_bp, template.cap_fen, template.store_ids) == (1500, 2000, [chain.here.id])
    assert template.remind_days == 2
    assert_says(owner.get("/coupons/").text, "周末 85 折", "8.5", "静安寺店", "1 种在发")
    owner.post(f"/coupons/{template.id}/state", state="paused")
    assert_says(owner.get("/coupons/").text, "0 种在发", "继续发")


def test_an_invite_is_a_code_that_waits_for_wechats_picture(chain: Chain) -> None:
    browser = chain.browser("owner")
    fields = {"name": "小林", "role": "clerk"}

    nowhere = browser.post("/stores/invites/new", **fields)
    no_account = browser.post("/stores/invites/new", **fields, stores=str(chain.here.id))

    assert nowhere.status_code == 422
    assert "至少选一家店" in nowhere.text
    assert no_account.status_code == 409  # the tests' configuration has no official account
    with reading() as session:
        assert session.scalars(select(StaffInvite)).all() == []
        assert session.scalars(select(Scene)).all() == []


def test_stores_list_who_works_there_and_how_they_get_in(chain: Chain) -> None:
    page = chain.browser("owner").get("/stores/").text

    assert_says(page, "静安寺店", "徐汇店", "小周", "店员", "林晓", "静安寺店、徐汇店", "全部门店")
    assert "老王" not in page


def test_a_clerks_phone_offers_only_a_clerks_work(chain: Chain) -> None:
    page = chain.browser("clerk").get("/more").text

    assert_says(page, "小周", "店员", "商品", "退出登录")
    assert "营销活动" not in page
    assert "门店与员工" not in page


def test_a_stream_tells_what_changed_while_away(chain: Chain) -> None:
    chain.order()
    clerk = chain.browser("clerk")

    answer = clerk.get("/stream", **{"Last-Event-ID": "older"})
    stream = answer.iter_encoded()
    begin, change = next(stream).decode(), next(stream).decode()
    answer.close()

    assert answer.content_type.startswith("text/event-stream")
    assert begin == "retry: 1000\n\n"
    assert "event: orders\n" in change
