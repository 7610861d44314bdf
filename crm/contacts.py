"""The frequency cap over everything that is marketing, and the hours when nobody is written to.

Campaigns, journeys, reminders and broadcasts all take a member's contact here before they issue or
send: `claim_many` for the people at hand, `under_cap` where the answer has to be part of a
statement. Who takes a contact locks the merchant's rules, so that two who act at once cannot both
be the last one allowed.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select, true
from sqlalchemy.orm import Session

from core import audit
from core.clock import local
from core.database import claim, insert_ignore
from crm.errors import MarketingRulesInvalid
from crm.models import MarketingContact, MarketingRules, Member

Hours = tuple[int, int]
"""From, until: of the store's day; past midnight when the first is the later."""
NIGHT: Hours = (22, 8)
LONGEST_DAYS = 90
KEEP = timedelta(days=LONGEST_DAYS + 1)
"""How long a contact may still count against a cap."""
_SLICE = 1_000


@dataclass(frozen=True)
class Rules:
    """A merchant's rules; see `crm.models.MarketingRules`. `quiet_hours`: (from, until)."""

    most: int = 4
    days: int = 7
    quiet_hours: Hours | None = NIGHT
    approval_people: int | None = None
    approval_fen: int | None = None
    liability_fen: int | None = None


def rules_of(session: Session, merchant_id: int) -> Rules:
    """What the merchant has set, or what holds until it does."""
    row = session.get(MarketingRules, merchant_id, populate_existing=True)
    return Rules() if row is None else _read(row)


def set_rules(
    session: Session, merchant_id: int, *, actor: str, now: datetime, **changes: Any
) -> Rules:
    """Change some of the rules. Raises MarketingRulesInvalid with every fault."""
    before = _lock(session, merchant_id)
    rules = replace(before, **changes)
    _check(rules)
    values = _columns(rules)
    row = session.get_one(MarketingRules, merchant_id)
    for name, value in values.items():
        setattr(row, name, value)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="marketing.rules",
        subject=f"merchant:{merchant_id}",
        before=_columns(before),
        after=values,
        merchant_id=merchant_id,
        now=now,
    )
    return rules


def under_cap(rules: Rules, now: datetime) -> ColumnElement[bool]:
    """For a row of `members`: the cap leaves room for one more message."""
    if not rules.most:
        return true()
    lately = (
        select(func.count())
        .where(
            MarketingContact.member_id == Member.id,
            MarketingContact.at > now - timedelta(days=rules.days),
        )
        .correlate(Member)
        .scalar_subquery()
    )
    return lately < rules.most


def claim_many(
    session: Session,
    merchant_id: int,
    member_ids: Iterable[int],
    *,
    kind: str,
    ref: str,
    now: datetime,
) -> set[int]:
    """Take a contact for each member whom the cap leaves one; those members.

    `kind` is what writes (`campaign`, `journey`, `reminder`, `broadcast`), `ref` its occasion: the
    same (kind, ref) takes one contact of a member however often it is repeated. The rules are
    locked until the end of the transaction: take no template or coupon before.
    """
    rules = _lock(session, merchant_id)
    wanted = sorted(set(member_ids))
    allowed: set[int] = set()
    for start in range(0, len(wanted), _SLICE):
        ids = wanted[start : start + _SLICE]
        mine = select(MarketingContact.member_id).where(
            MarketingContact.member_id.in_(ids),
            MarketingContact.kind == kind,
            MarketingContact.ref == ref,
        )
        noted = set(session.scalars(mine))
        full = _at_cap(session, rules, ids, now) - noted
        fresh = [id_ for id_ in ids if id_ not in noted and id_ not in full]
        rows = [{"member_id": id_, "kind": kind, "ref": ref, "at": now} for id_ in fresh]
        insert_ignore(session, MarketingContact, rows)
        allowed |= noted | set(fresh)
    return allowed


def take_back(session: Session, member_ids: Iterable[int], *, kind: str, ref: str) -> int:
    """Contacts that came to nothing: the message was certainly not sent."""
    return claim(
        session,
        delete(MarketingContact).where(
            MarketingContact.member_id.in_(list(member_ids)),
            MarketingContact.kind == kind,
            MarketingContact.ref == ref,
        ),
    )


def move(session: Session, *, winner_id: int, loser_id: int) -> None:
    """A merge: what the loser was written counts for the winner; one cause stays one contact."""
    theirs = select(MarketingContact.kind, MarketingContact.ref, MarketingContact.at).where(
        MarketingContact.member_id == loser_id
    )
    rows = [
        {"member_id": winner_id, "kind": kind, "ref": ref, "at": at}
        for kind, ref, at in session.execute(theirs)
    ]
    insert_ignore(session, MarketingContact, rows)
    claim(session, delete(MarketingContact).where(MarketingContact.member_id == loser_id))


def forget(session: Session, *, now: datetime, limit: int = 5_000) -> int:
    """Forget the next slice of contacts that no cap looks at any more; how many that were."""
    old = select(MarketingContact.id).where(MarketingContact.at < now - KEEP)
    ids = session.scalars(old.order_by(MarketingContact.at).limit(limit)).all()
    claim(session, delete(MarketingContact).where(MarketingContact.id.in_(ids)))
    return len(ids)


def held_until(
    session: Session, merchant_id: int, now: datetime, *, stricter: Hours | None = None
) -> datetime | None:
    """When marketing may be sent again, or None: now. A campaign may be stricter than the rules,
    never laxer: what begins where the other ends is one long silence."""
    spans = (rules_of(session, merchant_id).quiet_hours, stricter)
    until = None
    for span in spans * 2:
        until = quiet_until(span, until or now) or until
    return until


def speaking_hours(*spans: Hours | None) -> int:
    """How many hours of the day these quiet hours leave."""
    quiet = [span for span in spans if span is not None]
    return sum(not any(_is_inside(span, hour) for span in quiet) for hour in range(24))


def quiet_until(hours: Hours | None, now: datetime) -> datetime | None:
    """The end of the quiet hours that we are in, or None. Hours are the store's."""
    if hours is None:
        return None
    here = local(now)
    if not _is_inside(hours, here.hour):
        return None
    until = here.replace(hour=hours[1], minute=0, second=0, microsecond=0)
    return until if until > here else until + timedelta(days=1)


def check_hours(hours: Hours | None) -> str:
    """What is wrong with quiet hours, in words; empty: nothing."""
    if hours is None:
        return ""
    begin, end = hours
    if not (0 <= begin <= 23 and 0 <= end <= 23) or begin == end:
        return "时间要在 0 到 23 点之间，而且不能相同"
    return ""


def _is_inside(hours: Hours, hour: int) -> bool:
    begin, end = hours
    return begin <= hour < end if begin < end else hour >= begin or hour < end


def lock_rules(session: Session, merchant_id: int) -> MarketingRules:
    """The rules' row, made if it is missing, ours until the end of the transaction."""
    row = _find_locked(session, merchant_id)
    if row is None:
        first = {"merchant_id": merchant_id, "gone_fen": 0, **_columns(Rules())}
        insert_ignore(session, MarketingRules, [first])
        row = _find_locked(session, merchant_id)
    assert row is not None
    return row


def _lock(session: Session, merchant_id: int) -> Rules:
    return _read(lock_rules(session, merchant_id))


def _at_cap(session: Session, rules: Rules, member_ids: list[int], now: datetime) -> set[int]:
    if not rules.most:
        return set()
    lately = (
        select(MarketingContact.member_id)
        .where(
            MarketingContact.member_id.in_(member_ids),
            MarketingContact.at > now - timedelta(days=rules.days),
        )
        .group_by(MarketingContact.member_id)
        .having(func.count() >= rules.most)
    )
    return set(session.scalars(lately))


def _find_locked(session: Session, merchant_id: int) -> MarketingRules | None:
    return session.scalar(
        select(MarketingRules)
        .where(MarketingRules.merchant_id == merchant_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )


def _read(row: MarketingRules) -> Rules:
    begin, end = row.quiet_from_hour, row.quiet_until_hour
    return Rules(
        most=row.contacts_most,
        days=row.contacts_days,
        quiet_hours=None if begin is None or end is None else (begin, end),
        approval_people=row.approval_people,
        approval_fen=row.approval_fen,
        liability_fen=row.liability_fen,
    )


def _columns(rules: Rules) -> dict[str, int | None]:
    begin, end = rules.quiet_hours or (None, None)
    return {
        "contacts_most": rules.most,
        "contacts_days": rules.days,
        "quiet_from_hour": begin,
        "quiet_until_hour": end,
        "approval_people": rules.approval_people,
        "approval_fen": rules.approval_fen,
        "liability_fen": rules.liability_fen,
    }


def _check(rules: Rules) -> None:
    errors: dict[str, str] = {}
    if not 0 <= rules.most <= 99:
        errors["most"] = "次数要在 0 到 99 之间，0 是不限"
    if not 1 <= rules.days <= LONGEST_DAYS:
        errors["days"] = f"天数要在 1 到 {LONGEST_DAYS} 之间"
    if wrong := check_hours(rules.quiet_hours):
        errors["quiet_hours"] = wrong
    if rules.approval_people is not None and rules.approval_people < 0:
        errors["approval_people"] = "人数不能小于 0"
    if rules.approval_fen is not None and rules.approval_fen < 0:
        errors["approval_fen"] = "金额不能小于 0"
    if rules.liability_fen is not None and rules.liability_fen <= 0:
        errors["liability_fen"] = "要大于 0，不限就空着"
    if errors:
        raise MarketingRulesInvalid(errors=errors)
