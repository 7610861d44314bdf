"""The sandbox as one WSGI application."""

from flask import Flask, Response, request

from sandbox import formnotices
from sandbox.alipay import routes as alipay
from sandbox.api import (  # noqa: F401  (routes on the blueprint)
    bills,
    cards,
    controls,
    h5pay,
    past,
    pay,
    people,
    phone,
    trades,
)
from sandbox.api.door import control, install_errors
from sandbox.api.pages import pages
from sandbox.outgoing import Deliver
from sandbox.pay import notices, refunds, sharing
from sandbox.pay import routes as wechat_pay
from sandbox.phone import PhoneSetup
from sandbox.phone import blueprint as phone_page
from sandbox.settings import Settings
from sandbox.state import Snapshots, World
from sandbox.unionpay import moves
from sandbox.unionpay import routes as unionpay
from sandbox.wechat import routes as wechat
from sandbox.wechat import tradeevents
from sandbox.wechat.door import Door


def create_sandbox(settings: Settings, *, deliver: Deliver | None = None) -> Flask:
    """`deliver` replaces HTTP for calls to the shop (tests without a second server)."""
    app = Flask("sandbox", static_folder=None)
    world = World(settings, deliver)
    app.extensions["sandbox"] = world
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    install_errors(app)

    @app.before_request
    def refuse_foreign_hosts() -> Response | None:
        """No foreign page may reach these pages by a name that points here."""
        known = settings.knows_host(f"//{request.host}")
        return None if known else Response("unknown host", 403, mimetype="text/plain")

    app.register_blueprint(control)
    app.register_blueprint(pages)
    _mount_phone(app, settings)
    app.register_blueprint(wechat.api)
    app.register_blueprint(wechat_pay.api)
    app.register_blueprint(alipay.api)
    app.register_blueprint(unionpay.api)
    app.wsgi_app = Door(app.wsgi_app, world)  # type: ignore[method-assign]
    if settings.state_path:
        snapshots = Snapshots(world, settings.state_path)
        if snapshots.restore():
            notices.resume(world)
            refunds.resume(world)
            moves.resume(world)
            formnotices.resume(world)
            sharing.resume(world)
            tradeevents.resume(world)
        snapshots.start()
    return app


def _mount_phone(app: Flask, settings: Settings) -> None:
    official = next((a for a in settings.accounts.values() if a.kind == "official"), None)
    mini = next((a for a in settings.accounts.values() if a.kind == "mini"), None)
    app.config["PHONE"] = PhoneSetup(
        backend=settings.push_base,
        official_appid=official.appid if official else "",
        official_name=official.name if official else "",
        mini_appid=mini.appid if mini else "",
        templates=settings.template_titles,
    )
    app.register_blueprint(phone_page)
