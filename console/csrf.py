"""Every unsafe request must repeat a token that only our own pages know.

The token is a signature of the cookie that identifies the browser: the staff session's, or before
log-in that of a visit. A new session has a new token.
"""

from flask import Response, request
from markupsafe import Markup

from console import cookies, state
from core.crypto import keyring
from core.errors import Forbidden
from core.numbers import new_token

PURPOSE = "console.csrf"
ACCOUNT = "of_account"


class ForgedRequest(Forbidden):
    code, title = "csrf", "这页放得太久了，刷新后再试一次"


def token() -> str:
    """The token for forms and headers of the page being rendered."""
    return keyring().sign(_secret(), PURPOSE)


def field() -> Markup:
    """With it goes the official account that the page is about, where there are several."""
    hidden = Markup('<input type="hidden" name="{}" value="{}">')
    account = state.find("account")
    named = hidden.format(ACCOUNT, account) if account else Markup()
    return hidden.format("csrf_token", token()) + named


def check() -> None:
    """Raise ForgedRequest for an unsafe request without the right token."""
    if request.method in ("GET", "HEAD", "OPTIONS"):
        return
    given = request.headers.get("X-CSRFToken") or request.form.get("csrf_token", "")
    secret = cookies.read(cookies.STAFF) or cookies.read(cookies.VISIT)
    if not secret or not keyring().is_signed(secret, PURPOSE, given):
        raise ForgedRequest()


def remember(response: Response) -> None:
    """Give a new visitor the cookie that the rendered token belongs to."""
    if visit := state.find("new_visit"):
        cookies.write(response, cookies.VISIT, visit)


def _secret() -> str:
    known = state.find("new_session") or cookies.read(cookies.STAFF) or cookies.read(cookies.VISIT)
    if not known:
        known = state.find("new_visit") or new_token()
        state.put("new_visit", known)
    return str(known)
