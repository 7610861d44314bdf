"""Segments: a rule over the members, asked live. The grammar is in `crm.segments.rules`."""

from crm.segments.compiling import compile_rule as compile
from crm.segments.preview import Preview, Sample, count, preview, sample
from crm.segments.rules import validate
from crm.segments.saving import change, check, create, get_segment, list_segments, wear

__all__ = [
    "Preview",
    "Sample",
    "change",
    "check",
    "compile",
    "count",
    "create",
    "get_segment",
    "list_segments",
    "preview",
    "sample",
    "validate",
    "wear",
]
