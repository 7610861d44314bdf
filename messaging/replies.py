"""Automatic answers kept in a table, with answers of our own where the table has none."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from core.database import claim, place
from messaging import answers, reply_rules
from messaging.answers import Part
from messaging.models import ReplyRule
from messaging.reply_rules import DAY_MINUTES, EVERY_DAY, Match, Rule

STALE_SECONDS = 5.0
WELCOME, KEYWORD, CLICK, SCAN, DEFAULT = "welcome", "keyword", "click", "scan", "default"
KINDS = (KEYWORD, WELCOME, SCAN, CLICK, DEFAULT)

_kept: WeakKeyDictionary[Any, dict[str, tuple[float, list[Rule]]]] = WeakKeyDictionary()
"""Read for every message, changed once a month: each process keeps them for a few seconds."""


@dataclass(frozen=True)
class Draft:
    """A rule as it is typed. `word` of a keyword rule holds one word per line, of a scan a scene's
    code, of a click the menu's key; "" of a scan or a welcome is any."""

    kind: str
    parts: Sequence[Part]
    word: str = ""
    match: Match = Match.contains
    priority: int = 0
    weekdays: int = EVERY_DAY
    from_minute: int = 0
    until_minute: int = DAY_MINUTES
    enabled: bool = True


def find_rule(session: Session, appid: str, kind: str, said: str, now: datetime) -> Rule | None:
    """The rule that answers a message (KEYWORD), a menu key, a scan, a follow, or anything."""
    return reply_rules.choose(_rules(session, appid), kind, said, now)


def find_answer(
    session: Session, appid: str, kind: str, word: str = "", *, now: datetime
) -> list[Part]:
    """The parts of the answer; none: there is no rule."""
    rule = find_rule(session, appid, kind, word, now)
    return list(rule.parts) if rule else []


def list_rules(session: Session, appid: str) -> list[ReplyRule]:
    """Every rule of an account, the first that is asked on top."""
    found = select(ReplyRule).where(ReplyRule.appid == appid)
    order = {kind: place for place, kind in enumerate(KINDS)}
    rows = session.scalars(found.order_by(ReplyRule.priority.desc(), ReplyRule.id))
    return sorted(rows, key=lambda rule: order.get(rule.kind, len(order)))


def get_rule(session: Session, appid: str, rule_id: int) -> ReplyRule | None:
    rule = session.get(ReplyRule, rule_id)
    return rule if rule is not None and rule.appid == appid else None


def save(session: Session, appid: str, draft: Draft, *, rule: ReplyRule | None = None) -> ReplyRule:
    """Write a new rule, or over an old one. A pattern was compiled before: a bad one is mute."""
    if rule is None:
        rule = ReplyRule(appid=appid)
        session.add(rule)
    for name, value in vars(draft).items():
        setattr(rule, name, list(value) if name == "parts" else value)
    session.flush()
    forget(session)
    return rule


def drop(session: Session, rule: ReplyRule) -> None:
    claim(session, delete(ReplyRule).where(ReplyRule.id == rule.id))
    forget(session)


def set_answer(
    session: Session, *, appid: str, kind: str, text: str, word: str = "", match: str = "contains"
) -> None:
    """Write or replace the one answer in words that is always given."""
    known = session.scalars(
        select(ReplyRule).where(
            ReplyRule.appid == appid, ReplyRule.kind == kind, ReplyRule.word == word
        )
    ).first()
    draft = Draft(kind, [answers.text(text)], word, Match(match))
    save(session, appid, draft, rule=known)


def forget(session: Session) -> None:
    """Something was changed: this process reads again, the others within STALE_SECONDS."""
    _kept.pop(place(session), None)


def _rules(session: Session, appid: str) -> list[Rule]:
    """The rules of an account, ready to match; up to STALE_SECONDS old."""
    kept = _kept.setdefault(place(session), {})
    found = kept.get(appid)
    if found is None or time.monotonic() - found[0] > STALE_SECONDS:
        rows = session.scalars(select(ReplyRule).where(ReplyRule.appid == appid, ReplyRule.enabled))
        found = time.monotonic(), [reply_rules.prepare(_rule(row)) for row in rows]
        kept[appid] = found
    return found[1]


def _rule(row: ReplyRule) -> Rule:
    return Rule(
        row.id,
        row.kind,
        row.match,
        row.word,
        tuple(row.parts),
        row.priority,
        row.weekdays,
        row.from_minute,
        row.until_minute,
    )
