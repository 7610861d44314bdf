"""Everything that has no place in a phone's tab bar."""

from flask import Blueprint, Response

from console import access, cookies, reply, state
from console.access import staff, visitor
from core.clock import now as clock_now
from core.database import reading
from core.errors import NotFound

page = Blueprint("more", __name__)


@page.get("/more")
@staff()
def show() -> Response:
    return reply.page("more.html")


@page.route("/<path:anything>")
@visitor
def nowhere(**_address: str) -> Response:
    """An address of the console that leads nowhere: our own page, not a program's answer."""
    with reading() as session:  # whoever is logged in keeps the frame around it
        state.put("me", access.find_me(session, cookies.read(cookies.STAFF), clock_now()))
    raise NotFound("没有这一页")
