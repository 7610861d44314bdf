"""The records as rows for people: words for codes, what changed from what to what."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from console import audit_words, words
from console.access import ROLES
from console.audit_names import Names
from core.audit import AuditEntry
from core.clock import local
from core.security_events import SecurityEvent
from merchants.models import Role

LONGEST = 60


def rows(entries: Sequence[AuditEntry], names: Names, now: datetime) -> list[dict[str, Any]]:
    return [_row(entry, names, now) for entry in entries]


def subjects_of(entries: Sequence[AuditEntry]) -> set[str]:
    """Everything that a page of entries names, also inside the snapshots."""
    found = {subject for entry in entries for subject in (entry.actor, entry.subject)}
    for entry in entries:
        for snapshot in (entry.before or {}, entry.after or {}):
            for key, kind in _REFERENCES.items():
                several = snapshot.get(key)
                for one in several if isinstance(several, list) else [several]:
                    found |= {f"{kind}:{one}"} if one else set()
    return found


def events(found: Sequence[SecurityEvent], names: Names, now: datetime) -> list[dict[str, Any]]:
    return [_event(event, names, now) for event in found]


def subjects_of_events(found: Sequence[SecurityEvent]) -> set[str]:
    return {_inner(event.subject) for event in found}


def _row(entry: AuditEntry, names: Names, now: datetime) -> dict[str, Any]:
    act = audit_words.ACTS.get(entry.action, audit_words.UNKNOWN)
    who, _ = names.of(entry.actor)
    about, href = names.of(entry.subject)
    kind = entry.subject.partition(":")[0]
    same = entry.subject == entry.actor
    return {
        "time": moment(entry.at, now),
        "who": who or _NAMELESS.get(entry.actor.partition(":")[0], "系统"),
        "role": names.roles.get(entry.actor, ""),
        "act": act.words,
        "tone": act.tone,
        "about": "" if same else about or _ABOUT.get(entry.action) or _NAMELESS.get(kind, ""),
        "href": "" if same else href,
        "changes": changes(entry, names),
        "reason": entry.reason,
        "ip": entry.ip,
        "request": entry.request_id,
    }


def changes(entry: AuditEntry, names: Names) -> list[tuple[str, str, str]]:
    """(field, before, after) of what is different, in words; before is empty for what is new.

    A name that says itself what it is, as 券「…」, needs no field beside it.
    """
    kind = entry.subject.partition(":")[0]
    before, after = entry.before or {}, entry.after or {}
    found = []
    for key in dict.fromkeys((*before, *after)):
        if key not in audit_words.FIELDS or before.get(key) == after.get(key):
            continue
        old, new = (
            _value(kind, key, snapshot.get(key), names) if key in snapshot else ""
            for snapshot in (before, after)
        )
        if old or new:
            field = audit_words.FIELDS[key]
            found.append(("" if new.startswith(f"{field}「") else field, old, new))
    return found


def _value(kind: str, key: str, value: Any, names: Names) -> str:
    if value is None:
        return "不限" if key == "available" else "无"
    if key == "rule":
        return "已改"
    if key in _REFERENCES:
        several = value if isinstance(value, list) else [value]
        return "、".join(names.of(f"{_REFERENCES[key]}:{one}")[0] or "已删除" for one in several)
    if key == "state":
        return audit_words.STATES.get(kind, {}).get(str(value), "其他")
    if key == "role":
        return ROLES[Role(value)]
    if key == "by":
        return audit_words.LOGINS.get(str(value), "其他")
    if key.endswith("_fen"):
        return f"¥{words.yuan(int(value))}"
    if key.endswith("_bp"):
        return f"{int(value) / 100:g}%"
    if isinstance(value, bool):
        return "是" if value else "不"
    text = str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _event(event: SecurityEvent, names: Names, now: datetime) -> dict[str, Any]:
    said = audit_words.EVENTS.get(event.kind, audit_words.UNKNOWN_EVENT)
    inner = _inner(event.subject)
    about, href = names.of(inner)
    kind, _, key = event.subject.partition(":")
    different = (event.data or {}).get("different") or []
    if kind == "password":
        about = f"账号 {key}"
    elif kind == "password-at":
        place, _, name = key.partition(" ")
        about = f"账号 {name}，来自 {place}"
    elif kind in _COUNTED:
        about = f"{about or '员工'}，{_COUNTED[kind]}"
    elif kind in ("payment", "refund"):
        about = f"{'付款' if kind == 'payment' else '退款'} {key[-8:]}"
    return {
        "time": moment(event.at, now),
        "what": said.words,
        "tone": said.tone,
        "advice": said.advice,
        "about": about or _NAMELESS.get(kind, ""),
        "href": href,
        "different": "、".join(audit_words.DIFFERENCES.get(name, "其他") for name in different),
    }


def moment(at: datetime, now: datetime) -> str:
    """To the second: of several acts in a minute one wants to know which came first."""
    here, today = local(at), local(now)
    if here.date() == today.date():
        return f"{here:%H:%M:%S}"
    return f"{here:%m-%d %H:%M:%S}" if here.year == today.year else f"{here:%Y-%m-%d %H:%M}"


def _inner(subject: str) -> str:
    """`codes:staff:7` is about `staff:7`."""
    kind, _, rest = subject.partition(":")
    return rest if kind in _COUNTED else subject


_COUNTED = {"codes": "试券码", "pickup": "试取餐码", "stepup": "再输密码"}
_NAMELESS = {
    "member": "顾客",
    "staff": "员工",
    "order": "订单",
    "coupon": "优惠券",
    "template": "券模板",
    "promotion": "促销",
    "campaign": "活动",
    "segment": "人群",
    "store_sku": "商品",
    "scene": "邀请码",
    "invite": "邀请码",
    "loyalty": "会员体系",
    "goods": "积分商品",
    "plan": "档位",
    "lottery": "抽奖",
}
_ABOUT = {"members.export": "会员名单"}
"""What an act upon the whole shop is about, where its own words do not say it."""
_REFERENCES = {
    "segment_id": "segment",
    "store_id": "store",
    "stores": "store",
    "template_id": "template",
}
