"""Which automatic answer fits: by words, by pattern, by hour and weekday. Pure.

Patterns run on RE2, whose time grows with the length of the message and nothing else: whoever
writes them, and whatever somebody sends, a message is answered in time.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import re2

from core.clock import local
from messaging.answers import Part

LONGEST_PATTERN = 100
_LIMITS = {
    "max_mem": 1 << 20,
    "log_errors": False,
    "case_sensitive": False,
    "never_capture": True,
}
EVERY_DAY = 0b111_1111
DAY_MINUTES = 24 * 60
_ENDINGS = " \t\n。！？!?.,，~～"


class Match(StrEnum):
    exact = "exact"
    contains = "contains"
    pattern = "pattern"


class BadPattern(ValueError):
    """The pattern is none, or asks for more than a message may cost."""


@dataclass(frozen=True)
class Rule:
    """`weekdays` has Monday in its lowest bit; the hours are minutes of the day here, and when they
    end before they begin they go past midnight. `words` and `pattern` are made from `word`."""

    id: int
    kind: str
    match: Match
    word: str
    parts: tuple[Part, ...]
    priority: int = 0
    weekdays: int = EVERY_DAY
    from_minute: int = 0
    until_minute: int = DAY_MINUTES
    words: tuple[str, ...] = field(default=(), compare=False)
    pattern: Any = field(default=None, compare=False, repr=False)

    @property
    def is_always(self) -> bool:
        return self.weekdays == EVERY_DAY and (self.from_minute, self.until_minute) == (
            0,
            DAY_MINUTES,
        )

    def is_on(self, now: datetime) -> bool:
        """Whether it is valid at this moment; the hours past midnight are the evening's."""
        if self.is_always:
            return True
        here = local(now)
        minute, weekday = here.hour * 60 + here.minute, here.weekday()
        if self.from_minute >= self.until_minute and minute < self.until_minute:
            minute, weekday = minute + DAY_MINUTES, (weekday - 1) % 7
        until = self.until_minute + DAY_MINUTES * (self.from_minute >= self.until_minute)
        return bool(self.weekdays >> weekday & 1) and self.from_minute <= minute < until


def prepare(rule: Rule) -> Rule:
    """The rule with what its word says made ready. A pattern that is none matches nothing."""
    made: dict[str, Any] = {}
    if rule.kind == "keyword" and rule.match is Match.pattern:
        try:
            made["pattern"] = compile_pattern(rule.word)
        except BadPattern:
            made["pattern"] = None
    else:
        made["words"] = tuple(filter(None, map(normalise, rule.word.split("\n"))))
    return Rule(**{**rule.__dict__, **made})


def compile_pattern(text: str) -> Any:
    """Raises BadPattern."""
    if not text or len(text) > LONGEST_PATTERN:
        raise BadPattern(f"写 1 到 {LONGEST_PATTERN} 个字")
    options = re2.Options()
    for name, value in _LIMITS.items():
        setattr(options, name, value)
    try:
        return re2.compile(text, options)
    except re2.error as error:
        raise BadPattern("看不懂这个写法，也不支持回看和反向引用") from error


def normalise(said: str) -> str:
    """One width, one case, no spaces around."""
    return unicodedata.normalize("NFKC", said).strip().casefold()


def choose(rules: Iterable[Rule], kind: str, said: str, now: datetime) -> Rule | None:
    """The rule that answers: the highest priority, then the closest to what was said."""
    heard = normalise(said) if kind == "keyword" else said
    best: tuple[tuple[int, int, int, int], Rule] | None = None
    for rule in rules:
        if rule.kind != kind or not (close := _closeness(rule, heard)) or not rule.is_on(now):
            continue
        rank = (rule.priority, *close, -rule.id)
        if best is None or rank > best[0]:
            best = rank, rule
    return best[1] if best else None


def _closeness(rule: Rule, heard: str) -> tuple[int, int] | None:
    """How well it fits: a whole message before a part of it, a longer part before a shorter."""
    if rule.kind != "keyword":
        if rule.word == heard:
            return 2, 0
        return (1, 0) if not rule.word and rule.kind in ("welcome", "scan") else None
    if rule.match is Match.pattern:
        return (1, 0) if rule.pattern is not None and rule.pattern.search(heard) else None
    if rule.match is Match.exact:
        return (3, 0) if heard.rstrip(_ENDINGS) in rule.words else None
    found = max((len(word) for word in rule.words if word in heard), default=0)
    return (2, found) if found else None
