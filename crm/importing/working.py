"""The next lines of a file are done, in one transaction with the file's cursor."""

import json
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core import audit, rows
from core.clock import business_day, day_bounds
from core.database import claim
from core.errors import Conflict, LinliError
from crm import balance, consent, profiles, tiers
from crm.importing.making import values_of
from crm.importing.reading import BEFORE, LONGEST_PROBLEM, STAFF, taken_key
from crm.models import EntryKind, ImportState, Member, MemberImport, MemberImportRow
from crm.points.lots import grant
from crm.tiers import Programme, moving
from merchants.staff import names_of

SLICE = 50
REASON = "从别的系统导入"


Book = Callable[[Session, int, str, int, int, datetime], None]
"""Whoever keeps the money's books hears what came over: session, merchant, cause, principal, bonus,
when."""


class WorksHere(Conflict):
    code = "works_here"
    title = STAFF


class OtherMeanwhile(Conflict):
    """`detail` says what is no longer as it was when the file was looked at."""

    code = "other_meanwhile"
    title = "和看的时候不一样了"


def next_slice(
    session: Session, import_id: int, *, now: datetime, book: Book, size: int = SLICE
) -> bool:
    """Do the next lines; False when none is left for this copy of the job. `book` is told of every
    balance.

    A merchant's files take turns, slice by slice: the same people may stand in two of them.
    """
    merchant_id = session.get_one(MemberImport, import_id).merchant_id
    held = (
        select(MemberImport)
        .where(MemberImport.merchant_id == merchant_id, MemberImport.state == ImportState.running)
        .order_by(MemberImport.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = next((each for each in session.scalars(held) if each.id == import_id), None)
    if found is None:
        return False
    waiting = (
        select(MemberImportRow)
        .where(
            MemberImportRow.import_id == found.id,
            MemberImportRow.problem == "",
            MemberImportRow.number > found.cursor,
        )
        .order_by(MemberImportRow.number)
        .limit(size)
    )
    lines = session.scalars(waiting).all()
    if not lines:
        _finish(session, found, now)
        return False
    programme = tiers.load(session, found.merchant_id)
    done = sum(_do(session, found, line, programme, now, book) for line in lines)
    at_cursor = {"id": found.id, "state": ImportState.running, "cursor": found.cursor}
    values = {
        "cursor": lines[-1].number,
        "imported": found.imported + done,
        "total": found.total - (len(lines) - done),
        "faulty": found.faulty + (len(lines) - done),
    }
    rows.must_move(session, MemberImport, at_cursor, values)
    return True


def _finish(session: Session, found: MemberImport, now: datetime) -> None:
    running = {"id": found.id, "state": ImportState.running}
    over = {"state": ImportState.done, "finished_at": now}
    rows.must_move(session, MemberImport, running, over)
    audit.record(
        session,
        actor=found.started_by,
        action="members.imported",
        subject=f"import:{found.id}",
        after={"name": found.name, "people": found.imported, "faulty": found.faulty},
        merchant_id=found.merchant_id,
        now=now,
    )


def _do(
    session: Session,
    found: MemberImport,
    line: MemberImportRow,
    programme: Programme,
    now: datetime,
    book: Book,
) -> bool:
    """One line, whole or not at all: what is refused leaves its reason and nothing else."""
    values, taken = values_of(line), _taken(found, line)
    mine = update(MemberImportRow).where(MemberImportRow.id == line.id)
    before = select(MemberImportRow.id).where(MemberImportRow.taken == taken)
    if session.scalar(before) is not None:
        claim(session, mine.values(problem=BEFORE))
        return False
    try:
        with session.begin_nested():
            member_id = _bring(session, found, line.id, values, programme, now, book)
    except LinliError as refused:
        why = (refused.detail or refused.title)[:LONGEST_PROBLEM]
        claim(session, mine.values(problem=why))
        return False
    claim(session, mine.values(taken=taken, member_id=member_id, data=None))
    return True


def _bring(
    session: Session,
    found: MemberImport,
    line_id: int,
    values: dict[str, Any],
    programme: Programme,
    now: datetime,
    book: Book,
) -> int:
    until = date.fromisoformat(values["points_until"]) if "points_until" in values else None
    if until and until < business_day(now):
        raise OtherMeanwhile("积分到期：已经过了")
    code = values.get("tier", "")
    if code and programme.of(code).code != code:
        raise OtherMeanwhile("等级：现在没有这一级了")
    member, fresh = profiles.join_by_phone(
        session,
        found.merchant_id,
        phone=values["phone"],
        name=values.get("name", ""),
        store_id=None,
        scene=profiles.IMPORTED,
        now=now,
    )
    if names_of(session, found.merchant_id, [member.person_id]):
        raise WorksHere
    allowed = values.get("marketing")
    if fresh and allowed is None:  # not asked yet, which is no refusal
        member.marketing_consent = False
    elif fresh and allowed:
        consent.change(session, member, marketing=True, actor=found.started_by, now=now)
    elif allowed is False:  # who is here already has the last word on what they allow
        consent.refuse_for(session, member, consent.MARKETING, actor=found.started_by, now=now)
    _fill(member, values, now)
    session.flush()
    cause = f"import:{line_id}"
    if code:
        moving.bring(session, member, code, programme, now=now)
    if points := values.get("points"):
        expires_at = day_bounds(until)[1] if until else None
        grant(
            session,
            member.id,
            points,
            kind=EntryKind.imported,
            cause=cause,
            reason=REASON,
            expires_at=expires_at,
            now=now,
        )
    principal, bonus = values.get("principal", 0), values.get("bonus", 0)
    if principal or bonus:
        if not balance.bring(
            session, member.id, cause, principal_fen=principal, bonus_fen=bonus, now=now
        ):
            raise rows.NotMoved(f"{cause} was brought before")
        book(session, found.merchant_id, cause, principal, bonus, now)
    return member.id


def _fill(member: Member, values: dict[str, Any], now: datetime) -> None:
    """What they have not said themselves: a birthday of another system they may still correct."""
    member.name = member.name or values.get("name", "")
    member.note = member.note or values.get("note", "")
    if member.birthday is None and "birthday" in values:
        member.birthday = date.fromisoformat(values["birthday"])


def _taken(found: MemberImport, line: MemberImportRow) -> str:
    assert line.data is not None
    return taken_key(found.merchant_id, json.loads(line.data)["hash"])
