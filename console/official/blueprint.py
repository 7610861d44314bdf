"""The blueprint of the official account's pages, and which account they are about."""

from typing import Any

from flask import Blueprint
from sqlalchemy.orm import Session

from console.access import me
from core.config import OfficialAccount
from core.errors import LinliError
from messaging.accounts import ruled_officials

page = Blueprint("official", __name__, url_prefix="/official")


class NoAccount(LinliError):
    status, code, title = 409, "no_official_account", "还没有配置公众号，请运维在配置里填好"


def find_account(session: Session) -> OfficialAccount | None:
    """The account that the merchant decides over."""
    return next(iter(ruled_officials(session, me().merchant_code)), None)


def get_account(session: Session) -> OfficialAccount:
    """Raises NoAccount."""
    account = find_account(session)
    if account is None:
        raise NoAccount()
    return account


def shown(account: OfficialAccount) -> dict[str, Any]:
    return {"appid": account.appid, "name": account.name or account.appid}
