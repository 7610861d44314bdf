"""The blueprint of the control interface, its gate and its errors."""

import ipaddress
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from sandbox.acts import NotPossible
from sandbox.people import Person
from sandbox.settings import Account
from sandbox.state import World

control = Blueprint("control", __name__, url_prefix="/sandbox/api")


def the_world() -> World:
    world = current_app.extensions["sandbox"]
    assert isinstance(world, World)
    return world


class Refused(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def body() -> dict[str, Any]:
    """The JSON object sent; an empty body is an empty object."""
    if not request.get_data():
        return {}
    data = request.get_json(silent=True)
    if not isinstance(data, dict):
        raise Refused(400, "a JSON object is expected")
    return data


def need(data: dict[str, Any], name: str, kind: type[Any] = str) -> Any:
    value = data.get(name)
    if not isinstance(value, kind) or value == "":
        raise Refused(400, f"{name} is missing")
    return value


def person_of(person_id: str) -> Person:
    try:
        return the_world().people.get(person_id)
    except KeyError:
        raise Refused(404, "没有这个人") from None


def account_of(data: dict[str, Any], kind: str = "") -> Account:
    """The account named by `appid`; without it the only (first) one of that kind."""
    accounts = the_world().settings.accounts
    appid = data.get("appid")
    if appid is None and kind:
        appid = next((a.appid for a in accounts.values() if a.kind == kind), None)
    if not isinstance(appid, str) or appid not in accounts:
        raise Refused(404, "没有这个账号")
    return accounts[appid]


@control.before_request
def _only_from_here() -> ResponseReturnValue | None:
    try:
        local = ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        local = not request.remote_addr  # a unix socket has no address
    if not local or not _is_loopback(urlsplit(f"//{request.host}").hostname):
        # A name that somebody else points at this machine makes their page a page of ours.
        return _problem(403, "只能从这台机器上操作")
    if request.headers.get("Origin", request.host_url.rstrip("/")) != request.host_url.rstrip("/"):
        return _problem(403, "别的网站不能操作")
    if request.method == "POST" and request.get_data() and not request.is_json:
        # A page of another site can post forms here, but not JSON.
        return _problem(415, "要用 JSON")
    return None


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False


def install_errors(app: Flask) -> None:
    app.register_error_handler(Refused, lambda e: _problem(e.status, str(e)))
    app.register_error_handler(NotPossible, lambda e: _problem(409, str(e)))


def _problem(status: int, title: str) -> ResponseReturnValue:
    """Problem details, as the shop's own interfaces answer."""
    answer = jsonify(title=title, status=status, detail=title)
    answer.mimetype = "application/problem+json"
    return answer, status
