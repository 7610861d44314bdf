"""The door for other systems: tills, ERP. JSON under /open/v1, with a key of the merchant's.

A route is: gate (`access.api_key`, which also counts), parse, one verb in a transaction, answer.
Writes carry an `Idempotency-Key`: sent twice they count once and are answered the same.
"""

from importlib import import_module

from flask_openapi3 import OpenAPI

MODULES: tuple[str, ...] = ("coupons", "redemptions")
"""Modules of this package with a `blueprint`, in the order of the API's documentation."""


def register(app: OpenAPI) -> None:
    """Mount every blueprint of the door on `app`."""
    for name in MODULES:
        app.register_api(import_module(f"open_api.{name}").blueprint)
