"""The member's own page: card, profile, phone, consent, grants; and what the shop is called."""

from flask import g, request
from sqlalchemy.orm import Session

import gateways
from core import limits
from core.clock import now as clock_now
from core.database import reading, transaction
from core.numbers import new_token
from coupons.queries import count_for_member
from crm import consent, events, members, places, profiles, tiers
from crm import phones as verified
from crm.models import Member
from merchants.queries import get_merchant
from messaging import asking, grants
from messaging.accounts import find_mini
from people import phones
from people.models import Person
from wxapp_api.access import member, merchant_code, mini_appid, public
from wxapp_api.blueprints import MEMBER, make_blueprint
from wxapp_api.schemas.members import (
    AskOut,
    AskQuery,
    ChannelOut,
    ConfigOut,
    EventsIn,
    EventsOut,
    GrantsIn,
    MeOut,
    PhoneIn,
    PlaceIn,
    ProfileIn,
    ShopOut,
)
from wxapp_api.schemas.stores import AppQuery

blueprint = make_blueprint("members", "The member and the shop.")


@blueprint.get("/config", responses={200: ConfigOut})
@public
def show_config(query: AppQuery) -> ConfigOut:
    """What the mini-program needs before it knows anybody."""
    appid = mini_appid(query.appid)
    account = gateways.wechat().mini(appid).account
    with reading() as session:
        merchant = get_merchant(session, merchant_code(appid))
    taking = gateways.cashier().list_for(merchant.code)
    return ConfigOut(
        merchant=ShopOut.model_validate(merchant),
        payments=[ChannelOut(channel=pay.channel, ways=sorted(pay.ways)) for pay in taking],
        subscribe_templates=account.subscribe_templates,
    )


@blueprint.get("/me", responses={200: MeOut}, security=MEMBER)
@member
def show_me() -> MeOut:
    """The member's card."""
    with reading() as session:
        return _card(session, members.living(session, g.member.id))


@blueprint.post("/me", responses={200: MeOut}, security=MEMBER)
@member
def change_me(body: ProfileIn) -> MeOut:
    """Change the name, the birthday (once a year) or a consent, of which each change is kept.

    POST, because WeChat's `wx.request` knows no PATCH.
    """
    with transaction() as session:
        me = members.living(session, g.member.id)
        if body.nickname is not None:
            session.get_one(Person, me.person_id).nickname = body.nickname
            me.name = body.nickname
        profiles.change(
            session,
            me,
            birthday=body.birthday,
            gender=body.gender,
            address=body.address,
            actor=f"member:{me.id}",
            now=clock_now(),
        )
        consent.change(
            session,
            me,
            marketing=body.marketing_consent,
            personal_recommendation=body.personal_recommendation,
            now=clock_now(),
        )
        session.flush()
        return _card(session, me)


@blueprint.post("/me/phone", responses={200: MeOut}, security=MEMBER)
@member
def set_phone(body: PhoneIn) -> MeOut:
    """Take the number that WeChat verified; it joins the member with one known by it alone.

    409 `staff_phone`: the number is registered for somebody who works there, nothing is joined.
    """
    limits.check("phone", ip=request.remote_addr, member=g.member.id)
    mini = gateways.wechat().mini(g.identity.appid)
    number = mini.phone_number(body.code, g.identity.openid)
    now = clock_now()
    try:
        with transaction() as session:
            me = verified.verify(session, members.living(session, g.member.id), number, now=now)
            return _card(session, me)
    except phones.StaffPhone:
        with transaction() as session:
            me = members.living(session, g.member.id)
            verified.note_refusal(session, me, now=now)
        raise


@blueprint.post("/subscriptions", responses={204: None}, security=MEMBER)
@member
def record_grants(body: GrantsIn) -> None:
    """What the person answered when asked for reminders.

    Where WeChat pushes messages to us it reports each answer itself, and its word is the one that
    counts; an account without message push has only this report.
    """
    account = find_mini(g.identity.appid)
    if account is None or account.token.get_secret_value():
        return
    known = set(account.subscribe_templates.values())
    with transaction() as session:
        for template_id, answer in sorted(body.grants.items()):
            if template_id not in known or answer not in ("accept", "reject"):
                continue
            now = clock_now()
            whose = {"appid": g.identity.appid, "openid": g.identity.openid}
            whose["template_id"] = template_id
            asking.note_answer(session, **whose, accepted=answer == "accept", at=now)
            if answer == "accept":
                grants.add(session, **whose, now=now)


@blueprint.get("/subscriptions", responses={200: AskOut}, security=MEMBER)
@member
def show_what_to_ask(query: AskQuery) -> AskOut:
    """The templates that a button may ask for on an occasion; empty: do not ask now."""
    with reading() as session:
        found = asking.what_to_ask(
            session,
            appid=g.identity.appid,
            openid=g.identity.openid,
            occasion=query.occasion,
            now=clock_now(),
        )
    return AskOut(templates=found)


@blueprint.post("/events", responses={200: EventsOut}, security=MEMBER)
@member
def record_events(body: EventsIn) -> EventsOut:
    """What the member looked at, in batches; nothing is kept of who switched that off."""
    times = max(1, len(body.events))
    limits.check("events", times=times, ip=request.remote_addr, member=g.member.id)
    if not body.events or not g.member.personal_recommendation:
        return EventsOut(recorded=0)
    now = clock_now()
    batch = {
        item.id or new_token()[:24]: events.Event(item.kind, item.at, data=dict(item.data))
        for item in body.events
    }
    with transaction() as session:
        me = members.living(session, g.member.id)
        return EventsOut(recorded=events.record_batch(session, me.id, batch, now=now))


@blueprint.post("/me/place", responses={204: None}, security=MEMBER)
@member
def record_place(body: PlaceIn) -> None:
    """Where the phone is, when the member has just let the shop know for finding a store.

    Kept to about a kilometre, the last one only, and not for who switched recommendations off.
    """
    limits.check("events", ip=request.remote_addr, member=g.member.id)
    with transaction() as session:
        me = members.living(session, g.member.id)
        places.remember(session, me, body.lat, body.lng, clock_now())


def _card(session: Session, me: Member) -> MeOut:
    person = session.get_one(Person, me.person_id)
    return MeOut(
        id=me.no,
        no=me.no,
        nickname=person.nickname or me.name,
        avatar=person.avatar,
        phone=phones.mask(person.phone) if person.phone else "",
        tier=tiers.name_of(session, me.merchant_id, me.tier),
        points=me.points,
        points_pending=me.points_pending,
        coupons_count=count_for_member(session, me.id, clock_now())["usable"],
        orders_count=me.orders_count,
        birthday=me.birthday,
        gender=me.gender,
        address=me.address or "",
        marketing_consent=me.marketing_consent,
        personal_recommendation=me.personal_recommendation,
    )
