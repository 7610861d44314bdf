"""The blueprint of the official account's pages, and which account they are about."""

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, request, url_for
from sqlalchemy.orm import Session

from console import cookies, csrf, reply, state
from console.access import me, staff
from core.config import OfficialAccount
from core.database import reading
from core.errors import LinliError
from messaging.accounts import ruled_officials

page = Blueprint("official", __name__, url_prefix="/official")


class NoAccount(LinliError):
    status, code, title = 409, "no_official_account", "还没有配置公众号，请运维在配置里填好"


def find_account(session: Session) -> OfficialAccount | None:
    """The account that this screen is about: the form's, else the one chosen last, else the first.

    A form names its account, so that a page which was open before the switch changes the account
    that it shows.
    """
    accounts = ruled_officials(session, me().merchant_code)
    wished = request.form.get(csrf.ACCOUNT) or cookies.read(cookies.ACCOUNT)
    chosen = next((each for each in accounts if each.appid == wished), None)
    chosen = chosen or next(iter(accounts), None)
    if len(accounts) > 1 and chosen is not None:
        state.put("accounts", [shown(each) for each in accounts])
        state.put("account", chosen.appid)
    return chosen


def accounts_to_switch() -> dict[str, Any]:
    """For the tabs: the account that is open, and those that may be opened instead."""
    return {"now": state.find("account"), "all": state.find("accounts") or []}


@page.post("/account")
@staff("chats.reply")
def switch_account() -> Response:
    """A wish, kept in the browser; what is done is checked against the merchant's accounts."""
    to = reply.local(request.form.get("to"), url_for("console.official.answering"))
    response = reply.done(to)
    with reading() as session:
        known = [each.appid for each in ruled_officials(session, me().merchant_code)]
    wanted = request.form.get("account", "")
    if wanted in known:
        cookies.write(response, cookies.ACCOUNT, wanted, timedelta(days=365))
    return response


def get_account(session: Session) -> OfficialAccount:
    """Raises NoAccount."""
    account = find_account(session)
    if account is None:
        raise NoAccount()
    return account


def shown(account: OfficialAccount) -> dict[str, Any]:
    return {"appid": account.appid, "name": account.name or account.appid}
