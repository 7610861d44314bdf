"""The console's cookies: HttpOnly, SameSite=Lax, Secure wherever the address is https."""

import json
from datetime import timedelta
from typing import Any

from flask import Response, request

from core.config import current_config
from core.crypto import Unreadable, keyring

STAFF = "linli_staff"  # the log-in session's token
VISIT = "linli_visit"  # a browser that has not logged in yet
STORE = "linli_store"  # the store this screen is about; only a wish, always checked
ACCOUNT = "linli_account"  # the official account; only a wish, always checked
TOAST = "linli_toast"  # what the last act did, shown once
OAUTH = "linli_oauth"  # sealed: state and destination of a log-in under way
WECHAT = "linli_wechat"  # sealed: the identity that WeChat has just vouched for
PROVED = "linli_proved"  # sealed: who proved themselves again, and until when


def read(name: str) -> str:
    return request.cookies.get(name, "")


def write(response: Response, name: str, value: str, lifetime: timedelta | None = None) -> None:
    response.set_cookie(
        name,
        value,
        max_age=lifetime,
        path="/console",
        httponly=True,
        samesite="Lax",
        secure=current_config().app.base_url.startswith("https:"),
    )


def drop(response: Response, name: str) -> None:
    response.delete_cookie(name, path="/console", httponly=True, samesite="Lax")


def seal(name: str, value: dict[str, Any]) -> str:
    """`value` in a form that the browser can neither read nor change, for this cookie only."""
    text = json.dumps(value, separators=(",", ":"))
    return keyring().seal(json.dumps([name, text]))


def unseal(name: str) -> dict[str, Any] | None:
    """What `seal` was given, or None for anything else."""
    try:
        owner, text = json.loads(keyring().open(read(name)))
        return dict(json.loads(text)) if owner == name else None
    except (Unreadable, ValueError):
        return None
