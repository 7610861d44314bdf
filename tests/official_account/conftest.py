"""A tea shop with a store, a table, a clerk to be and a welcome coupon, ready at WeChat."""

from dataclasses import dataclass

import pytest

from core.database import transaction
from coupons.models import CouponTemplate
from merchants.models import Merchant, Store, StoreTable
from messaging import replies
from messaging.models import Scene
from messaging.scenes import ensure_scene
from sandbox.demo_config import OFFICIAL
from tests.conftest import NOW
from tests.factories.coupons import make_template
from tests.factories.merchants import make_merchant, make_store, make_table
from tests.wechat_world import Shop


@dataclass
class TeaShop:
    shop: Shop
    merchant: Merchant
    store: Store
    table: StoreTable
    template: CouponTemplate
    store_scene: Scene
    table_scene: Scene


@pytest.fixture
def tea(shop: Shop) -> TeaShop:
    with transaction() as session:
        merchant = make_merchant(session, code="qinghe")
        store = make_store(session, merchant, name="静安寺店")
        table = make_table(session, store, name="A3")
        template = make_template(session, merchant, name="新人 8 元券", moment="welcome")
        whose = {"merchant_id": merchant.id, "appid": OFFICIAL, "now": NOW, "store_id": store.id}
        store_scene = ensure_scene(session, kind="store", **whose)  # type: ignore[arg-type]
        table_scene = ensure_scene(session, kind="table", table_id=table.id, **whose)  # type: ignore[arg-type]
        for kind, word, text in (
            (replies.KEYWORD, "营业", "每天 9 点开门"),
            (replies.KEYWORD, "营业时间", "9 点到 22 点"),
            (replies.CLICK, "contact", "请留言"),
            (replies.DEFAULT, "", "收到啦"),
        ):
            replies.set_answer(session, appid=OFFICIAL, kind=kind, word=word, text=text)
    shop.drain()
    return TeaShop(shop, merchant, store, table, template, store_scene, table_scene)
