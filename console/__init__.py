"""Pages for merchants and their staff, entered from the official account's menu or by password.

A route is: gate, parse, one verb in a transaction, render. Pages are Jinja with htmx, look as
`assets/` says, and work without script but for live lists. Every list is bound to the stores of the
staff member; what belongs to others is not found.
"""

from flask import Flask

from console import assets, csrf
from console.blueprint import console
from console.navigation import may, waiting_orders
from console.official.blueprint import accounts_to_switch
from console.pages import PAGES

for page in PAGES:
    console.register_blueprint(page)


def register(app: Flask) -> None:
    """Put the console into `app`; called once, by `create_app`."""
    app.register_blueprint(console)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.jinja_env.globals.update(
        assets=assets.assets,
        icon=assets.icon,
        csrf_token=csrf.token,
        csrf_field=csrf.field,
        may=may,
        accounts_to_switch=accounts_to_switch,
        waiting_orders=waiting_orders,
    )
