"""The demo's people: what they are called, who they are at WeChat, and many of them at once."""

import random
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from cli import demo_codes
from core import rows
from core.crypto import keyring
from core.numbers import DIGITS, random_code
from coupons.issuing import issue_many
from coupons.queries import find_for_moment
from crm.models import Member
from merchants.models import Merchant, Store
from messaging.accounts import minis_of, officials_of
from messaging.models import Follower
from people.models import TAIL, Identity, IdentityKind, Person, tail_index

SURNAMES = "陈林黄张李王吴刘蔡杨许郑谢郭洪曾周叶徐苏"
GIVEN = "思雨、晓晴、一诺、佳怡、子涵、明轩、浩然、雨桐、知夏、以安、若溪、嘉宁、景行、星野、南乔"


def draw_name(chance: random.Random) -> str:
    return chance.choice(SURNAMES) + chance.choice(GIVEN.split("、"))


def union_of(number: int) -> str:
    return f"demo-union-{number:04}"


def phone_of(number: int) -> str | None:
    """The number that four of five have verified: no two end alike, and the first one's in 3097."""
    if number % 5 == 3:
        return None
    return f"13{8 - number % 3}{20_003_097 + number * 48_271 % 70_000_000}"


def openid_of(crowd: Mapping[str, str], appid: str, number: int) -> str:
    return f"{crowd.get(appid, f'demo-{appid[-4:]}-')}{number:016}"


def join_many(
    session: Session,
    merchant: Merchant,
    store: Store,
    crowd: Mapping[str, str],
    numbers: Sequence[int],
    chance: random.Random,
    joined: datetime,
) -> dict[int, int]:
    """Everybody who followed at one store on one day, a handful of statements; member id → number.

    The rows are those that following one by one leaves: person, identities, member, follower and
    the welcome coupon.
    """
    official, mini = officials_of(merchant.code)[0], minis_of(merchant.code)[0]
    unions = {union_of(number): number for number in numbers}
    scene = demo_codes.came_by(session, store.id, numbers[0])
    rows.add_all(
        session,
        Person,
        [
            {"union_id": union, "created_at": joined} | _known_by(phone_of(number))
            for union, number in unions.items()
        ],
    )
    found = select(Person.id, Person.union_id).where(Person.union_id.in_(unions))
    people = {unions[union]: id_ for id_, union in session.execute(found) if union}
    rows.add_all(
        session,
        Identity,
        [
            {
                "person_id": people[number],
                "kind": kind,
                "appid": account.appid,
                "openid": openid_of(crowd, account.appid, number),
                "created_at": joined,
            }
            for number in numbers
            for kind, account in ((IdentityKind.official, official), (IdentityKind.mini, mini))
        ],
    )
    came = {"source_store_id": store.id, "source_scene": scene}
    rows.add_all(
        session,
        Member,
        [
            {
                "merchant_id": merchant.id,
                "person_id": people[number],
                "no": random_code(12, DIGITS),
                "name": draw_name(chance),
                "joined_at": joined,
                **came,
            }
            for number in numbers
        ],
    )
    rows.add_all(
        session,
        Follower,
        [
            {
                "appid": official.appid,
                "openid": openid_of(crowd, official.appid, number),
                "merchant_id": merchant.id,
                "subscribed_at": joined,
                **came,
            }
            for number in numbers
        ],
    )
    theirs = select(Member.person_id, Member.id).where(
        Member.merchant_id == merchant.id, Member.person_id.in_(people.values())
    )
    member_of = dict(session.execute(theirs).all())
    members = {member_of[person]: number for number, person in people.items()}
    welcome = find_for_moment(session, merchant.id, "welcome")
    if welcome is not None:
        issue_many(session, welcome, sorted(members), source="welcome", now=joined)
    return members


def _known_by(phone: str | None) -> dict[str, str | None]:
    """A verified number as it is kept: sealed, and found by keyed hashes."""
    keys = keyring()
    return {
        "phone": phone,
        "phone_hash": keys.blind_index(phone) if phone else None,
        "phone_tail": tail_index(phone[-TAIL:]) if phone else None,
    }
