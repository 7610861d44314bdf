"""A list as a shop owner has it: pasted or as a CSV file, one member or one code a line.

Everything is looked up in a few statements and every line says what is wrong with it; nothing is
written. The same look decides what is shown before and what is done after.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.crypto import keyring
from coupons.models import ImportedCode
from crm.errors import ListInvalid
from crm.models import Member
from people import phones
from people.models import Person

MOST_LINES = 20_000
_SLICE = 500
_HEADINGS = {"会员号", "手机号", "手机", "会员", "券码", "code", "phone", "member", "member_no"}
_MEMBER_NO = re.compile(r"[0-9]{12}")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{3,39}")


@dataclass(frozen=True)
class Line:
    """`number` is the line's in the list, from 1. `problem` is for people; empty: good."""

    number: int
    given: str
    member_id: int | None = None
    code: str | None = None
    problem: str = ""


def read_members(session: Session, merchant_id: int, text: str) -> list[Line]:
    """Member numbers or phone numbers. Raises ListInvalid when there is nothing or too much."""
    cells = [(number, cells[0]) for number, cells in _rows(text)]
    known = _find_members(session, merchant_id, [given for _, given in cells])
    seen: dict[int, int] = {}
    lines = []
    for number, given in cells:
        shown, key = _shown(given), _key(given)
        member_id = known.get(key) if key else None
        if key is None:
            lines.append(Line(number, shown, problem="不是会员号，也不是手机号"))
        elif member_id is None:
            lines.append(Line(number, shown, problem="没有这位会员"))
        elif member_id in seen:
            lines.append(Line(number, shown, problem=f"和第 {seen[member_id]} 行是同一个人"))
        else:
            seen[member_id] = number
            lines.append(Line(number, shown, member_id=member_id))
    return lines


def read_codes(session: Session, merchant_id: int, text: str) -> list[Line]:
    """Codes of another system, each perhaps with the member who holds it in the second column."""
    rows = _rows(text)
    known = _known_codes(session, merchant_id, [cells[0] for _, cells in rows])
    holders = _find_members(session, merchant_id, [c[1] for _, c in rows if len(c) > 1 and c[1]])
    seen: dict[str, int] = {}
    lines = []
    for number, cells in rows:
        code, holder = cells[0], cells[1] if len(cells) > 1 else ""
        key = _key(holder) if holder else None
        member_id = holders.get(key) if key else None
        if not _CODE.fullmatch(code):
            lines.append(Line(number, code[:64], problem="券码要 4 到 40 位字母数字"))
        elif code in seen:
            lines.append(Line(number, code, problem=f"和第 {seen[code]} 行重复"))
        elif code in known:
            lines.append(Line(number, code, problem="这个券码导入过了"))
        elif holder and member_id is None:
            lines.append(Line(number, code, problem="没有第二列写的会员"))
        else:
            seen[code] = number
            lines.append(Line(number, code, member_id=member_id, code=code))
    return lines


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Numbered lines that say anything; a heading is none. Commas, tabs and semicolons part."""
    plain = text.removeprefix("\ufeff").replace("\t", ",").replace("；", ",").replace("，", ",")
    try:
        parsed = list(csv.reader(io.StringIO(plain.replace(";", ","))))
    except csv.Error:
        raise ListInvalid("名单读不出来，检查一下引号") from None
    rows = [
        (number, [cell.strip() for cell in cells])
        for number, cells in enumerate(parsed, 1)
        if cells and cells[0].strip()
    ]
    if rows and rows[0][1][0].lower() in _HEADINGS:
        rows = rows[1:]
    if not rows:
        raise ListInvalid("名单是空的，一行写一个")
    if len(rows) > MOST_LINES:
        raise ListInvalid(f"一次最多 {MOST_LINES:,} 行，这份有 {len(rows):,} 行")
    return rows


def _key(given: str) -> tuple[str, str] | None:
    """("no", member number) or ("phone", its hash). A mainland phone has eleven digits."""
    if _MEMBER_NO.fullmatch(given):
        return "no", given
    try:
        return "phone", keyring().blind_index(phones.normalise(given))
    except phones.InvalidPhone:
        return None


def _shown(given: str) -> str:
    """A number that may be a phone's is masked: the list is kept for as long as the batch."""
    may_be_phone = not _MEMBER_NO.fullmatch(given) and sum(map(str.isdigit, given)) >= 5
    return (phones.mask(given) if may_be_phone else given)[:64]


def _find_members(
    session: Session, merchant_id: int, given: Sequence[str]
) -> dict[tuple[str, str], int]:
    """Living members by what names them, two statements for five hundred."""
    keys = {key for each in given if (key := _key(each)) is not None}
    mine = (Member.merchant_id == merchant_id, Member.merged_into_id.is_(None))
    found: dict[tuple[str, str], int] = {}
    for numbers in _slices(value for kind, value in keys if kind == "no"):
        wanted = select(Member.no, Member.id).where(*mine, Member.no.in_(numbers))
        found |= {("no", no): id_ for no, id_ in session.execute(wanted)}
    for hashes in _slices(value for kind, value in keys if kind == "phone"):
        by_phone = (
            select(Person.phone_hash, Member.id)
            .join(Person, Person.id == Member.person_id)
            .where(*mine, Person.phone_hash.in_(hashes))
        )
        found |= {("phone", str(hash_)): id_ for hash_, id_ in session.execute(by_phone)}
    return found


def _known_codes(session: Session, merchant_id: int, codes: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for slice_ in _slices(code for code in codes if len(code) <= 64):
        mine = ImportedCode.merchant_id == merchant_id
        found |= set(
            session.scalars(select(ImportedCode.code).where(mine, ImportedCode.code.in_(slice_)))
        )
    return found


def _slices(values: Iterable[str]) -> list[list[str]]:
    every = list(dict.fromkeys(values))
    return [every[i : i + _SLICE] for i in range(0, len(every), _SLICE)]
