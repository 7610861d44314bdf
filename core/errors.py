"""One small class per business failure: a code for programs, a status, a sentence for people.

A failure is raised where the rule is broken and rendered once, in `core.web`, as RFC 9457 problem
details.
"""

from typing import Any


class LinliError(Exception):
    """An expected failure. `detail` is Chinese, for a person; `code` is stable, for a program.

    `errors` maps a field to what is wrong with it. Anything in `extra` becomes a member of the
    problem document, so it must be JSON and must hold nothing private.
    """

    status: int = 500
    code: str = "internal"
    title: str = "服务出了点问题"

    def __init__(
        self, detail: str = "", *, errors: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail or self.title)
        self.detail = detail or self.title
        self.errors = errors or {}
        self.extra = extra


class Malformed(LinliError):
    status, code, title = 400, "malformed", "请求格式不对"


class Unauthorized(LinliError):
    status, code, title = 401, "unauthorized", "请先登录"


class Forbidden(LinliError):
    status, code, title = 403, "forbidden", "没有权限"


class NotFound(LinliError):
    status, code, title = 404, "not_found", "没有找到"


class Conflict(LinliError):
    status, code, title = 409, "conflict", "状态已经变了，刷新看看"


class Gone(LinliError):
    status, code, title = 410, "expired", "已经过期"


class Invalid(LinliError):
    status, code, title = 422, "invalid", "填写有误"


class TooMany(LinliError):
    """`retry_after` is in seconds."""

    status, code, title = 429, "too_many", "操作太频繁，稍后再试"

    def __init__(self, detail: str = "", *, retry_after: int = 60, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after


class Unavailable(LinliError):
    """A part is down. `retry_after` is in seconds."""

    status, code, title = 503, "unavailable", "服务暂时不可用，正在恢复"

    def __init__(self, detail: str = "", *, retry_after: int = 5, **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.retry_after = retry_after
