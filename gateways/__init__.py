"""The only code that talks to other companies' servers.

Everything that leaves this process over HTTP leaves through here, and everything that WeChat sends
is verified and opened here. No business is known: the callers say what to ask and decide what an
answer means. Nothing in here touches the database, and no error or log line carries a secret, a
token or a request's query.

`connect` is called once by `create_app`; `wechat()` is what everybody else calls, and `cashier()`
whoever has to do with money.
"""

from typing import cast

from flask import Flask, current_app

from core.config import Config
from gateways.cashier import Cashier
from gateways.http import Http
from gateways.wechat.registry import Wechat

EXTENSION = "linli.gateways"
CASHIER = "linli.cashier"


def connect(app: Flask, config: Config) -> Wechat:
    """Build the clients for every configured account and keep them with the app."""
    http = Http()
    registry = Wechat(config.wechat, http)
    app.extensions[EXTENSION] = registry
    app.extensions[CASHIER] = Cashier(registry, config, http)
    return registry


def wechat() -> Wechat:
    """The registry of WeChat accounts of the current app."""
    return cast(Wechat, current_app.extensions[EXTENSION])


def cashier() -> Cashier:
    """Every account of the current app that takes money."""
    return cast(Cashier, current_app.extensions[CASHIER])
