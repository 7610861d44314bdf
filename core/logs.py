"""Structured logs: one JSON object a line, the request id on each, nothing private in clear."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from core.config import Logging

PRIVATE = re.compile(
    r"token|secret|password|phone|openid|union_?id|session_key|authorization|cookie|private|aes_key"
    r"|api_v3_key|code$",
    re.IGNORECASE,
)
HARMLESS = {"code", "errcode", "status_code", "error_code"}

log: structlog.stdlib.BoundLogger = structlog.get_logger("linli")


def mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace what a log must not hold; the last four characters stay to tell two apart."""
    for key, value in event.items():
        if PRIVATE.search(key) and key not in HARMLESS and value:
            text = str(value)
            event[key] = f"***{text[-4:]}" if len(text) > 8 else "***"
    return event


def configure(settings: Logging) -> None:
    """Set up logging for this process; calling it again replaces what was set."""
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask,
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if settings.format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
