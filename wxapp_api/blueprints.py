"""How a blueprint of this door is made: prefix, tag, and the problems any route may answer."""

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from core.web import Problem

MEMBER: list[dict[str, list[Any]]] = [{"member": []}]
"""`security=MEMBER` on a route that needs a log-in."""


def problem(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {"description": description, "content": content}


def make_blueprint(name: str, description: str) -> APIBlueprint:
    return APIBlueprint(
        f"wxapp_{name}",
        f"wxapp_api.{name}",
        url_prefix="/api/v1",
        abp_tags=[Tag(name=name, description=description)],
        abp_responses={
            400: problem("Malformed: not JSON, or a cursor that is not ours."),
            401: problem("Not logged in."),
            403: problem("Not allowed."),
            404: problem("Not found, or not yours."),
            409: problem("The state does not allow it; `code` says why."),
            410: problem("Expired."),
            422: problem("Well-formed but invalid; `errors` per field."),
            429: problem("Too many; `Retry-After`."),
            503: problem("A part is down; `Retry-After`."),
        },
    )
