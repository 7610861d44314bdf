"""Followers as WeChat counts them: reading them anew, how far that is, and mirrored tags."""

from flask import Response, request, url_for

from console import reply, words
from console.access import me, staff
from console.official import code_days
from console.official.blueprint import find_account, get_account, page, shown
from core import audit
from core.clock import now as clock_now
from core.database import reading, transaction
from core.outbox import enqueue
from crm import tags
from messaging import syncing
from messaging.models import SyncState


@page.get("/followers")
@staff("official.manage")
def audience() -> Response:
    now = clock_now()
    with reading() as session:
        account = find_account(session)
        if account is None:
            return reply.page("official/followers.html", account=None)
        sync = syncing.find(session, account.appid)
        following = syncing.count_following(session, account.appid)
        bare = syncing.count_bare(session, account.appid)
        known = tags.list_tags(session, me().merchant_id)
        days = code_days.of(session, account.appid, now)
    running = sync is not None and sync.state is SyncState.running
    seen = None
    if sync is not None:
        seen = {
            "running": running,
            "seen": words.count(sync.seen),
            "total": words.count(max(sync.total, sync.seen)),
            "percent": round(100 * sync.seen / sync.total) if sync.total else 0,
            "fresh": words.count(sync.fresh),
            "gone": words.count(sync.gone),
            "whole": syncing.is_whole(sync) or not following,
            "at": words.when(sync.finished_at or sync.started_at, now),
        }
    return reply.page(
        "official/followers.html",
        account=shown(account),
        sync=seen,
        following=words.count(following),
        bare=words.count(bare) if bare else "",
        days=days,
        tags=[
            {"id": tag.id, "name": tag.name, "used": words.count(used), "on": tag.mirrored}
            for tag, used in known
        ],
    )


@page.post("/followers/sync")
@staff("settings.manage")
def sync_now() -> Response:
    with transaction() as session:
        account = get_account(session)
        begun = syncing.start(session, account.appid, clock_now())
    said = "开始同步，可以离开这页" if begun else "正在同步，不用再点"
    return reply.done(url_for("console.official.audience"), said)


@page.post("/followers/tags/<int:tag_id>")
@staff("settings.manage")
def mirror_tag(tag_id: int) -> Response:
    wanted, now = request.form.get("mirrored") == "on", clock_now()
    with transaction() as session:
        account = get_account(session)
        tag = tags.get_tag(session, me().merchant_id, tag_id)
        if tags.set_mirrored(session, tag, wanted):
            audit.record(
                session,
                actor=me().actor,
                action="tag.mirror" if wanted else "tag.unmirror",
                subject=f"tag:{tag.id}",
                after={"tag": tag.name},
                merchant_id=me().merchant_id,
                now=now,
            )
            if wanted:
                enqueue(session, "crm.mirror_tags", appid=account.appid)
        name = tag.name
    said = f"「{name}」会和微信保持一样" if wanted else f"「{name}」不再同步，微信上的留着"
    return reply.done(url_for("console.official.audience"), said)
