"""Asking WeChat about broadcasts: prepare, call, record. No transaction spans a call."""

from collections.abc import Callable
from datetime import datetime
from html import escape
from typing import Any

from sqlalchemy import select, update

import gateways
from core import rows
from core.clock import now as clock_now
from core.config import current_config
from core.database import claim, reading, retrying, transaction
from core.logs import log
from gateways.wechat import mass as wechat_mass
from gateways.wechat.errors import WechatError, WechatUnavailable
from messaging.accounts import find_official, mini_for_official
from messaging.broadcasts import quotas, reports
from messaging.broadcasts.drafting import ARTICLE, IMAGE, VIDEO, VOICE
from messaging.broadcasts.errors import BroadcastMoved
from messaging.broadcasts.launching import address
from messaging.broadcasts.models import (
    Audience,
    Broadcast,
    BroadcastRecipient,
    BroadcastState,
    MassSend,
    MassState,
)
from messaging.broadcasts.moving import RECOGNISED, move, move_mass, settled
from messaging.words import mini_link

TOO_SOON = 45066
GONE = 40009
"""WeChat knows no such broadcast (any more)."""
AT_WECHAT = (MassState.accepted, MassState.finished)


def preview(broadcast_id: int, *, actor: str, openid: str = "", wechat_id: str = "") -> None:
    """Show a draft to one person; it may be sent from then on.

    Raises WechatError or WechatUnavailable, and BroadcastMoved when it is no draft any more.
    """
    broadcast = _read(broadcast_id)
    if broadcast.state not in (BroadcastState.draft, BroadcastState.previewed):
        raise BroadcastMoved
    content = _content(broadcast)
    gateways.wechat().official(broadcast.appid).mass.preview(
        content, openid=openid, wechat_id=wechat_id
    )
    now = clock_now()
    with transaction() as session:
        fresh = session.get_one(Broadcast, broadcast_id, populate_existing=True)
        if fresh.state is BroadcastState.draft and fresh.content == broadcast.content:
            to = BroadcastState.previewed
            move(session, fresh, to, actor=actor, now=now, previewed_at=now)


def gather_tagged(broadcast: Broadcast) -> None:
    """Write down who wears the broadcast's tag: WeChat is asked, page by page."""
    assert broadcast.tag_id is not None
    account = gateways.wechat().official(broadcast.appid)
    for openids in account.mass.followers_of_tag(broadcast.tag_id):
        with transaction() as session:
            address(session, broadcast.id, openids)


def send(mass_id: int) -> MassState:
    """Ask WeChat once, under the request's own client id; returns where it stands.

    WeChat's being busy is raised for the job to come back. No answer leaves it `unknown`: the
    sweep asks again, under the same id.
    """
    now = clock_now()
    begun = retrying(_begin, mass_id, now)
    if begun is None:
        with reading() as session:
            return session.get_one(MassSend, mass_id).state
    mass, broadcast, openids, asked_before = begun
    # What was never asked for waits as if new; what may have been heard stays of unknown outcome.
    back = MassState.unknown if asked_before else MassState.prepared
    try:
        accepted = _call(mass, broadcast, openids)
    except WechatUnavailable as error:
        if error.sent:
            return retrying(_record, mass, MassState.unknown)
        retrying(_record, mass, back)
        raise
    except WechatError as error:
        if error.errcode == TOO_SOON:  # it has the request, or had it a moment ago
            retrying(_record, mass, MassState.unknown)
            raise
        if error.transient:
            retrying(_record, mass, back)
            raise
        log.info("mass_send_refused", mass_send_id=mass.id, errcode=error.errcode)
        return retrying(_record, mass, MassState.failed, errcode=error.errcode)
    return retrying(_record, mass, MassState.accepted, msg_id=accepted.msg_id)


def ask(mass: MassSend) -> None:
    """Ask after a request whose event never came."""
    status = gateways.wechat().official(mass.appid).mass.status(mass.msg_id)
    with transaction() as session:
        reports.conclude(session, mass, status, now=clock_now())


def take_back(broadcast_id: int) -> bool:
    """Ask for each request that WeChat has; whether all there will be is decided.

    To delete twice does no harm. WeChat's being busy is raised for the job to come back.
    """
    with reading() as session:
        sends = session.scalars(
            select(MassSend)
            .where(MassSend.broadcast_id == broadcast_id, MassSend.state != MassState.failed)
            .order_by(MassSend.id)
        ).all()
    for mass in sends:
        if mass.taken_back_at or mass.kept_errcode is not None or mass.state not in AT_WECHAT:
            continue
        errcode = None
        try:
            gateways.wechat().official(mass.appid).mass.delete(mass.msg_id)
        except WechatError as error:
            if error.transient:
                raise
            errcode = None if error.errcode == GONE else error.errcode
        now = clock_now()
        at = now if errcode is None else None
        with transaction() as session:
            done = update(MassSend).where(MassSend.id == mass.id)
            claim(session, done.values(taken_back_at=at, kept_errcode=errcode))
    return all(mass.state in AT_WECHAT for mass in sends)


def _begin(mass_id: int, now: datetime) -> tuple[MassSend, Broadcast, list[str], bool] | None:
    """Claim the request, with the people it is for, and whether it was asked for before; None: it
    is not ours to ask."""
    with reading() as session:
        mass = session.get_one(MassSend, mass_id)
        broadcast = session.get_one(Broadcast, mass.broadcast_id)
    if mass.state not in (MassState.prepared, MassState.unknown):
        return None
    over = mass.first_sent_at is not None and now - mass.first_sent_at >= RECOGNISED
    if mass.state is MassState.unknown and over:
        return None
    with transaction() as session:
        asked_before = mass.state is MassState.unknown
        first = mass.first_sent_at or now if asked_before else now
        expected = {"id": mass_id, "state": mass.state}
        sending = {"state": MassState.sending, "first_sent_at": first, "changed_at": now}
        if rows.compare_and_set(session, MassSend, expected, sending) != 1:
            return None
        mass = session.get_one(MassSend, mass_id, populate_existing=True)
        broadcast = session.get_one(Broadcast, mass.broadcast_id, populate_existing=True)
        if broadcast.audience is Audience.all:
            return mass, broadcast, [], asked_before  # WeChat knows whom: a million names unread
        openids = session.scalars(
            select(BroadcastRecipient.openid)
            .where(BroadcastRecipient.mass_send_id == mass_id)
            .order_by(BroadcastRecipient.id)
        ).all()
    return mass, broadcast, list(openids), asked_before


def _call(mass: MassSend, broadcast: Broadcast, openids: list[str]) -> wechat_mass.Accepted:
    account = gateways.wechat().official(mass.appid).mass
    content = _content(broadcast)
    if broadcast.audience is Audience.all:
        return account.send_to_all(content, mass.client_id)
    return account.send(openids, content, mass.client_id)


def _record(
    mass: MassSend, to: MassState, *, msg_id: str = "", errcode: int | None = None
) -> MassState:
    now = clock_now()
    with transaction() as session:
        values: dict[str, Any] = {"msg_id": msg_id, "errcode": errcode}
        if to is MassState.prepared:
            values["first_sent_at"] = None
        if not move_mass(session, mass.id, to, now=now, **values):
            return session.get_one(MassSend, mass.id, populate_existing=True).state
        fresh = session.get_one(MassSend, mass.id, populate_existing=True)
        if to is MassState.failed:
            quotas.give_back(session, fresh)
            settled(session, fresh, now=now)
        if to is MassState.accepted and msg_id:
            reports.settle(session, fresh, now=now)  # the event may have been faster
    return to


def _content(broadcast: Broadcast) -> dict[str, Any]:
    """What WeChat is given; an article or a film is kept at the account once, to be sent by."""
    given = broadcast.content
    if broadcast.kind == IMAGE:
        return wechat_mass.picture(given["media"])
    if broadcast.kind == VOICE:
        return wechat_mass.voice(given["media"])
    if broadcast.kind == VIDEO:
        return wechat_mass.film(_kept(broadcast, _add_film))
    if broadcast.kind == ARTICLE:
        return wechat_mass.article(_kept(broadcast, _add_article))
    return wechat_mass.text(words(broadcast))


def _kept(broadcast: Broadcast, add: Callable[[Broadcast], str]) -> str:
    if not broadcast.media_id:
        media_id = add(broadcast)
        with transaction() as session:
            fresh = session.get_one(Broadcast, broadcast.id)
            if not fresh.media_id and fresh.content == broadcast.content:
                fresh.media_id = media_id
        broadcast.media_id = media_id
    return broadcast.media_id


def _add_film(broadcast: Broadcast) -> str:
    given, account = broadcast.content, gateways.wechat().official(broadcast.appid)
    return account.mass.add_film(given["media"], given["title"], given["digest"])


def _add_article(broadcast: Broadcast) -> str:
    given, account = broadcast.content, find_official(broadcast.appid)
    article = {
        "title": given["title"],
        "digest": given["digest"],
        "content": _paragraphs(given["body"]),
        "content_source_url": given["url"],
        "thumb_media_id": given.get("cover") or (account.card_media_id if account else ""),
    }
    return gateways.wechat().official(broadcast.appid).mass.add_draft(article)


def words(broadcast: Broadcast) -> str:
    """The text as it is sent, with the way into the mini-program under it."""
    text, page = str(broadcast.content["text"]), str(broadcast.content.get("page") or "")
    if not page:
        return text
    base_url = current_config().app.base_url
    mini = mini_for_official(broadcast.appid)
    return f"{text}\n{mini_link('打开小程序 →', page, mini=mini, base_url=base_url)}"


def _paragraphs(body: str) -> str:
    parts = (part.strip() for part in body.split("\n"))
    return "".join(f"<p>{escape(part)}</p>" for part in parts if part)


def _read(broadcast_id: int) -> Broadcast:
    with reading() as session:
        return session.get_one(Broadcast, broadcast_id)
