"""Proving oneself again before money or data leaves: the password, good for five minutes."""

from datetime import datetime

from flask import Response

from console import access, state
from console.access import me
from console.forms import Form
from core.database import transaction
from core.errors import TooMany
from merchants.models import Staff
from merchants.staff import verify


def is_proved(form: Form, now: datetime) -> bool:
    """Proved lately, or by the password in the form; else the form says what is missing."""
    if access.is_proved(now):
        return True
    who = me()
    if not who.has_password:
        form.refuse("password", "请从公众号菜单重新进来，再做一次")
        return False
    if not form["password"]:
        form.refuse("password", "输入你的登录密码")
        return False
    try:
        with transaction() as session:
            staff = session.get_one(Staff, who.staff_id)
            right = verify(session, staff, form["password"], now)
    except TooMany as locked:
        form.refuse("password", f"错的次数太多，{locked.retry_after // 60 + 1} 分钟后再试")
        return False
    if not right:
        form.refuse("password", "密码不对")
        return False
    state.put("proved_now", True)
    return True


def remember(response: Response, now: datetime) -> None:
    """Spare them the question for five minutes, if they have just answered it."""
    if state.find("proved_now"):
        access.prove(response, me().session_hash, now)
