"""Followers read page by page, whatever dies in between; tags made the same on both sides."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update

from core import clock
from core.database import reading, transaction
from core.outbox import JobState, OutboxJob, enqueue
from crm import tags
from crm.models import Member, MemberTag, Tag
from messaging import syncing, tag_mirror
from messaging.models import Follower, FollowerSync, MirroredTag, OutboundMessage, SyncState
from sandbox import acts
from sandbox.demo_config import OFFICIAL
from sandbox.wechat import followers as sandbox_followers
from sandbox.wechat.followers import Follow
from tests.factories.journeys import make_segment
from tests.factories.merchants import make_merchant
from tests.wechat_world import Shop
from tests.working import run_inline


@pytest.fixture
def crowded(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """Seven who followed before we were there, and pages of three."""
    monkeypatch.setattr(sandbox_followers, "PAGE", 3)
    with transaction() as session:
        make_merchant(session, code="qinghe")
    world = shop.world
    for number in range(7):
        person = world.people.create(f"老粉{number}")
        openid = shop.openid(person.id)
        world.followers.add(Follow(OFFICIAL, openid, 1_760_000_000 + number))
    return shop


def start(shop: Shop) -> bool:
    with transaction() as session:
        return syncing.start(session, OFFICIAL, clock.now())


def the_sync() -> FollowerSync:
    with reading() as session:
        found = syncing.find(session, OFFICIAL)
        assert found is not None
        return found


def following() -> set[str]:
    with reading() as session:
        return set(session.scalars(select(Follower.openid).where(Follower.subscribed.is_(True))))


def at_wechat(shop: Shop) -> set[str]:
    return set(shop.world.followers.page(OFFICIAL, "")[1]) | {
        follow.openid for follow in shop.world.followers._follows.values()
    }


def test_everybody_is_found_and_becomes_a_member_in_silence(crowded: Shop) -> None:
    assert start(crowded)
    assert not start(crowded)  # one at a time

    crowded.drain()

    sync = the_sync()
    assert (sync.state, sync.seen, sync.total, sync.fresh, sync.gone) == (
        SyncState.done,
        7,
        7,
        7,
        0,
    )
    assert following() == at_wechat(crowded)
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(Member)) == 7
        assert session.scalar(select(func.count()).select_from(OutboundMessage)) == 0
        since = session.scalars(select(Follower.subscribed_at).order_by(Follower.id)).first()
        assert since is not None
        assert int(since.timestamp()) == 1_760_000_000
        assert syncing.count_bare(session, OFFICIAL) == 0


def test_who_left_unheard_is_found_out_and_who_came_meanwhile_stays(crowded: Shop) -> None:
    start(crowded)
    crowded.drain()
    gone = crowded.world.people.list()[-1]
    crowded.world.followers.remove(OFFICIAL, crowded.openid(gone.id))

    start(crowded)
    crowded.drain(but=("messaging.sync_followers",))
    acts.follow(crowded.world, crowded.person("aqing"), crowded.world.settings.accounts[OFFICIAL])
    crowded.drain()

    assert (the_sync().gone, the_sync().state) == (1, SyncState.done)
    assert crowded.openid(gone.id) not in following()
    assert crowded.openid("aqing") in following()


def test_a_reading_that_was_cut_off_goes_on_from_its_cursor(crowded: Shop) -> None:
    start(crowded)
    crowded.fault(api="api.user_list", kind="error", errcode=45009, times=1)
    crowded.drain()
    assert the_sync().seen == 0
    assert the_sync().state is SyncState.running
    with transaction() as session:
        syncing_row = update(FollowerSync).values(changed_at=clock.now() - timedelta(hours=2))
        session.execute(syncing_row)

    assert start(crowded)  # stood still for two hours
    crowded.drain()

    assert (the_sync().seen, the_sync().run) == (7, 1)
    assert following() == at_wechat(crowded)


@pytest.mark.parametrize("pages", [(7, []), (0, []), (7, ["o-1"])])
def test_a_list_that_is_not_whole_takes_nobody_for_gone(
    crowded: Shop, monkeypatch: pytest.MonkeyPatch, pages: tuple[int, list[str]]
) -> None:
    start(crowded)
    crowded.drain()
    here = following()
    total, named = pages
    monkeypatch.setattr(
        crowded.world.followers,
        "page",
        lambda _appid, after: (total, [] if after else [sorted(here)[0] for _ in named]),
    )

    start(crowded)
    crowded.drain()

    assert (the_sync().state, the_sync().gone) == (SyncState.done, 0)
    assert following() == here


def test_a_page_taken_twice_counts_once(crowded: Shop) -> None:
    start(crowded)
    sync = the_sync()
    page: dict[str, Any] = {"after": "o-last", "total": 2, "merchant_id": None}
    for expected in (True, False):
        with transaction() as session:
            took = syncing.take_page(session, sync, ["o-1", "o-last"], **page, now=clock.now())
            assert took is expected

    assert (the_sync().seen, the_sync().fresh) == (2, 2)


@given(*(st.sets(st.sampled_from("abcdef")) for _ in range(3)))
@settings(max_examples=80, deadline=None)
def test_both_sides_are_the_same_afterwards_and_no_change_is_lost(
    before: set[str], here: set[str], there: set[str]
) -> None:
    plan = tag_mirror.plan(before, here, there)
    ours = (here | plan.add_here) - plan.drop_here
    theirs = (there | plan.add_there) - plan.drop_there

    assert ours == theirs
    assert ours == (before & here & there) | (here - before) | (there - before)


def tagged(shop: Shop, name: str) -> set[str]:
    known = shop.world.tags.of(OFFICIAL)
    tag_id = next((tag_id for tag_id, named in known.items() if named == name), None)
    return set(shop.world.followers.of_tag(OFFICIAL, tag_id)) if tag_id else set()


def worn(name: str) -> int:
    with reading() as session:
        found = (
            select(func.count())
            .select_from(MemberTag)
            .join(Tag, Tag.id == MemberTag.tag_id)
            .where(Tag.name == name)
        )
        return session.scalar(found) or 0


def mirror(shop: Shop) -> None:
    with transaction() as session:
        enqueue(session, "crm.mirror_tags", appid=OFFICIAL)
    assert [each for each in shop.drain() if "mirror" in each] == ["crm.mirror_tags:done"]


def test_tags_go_both_ways_and_stay_the_same(crowded: Shop) -> None:
    start(crowded)
    crowded.drain()
    with transaction() as session:
        everybody = list(session.scalars(select(Member)))
        tag = tags.ensure_tag(
            session, everybody[0].merchant_id, "爱喝手冲", now=clock.now(), mirrored=True
        )
        own = tags.ensure_tag(session, everybody[0].merchant_id, "只在这里", now=clock.now())
        for each in (tag, own):
            ids = [member.id for member in everybody[:3]]
            tags.put(session, each, ids, actor="staff:1", now=clock.now())
    openids = sorted(at_wechat(crowded))
    theirs = crowded.world.tags.create(OFFICIAL, "微信上的")
    for openid in openids[:2]:
        follow = crowded.world.followers.find(OFFICIAL, openid)
        assert follow is not None
        follow.tags = [*follow.tags, theirs]

    mirror(crowded)
    assert len(tagged(crowded, "爱喝手冲")) == worn("爱喝手冲") == 3
    assert tagged(crowded, "只在这里") == set()
    assert worn("微信上的") == 2

    dropped = sorted(tagged(crowded, "爱喝手冲"))[0]  # taken off at WeChat
    follow = crowded.world.followers.find(OFFICIAL, dropped)
    assert follow is not None
    follow.tags = []
    with transaction() as session:  # and one taken off here
        imported = session.scalars(select(Tag).where(Tag.name == "微信上的")).one()
        here = tags.wearers(session, imported.id, OFFICIAL)
        tags.take_off(session, imported, [next(iter(here.values()))])
    mirror(crowded)
    assert len(tagged(crowded, "爱喝手冲")) == worn("爱喝手冲") == 2
    assert len(tagged(crowded, "微信上的")) == worn("微信上的") == 1


def test_a_mirroring_that_was_cut_off_is_gone_on_with(crowded: Shop) -> None:
    start(crowded)
    crowded.drain()
    with transaction() as session:
        everybody = [member.id for member in session.scalars(select(Member))]
        merchant_id = session.scalars(select(Member.merchant_id)).first() or 0
        tag = tags.ensure_tag(session, merchant_id, "爱喝手冲", now=clock.now(), mirrored=True)
        tags.put(session, tag, everybody[:4], actor="staff:1", now=clock.now())
    mirror(crowded)
    with transaction() as session:
        tags.put(session, tag, everybody[4:], actor="staff:1", now=clock.now())
        tags.take_off(session, tag, everybody[:1])
    crowded.fault(api="api.untag_users", kind="error", errcode=-1, times=9)

    with transaction() as session:
        enqueue(session, "crm.mirror_tags", appid=OFFICIAL)
    crowded.drain()

    assert len(tagged(crowded, "爱喝手冲")) == 7  # nobody was taken off
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(MirroredTag)) == 7
    crowded.world.faults.remove()
    mirror(crowded)
    assert len(tagged(crowded, "爱喝手冲")) == worn("爱喝手冲") == 6
    with reading() as session:
        assert session.scalar(select(func.count()).select_from(MirroredTag)) == 6


def test_who_wears_twenty_already_keeps_nobody_else_from_it(crowded: Shop) -> None:
    start(crowded)
    crowded.drain()
    full = sorted(at_wechat(crowded))[0]
    follow = crowded.world.followers.find(OFFICIAL, full)
    assert follow is not None
    follow.tags = [
        crowded.world.tags.create(OFFICIAL, f"长得很长的名字不会过来的标签{n:02}")
        for n in range(20)
    ]
    with transaction() as session:
        everybody = list(session.scalars(select(Member)))
        tag = tags.ensure_tag(
            session, everybody[0].merchant_id, "爱喝手冲", now=clock.now(), mirrored=True
        )
        ids = [member.id for member in everybody]
        tags.put(session, tag, ids, actor="staff:1", now=clock.now())

    mirror(crowded)
    mirror(crowded)

    assert tagged(crowded, "爱喝手冲") == at_wechat(crowded) - {full}
    assert worn("爱喝手冲") == 7


def test_a_tag_that_a_segment_puts_on_is_worn_at_wechat_within_the_hour(crowded: Shop) -> None:
    start(crowded)
    crowded.drain()
    with transaction() as session:
        everybody = list(session.scalars(select(Member).order_by(Member.id)))
        for member in everybody[:3]:
            member.spent_fen = 20_000
        rule = {"field": "spent", "op": ">=", "value": 10_000}
        tag = tags.ensure_tag(
            session, everybody[0].merchant_id, "大客", now=clock.now(), mirrored=True
        )
        segment = make_segment(session, rule, now=clock.now())
        segment.tag_id = tag.id
        tags.put(session, tag, [everybody[5].id], actor="staff:1", now=clock.now())

    def refresh() -> None:
        run_inline("crm.refresh_segment", segment_id=segment.id)
        with transaction() as session:
            waiting = select(OutboxJob).where(
                OutboxJob.name == "crm.mirror_tags", OutboxJob.state == JobState.waiting
            )
            [job] = session.scalars(waiting)  # one for all that changes within the hour
            assert job.run_at > clock.now()
            job.run_at = clock.now()
            job.key = None
        crowded.drain()

    refresh()
    assert len(tagged(crowded, "大客")) == worn("大客") == 4
    with transaction() as session:
        session.get_one(Member, everybody[0].id).spent_fen = 0
    refresh()
    assert len(tagged(crowded, "大客")) == worn("大客") == 3


@pytest.mark.parametrize(
    ("total", "missing", "whole"), [(50, 2, True), (50, 3, False), (2_000_000, 10_000, False)]
)
def test_a_reading_that_lacks_a_page_is_not_whole(total: int, missing: int, whole: bool) -> None:
    assert syncing.is_whole(FollowerSync(total=total, seen=total - missing)) is whole
