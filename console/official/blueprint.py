"""The blueprint of the official account's pages, and which account they are about."""

from typing import Any

from flask import Blueprint
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from console.access import me
from core.config import OfficialAccount
from core.errors import LinliError
from merchants.models import Merchant
from messaging.accounts import officials_of

page = Blueprint("official", __name__, url_prefix="/official")


class NoAccount(LinliError):
    status, code, title = 409, "no_official_account", "还没有配置公众号，请运维在配置里填好"


def find_account(session: Session) -> OfficialAccount | None:
    """The merchant's own account. One that all merchants share is nobody's to change, unless
    there is only one merchant."""
    accounts = officials_of(me().merchant_code)
    own = [account for account in accounts if account.merchant == me().merchant_code]
    if own or not accounts:
        return own[0] if own else None
    alone = session.scalar(select(func.count()).select_from(Merchant)) == 1
    return accounts[0] if alone else None


def get_account(session: Session) -> OfficialAccount:
    """Raises NoAccount."""
    account = find_account(session)
    if account is None:
        raise NoAccount()
    return account


def shown(account: OfficialAccount) -> dict[str, Any]:
    return {"appid": account.appid, "name": account.name or account.appid}
