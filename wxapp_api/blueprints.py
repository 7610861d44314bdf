"""How a blueprint of this door is made: prefix, tag, and the problems any route may answer."""

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from core.problems import PROBLEMS

MEMBER: list[dict[str, list[Any]]] = [{"member": []}]
"""`security=MEMBER` on a route that needs a log-in."""


def make_blueprint(name: str, description: str) -> APIBlueprint:
    return APIBlueprint(
        f"wxapp_{name}",
        f"wxapp_api.{name}",
        url_prefix="/api/v1",
        abp_tags=[Tag(name=name, description=description)],
        abp_responses=PROBLEMS,
    )
