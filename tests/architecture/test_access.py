"""Every route against every kind of caller: whoever is not meant is turned away before anything."""

from collections.abc import Iterator

import pytest
from flask import Flask
from werkzeug.routing import IntegerConverter, Rule

from core.web import Audience

CALLABLE = ("GET", "POST", "PUT", "PATCH", "DELETE")


def rules(app: Flask, audience: str) -> Iterator[tuple[Rule, str]]:
    for rule in app.url_map.iter_rules():
        declared: Audience = app.view_functions[rule.endpoint].audience
        if declared.name == audience:
            for method in sorted(set(CALLABLE) & (rule.methods or set())):
                yield rule, method


def path(rule: Rule) -> str:
    """The rule's address with something harmless in each hole."""
    built = rule.rule
    for name in rule.arguments:
        converter = rule._converters[name]
        sample = "1" if isinstance(converter, IntegerConverter) else "x1"
        for kind in ("int:", "path:", "string:", ""):
            built = built.replace(f"<{kind}{name}>", sample)
    return built


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic eDp5", "Bearer "])
def test_no_member_route_answers_a_stranger(app: Flask, token: str) -> None:
    client = app.test_client()
    open_doors = []
    for rule, method in rules(app, "member"):
        headers = {"Authorization": token} if token else {}
        answer = client.open(path(rule), method=method, headers=headers, data=b"{nonsense")
        if answer.status_code != 401:
            open_doors.append((method, rule.rule, answer.status_code))

    assert open_doors == []
    assert sum(1 for _ in rules(app, "member")) > 10


@pytest.mark.parametrize("token", ["", "Bearer nonsense", "Basic eDp5", "Bearer "])
def test_no_route_for_tills_answers_a_stranger(app: Flask, token: str) -> None:
    client = app.test_client()
    open_doors = []
    for rule, method in rules(app, "api_key"):
        headers = {"Authorization": token} if token else {}
        answer = client.open(path(rule), method=method, headers=headers, data=b"{nonsense")
        if answer.status_code != 401:
            open_doors.append((method, rule.rule, answer.status_code))

    assert open_doors == []
    assert sum(1 for _ in rules(app, "api_key")) == 5


def test_no_staff_route_answers_a_stranger(app: Flask) -> None:
    client = app.test_client()
    open_doors = []
    for rule, method in rules(app, "staff"):
        answer = client.open(path(rule), method=method)
        sent_to_log_in = answer.status_code in (302, 303) and "login" in answer.location
        if not (sent_to_log_in or answer.status_code in (401, 403)):
            open_doors.append((method, rule.rule, answer.status_code))

    assert open_doors == []
    assert sum(1 for _ in rules(app, "staff")) > 10


def test_only_these_routes_are_open_to_everybody(app: Flask) -> None:
    """A new public route is a decision: it is written down here."""
    doors = {rule.rule for rule, _ in rules(app, "public")}

    assert doors == PUBLIC


PUBLIC = {
    "/",
    "/api/v1/config",
    "/api/v1/jssdk",
    "/api/v1/sessions",
    "/api/v1/stores",
    "/api/v1/stores/<store_id>",
    "/api/v1/stores/<store_id>/menu",
    "/api/v1/tables",
    "/api/v1/tables/<code>",
    "/console/<path:anything>",
    "/console/callback",
    "/console/enter",
    "/console/invite/<code>",
    "/console/login",
    "/console/static/<path:filename>",
    "/docs",
    "/docs/assets/<path:name>",
    "/docs/start.js",
    "/healthz",
    "/m",
    "/m/",
    "/m/<path:name>",
    "/pay/<channel>/return/<account>/<no>",  # proves nothing, leads to our own page
    "/m/config.json",
    "/metrics",
    "/openapi.json",
    "/readyz",
}
