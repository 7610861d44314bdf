"""The form of an automatic answer: what was typed as a draft, a rule as what is typed. Pure."""

from collections.abc import Mapping
from typing import Any

from console.forms import Form
from console.words import WEEKDAYS
from messaging import answers, replies, reply_rules
from messaging.answers import Part
from messaging.models import ReplyRule
from messaging.replies import Draft
from messaging.reply_rules import BadPattern, Match

KINDS = {
    replies.KEYWORD: "收到关键词",
    replies.WELCOME: "有人关注",
    replies.SCAN: "粉丝扫码",
    replies.CLICK: "点了菜单",
    replies.DEFAULT: "其他消息",
}
MATCHES = {
    Match.contains: "包含这些词",
    Match.exact: "一字不差",
    Match.pattern: "按规律（正则）",
}
TYPES = {
    "text": "文字",
    "news": "图文",
    "mini_card": "小程序卡片",
    "image": "图片",
    "voice": "语音",
    "video": "视频",
    "music": "音乐",
    "human": "转人工",
    "transfer": "转给微信客服",
}
LABELS = {
    "text": "说什么",
    "title": "标题",
    "description": "说明",
    "url": "点开的网址",
    "pic_url": "封面图网址",
    "page": "小程序页面",
    "media_id": "素材",
    "thumb_media_id": "封面",
    "account": "指定客服账号",
}
MOST_PRIORITY = 99


def parts_of(form: Mapping[str, str]) -> list[Part]:
    """The parts as typed; a place without a type is empty."""
    found: list[Part] = []
    for place in range(answers.MOST_PARTS):
        kind = form.get(f"p{place}.type", "")
        if kind in answers.FIELDS:
            fields = answers.FIELDS[kind]
            typed = {name: form.get(f"p{place}.{name}", "").strip() for name in fields}
            found.append({"type": kind, **typed})
    return found


def read(form: Form, given: Mapping[str, str], days: list[str]) -> Draft | None:
    """The draft; None: something is wrong, and the form says what."""
    kind = form.one_of("kind", KINDS)
    match = form.one_of("match", MATCHES) if kind == replies.KEYWORD else Match.contains
    word = form["word"].replace("\r", "").strip()
    if kind in (replies.KEYWORD, replies.CLICK) and not word:
        form.refuse("word", "要填")
    if len(word) > 200:
        form.refuse("word", "最多 200 个字")
    if match == Match.pattern:
        _check_pattern(form, word)
    priority = form.whole("priority", high=MOST_PRIORITY)
    begin, end = minutes(form, "from"), minutes(form, "until")
    weekdays = sum(1 << int(day) for day in set(days) if day in set("0123456"))
    if not weekdays:
        form.refuse("days", "至少选一天")
    parts = parts_of(given)
    if not parts:
        form.refuse("p0.text", "要填")
    for place, part in enumerate(parts):
        for name, why in answers.check(part).items():
            form.refuse(f"p{place}.{name}", why)
    if form.errors or kind is None or match is None or None in (priority, begin, end):
        return None
    return Draft(
        kind,
        parts,
        "" if kind == replies.DEFAULT else word,
        Match(match),
        priority or 0,
        weekdays,
        begin or 0,
        reply_rules.DAY_MINUTES if end in (None, 0) and not begin else end or 0,
        form["enabled"] == "on",
    )


def minutes(form: Form, name: str) -> int | None:
    """`08:30` as minutes of the day; `24:00` is its end."""
    hours, _, rest = form[name].strip().partition(":")
    if hours.isdigit() and rest.isdigit() and len(hours) <= 2 and len(rest) == 2:
        total = int(hours) * 60 + int(rest)
        if int(rest) < 60 and total <= reply_rules.DAY_MINUTES:
            return total
    form.refuse(name, "填几点几分，比如 08:30")
    return None


def typed(rule: ReplyRule) -> dict[str, Any]:
    """A rule as its form shows it."""
    values: dict[str, Any] = {
        "kind": rule.kind,
        "match": rule.match.value,
        "word": rule.word,
        "priority": rule.priority,
        "from": clock(rule.from_minute),
        "until": clock(rule.until_minute),
        "enabled": "on" if rule.enabled else "",
    }
    for place, part in enumerate(rule.parts):
        values |= {f"p{place}.{name}": value for name, value in part.items()}
    return values


def when(rule: ReplyRule) -> str:
    """`周一至周五 22:00–次日 08:00`; nothing for always."""
    days = [day for day in range(7) if rule.weekdays >> day & 1]
    words = "" if len(days) == 7 else "周" + "、".join(WEEKDAYS[day] for day in days)
    if (rule.from_minute, rule.until_minute) != (0, reply_rules.DAY_MINUTES):
        next_day = "次日 " if rule.from_minute >= rule.until_minute else ""
        words += f" {clock(rule.from_minute)}–{next_day}{clock(rule.until_minute)}"
    return words.strip()


def clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _check_pattern(form: Form, word: str) -> None:
    try:
        reply_rules.compile_pattern(word)
    except BadPattern as refused:
        form.refuse("word", str(refused))
