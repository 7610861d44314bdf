"""Who did what: the audit log and the security events of the merchant, for its owner."""

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import audit_names, audit_view, audit_words, reply
from console.access import ROLES, me, staff
from core import audit, security_events
from core.clock import now as clock_now
from core.database import reading
from merchants.models import Merchant
from merchants.staff import list_staff

page = Blueprint("audit", __name__, url_prefix="/audit")

PER_PAGE = 50


@page.get("/")
@staff("audit.view")
def index() -> Response:
    """Newest first, by person and by kind."""
    now, merchant_id = clock_now(), me().merchant_id
    filters = {name: request.args.get(name, "") for name in ("who", "kind")}
    if filters["kind"] not in audit_words.KINDS:
        filters["kind"] = ""
    cursor = request.args.get("cursor", "")
    with reading() as session:
        colleagues = _actors(session)
        if filters["who"] not in dict(colleagues):
            filters["who"] = ""
        found = audit.read_page(
            session,
            merchant_id,
            actor=filters["who"],
            actions=audit_words.acts_of(filters["kind"]),
            cursor=cursor,
            limit=PER_PAGE,
        )
        names = audit_names.look_up(session, merchant_id, audit_view.subjects_of(found.entries))
    kept = {name: value for name, value in filters.items() if value}
    here = url_for("console.audit.index", **kept)  # type: ignore[arg-type]
    following = url_for("console.audit.index", **kept, cursor=found.next)  # type: ignore[arg-type]
    return reply.page(
        "audit/index.html",
        entries=audit_view.rows(found.entries, names, now),
        filters=filters,
        people=colleagues,
        kinds=[("", "全部操作"), *audit_words.KINDS.items()],
        tabs=_tabs("index"),
        pager={
            "words": f"这页 {len(found.entries)} 条",
            "next": following if found.next else "",
            "first": here if cursor else "",
        },
    )


@page.get("/security")
@staff("audit.view")
def security() -> Response:
    """What somebody should look at: lock-outs, payments that do not fit, refused merges."""
    now, merchant_id = clock_now(), me().merchant_id
    cursor = request.args.get("cursor", "")
    with reading() as session:
        alone = len(session.scalars(select(Merchant.id).limit(2)).all()) == 1
        found = security_events.read_page(
            session, merchant_id, installation=alone, cursor=cursor, limit=PER_PAGE
        )
        subjects = audit_view.subjects_of_events(found.events)
        names = audit_names.look_up(session, merchant_id, subjects)
    following = url_for("console.audit.security", cursor=found.next)
    return reply.page(
        "audit/security.html",
        events=audit_view.events(found.events, names, now),
        tabs=_tabs("security"),
        pager={
            "words": f"这页 {len(found.events)} 条",
            "next": following if found.next else "",
            "first": url_for("console.audit.security") if cursor else "",
        },
    )


def _actors(session: Session) -> list[tuple[str, str]]:
    """Whom the log can be read by; who has left did things too."""
    colleagues = list_staff(session, me().merchant_id)
    return [
        ("", "所有人"),
        *((f"staff:{row.id}", f"{row.name}（{ROLES[row.role]}）") for row in colleagues),
        ("system", "系统"),
    ]


def _tabs(chosen: str) -> list[tuple[str, str, str, bool]]:
    both = (("操作", "index"), ("安全事件", "security"))
    return [(text, url_for(f"console.audit.{name}"), "", name == chosen) for text, name in both]
