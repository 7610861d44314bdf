"""A file is kept with what it would do, started by whoever has seen that, or thrown away."""

import hashlib
import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import audit, rows
from core.database import claim
from core.errors import Conflict, NotFound
from core.outbox import enqueue
from crm.campaigns import thresholds
from crm.errors import ApprovalNeeded
from crm.importing.reading import File, Line
from crm.models import ImportState, MemberImport, MemberImportRow

JOB_KEY = "import:{}:{}"
STARTABLE = (ImportState.checked, ImportState.stopped)
KEEP = timedelta(days=30)
_CHUNK = 1_000
_WORTH = ("points", "principal", "bonus")


class ImportNotFound(NotFound):
    title = "没有这次导入"


class ImportTooOld(Conflict):
    code = "import_too_old"
    title = "这份文件看过太久，里面的内容已经忘掉了，重新传一次"


class NothingToImport(Conflict):
    code = "nothing_to_import"
    title = "没有一行能导入"


def keep(
    session: Session,
    merchant_id: int,
    *,
    name: str,
    raw: bytes,
    file: File,
    actor: str,
    now: datetime,
) -> tuple[MemberImport, bool]:
    """The file with its lines; whether it is new. The same file again is the import that it was."""
    file_hash = hashlib.sha256(raw).hexdigest()
    same = (MemberImport.merchant_id == merchant_id, MemberImport.file_hash == file_hash)
    known = session.scalars(select(MemberImport).where(*same)).one_or_none()
    if known is not None and is_old(known, now) and _drop_rows(session, known):
        known = None  # looked at so long ago that its lines are forgotten: looked at anew
    if known is not None:
        return known, False
    faulty = sum(1 for line in file.lines if line.problem)
    kept = MemberImport(
        merchant_id=merchant_id,
        file_hash=file_hash,
        name=name[:64] or "名单.csv",
        total=len(file.lines) - faulty,
        faulty=faulty,
        summary=_summary(file),
        created_by=actor,
        created_at=now,
    )
    session.add(kept)
    session.flush()
    for start in range(0, len(file.lines), _CHUNK):
        some = file.lines[start : start + _CHUNK]
        rows.add_all(session, MemberImportRow, [_row(kept.id, line) for line in some])
    return kept, True


def start(session: Session, found: MemberImport, *, actor: str, now: datetime) -> bool:
    """checked or stopped → running: a job does the lines, or the rest of them. False when it runs
    or is over. Raises NothingToImport, ImportTooOld where what stood in the file is forgotten, and
    ApprovalNeeded where what it gives is more than whoever uploaded it decides over alone."""
    if found.state not in STARTABLE:
        return False
    if is_old(found, now):
        raise ImportTooOld
    if not found.total:
        raise NothingToImport
    thresholds.hold(session, found.merchant_id)
    if why := why_other(session, found, actor=actor, now=now):
        raise ApprovalNeeded(why)
    begins = {"id": found.id, "state": found.state}
    values = {"state": ImportState.running, "started_by": actor, "started_at": now}
    if rows.compare_and_set(session, MemberImport, begins, values) == 0:
        return False
    key = JOB_KEY.format(found.id, int(now.timestamp()))
    enqueue(session, "crm.import_members", key=key, import_id=found.id)
    _audit(session, found, "members.import", actor, now, _told(found))
    return True


def why_other(session: Session, found: MemberImport, *, actor: str, now: datetime) -> str:
    """Why somebody else than whoever uploaded the file has to start it, in words; empty: need not.
    Points and a balance are money: what limits a campaign limits them, in the same day's sum."""
    size = thresholds.import_size(session, found)
    if actor != found.created_by or not size.people:
        return ""
    why = thresholds.why_large(session, found.merchant_id, size, now=now, import_id=found.id)
    return f"{why}，要另一位店主来这页点导入" if why else ""


def stop(session: Session, found: MemberImport, *, actor: str, now: datetime) -> bool:
    """running → stopped: what was brought stays, the rest waits. False when it does not run."""
    running = {"id": found.id, "state": ImportState.running}
    if rows.compare_and_set(session, MemberImport, running, {"state": ImportState.stopped}) == 0:
        return False
    session.refresh(found)
    told = {"name": found.name, "people": found.imported, "left": found.total - found.imported}
    _audit(session, found, "members.import_stopped", actor, now, told)
    return True


def is_old(found: MemberImport, now: datetime) -> bool:
    """Whether what stood in the file is forgotten by now, or about to be."""
    return found.created_at < now - KEEP


def drop(session: Session, found: MemberImport, *, actor: str, now: datetime) -> bool:
    """A file that was only looked at is forgotten with its lines; False when it was started."""
    if not _drop_rows(session, found):
        return False
    _audit(session, found, "members.import_dropped", actor, now, {"name": found.name})
    return True


def get(session: Session, merchant_id: int, import_id: int) -> MemberImport:
    """The gate: another merchant's import is not found."""
    found = session.get(MemberImport, import_id, populate_existing=True)
    if found is None or found.merchant_id != merchant_id:
        raise ImportNotFound
    return found


def list_imports(session: Session, merchant_id: int, limit: int = 20) -> list[MemberImport]:
    """The newest first."""
    mine = select(MemberImport).where(MemberImport.merchant_id == merchant_id)
    return list(session.scalars(mine.order_by(MemberImport.id.desc()).limit(limit)))


def list_faults(session: Session, import_id: int, limit: int = 100) -> list[MemberImportRow]:
    """The lines that were left out, in their order."""
    faulty = (MemberImportRow.import_id == import_id, MemberImportRow.problem != "")
    found = select(MemberImportRow).where(*faulty).order_by(MemberImportRow.number)
    return list(session.scalars(found.limit(limit)))


def cells_of(row: MemberImportRow) -> list[str]:
    """What stood in the line; nothing once it is forgotten."""
    cells: list[str] = json.loads(row.data)["cells"] if row.data else []
    return cells


def values_of(row: MemberImportRow) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(row.data)["values"] if row.data else {}
    return values


def forget(session: Session, *, now: datetime, limit: int = 5_000) -> int:
    """What stood in old files, a slice at a time; how many lines."""
    old = select(MemberImport.id).where(
        MemberImport.created_at < now - KEEP, MemberImport.state != ImportState.running
    )
    ids = session.scalars(
        select(MemberImportRow.id)
        .where(MemberImportRow.import_id.in_(old), MemberImportRow.data.is_not(None))
        .limit(limit)
    ).all()
    return claim(
        session, update(MemberImportRow).where(MemberImportRow.id.in_(ids)).values(data=None)
    )


def _drop_rows(session: Session, found: MemberImport) -> bool:
    mine = (MemberImport.id == found.id, MemberImport.state == ImportState.checked)
    held = session.scalar(select(MemberImport.id).where(*mine).with_for_update())
    if held is None:
        return False
    claim(session, delete(MemberImportRow).where(MemberImportRow.import_id == found.id))
    claim(session, delete(MemberImport).where(*mine))
    session.expunge(found)
    return True


def _row(import_id: int, line: Line) -> dict[str, Any]:
    data = {"cells": line.cells, "values": line.values, "hash": line.phone_hash}
    return {
        "import_id": import_id,
        "number": line.number,
        "shown": line.shown,
        "data": json.dumps(data, ensure_ascii=False),
        "problem": line.problem,
    }


def _summary(file: File) -> dict[str, Any]:
    good = [line for line in file.lines if not line.problem]
    values = [line.values for line in good]
    tiers = Counter(each["tier"] for each in values if "tier" in each)
    return {
        "heading": file.heading,
        "ignored": file.ignored,
        "given": sum(1 for each in values if any(each.get(what) for what in _WORTH)),
        "known": sum(1 for line in good if line.known),
        "points": sum(each.get("points", 0) for each in values),
        "principal_fen": sum(each.get("principal", 0) for each in values),
        "bonus_fen": sum(each.get("bonus", 0) for each in values),
        "tiers": dict(tiers),
        "allowed": sum(1 for each in values if each.get("marketing") is True),
    }


def _told(found: MemberImport) -> dict[str, Any]:
    sums = ("points", "principal_fen", "bonus_fen", "allowed")
    return {
        "name": found.name,
        "people": found.total,
        **{name: found.summary[name] for name in sums},
        "proved_again": True,
    }


def _audit(
    session: Session,
    found: MemberImport,
    action: str,
    actor: str,
    now: datetime,
    after: dict[str, Any],
) -> None:
    audit.record(
        session,
        actor=actor,
        action=action,
        subject=f"import:{found.id}",
        after=after,
        merchant_id=found.merchant_id,
        now=now,
    )
