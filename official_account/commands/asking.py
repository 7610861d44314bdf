"""Who asks, and what all commands need: a question that stays open, a link, the records."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy.orm import Session

from core import audit
from core.config import current_config
from merchants.models import Staff
from merchants.roles import may
from merchants.staff import stores_of
from messaging import dialogues
from messaging.models import Dialogue
from messaging.words import link


@dataclass(frozen=True)
class Asker:
    """A member of staff in the chat, in the transaction of their message."""

    session: Session
    staff: Staff
    appid: str
    openid: str
    now: datetime

    @property
    def actor(self) -> str:
        return f"staff:{self.staff.id}"

    @property
    def merchant_id(self) -> int:
        return self.staff.merchant_id

    @property
    def store_ids(self) -> list[int]:
        return stores_of(self.session, self.staff)

    def may(self, permission: str) -> bool:
        return may(self.staff.role, permission)

    def question(self) -> Dialogue | None:
        return dialogues.find(self.session, self.appid, self.openid, now=self.now)

    def ask(self, kind: str, data: dict[str, Any]) -> None:
        """The next answer is meant for this, for five minutes."""
        dialogues.ask(self.session, self.appid, self.openid, kind, data, now=self.now)

    def done(self) -> bool:
        return dialogues.end(self.session, self.appid, self.openid)

    def console(self, words: str, path: str) -> str:
        """A link into the console, which asks WeChat who is there."""
        base = current_config().app.base_url.rstrip("/")
        return link(words, f"{base}/console/enter?{urlencode({'appid': self.appid, 'next': path})}")

    def refused(self, command: str, why: str) -> str:
        """Somebody tried: that is on record by the word alone, since what followed may be a code
        or a number. What they are told."""
        self.note("chat.refused", f"merchant:{self.merchant_id}", {"command": command}, why)
        return why

    def note(
        self, action: str, subject: str, after: dict[str, Any] | None = None, reason: str = ""
    ) -> None:
        audit.record(
            self.session,
            actor=self.actor,
            action=action,
            subject=subject,
            after={**(after or {}), "by": "chat"},
            reason=reason,
            merchant_id=self.merchant_id,
            now=self.now,
        )
