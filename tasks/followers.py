"""Jobs that keep followers and their tags the same here and at WeChat."""

from sqlalchemy.orm import Session

import gateways
from core import clock
from core.config import current_config
from core.database import reading
from core.logs import log
from core.outbox import enqueue
from crm import members, tags
from crm.models import Tag
from gateways.wechat.errors import WechatError
from gateways.wechat.official import OfficialAccount, UserInfo
from messaging import followers, syncing, tag_mirror
from messaging.accounts import find_owner
from messaging.models import SyncState
from people import identities
from people.models import IdentityKind
from tasks.busy import comes_back
from tasks.registry import Run, job

_TOO_MANY_TAGS, _PERSON_FULL, _NAME_EXISTS, _NOT_FOLLOWING = 45056, 45059, 45157, 49003


@job("messaging.sync_all_followers", queue="bulk")
def sync_all_followers(run: Run) -> None:
    """Every night: what an event did not tell is found here."""
    with run.finish() as session:
        for account in current_config().wechat.official_accounts:
            syncing.start(session, account.appid, clock.now())
            owner = find_owner(session, account.appid)
            if owner is not None:
                enqueue(session, "crm.mirror_tags", appid=account.appid)


@job("messaging.sync_followers", queue="bulk", timeout=120)
@comes_back
def sync_followers(run: Run, appid: str, number: int) -> None:
    """One page of followers; the next one is a job of its own."""
    with reading() as session:
        sync = syncing.find(session, appid)
        owner = find_owner(session, appid)
    if sync is None or sync.run != number or sync.state is not SyncState.running:
        return
    page = gateways.wechat().official(appid).list_followers(sync.next_openid)
    now = clock.now()
    more = bool(page.openids and page.next)
    with run.transaction() if not more else run.finish() as session:
        took = not page.openids or syncing.take_page(
            session,
            sync,
            page.openids,
            after=page.next,
            total=page.total,
            merchant_id=owner.id if owner else None,
            now=now,
        )
        if took and more:
            enqueue(session, "messaging.sync_followers", appid=appid, number=number)
    if more or not took:
        return
    with reading() as session:
        sync = syncing.find(session, appid) or sync
    whole = syncing.is_whole(sync, page.total)
    if not whole:
        log.warning("followers_not_all_named", appid=appid, seen=sync.seen, total=page.total)
    dropped = int(whole)
    while dropped:
        with run.transaction() as session:
            dropped = syncing.drop_gone(session, sync, now=now)
    with run.finish() as session:
        if syncing.finish(session, sync, now=now):
            enqueue(session, "messaging.detail_followers", appid=appid)


@job("messaging.detail_followers", queue="bulk", timeout=120)
@comes_back
def detail_followers(run: Run, appid: str) -> None:
    """Who a hundred of the followers are: known by UnionID, they are members without a welcome."""
    with reading() as session:
        bare = syncing.list_bare(session, appid)
        owner = find_owner(session, appid)
    if not bare:
        return
    told = gateways.wechat().official(appid).users([follower.openid for follower in bare])
    known = {info.openid: info for info in told}
    now = clock.now()
    with run.finish() as session:
        for follower in bare:
            info = known.get(follower.openid)
            if info is None or not info.subscribed:
                followers.unfollow(session, appid=appid, openid=follower.openid, at=now)
            elif owner is not None:
                _recognise(session, owner.id, follower.id, appid, info)
            followers.mark_detailed(
                session, follower.id, since=info.subscribe_time if info else None, now=now
            )
        enqueue(session, "messaging.detail_followers", appid=appid)


def _recognise(
    session: Session, merchant_id: int, follower_id: int, appid: str, info: UserInfo
) -> None:
    members.recognise(
        session,
        merchant_id=merchant_id,
        kind=IdentityKind.official,
        appid=appid,
        openid=info.openid,
        union_id=info.unionid,
        now=clock.now(),
    )
    identity = identities.find_identity(session, appid, info.openid)
    if identity is not None:
        followers.bind(session, follower_id, identity.id)


@job("crm.mirror_tags", queue="bulk", timeout=3_600)
@comes_back
def mirror_tags(run: Run, appid: str) -> None:
    """Tags that were made at WeChat come here; those that are mirrored are worn alike."""
    official = gateways.wechat().official(appid)
    there = {
        name: tag_id
        for name, tag_id in official.list_tags().items()
        if tag_id > 2 and name != official.account.staff_tag
    }
    now = clock.now()
    with run.transaction() as session:
        owner = find_owner(session, appid)
        if owner is None:
            return
        for name in there:
            if len(name) <= tags.MAX_LENGTH:
                tags.ensure_tag(session, owner.id, name, now=now, mirrored=True)
        mirrored = tags.list_mirrored(session, owner.id)
    for tag in mirrored[: tag_mirror.MOST_TAGS]:
        tag_id = there.get(tag.name) or _made(official, tag.name)
        if tag_id is not None:
            _mirror(run, official, tag, tag_id)


def _made(official: OfficialAccount, name: str) -> int | None:
    try:
        return official.create_tag(name)
    except WechatError as error:
        if error.errcode not in (_TOO_MANY_TAGS, _NAME_EXISTS):
            raise
        log.info("tag_not_made", errcode=error.errcode)
        return None


def _mirror(run: Run, official: OfficialAccount, tag: Tag, tag_id: int) -> None:
    """Read both sides; then change WeChat's and ours slice by slice, each remembered at once."""
    appid = official.account.appid
    there = set(official.list_tagged(tag_id))
    with reading() as session:
        here = tags.wearers(session, tag.id, appid)
        before = tag_mirror.remembered(session, appid, tag_id)
    wanted = tag_mirror.plan(before, set(here), there)
    for part in tag_mirror.slices(wanted.alike):
        with run.transaction() as session:
            tag_mirror.remember(session, appid, tag_id, part)
    for part in tag_mirror.slices(wanted.add_there):
        refused = _put_slice(official, tag_id, part)
        with run.transaction() as session:
            worn = [openid for openid in part if openid not in refused]
            tag_mirror.remember(session, appid, tag_id, worn)
    for part in tag_mirror.slices(wanted.drop_there):
        for few in tag_mirror.slices(part, tag_mirror.PER_CALL):
            official.untag_users(tag_id, few)
        with run.transaction() as session:
            tag_mirror.forget(session, appid, tag_id, part)
    for part in tag_mirror.slices(wanted.add_here):
        with run.transaction() as session:
            new = tags.members_of(session, tag.merchant_id, appid, set(part))
            tags.put(session, tag, list(new.values()), actor="system", now=clock.now())
            tag_mirror.remember(session, appid, tag_id, list(new))
    for part in tag_mirror.slices(wanted.drop_here | wanted.gone):
        with run.transaction() as session:
            worn_here = [here[openid] for openid in part if openid in here]
            tags.take_off(session, tag, worn_here)
            tag_mirror.forget(session, appid, tag_id, part)


def _put_slice(official: OfficialAccount, tag_id: int, openids: list[str]) -> set[str]:
    refused: set[str] = set()
    for few in tag_mirror.slices(openids, tag_mirror.PER_CALL):
        refused |= _put(official, tag_id, few)
    return refused


def _put(official: OfficialAccount, tag_id: int, openids: list[str]) -> set[str]:
    """Whom WeChat would not tag: one who wears twenty spoils a whole call, so it is halved."""
    try:
        official.tag_users(tag_id, openids)
    except WechatError as error:
        if error.errcode not in (_PERSON_FULL, _NOT_FOLLOWING):
            raise
        if len(openids) == 1:
            log.info("tag_refused", errcode=error.errcode)
            return set(openids)
        half = len(openids) // 2
        return _put(official, tag_id, openids[:half]) | _put(official, tag_id, openids[half:])
    return set()
