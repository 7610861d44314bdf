"""Who is behind an openid: one of the staff, a member, or somebody who is neither yet."""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import url_for
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session, aliased

from console import people
from console.access import me
from crm.models import Member
from merchants.models import Staff, StaffState
from people.models import Identity, Person

Address = tuple[str, str]
"""An appid and an openid."""


@dataclass(frozen=True)
class Sender:
    """`href` leads to the member whom they are, if any; staff are known by their own name."""

    name: str
    colour: str = ""
    href: str = ""
    is_staff: bool = False


def find(session: Session, addresses: Iterable[Address]) -> dict[Address, Sender]:
    """A sender for each address; two queries, however many."""
    wanted = set(addresses)
    if not wanted:
        return {}
    members = _members(session, wanted)
    staff = _staff(session, wanted)
    return {each: _sender(members.get(each), staff.get(each, "")) for each in wanted}


def _sender(member: Member | None, staff_name: str) -> Sender:
    return Sender(
        staff_name or people.name_of(member),
        people.colour(member) if member else "",
        url_for("console.members.show", no=member.no)
        if member and me().may("members.view")
        else "",
        bool(staff_name),
    )


def _members(session: Session, wanted: set[Address]) -> dict[Address, Member]:
    found = session.execute(
        select(Identity.appid, Identity.openid, Member)
        .join(Member, Member.person_id == Identity.person_id)
        .where(
            *_is_one_of(wanted),
            Member.merchant_id == me().merchant_id,
            Member.merged_into_id.is_(None),
        )
    )
    return {(appid, openid): member for appid, openid, member in found}


def _staff(session: Session, wanted: set[Address]) -> dict[Address, str]:
    """Names of those who work here, also under a person that was merged into them."""
    bound = aliased(Person)
    found = session.execute(
        select(Identity.appid, Identity.openid, Staff.name)
        .join(bound, Identity.person_id.in_((bound.id, bound.merged_into_id)))
        .join(Staff, Staff.person_id == bound.id)
        .where(
            *_is_one_of(wanted),
            Staff.merchant_id == me().merchant_id,
            Staff.state == StaffState.active,
        )
    )
    return {(appid, openid): name for appid, openid, name in found}


def _is_one_of(wanted: set[Address]) -> tuple[ColumnElement[bool], ...]:
    """Both columns by themselves: an index is walked for that. Openids differ between accounts."""
    appids, openids = zip(*wanted, strict=True)
    return Identity.appid.in_(set(appids)), Identity.openid.in_(openids)
