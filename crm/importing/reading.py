"""A file of members as other systems export it: which columns there are, and what each line means.

Nothing is written. The same reading decides what is shown before and what is done after.
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.clock import business_day
from core.crypto import keyring
from crm import tiers
from crm.errors import ListInvalid
from crm.models import Member, MemberImportRow
from crm.profiles import MAX_NAME, MAX_NOTE, OLDEST
from merchants.models import Staff, StaffState
from people import phones
from people.models import Person

MOST_LINES = 20_000
MOST_POINTS = 10_000_000
MOST_FEN = 10_000_000
STAFF = "这是店员的手机号，不从文件里导"
LONGEST_PROBLEM = 64
BEFORE = "这个手机号以前导入过了"
_SLICE = 500
_LATEST = date(2099, 12, 31)
_MONEY = re.compile(r"[0-9]{1,12}([.][0-9]{1,12})?")
_MAINLAND = re.compile(r"1[0-9]{10}")

COLUMNS: dict[str, tuple[str, ...]] = {
    "phone": ("手机号", "手机", "手机号码", "phone", "mobile"),
    "name": ("称呼", "姓名", "昵称", "名字", "name"),
    "tier": ("等级", "会员等级", "tier"),
    "points": ("积分", "可用积分", "points"),
    "points_until": ("积分到期", "积分有效期", "积分到期日"),
    "principal": ("储值本金", "本金", "储值余额", "余额"),
    "bonus": ("储值赠送", "赠送", "赠送余额", "赠金"),
    "marketing": ("营销消息", "接受营销", "是否接受营销"),
    "birthday": ("生日", "birthday"),
    "note": ("备注", "note"),
}
"""What a column may be called; the first name is the one that we write ourselves."""
_MEANING = {name.lower(): key for key, names in COLUMNS.items() for name in names}
_YES = {"接受", "是", "同意", "1", "yes", "true"}
_NO = {"不接受", "否", "不同意", "拒绝", "0", "no", "false"}


@dataclass(frozen=True)
class Line:
    """`number` is the line's in the file, from 1, `cells` what stood in it, `values` what it means.
    `problem` is for people; empty: good. `known`: a member already."""

    number: int
    cells: list[str]
    phone_hash: str = ""
    shown: str = ""
    values: dict[str, Any] = field(default_factory=dict)
    problem: str = ""
    known: bool = False


@dataclass(frozen=True)
class File:
    """`ignored` are columns that mean nothing to us."""

    heading: list[str]
    ignored: list[str]
    lines: list[Line]


def read(session: Session, merchant_id: int, text: str, now: datetime) -> File:
    """Raises ListInvalid when there is nothing, too much, or no column of phone numbers."""
    heading, rows = _rows(text)
    meant = [_MEANING.get(title.strip().lower(), "") for title in heading]
    if "phone" not in meant:
        raise ListInvalid("第一行要是列名，里面要有一列「手机号」")
    twice = next((key for key in COLUMNS if meant.count(key) > 1), "")
    if twice:
        raise ListInvalid(f"「{COLUMNS[twice][0]}」有两列，留一列")
    tier_codes = {name: code for code, name in tiers.names(session, merchant_id).items()}
    lines = [_line(number, cells, meant, tier_codes, now) for number, cells in rows]
    hashes = [line.phone_hash for line in lines]
    known, taken = _look_up(session, merchant_id, hashes)
    works = _staff_phones(session, merchant_id)
    seen: dict[str, int] = {}
    checked = []
    for line in lines:
        problem = line.problem
        if not problem and line.phone_hash in seen:
            problem = f"和第 {seen[line.phone_hash]} 行是同一个手机号"
        elif not problem and line.phone_hash in taken:
            problem = BEFORE
        elif not problem and line.phone_hash in works:
            problem = STAFF
        if not problem:
            seen[line.phone_hash] = line.number
        is_known = line.phone_hash in known
        checked.append(
            Line(
                line.number,
                line.cells,
                line.phone_hash,
                line.shown,
                line.values,
                problem,
                is_known,
            )
        )
    ignored = [title for title, key in zip(heading, meant, strict=True) if not key and title]
    return File(heading, ignored, checked)


def taken_key(merchant_id: int, phone_hash: str) -> str:
    return f"{merchant_id}:{phone_hash}"


def _rows(text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The first line, and the numbered others that say anything."""
    plain = text.removeprefix("\ufeff")
    first = plain.partition("\n")[0]
    mark = max(",\t;", key=first.count)
    try:
        parsed = list(csv.reader(io.StringIO(plain), delimiter=mark))
    except csv.Error:
        raise ListInvalid("文件读不出来，检查一下引号") from None
    rows = [
        (number, [cell.strip().removeprefix("'") for cell in cells])
        for number, cells in enumerate(parsed, 1)
        if any(cell.strip() for cell in cells)
    ]
    if len(rows) < 2:
        raise ListInvalid("文件是空的：第一行是列名，下面一行一个会员")
    if len(rows) - 1 > MOST_LINES:
        raise ListInvalid(f"一次最多 {MOST_LINES:,} 行，这份有 {len(rows) - 1:,} 行，分几份导")
    return rows[0][1], rows[1:]


def _line(
    number: int,
    cells: Sequence[str],
    meant: Sequence[str],
    tier_codes: Mapping[str, str],
    now: datetime,
) -> Line:
    given = {key: cell for key, cell in zip(meant, cells, strict=False) if key}
    kept = [cell[:200] for cell in cells]
    try:
        number_of = _phone(given.get("phone", ""))
    except phones.InvalidPhone:
        return Line(number, kept, shown=_masked(given.get("phone", "")), problem="手机号不对")
    values: dict[str, Any] = {"phone": number_of}
    for key, text in given.items():
        if key == "phone" or not text:
            continue
        try:
            values[key] = _READERS[key](text, tier_codes, now)
        except ValueError as wrong:
            problem = f"{COLUMNS[key][0]}：{wrong}"[:LONGEST_PROBLEM]
            return Line(number, kept, shown=phones.mask(number_of), problem=problem)
    if "points_until" in values and not values.get("points"):
        del values["points_until"]
    found = keyring().blind_index(number_of)
    return Line(number, kept, phone_hash=found, shown=phones.mask(number_of), values=values)


def _phone(text: str) -> str:
    """A whole number: eleven digits, or abroad one that begins with its country's code."""
    number = phones.normalise(text)
    if not number.startswith("+") and not _MAINLAND.fullmatch(number):
        raise phones.InvalidPhone
    return number


def _masked(text: str) -> str:
    return phones.mask(text)[:32] if text else ""


def _name(text: str, _tiers: Mapping[str, str], _now: datetime) -> str:
    if len(text) > MAX_NAME:
        raise ValueError(f"最多 {MAX_NAME} 个字")
    return text


def _note(text: str, _tiers: Mapping[str, str], _now: datetime) -> str:
    if len(text) > MAX_NOTE:
        raise ValueError(f"最多 {MAX_NOTE} 个字")
    return text


def _tier(text: str, tier_codes: Mapping[str, str], _now: datetime) -> str:
    if text not in tier_codes:
        raise ValueError(f"没有「{text[:16]}」这一级")
    return tier_codes[text]


def _points(text: str, _tiers: Mapping[str, str], _now: datetime) -> int:
    plain = text.replace(",", "").removesuffix(".0").removesuffix(".00")
    if not plain.isdecimal() or len(plain) > 12 or int(plain) > MOST_POINTS:
        raise ValueError("要是整数")
    return int(plain)


def _fen(text: str, _tiers: Mapping[str, str], _now: datetime) -> int:
    plain = text.replace(",", "").replace("¥", "").replace("￥", "").removesuffix("元").strip()
    if not _MONEY.fullmatch(plain):  # whatever else a number may look like: 1e9, NaN
        raise ValueError("金额不对")
    fen = Decimal(plain) * 100
    if fen != fen.to_integral_value() or fen > MOST_FEN:
        raise ValueError("金额不对")
    return int(fen)


def _day(text: str) -> date:
    parts = text.replace("/", "-").replace(".", "-").partition(" ")[0].split("-")
    try:
        year, month, day = (int(part) if len(part) <= 4 else -1 for part in parts)
        return date(year, month, day)
    except ValueError:
        raise ValueError("日期写成 2026-12-31") from None


def _until(text: str, _tiers: Mapping[str, str], now: datetime) -> str:
    day = _day(text)
    if day < business_day(now):
        raise ValueError("已经过了")
    if day > _LATEST:
        raise ValueError(f"最晚写 {_LATEST}")
    return day.isoformat()


def _birthday(text: str, _tiers: Mapping[str, str], now: datetime) -> str:
    day = _day(text)
    if not day.year >= OLDEST or day > business_day(now):
        raise ValueError("日期不对")
    return day.isoformat()


def _consent(text: str, _tiers: Mapping[str, str], _now: datetime) -> bool:
    word = text.lower()
    if word not in _YES | _NO:
        raise ValueError("写「接受」或「不接受」")
    return word in _YES


_READERS: dict[str, Callable[[str, Mapping[str, str], datetime], Any]] = {
    "name": _name,
    "tier": _tier,
    "points": _points,
    "points_until": _until,
    "principal": _fen,
    "bonus": _fen,
    "marketing": _consent,
    "birthday": _birthday,
    "note": _note,
}


def _staff_phones(session: Session, merchant_id: int) -> set[str]:
    """Who works there gives nothing to themselves."""
    found = (
        select(Person.phone_hash)
        .join(Staff, Staff.person_id == Person.id)
        .where(Staff.merchant_id == merchant_id, Staff.state == StaffState.active)
    )
    return {hash_ for hash_ in session.scalars(found) if hash_}


def _look_up(
    session: Session, merchant_id: int, hashes: Sequence[str]
) -> tuple[set[str], set[str]]:
    """Whose numbers are members' already, and which were imported; two statements for 500."""
    every = list(dict.fromkeys(each for each in hashes if each))
    known: set[str] = set()
    taken: set[str] = set()
    for start in range(0, len(every), _SLICE):
        some = every[start : start + _SLICE]
        members = (
            select(Person.phone_hash)
            .join(Member, Member.person_id == Person.id)
            .where(
                Person.phone_hash.in_(some),
                Member.merchant_id == merchant_id,
                Member.merged_into_id.is_(None),
            )
        )
        known |= {hash_ for hash_ in session.scalars(members) if hash_}
        keys = {taken_key(merchant_id, each): each for each in some}
        done = select(MemberImportRow.taken).where(MemberImportRow.taken.in_(keys))
        taken |= {keys[key] for key in session.scalars(done) if key}
    return known, taken
