"""Automatic answers kept in a table, with answers of our own where the table has none."""

import time
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.models import ReplyRule

Rules = dict[tuple[str, str], str]
STALE_SECONDS = 5.0
WELCOME, KEYWORD, CLICK, DEFAULT = "welcome", "keyword", "click", "default"

_kept: WeakKeyDictionary[Any, dict[str, tuple[float, Rules]]] = WeakKeyDictionary()
"""Read for every message, changed once a month: each process keeps them for a few seconds."""


def find_keyword(session: Session, appid: str, text: str) -> str | None:
    """The answer to a message that is, or contains, a keyword: the longest wins."""
    said = text.strip().lower()
    rules = _rules(session, appid)
    matching = [word for kind, word in rules if kind == KEYWORD and word.lower() in said]
    return rules[(KEYWORD, max(matching, key=len))] if matching else None


def find_answer(session: Session, appid: str, kind: str, word: str = "") -> str | None:
    """The answer to a menu key, the default answer, or the first words to a new follower."""
    return _rules(session, appid).get((kind, word))


def _rules(session: Session, appid: str) -> Rules:
    """The answers of an account by kind and word; up to STALE_SECONDS old."""
    kept = _kept.setdefault(_place(session), {})
    found = kept.get(appid)
    if found is None or time.monotonic() - found[0] > STALE_SECONDS:
        rows = session.execute(
            select(ReplyRule.kind, ReplyRule.word, ReplyRule.text).where(ReplyRule.appid == appid)
        )
        found = time.monotonic(), {(kind, word): text for kind, word, text in rows}
        kept[appid] = found
    return found[1]


def _place(session: Session) -> Any:
    """What sessions that read and sessions that write have in common."""
    return session.get_bind().engine.pool


def set_answer(session: Session, *, appid: str, kind: str, text: str, word: str = "") -> None:
    """Write or replace one answer."""
    rule = session.scalar(
        select(ReplyRule).where(
            ReplyRule.appid == appid, ReplyRule.kind == kind, ReplyRule.word == word
        )
    )
    if rule is None:
        rule = ReplyRule(appid=appid, kind=kind, word=word)
        session.add(rule)
    rule.text = text
    session.flush()
    _kept.pop(_place(session), None)
