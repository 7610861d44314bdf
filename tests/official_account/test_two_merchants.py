"""Two merchants side by side, each with an official account and a mini-program of its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from core.database import reading, transaction
from core.inbox import InboundEvent
from crm.models import Member
from merchants.models import Merchant
from messaging import replies
from messaging.accounts import mini_for_official, minis_of, officials_of
from messaging.models import Follower
from messaging.scenes import ensure_scene
from sandbox import acts, pushes
from sandbox.demo_config import MINI, OFFICIAL
from tests.conftest import NOW
from tests.factories.merchants import make_merchant, make_store
from tests.official_account.test_following import post
from tests.wechat_world import Shop, Wechat, run_shop

OTHER, OTHER_MINI = "wx00000000000000a2", "wx00000000000000b2"


@pytest.fixture
def two(wechat: Wechat, tmp_path: Path) -> Iterator[tuple[Shop, int, int]]:
    """The shop of 青禾 and of 隔壁茶铺; ids of both merchants."""
    appids = wechat.world.people._appids
    appids += [OTHER, OTHER_MINI]
    wechat.reset()
    known = wechat.world.settings.accounts
    before, raw = dict(known), {key: list(value) for key, value in _accounts(wechat).items()}
    for old, new in ((OFFICIAL, OTHER), (MINI, OTHER_MINI)):
        account = replace(
            known[old], appid=new, token="t" * 32, origin_id="", merchant="rival", name="隔壁茶铺"
        )
        known[new] = account  # type: ignore[index]
    for kind, old, new in (
        ("official_accounts", OFFICIAL, OTHER),
        ("mini_programs", MINI, OTHER_MINI),
    ):
        own = next(each for each in _accounts(wechat)[kind] if each["appid"] == old)
        twin = {**own, "appid": new, "token": "t" * 32, "merchant": "rival", "origin_id": ""}
        if kind == "mini_programs":
            twin.pop("origin_id")
        _accounts(wechat)[kind].append(twin)
    with run_shop(wechat, tmp_path) as shop:
        with transaction() as session:
            mine = make_merchant(session, code="qinghe")
            theirs = make_merchant(session, code="rival", name="隔壁茶铺")
            for appid, text in ((OFFICIAL, "青禾在"), (OTHER, "隔壁在")):
                replies.set_answer(session, appid=appid, kind=replies.DEFAULT, text=text)
        yield shop, mine.id, theirs.id
    for kind, accounts in raw.items():
        _accounts(wechat)[kind][:] = accounts
    del appids[-2:]
    known.clear()  # type: ignore[attr-defined]
    known.update(before)  # type: ignore[attr-defined]


def _accounts(wechat: Wechat) -> dict[str, list[dict[str, str]]]:
    return {kind: wechat.raw["wechat"][kind] for kind in ("official_accounts", "mini_programs")}


def test_each_merchant_talks_through_its_own_accounts(two: tuple[Shop, int, int]) -> None:
    assert [each.appid for each in officials_of("qinghe")] == [OFFICIAL]
    assert [each.appid for each in officials_of("rival")] == [OTHER]
    assert [each.appid for each in minis_of("rival")] == [OTHER_MINI]
    assert mini_for_official(OTHER) == minis_of("rival")[0]


def test_one_person_follows_both_and_each_answers_for_itself(two: tuple[Shop, int, int]) -> None:
    shop, mine, theirs = two
    person = shop.person("aqing")
    for appid in (OFFICIAL, OTHER):
        account = shop.world.settings.accounts[appid]
        assert acts.follow(shop.world, person, account)["delivered"] is True
        assert acts.say(shop.world, person, account, "在吗")["delivered"] is True
    ran = shop.drain()

    assert {outcome.split(":")[1] for outcome in ran} == {"done"}, ran
    assert shop.chat("aqing", OFFICIAL)[1]["text"] == "青禾在"
    assert shop.chat("aqing", OTHER)[1]["text"] == "隔壁在"
    with reading() as session:
        followers = session.execute(select(Follower.appid, Follower.merchant_id)).all()
        assert sorted(map(tuple, followers)) == sorted([(OFFICIAL, mine), (OTHER, theirs)])
        members = session.execute(select(Member.merchant_id, Member.person_id)).all()
        assert {merchant for merchant, _ in members} == {mine, theirs}
        assert len({person_id for _, person_id in members}) == 1  # one UnionID, one person
        sources = session.execute(
            select(InboundEvent.source, func.count()).group_by(InboundEvent.source)
        )
        assert dict(sources.all()) == {
            f"wechat.official:{OFFICIAL}": 2,
            f"wechat.official:{OTHER}": 2,
        }


def test_a_message_for_one_account_is_refused_at_the_other(two: tuple[Shop, int, int]) -> None:
    shop, _, _ = two
    account = shop.world.settings.accounts[OFFICIAL]
    push = pushes.build(
        shop.world,
        account,
        shop.person("aqing"),
        shop.openid("aqing"),
        MsgType="text",
        Content="在吗",
        title="",
    )
    query, body, content_type = pushes.sealed(shop.world, push)

    wrong = shop.app.test_client().post(
        f"/wechat/official/{OTHER}", query_string=query, data=body, content_type=content_type
    )

    assert wrong.status_code == 403
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(InboundEvent)) == 0
    assert post(shop, push)[0] == 200


def test_a_code_of_one_merchant_says_nothing_at_the_others_account(
    two: tuple[Shop, int, int],
) -> None:
    shop, mine, theirs = two
    with transaction() as session:
        store = make_store(session, session.get_one(Merchant, mine))
        scene = ensure_scene(
            session, merchant_id=mine, appid=OTHER, kind="store", store_id=store.id, now=NOW
        )
    shop.drain()

    shop.scan("aqing", scene.code)

    with reading() as session:
        follower = session.scalars(select(Follower)).one()
        assert (follower.merchant_id, follower.source_store_id, follower.source_scene) == (
            theirs,
            None,
            "",
        )
