"""The failures that any route of a JSON door may answer, as its OpenAPI description says them."""

from typing import Any

from core.web import Problem


def problem(description: str) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": Problem.model_json_schema()}}
    return {"description": description, "content": content}


PROBLEMS: dict[str | int, Any] = {
    400: problem("Malformed: not JSON, or a cursor that is not ours."),
    401: problem("Not logged in."),
    403: problem("Not allowed."),
    404: problem("Not found, or not yours."),
    409: problem("The state does not allow it; `code` says why."),
    410: problem("Expired."),
    422: problem("Well-formed but invalid; `errors` per field."),
    429: problem("Too many; `Retry-After`."),
    503: problem("A part is down; `Retry-After`."),
}
