"""create_app(config): the one place that wires everything."""

import fcntl
import gc
from importlib import import_module
from pathlib import Path

from flask import Flask
from flask_migrate import Migrate
from sqlalchemy.orm import configure_mappers

import gateways
from core import clock, config, embedded_redis, engines, health, logs, redis, web
from core.config import Config
from core.crypto import Keyring
from core.database import db

DOORS = ("wxapp_api", "official_account", "console", "open_api", "cli")
DOMAINS = (
    "core",
    "people",
    "merchants",
    "messaging",
    "catalogue",
    "coupons",
    "crm",
    "orders",
    "payments",
)


def create_app(settings: Config | None = None) -> Flask:
    """The application for `settings`, by default for the file that `LINLI_CONFIG` names.

    Raises ConfigError when the configuration is not usable.
    """
    settings = settings or config.load()
    logs.configure(settings.logging)
    app = web.make_app(__name__)
    app.extensions["linli.config"] = settings
    app.extensions["linli.keyring"] = Keyring(
        [key.get_secret_value() for key in settings.app.encryption_keys],
        settings.app.secret_key.get_secret_value(),
    )
    app.secret_key = settings.app.secret_key.get_secret_value()
    web.install(app, settings)
    app.register_blueprint(health.blueprint)
    _connect_database(app, settings)
    _connect_redis(app, settings)
    if settings.app.clock_file:
        clock.follow_file(settings.app.clock_file)
    _register_packages(app, settings)
    return app


def serve() -> Flask:
    """The application in a process of its own: what is there at the start stays, so the collector
    need not look at it again and again.
    """
    app = create_app()
    configure_mappers()  # else the first visitor waits for it, and all of it is young
    gc.collect()
    gc.freeze()
    return app


def _connect_database(app: Flask, settings: Config) -> None:
    url = settings.database.url
    if url.startswith("sqlite:///") and not url.startswith("sqlite:////"):
        url = f"sqlite:///{Path(url.removeprefix('sqlite:///')).resolve()}"
        Path(url.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    options = engines.options(url, settings.database.pool_size)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options
    db.init_app(app)
    Migrate(app, db, directory=str(Path(__file__).parent / "migrations"), render_as_batch=True)
    with app.app_context():
        engines.prepare(db.engine)
        app.extensions["linli.reader"] = engines.reader(db.engine)
        app.extensions["linli.at_once"] = engines.at_once(db.engine, options)


def _connect_redis(app: Flask, settings: Config) -> None:
    url = settings.redis.url
    if url == "embedded":
        directory = settings.app.var / "redis"
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / "starting").open("a") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            embedded_redis.start(directory)
        url = embedded_redis.url(directory)
    redis.connect(app, url)


def _register_packages(app: Flask, settings: Config) -> None:
    for name in DOMAINS:
        import_module(f"{name}.models")
    gateways.connect(app, settings)
    for name in DOORS:
        import_module(name).register(app)
