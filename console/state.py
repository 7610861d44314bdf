"""What one request knows, kept with the request itself: who asks, what is said, new cookies."""

from typing import Any

from flask import has_request_context, request


def put(name: str, value: Any) -> None:
    request.environ[f"linli.console.{name}"] = value


def find(name: str) -> Any:
    """The value of this request, or None."""
    return request.environ.get(f"linli.console.{name}") if has_request_context() else None
