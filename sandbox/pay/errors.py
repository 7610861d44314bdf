"""Refusals of WeChat Pay: a status, a code, a sentence, and the number in the Request-ID."""

from typing import Any


class PayError(Exception):
    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        number: int = 268435461,
        detail: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message
        self.number, self.detail = number, detail

    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = {"code": self.code, "message": self.message}
        return {**body, "detail": self.detail} if self.detail else body


def bad_parameter(
    field: str, issue: str, value: Any = None, *, number: int = 268435461
) -> PayError:
    detail = {"location": "body", "field": field, "value": value, "issue": issue}
    return PayError(400, "PARAM_ERROR", f"参数错误：{issue}", number=number, detail=detail)


def sign_error(message: str, **detail: Any) -> PayError:
    return PayError(401, "SIGN_ERROR", message, number=268443699, detail=detail or None)
