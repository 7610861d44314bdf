"""Automatic answers kept in a table, with answers of our own where the table has none."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from messaging.models import ReplyRule

WELCOME, KEYWORD, CLICK, DEFAULT = "welcome", "keyword", "click", "default"


def find_keyword(session: Session, appid: str, text: str) -> str | None:
    """The answer to a message that is, or contains, a keyword: the longest wins."""
    said = text.strip().lower()
    rules = session.scalars(
        select(ReplyRule).where(ReplyRule.appid == appid, ReplyRule.kind == KEYWORD)
    )
    matching = [rule for rule in rules if rule.word.lower() in said]
    return max(matching, key=lambda rule: len(rule.word)).text if matching else None


def find_answer(session: Session, appid: str, kind: str, word: str = "") -> str | None:
    """The answer to a menu key, the default answer, or the first words to a new follower."""
    return session.scalar(
        select(ReplyRule.text).where(
            ReplyRule.appid == appid, ReplyRule.kind == kind, ReplyRule.word == word[:64]
        )
    )


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
