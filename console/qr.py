"""A QR code as a picture in the page."""

import io

import segno
from markupsafe import Markup


def svg(text: str) -> Markup:
    """Without style attributes, which the page's policy refuses."""
    out = io.BytesIO()
    segno.make(text, error="m").save(
        out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=2, dark="#1b2427"
    )
    return Markup(out.getvalue().decode())  # noqa: S704 - segno draws it, nothing is quoted in it


def drawing(text: str) -> bytes:
    """A file of its own."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", scale=10, border=4)
    return out.getvalue()
