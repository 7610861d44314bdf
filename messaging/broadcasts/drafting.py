"""Writing a broadcast down: what it says, to whom; nothing is sent before somebody looked at it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from core import audit
from merchants.models import Merchant
from messaging.accounts import find_official, ruled_officials
from messaging.broadcasts.errors import BroadcastInvalid, BroadcastMoved
from messaging.broadcasts.models import Audience, Broadcast, BroadcastState
from messaging.broadcasts.moving import move
from messaging.broadcasts.queries import list_tags
from messaging.materials import shelf

TEXT_BYTES, TITLE, DIGEST, BODY, NAME = 1800, 64, 120, 20_000, 24
TEXT, ARTICLE, IMAGE, VOICE, VIDEO = "text", "article", "image", "voice", "video"
FILES = {IMAGE: "一张图片", VOICE: "一段语音", VIDEO: "一段视频"}
"""Kinds that are a lasting material of the account."""
NO_ACCOUNT = "选一个自己的公众号"


@dataclass(frozen=True)
class Draft:
    """What somebody typed. `page`: a page of the mini-program that a link under the words opens;
    `cover`: a lasting picture, else the account's own; `media`: the material that is sent."""

    appid: str
    kind: str
    audience: str
    text: str = ""
    page: str = ""
    title: str = ""
    digest: str = ""
    body: str = ""
    url: str = ""
    cover: str = ""
    media: str = ""
    segment_id: int | None = None
    tag_id: int | None = None

    def content(self, file: str) -> dict[str, Any]:
        """As it is kept; `file`: what the chosen material is called."""
        if self.kind in FILES:
            said = {"media": self.media, "name": file}
            if self.kind == VIDEO:
                said |= {"title": self.title.strip(), "digest": self.digest.strip()}
            return said
        if self.kind == ARTICLE:
            return {
                "title": self.title.strip(),
                "digest": self.digest.strip(),
                "body": self.body.strip(),
                "url": self.url.strip(),
                "cover": self.cover,
            }
        return {"text": self.text.strip(), "page": self.page}

    def name(self, file: str) -> str:
        words = {TEXT: self.text, IMAGE: file, VOICE: file}.get(self.kind, self.title)
        first = words.strip().split("\n")[0].strip()
        return first if len(first) <= NAME else f"{first[: NAME - 1]}…"


def create(
    session: Session, merchant_id: int, draft: Draft, *, actor: str, now: datetime
) -> Broadcast:
    """A draft. Raises BroadcastInvalid, its errors by field."""
    file = _check(session, merchant_id, draft, now)
    broadcast = Broadcast(
        merchant_id=merchant_id,
        state=BroadcastState.draft,
        created_by=actor,
        created_at=now,
        **_values(draft, file),
    )
    session.add(broadcast)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="broadcast.create",
        subject=f"broadcast:{broadcast.id}",
        after={"name": broadcast.name},
        merchant_id=merchant_id,
        now=now,
    )
    return broadcast


def change(
    session: Session, broadcast: Broadcast, draft: Draft, *, actor: str, now: datetime
) -> None:
    """Other words or other people; whoever looked at it has to look again."""
    file = _check(session, broadcast.merchant_id, draft, now)
    if broadcast.state is BroadcastState.previewed:
        move(session, broadcast, BroadcastState.draft, actor=actor, now=now)
    if broadcast.state is not BroadcastState.draft:
        raise BroadcastMoved
    for name, value in {**_values(draft, file), "media_id": ""}.items():
        setattr(broadcast, name, value)
    session.flush()
    audit.record(
        session,
        actor=actor,
        action="broadcast.change",
        subject=f"broadcast:{broadcast.id}",
        after={"name": broadcast.name, "audience": broadcast.audience.value},
        merchant_id=broadcast.merchant_id,
        now=now,
    )


def discard(session: Session, broadcast: Broadcast, *, actor: str, now: datetime) -> None:
    """A draft that nobody wants. Raises BroadcastMoved once it is on its way."""
    if broadcast.state not in (BroadcastState.draft, BroadcastState.previewed):
        raise BroadcastMoved
    move(session, broadcast, BroadcastState.stopped, actor=actor, now=now, finished_at=now)


def may_use(session: Session, merchant_id: int, appid: str) -> bool:
    """Only over its own followers: on an account that several share each has some."""
    code = session.get_one(Merchant, merchant_id).code
    return appid in [account.appid for account in ruled_officials(session, code)]


def _values(draft: Draft, file: str) -> dict[str, Any]:
    return {
        "appid": draft.appid,
        "name": draft.name(file),
        "kind": draft.kind,
        "content": draft.content(file),
        "audience": Audience(draft.audience),
        "segment_id": draft.segment_id if draft.audience == Audience.segment else None,
        "tag_id": draft.tag_id if draft.audience == Audience.tag else None,
    }


def _check(session: Session, merchant_id: int, draft: Draft, now: datetime) -> str:
    """What the chosen material is called, "" without one. Raises BroadcastInvalid."""
    errors = {} if may_use(session, merchant_id, draft.appid) else {"appid": NO_ACCOUNT}
    file = ""
    if draft.kind == ARTICLE:
        errors |= _check_article(draft)
    elif draft.kind == TEXT:
        if not draft.text.strip():
            errors["text"] = "写上要说的话"
        elif len(draft.text.strip().encode()) > TEXT_BYTES:
            errors["text"] = f"太长了，最多约 {TEXT_BYTES // 3} 个字"
    elif draft.kind in FILES:
        found = shelf.list_usable(session, draft.appid, [draft.kind], lasting=True, now=now)
        file = next((each.name for each in found if each.media_id == draft.media), "")
        if not file:
            errors["media"] = f"选{FILES[draft.kind]}"
        if draft.kind == VIDEO:
            errors |= _check_words(("title", draft.title, TITLE, "写一个标题"))
    else:
        errors["kind"] = "选一种形式"
    chosen = draft.audience if draft.audience in list(Audience) else ""
    if chosen in ("", Audience.campaign):
        errors["audience"] = "选发给谁"
    elif chosen == Audience.segment and draft.segment_id is None:
        errors["segment"] = "选一个人群"
    elif chosen == Audience.tag and draft.tag_id not in dict(list_tags(session, draft.appid)):
        errors["tag"] = "选一个这个公众号的标签"
    if draft.kind in (ARTICLE, VIDEO) and len(draft.digest.strip()) > DIGEST:
        errors["digest"] = f"最多 {DIGEST} 个字"
    if errors:
        raise BroadcastInvalid(errors=errors)
    return file


def _check_words(*fields: tuple[str, str, int, str]) -> dict[str, str]:
    errors: dict[str, str] = {}
    for name, words, most, missing in fields:
        if not words.strip():
            errors[name] = missing
        elif len(words.strip()) > most:
            errors[name] = f"最多 {most} 个字"
    return errors


def _check_article(draft: Draft) -> dict[str, str]:
    errors = _check_words(
        ("title", draft.title, TITLE, "写一个标题"), ("body", draft.body, BODY, "写上正文")
    )
    account = find_official(draft.appid)
    if account is not None and not (account.card_media_id or draft.cover):
        errors["cover"] = "选一张封面图片，或者先发文字"
    if draft.url.strip() and not draft.url.strip().startswith("https://"):
        errors["url"] = "链接要以 https:// 开头"
    return errors
