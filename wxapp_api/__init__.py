"""The mini-program's door: JSON under /api/v1, and the callbacks of payment channels.

Every module of MODULES holds one blueprint named `blueprint`; `register` mounts them all. A route
is: gate (`access`), parse (models in `schemas`), one call in a transaction, answer.
"""

from importlib import import_module

from flask_openapi3 import OpenAPI

from wxapp_api import browser_build, channel_notices, pay_notices

MODULES: tuple[str, ...] = (
    "sessions",
    "members",
    "stores",
    "menus",
    "quotes",
    "orders",
    "coupons",
    "gifts",
    "payments",
    "shares",
    "jssdk",
    "loyalty",
    "play",
)
"""Modules of this package with a `blueprint`, in the order of the API's documentation."""


def register(app: OpenAPI) -> None:
    """Mount every blueprint of the door on `app`."""
    for name in MODULES:
        app.register_api(import_module(f"wxapp_api.{name}").blueprint)
    app.register_blueprint(browser_build.blueprint)
    app.register_blueprint(pay_notices.blueprint)
    app.register_blueprint(channel_notices.blueprint)
