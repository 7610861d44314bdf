"""Importing this module hangs every interface on the blueprint."""

from sandbox.wechat import (
    customer,
    login,
    masses,
    media,
    menus,
    notifies,
    oauth,
    qrcodes,
    tagging,
    templates,
    trades,
    users,
)
from sandbox.wechat.door import api

__all__ = [
    "api",
    "customer",
    "login",
    "masses",
    "media",
    "menus",
    "notifies",
    "oauth",
    "qrcodes",
    "tagging",
    "templates",
    "trades",
    "users",
]
