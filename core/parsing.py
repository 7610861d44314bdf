"""From bytes to a checked model, from a model to bytes.

flask-openapi3 would validate before our gate has looked at the token, and would rebuild each query
model's JSON schema on every request; so the audience decorators call `parsed` instead: it reads the
view's `path`, `query`, `header` and `body` annotations once and validates per request.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, get_type_hints

from flask import Response, request
from pydantic import BaseModel, ValidationError

from core.errors import Invalid, Malformed, NotFound

Model = TypeVar("Model", bound=BaseModel)

WORDS = {
    "missing": "必填",
    "string_type": "要是文字",
    "string_too_short": "至少 {min_length} 个字",
    "string_too_long": "最多 {max_length} 个字",
    "string_pattern_mismatch": "格式不对",
    "int_type": "要是整数",
    "int_parsing": "要是整数",
    "int_from_float": "要是整数",
    "float_type": "要是数字",
    "float_parsing": "要是数字",
    "finite_number": "要是数字",
    "bool_type": "要是 true 或 false",
    "bool_parsing": "要是 true 或 false",
    "enum": "只能是 {expected}",
    "literal_error": "只能是 {expected}",
    "greater_than_equal": "不能小于 {ge}",
    "greater_than": "要大于 {gt}",
    "less_than_equal": "不能大于 {le}",
    "less_than": "要小于 {lt}",
    "too_short": "至少 {min_length} 项",
    "too_long": "最多 {max_length} 项",
    "list_type": "要是列表",
    "dict_type": "要是对象",
    "model_type": "要是对象",
    "extra_forbidden": "不认识这个字段",
}
"""What a person reads for each kind of pydantic error; `value_error` carries our own words."""


def parsed(view: Callable[..., Any]) -> Callable[..., Response]:
    """`view` called with its annotated models, its answer turned into a response."""
    hints = get_type_hints(view)
    path, query, header, body = (hints.get(name) for name in ("path", "query", "header", "body"))

    @wraps(view)
    def handle(**values: Any) -> Response:
        arguments: dict[str, Any] = {}
        if path is not None:
            arguments["path"] = found_path(path, values)
        if header is not None:
            names = {field.alias or name for name, field in header.model_fields.items()}
            found = {name: request.headers[name] for name in names if name in request.headers}
            arguments["header"] = checked(header, found)
        if query is not None:
            arguments["query"] = checked(query, request.args.to_dict())
        if body is not None:
            arguments["body"] = read_body(body)
        return answer(view(**arguments))

    handle.__delay_validate_request__ = True  # type: ignore[attr-defined]
    return handle


def found_path(model: type[Model], values: dict[str, Any]) -> Model:
    """An address that no id of ours could have made leads nowhere."""
    try:
        return model.model_validate(values)
    except ValidationError:
        raise NotFound from None


def checked(model: type[Model], values: dict[str, Any]) -> Model:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise Invalid("有几项填得不对", errors=explain(error)) from None


def read_body(model: type[Model]) -> Model:
    """The request's JSON as `model`. Malformed: not JSON at all; Invalid: JSON, but not ours."""
    raw = request.get_data(cache=True)
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        if any(item["type"] == "json_invalid" for item in error.errors(include_url=False)):
            raise Malformed("请求内容要是 JSON") from None
        raise Invalid("有几项填得不对", errors=explain(error)) from None


def explain(error: ValidationError) -> dict[str, str]:
    """One sentence per field, keyed by its path (`items.0.quantity`)."""
    found = error.errors(include_url=False, include_input=False, include_context=True)
    return {".".join(str(part) for part in item["loc"]) or "body": words(item) for item in found}


def words(item: Any) -> str:
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    return WORDS.get(item["type"], "格式不对").format(**item.get("ctx", {}))


def answer(result: Any) -> Response:
    """A model, (model, status) or a finished response."""
    if isinstance(result, Response):
        return result
    model, status = result if isinstance(result, tuple) else (result, 200)
    if model is None:
        return Response(status=204)
    return Response(model.model_dump_json(), status, mimetype="application/json")
