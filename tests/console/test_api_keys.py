"""Keys for tills: an owner proves themselves, sees the secret once, and can shut it at once."""

import re

from sqlalchemy import select

from core.database import reading
from merchants import api_keys
from merchants.models import ApiKey
from tests.console.conftest import PASSWORD, Chain

WANTED = {"name": "1 号收银", "scopes": ["coupons.read", "coupons.redeem"]}


def test_an_owner_makes_a_key_that_is_shown_once_and_revokes_it(chain: Chain) -> None:
    owner = chain.browser("owner")
    assert "还没有收银机连进来" in owner.get("/keys/").text

    unproved = owner.post("/keys/new", **WANTED, store=str(chain.here.id))
    assert unproved.status_code == 422
    assert "输入你的登录密码" in unproved.text
    made = owner.post("/keys/new", **WANTED, store=str(chain.here.id), password=PASSWORD)
    secret = re.search(r'value="(linli_[^"]+)"', made.text)
    assert secret is not None
    listed = owner.get("/keys/").text

    assert secret[1] not in listed
    assert f"linli_ … {secret[1][-4:]}" in listed
    with reading() as session:
        key = api_keys.find_live(session, secret[1])
        assert key is not None
        assert (key.store_id, key.scopes) == (chain.here.id, WANTED["scopes"])
        assert secret[1] not in str(vars(key))
    assert "马上连不上" in owner.get(f"/keys/{key.id}/revoke").text
    owner.post(f"/keys/{key.id}/revoke")
    with reading() as session:
        assert api_keys.find_live(session, secret[1]) is None
    assert "已停用" in owner.get("/keys/").text
    records = owner.get("/audit/").text
    assert "新建接口密钥" in records
    assert "停用接口密钥" in records


def test_what_is_missing_is_said_and_nothing_is_made(chain: Chain) -> None:
    owner = chain.browser("owner")

    nothing = owner.post("/keys/new", password=PASSWORD)
    foreign = owner.post("/keys/new", **WANTED, store=str(chain.rival_store.id), password=PASSWORD)

    assert "至少选一项" in nothing.text
    assert (nothing.status_code, foreign.status_code) == (422, 422)
    with reading() as session:
        assert session.scalars(select(ApiKey)).all() == []


def test_another_merchants_key_is_not_found(chain: Chain) -> None:
    rival = chain.browser("rival")
    rival.post("/keys/new", **WANTED, password=PASSWORD)
    with reading() as session:
        key = session.scalars(select(ApiKey)).one()

    assert chain.browser("owner").get(f"/keys/{key.id}/revoke").status_code == 404
    assert chain.browser("owner").post(f"/keys/{key.id}/revoke").status_code == 404
    with reading() as session:
        assert session.get_one(ApiKey, key.id).revoked_at is None
