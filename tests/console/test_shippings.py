"""发货信息: what is due first, the one correction, what WeChat refused, and nobody else's."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from core import database
from core.audit import AuditEntry
from core.database import reading, transaction
from core.outbox import OutboxJob
from gateways.pay.shipping import Logistics, Parcel
from payments.models import PaymentAttempt
from payments.shipping.models import PaymentShipping, ShippingSetting, ShippingState, TellAt
from payments.shipping.wishes import Wish
from tests.console.conftest import Chain
from tests.counting import statements

TEA = Wish(Logistics.pickup, (Parcel("杨枝甘露"),)).as_row()
FIELDS = {"logistics": "pickup", "item": "杨枝甘露两杯", "company": "", "tracking_no": ""}


def shipping(chain: Chain, state: ShippingState, *, hours: int = 1, **values: Any) -> int:
    order = values.pop("order", None) or chain.order()
    with transaction() as session:
        attempt = session.scalars(
            select(PaymentAttempt).order_by(PaymentAttempt.id.desc()).limit(1)
        ).one()
        row = {
            "merchant_id": order.merchant_id,
            "store_id": order.store_id,
            "order_id": order.id,
            "attempt_id": attempt.id,
            "appid": "wx-mini",
            "openid": "o-1",
            "account": "1900006789",
            "out_trade_no": attempt.out_trade_no,
            "transaction_id": f"4200{attempt.id}",
            "amount_fen": 2600,
            "logistics": Logistics.pickup,
            "state": state,
            "wanted": TEA,
            "told": TEA if state is ShippingState.uploaded else None,
            "paid_at": chain.now - timedelta(hours=hours),
            "created_at": chain.now,
            "changed_at": chain.now,
            **values,
        }
        made = PaymentShipping(**row)
        session.add(made)
        session.flush()
        return made.id


def row(shipping_id: int) -> PaymentShipping:
    with reading() as session:
        return session.get_one(PaymentShipping, shipping_id)


def told_again() -> list[Any]:
    with reading() as session:
        return list(session.scalars(select(OutboxJob.name).where(OutboxJob.name.like("%tell_sh%"))))


def acts() -> list[str]:
    with reading() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_what_is_due_first_stands_first_with_the_time_that_is_left(chain: Chain) -> None:
    shipping(chain, ShippingState.waiting, hours=2, wanted=wish("后来的"))
    shipping(chain, ShippingState.due, hours=50, wanted=wish("晚了的"))
    shipping(chain, ShippingState.part, hours=40, wanted=wish("快晚的"))
    page = chain.browser("manager").get("/shippings/").text

    assert page.index("晚了的") < page.index("快晚的") < page.index("后来的")
    assert "晚了 2 小时" in page
    assert "还有 7 小时" in page
    assert "还有 45 小时" in page


def test_each_tab_shows_its_own(chain: Chain) -> None:
    shipping(chain, ShippingState.settled, wanted=wish("到账的"), settled_at=chain.now)
    shipping(chain, ShippingState.failed, wanted=wish("退回的"), reason="缺快递公司（268485227）")
    browser = chain.browser("manager")

    assert "没有要录的" in browser.get("/shippings/").text
    failed = browser.get("/shippings/?tab=failed").text
    assert "退回的" in failed
    assert "缺快递公司" in failed
    assert "到账的" not in failed
    assert "到账的" in browser.get("/shippings/?tab=settled").text
    assert browser.get("/shippings/?tab=nonsense").status_code == 200
    assert browser.get("/shippings/?cursor=nonsense").status_code == 400


def test_it_is_corrected_once_and_only_by_who_says_so(chain: Chain) -> None:
    id_ = shipping(chain, ShippingState.uploaded)
    browser = chain.browser("manager")
    assert "只让改一次" in browser.get(f"/shippings/{id_}").text

    unsure = browser.post(f"/shippings/{id_}", act="correct", **FIELDS)
    assert (unsure.status_code, row(id_).corrections, told_again()) == (422, 0, [])
    done = browser.post(f"/shippings/{id_}", act="correct", sure="on", **FIELDS)
    assert done.status_code == 303
    assert (row(id_).state, row(id_).corrections) == (ShippingState.due, 1)
    assert row(id_).wanted["parcels"][0]["item"] == "杨枝甘露两杯"
    assert told_again() == ["payments.tell_shipping"]
    assert acts()[-1] == "shipping.correct"
    again = browser.post(f"/shippings/{id_}", act="correct", sure="on", **FIELDS)
    assert (again.status_code, row(id_).corrections) == (422, 1)


def test_what_was_refused_is_told_again_as_it_is_or_mended(chain: Chain) -> None:
    one, other = shipping(chain, ShippingState.failed), shipping(chain, ShippingState.failed)
    browser = chain.browser("manager")

    assert browser.post(f"/shippings/{one}/retry").status_code == 303
    assert (row(one).state, row(one).wanted) == (ShippingState.due, TEA)
    fields = FIELDS | {"logistics": "parcel", "tracking_no": "73501", "company": ""}
    refused = browser.post(f"/shippings/{other}", act="mend", **fields)
    assert (refused.status_code, row(other).state) == (422, ShippingState.failed)
    assert "选快递公司" in refused.text
    fields |= {"company": "SF", "contact": "13800005678"}
    assert browser.post(f"/shippings/{other}", act="mend", **fields).status_code == 303
    assert row(other).wanted["parcels"] == [
        {"item": "杨枝甘露两杯", "company": "SF", "tracking_no": "73501", "contact": "****5678"}
    ]
    assert browser.post(f"/shippings/{one}/retry").status_code == 409


def test_what_happened_is_told_latest_first_and_wechats_number_only_there(chain: Chain) -> None:
    why = {"reason": "付款人和微信的记录对不上", "errcode": 10060031}
    id_ = shipping(chain, ShippingState.failed, hours=50, late_at=chain.now, **why)
    manager = chain.browser("manager")

    listed, page = manager.get("/shippings/?tab=failed").text, manager.get(f"/shippings/{id_}").text

    assert (why["reason"] in listed, "10060031" in listed) == (True, False)
    history = page.split("<h2>经过</h2>")[1]
    places = [history.index(words) for words in (why["reason"], "微信算延迟", "顾客付款")]
    assert places == sorted(places)
    assert history.count("微信的代码 10060031") == page.count("10060031") == 1


def test_a_parcel_is_shipped_by_hand_and_another_one_follows(chain: Chain) -> None:
    id_ = shipping(chain, ShippingState.waiting)
    fields = {"logistics": "parcel", "item": "礼盒", "company": "ZTO", "tracking_no": "73501"}

    done = chain.browser("manager").post(f"/shippings/{id_}", act="ship", more="on", **fields)

    assert done.status_code == 303
    wanted = row(id_).wanted
    assert (wanted["split"], wanted["complete"]) == (True, False)
    assert row(id_).state is ShippingState.due


def test_another_shops_is_nobodys_business(chain: Chain) -> None:
    id_ = shipping(chain, ShippingState.uploaded, order=chain.order(chain.rival_store))
    browser = chain.browser("owner")

    assert browser.get(f"/shippings/{id_}").status_code == 404
    assert browser.post(f"/shippings/{id_}/retry").status_code == 404
    answer = browser.post(f"/shippings/{id_}", act="correct", sure="on", **FIELDS)
    assert (answer.status_code, row(id_).corrections) == (404, 0)
    assert "没有要录的" in browser.get("/shippings/").text


def test_the_owner_says_when_it_is_told(chain: Chain) -> None:
    browser = chain.browser("owner")
    assert browser.post("/shippings/rule", when="payment").status_code == 303

    with reading() as session:
        assert session.scalars(select(ShippingSetting.tell_at)).all() == [TellAt.payment]
    assert acts()[-1] == "shipping.rule"
    assert browser.post("/shippings/rule", when="tomorrow").status_code == 409
    assert "付款时" in browser.get("/audit/").text


@pytest.mark.parametrize("tab", ["open", "failed"])
def test_fifty_rows_cost_as_many_questions_as_one(chain: Chain, tab: str) -> None:
    state = ShippingState.failed if tab == "failed" else ShippingState.due
    browser = chain.browser("manager")
    shipping(chain, state)
    browser.get("/shippings/")
    with statements(database.db.engine) as one:
        browser.get(f"/shippings/?tab={tab}")
    for _ in range(6):
        shipping(chain, state)
    with statements(database.db.engine) as many:
        browser.get(f"/shippings/?tab={tab}")

    assert len(many) == len(one)


def wish(item: str) -> dict[str, Any]:
    return Wish(Logistics.pickup, (Parcel(item),)).as_row()


def test_what_wechat_refused_is_told_on_the_first_page_at_once(chain: Chain) -> None:
    owner = chain.browser("owner")
    assert "没录上" not in owner.get("/home").text

    shipping(chain, ShippingState.failed)

    told = owner.get("/home").text
    assert "1 单发货信息没录上" in told
    assert "/shippings/?tab=failed" in told
    assert "还没录发货信息" not in told


def test_the_next_parcel_starts_empty_and_the_same_one_is_not_told_twice(chain: Chain) -> None:
    first = Parcel("茶叶礼盒", "ZTO", "73501884520117", "****5678")
    told = Wish(Logistics.parcel, (first,), split=True, complete=False).as_row()
    values = {"wanted": told, "told": told, "logistics": Logistics.parcel}
    id_ = shipping(chain, ShippingState.part, **values)
    browser = chain.browser("manager")

    page = browser.get(f"/shippings/{id_}").text
    form = page.split("<form", 2)[-1].split("</form>")[0]
    assert "73501884520117" not in form
    assert page.index("已录：快递：中通 73501884520117") < page.index('name="tracking_no"')

    same = {"act": "ship", "logistics": "parcel", "item": "茶叶礼盒", "company": "ZTO"}
    for number in ("", "73501884520117", " 73501884520117"):
        refused = browser.post(f"/shippings/{id_}", tracking_no=number, **same)
        assert (refused.status_code, row(id_).state, told_again()) == (422, ShippingState.part, [])
    assert "这个包裹已经录过了" in refused.text
    done = browser.post(f"/shippings/{id_}", tracking_no="73501884520118", more="on", **same)
    assert (done.status_code, row(id_).state) == (303, ShippingState.due)
    assert told_again() == ["payments.tell_shipping"]
