"""微信卡包 at the console: opened with two pictures, filled, closed; without a brand it says so."""

from datetime import timedelta
from io import BytesIO

import pytest

from core import clock
from core.database import reading, transaction
from coupons.pack.models import BatchState, CardPack, PackTemplate
from merchants.models import Role
from people import logins
from tests.console.conftest import Browser, Chain
from tests.console.test_pages import assert_says
from tests.factories.coupons import make_template
from tests.factories.merchants import make_merchant, make_staff
from tests.wechat_world import Shop

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 64


@pytest.fixture
def owner(shop: Shop) -> Browser:
    """The owner of a shop whose brand is the sandbox's, and one template in it."""
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        make_template(session, merchant, name="老客回店券")
        make_template(session, merchant, name="纯茶五次卡", uses_total=5)
        token = logins.open_session(
            session,
            person=None,
            identity=None,
            audience="staff",
            lifetime=timedelta(hours=1),
            now=clock.now(),
            staff_id=make_staff(session, merchant, role=Role.owner).id,
        )
    browser = Browser(shop.app)
    browser.client.set_cookie("linli_staff", token, path="/console")
    return browser


def pictures() -> dict[str, tuple[BytesIO, str]]:
    return {name: (BytesIO(PNG), f"{name}.png") for name in ("picture", "background")}


def test_a_pack_is_opened_filled_and_closed(shop: Shop, owner: Browser) -> None:
    assert owner.post("/coupons/pack/", on="1", **pictures()).status_code == 303
    page = owner.get("/coupons/pack/").get_data(as_text=True)
    assert_says(page, "老客回店券", "放进卡包", "和这里的次卡对不上")
    assert shop.world.cards.products == {}

    assert owner.post("/coupons/pack/1", do="in").status_code == 303
    shop.drain()
    page = owner.get("/coupons/pack/").get_data(as_text=True)
    assert_says(page, "在卡包里", "不再放")
    assert [p.state for p in shop.world.cards.products.values()] == ["EFFECTIVE"]

    assert owner.post("/coupons/pack/2", do="in").status_code == 409
    owner.post("/coupons/pack/1", do="out")
    shop.drain()
    assert [p.state for p in shop.world.cards.products.values()] == ["DEACTIVATED"]
    owner.post("/coupons/pack/", on="0")
    with reading() as session:
        assert session.get_one(PackTemplate, 1).state is BatchState.ended
        assert [pack.is_on for pack in session.query(CardPack)] == [False]


def test_a_pack_without_pictures_stays_closed_and_says_why(shop: Shop, owner: Browser) -> None:
    answer = owner.post("/coupons/pack/", on="1")
    assert answer.status_code == 422
    assert_says(answer.get_data(as_text=True), "先传两张图，微信不收没有图的券")
    text = {"picture": (BytesIO(b"<svg/>"), "a.png"), "background": (BytesIO(PNG), "b.png")}
    answer = owner.post("/coupons/pack/", on="1", **text)
    assert_says(answer.get_data(as_text=True), "要 PNG 或 JPG 图片")
    shop.fault(api="pay.card_image", kind="error", status=500)
    answer = owner.post("/coupons/pack/", on="1", **pictures())
    assert_says(answer.get_data(as_text=True), "微信没有回答，过一会儿再传")
    with reading() as session:
        assert [pack.is_on for pack in session.query(CardPack)] in ([], [False])


def test_without_a_brand_the_page_says_what_is_needed(chain: Chain) -> None:
    page = chain.browser("owner").get("/coupons/pack/").get_data(as_text=True)
    assert_says(page, "还没有开通", "不开通也不影响发券、用券")
    assert chain.browser("owner").post("/coupons/pack/", on="1").status_code == 404
