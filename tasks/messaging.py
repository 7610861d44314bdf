"""Jobs of messaging: the welcome, sending, QR codes, menus, tags, and what was left behind."""

from datetime import datetime, timedelta
from typing import Any

from redis.exceptions import RedisError
from sqlalchemy.orm import Session

import gateways
from core import clock
from core.database import is_away, reading, transaction
from core.errors import LinliError, Unavailable
from core.inbox import InboundEvent
from core.logs import log
from core.outbox import enqueue
from coupons import issuing
from coupons.models import CouponTemplate
from coupons.queries import find_for_moment
from coupons.words import card_title, day
from crm import events, members, reminding, tags, unsent
from crm.journeys import acting
from gateways.wechat.messages import Message
from merchants import staff
from messaging import (
    followers,
    inbox,
    parking,
    receiving,
    remote,
    scenes,
    sending,
    welcome,
)
from messaging.accounts import find_owner
from messaging.materials import remote as uploads
from messaging.menus import remote as menu_remote
from messaging.models import Follower, OutboundState, Scene
from people import identities
from people.models import IdentityKind
from tasks.busy import comes_back
from tasks.registry import Later, Run, job

LEFT_BEHIND = timedelta(seconds=30)
GIVE_UP = timedelta(days=1)
"""What has failed for so long will fail again; in the records it may be acted upon by hand."""
KEPT_SLICE = 200
CUT_OFF = timedelta(minutes=2)
ONCE_MARKETING = {acting.KIND, reminding.KIND}


@job("messaging.welcome_follower", queue="urgent", timeout=30)
@comes_back
def welcome_follower(run: Run, follower_id: int) -> None:
    """A new follower becomes a member, gets the welcome coupon and is told, once for ever.

    Following again only brings the identity up to date.
    """
    with reading() as session:
        follower = session.get_one(Follower, follower_id)
    if not follower.subscribed or follower.merchant_id is None:
        return
    info = gateways.wechat().official(follower.appid).user_info(follower.openid)
    now = clock.now()
    with run.finish() as session:
        member = members.recognise(
            session,
            merchant_id=follower.merchant_id,
            kind=IdentityKind.official,
            appid=follower.appid,
            openid=follower.openid,
            union_id=info.unionid,
            source_store_id=follower.source_store_id,
            source_scene=follower.source_scene,
            now=now,
        )
        identity = identities.find_identity(session, follower.appid, follower.openid)
        assert identity is not None
        followers.bind(session, follower.id, identity.id)
        followers.mark_detailed(session, follower.id, since=None, now=now)
        if staff.find_by_person(session, member.person_id, follower.merchant_id) is not None:
            return  # who followed by an invite has come to work, not to be won as a customer
        scene = scenes.find_scene(session, follower.source_scene)
        _tag_by_scene(session, scene, member.id, now)
        gift = _give_welcome_coupon(session, follower.merchant_id, member.id, scene, now)
        told = welcome.prepare_welcome(session, follower, **gift, now=now)
        if told is not None:
            events.record(
                session, member.id, "followed", store_id=follower.source_store_id, now=now
            )


def _tag_by_scene(session: Session, scene: Scene | None, member_id: int, now: datetime) -> None:
    if scene is not None and scene.tag_id is not None:
        tag = tags.get_tag(session, scene.merchant_id, scene.tag_id)
        tags.put(session, tag, [member_id], actor="system", now=now)


def _give_welcome_coupon(
    session: Session, merchant_id: int, member_id: int, scene: Scene | None, now: datetime
) -> dict[str, Any]:
    """What the member has just been given, if anything, as the welcome tells it: the coupon of the
    code that they followed through, else everybody's."""
    nothing: dict[str, Any] = {"gift": None}
    if scene is not None and scene.template_id is not None:
        template = session.get(CouponTemplate, scene.template_id)
    else:
        template = find_for_moment(session, merchant_id, "welcome")
    if template is None:
        return nothing
    try:
        with session.begin_nested():
            coupon = issuing.issue(
                session,
                template.id,
                member_id,
                source="welcome",
                key=welcome.gift_key(merchant_id, member_id),
                now=now,
            )
    except LinliError as refused:  # all given away, or the offer is paused
        log.info("no_welcome_coupon", code=refused.code, template_id=template.id)
        return nothing
    if coupon is None:
        return nothing
    return {
        "gift": template.name,
        "title": card_title(template),
        "until": day(coupon.expires_at),
    }


@job("messaging.deliver", queue="urgent", timeout=30)
@comes_back
def deliver(run: Run, message_id: int) -> None:
    """Send one prepared message; a template message without an answer is asked for again."""
    state = remote.deliver(message_id)
    if state is OutboundState.unknown:
        with reading() as session:
            message = sending.get_message(session, message_id)
        if sending.may_ask_again(message, clock.now()):
            raise Later(30)


@job("messaging.deliver_marketing", queue="messages", timeout=30)
def deliver_marketing(run: Run, message_id: int) -> None:
    """The same for a message of marketing: a journey's morning must not hold up what somebody
    waits for. Who has refused meanwhile is not written to. What was not sent leaves the member's
    contact to somebody else."""
    with run.transaction() as session:
        unsent.hold_back(session, message_id, now=clock.now())
    deliver(run, message_id=message_id)
    with run.finish() as session:
        unsent.return_contact(session, message_id)


@job("messaging.note_scan", queue="default")
def note_scan(
    run: Run, appid: str, openid: str, scene_id: int, at: str, followed: bool = False
) -> None:
    """A code was scanned: it is counted, and a follower's timeline says at which store."""
    when = datetime.fromisoformat(at)
    with run.finish() as session:
        scene = session.get_one(Scene, scene_id)
        scenes.count_scan(session, scene_id, clock.business_day(when), followed=followed)
        if followed or scene.store_id is None:
            return
        identity = identities.find_identity(session, appid, openid)
        if identity is None:
            return
        member = members.find(session, merchant_id=scene.merchant_id, person_id=identity.person_id)
        if member is not None:
            happened = events.Event("scanned", when, scene.store_id, {"scene": scene.kind.value})
            events.record_many(session, member.id, [happened], now=clock.now())


@job("messaging.create_scene_qr", queue="default")
@comes_back
def create_scene_qr(run: Run, scene_id: int) -> None:
    """WeChat makes the picture of a scene."""
    remote.create_scene_qr(scene_id)


@job("messaging.publish_menus", queue="default")
@comes_back
def publish_menus(run: Run, appid: str) -> None:
    """Publish the default menu and the staff's, and tag the staff we know."""
    menu_remote.publish_menus(appid)
    with reading() as session:
        openids = menu_remote.list_staff_openids(session, appid)
    menu_remote.tag_staff(appid, openids)


@job("messaging.publish_menu", queue="urgent")
@comes_back
def publish_menu(run: Run, version_id: int) -> None:
    """Somebody drew a menu and wants it at WeChat."""
    menu_remote.publish(version_id)


@job("messaging.drop_material", queue="bulk")
def drop_material(run: Run, material_id: int) -> None:
    """What was dropped here is dropped at WeChat; that it is gone there is as good."""
    uploads.drop(material_id)


@job("messaging.tag_staff", queue="urgent")
@comes_back
def tag_staff(run: Run, appid: str, openid: str) -> None:
    """Somebody accepted an invite: they see the staff menu, and are one person everywhere."""
    menu_remote.tag_staff(appid, [openid])
    info = gateways.wechat().official(appid).user_info(openid)
    with run.finish() as session:
        owner = find_owner(session, appid)
        if owner is not None:
            members.recognise(
                session,
                merchant_id=owner.id,
                kind=IdentityKind.official,
                appid=appid,
                openid=openid,
                union_id=info.unionid,
                now=clock.now(),
            )


@job("messaging.untag_staff", queue="urgent")
@comes_back
def untag_staff(run: Run, appid: str, openid: str) -> None:
    """Somebody's work has ended: their menu is a customer's again, unless they are back."""
    with reading() as session:
        works = receiving.find_staff(session, appid, openid) is not None
    if not works:
        menu_remote.untag_staff(appid, openid)


@job("messaging.act_on_kept", queue="urgent", timeout=60)
def act_on_kept(run: Run) -> None:
    """Act on the messages that callbacks have stored and answered, a slice at a time."""
    number = KEPT_SLICE
    while number == KEPT_SLICE:
        ids: list[int] = []
        try:
            with run.transaction() as session:
                kept = inbox.list_kept(session, limit=KEPT_SLICE)
                ids = [event.id for event in kept]
                inbox.act_on_kept(session, kept, now=clock.now())
        except Exception as error:  # one message must not keep the others waiting
            if is_away(error):
                raise
            log.error("messages_not_acted_upon", exc_info=error)
            with run.transaction() as session:
                inbox.leave(session, ids)
        number = len(ids)


@job("messaging.sweep", queue="default", timeout=120)
def sweep(run: Run) -> None:
    """Take up what was left behind: parked bodies, unacted messages, sendings that were cut off."""
    _unpark()
    now = clock.now()
    left = _left_behind(now, None)
    while left:
        for event in left:
            _act_on_left(event, now)
        left = _left_behind(now, left[-1])
    with run.finish() as session:
        sending.settle_stuck(session, before=now - CUT_OFF, now=now)
        for message_id in sending.list_to_ask_again(session, now=now):
            enqueue(session, "messaging.deliver", message_id=message_id)
        for message_id, kind in sending.take_up_forgotten(session, now=now):
            marketing = kind in ONCE_MARKETING
            name = "messaging.deliver_marketing" if marketing else "messaging.deliver"
            enqueue(session, name, message_id=message_id)


def _unpark() -> None:
    """Bodies that waited in Redis go into the inbox, oldest first, and are acted upon."""
    try:
        while (waiting := parking.oldest()) is not None:
            ticket, source, message = waiting
            with transaction() as session:
                inbox.store(session, source, message, now=clock.now())
            parking.drop(ticket)
            _act(source, message)
    except (RedisError, Unavailable):
        return  # Redis is away: what it keeps is taken up next time


def _left_behind(now: datetime, after: InboundEvent | None) -> list[InboundEvent]:
    with reading() as session:
        return inbox.list_unacted(session, before=now - LEFT_BEHIND, after=after)


def _act_on_left(event: InboundEvent, now: datetime) -> None:
    try:
        with transaction() as session:
            inbox.act_on_left(session, event.id, now=clock.now())
    except Exception as error:  # one message must not keep the others waiting
        if is_away(error):
            raise
        log.error("message_not_acted_upon", source=event.source, exc_info=error)
        if event.received_at < now - GIVE_UP:
            with transaction() as session:
                inbox.give_up(session, event.id)


def _act(source: str, message: Message) -> None:
    """It is too late for a passive reply; everything else happens."""
    try:
        with transaction() as session:
            inbox.act_once(session, source, message, now=clock.now())
    except Exception as error:  # one message must not keep the others waiting
        if is_away(error):
            raise
        log.error("message_not_acted_upon", source=source, exc_info=error)
