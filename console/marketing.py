"""A merchant's marketing rules: how often, when not, and what needs two people."""

from flask import Blueprint, Response, request, url_for
from sqlalchemy import select
from sqlalchemy.orm import Session

from console import reply, words
from console.access import me, staff
from console.forms import Form, whole
from core.clock import now as clock_now
from core.database import reading, transaction
from crm import contacts
from crm.errors import MarketingRulesInvalid
from merchants.models import Staff, StaffState
from merchants.roles import may

page = Blueprint("marketing", __name__, url_prefix="/campaigns/rules")

HOURS = [("", "不设"), *((str(hour), f"{hour} 点") for hour in range(24))]


@page.get("/")
@staff("settings.manage")
def show() -> Response:
    with reading() as session:
        rules = contacts.rules_of(session, me().merchant_id)
    begin, end = rules.quiet_hours or ("", "")
    return _page(
        Form(
            most=rules.most,
            days=rules.days,
            quiet_from=begin,
            quiet_until=end,
            approval_people=rules.approval_people,
            liability=None if rules.liability_fen is None else words.yuan(rules.liability_fen),
            approval_fen=None if rules.approval_fen is None else words.yuan(rules.approval_fen),
        )
    )


@page.post("/")
@staff("settings.manage")
def save() -> Response:
    form, now, who = Form(request.form), clock_now(), me()
    begin, end = whole(form["quiet_from"]), whole(form["quiet_until"])
    if (begin is None) != (end is None):
        form.refuse("quiet_until", "从和到要么都选，要么都不设")
    changes = {
        "most": form.whole("most", high=99),
        "days": form.whole("days", low=1, high=contacts.LONGEST_DAYS),
        "quiet_hours": None if begin is None or end is None else (begin, end),
        "approval_people": form.whole("approval_people", needed=False, high=10**9),
        "approval_fen": form.yuan("approval_fen", needed=False, high=10**11),
        "liability_fen": form.yuan("liability", low=1, needed=False, high=10**11),
    }
    if form.errors:
        return _page(form, 422)
    try:
        with transaction() as session:
            contacts.set_rules(session, who.merchant_id, actor=who.actor, now=now, **changes)
    except MarketingRulesInvalid as refusal:
        for name, why in refusal.errors.items():
            form.refuse("quiet_until" if name == "quiet_hours" else name, why)
        return _page(form, 422)
    return reply.done(url_for("console.marketing.show"), "规则存好了")


def _page(form: Form, status: int = 200) -> Response:
    with reading() as session:
        approvers = "、".join(_approvers(session)) or "还没有"
    return reply.page("campaigns/rules.html", status, form=form, hours=HOURS, approvers=approvers)


def _approvers(session: Session) -> list[str]:
    working = select(Staff).where(
        Staff.merchant_id == me().merchant_id, Staff.state == StaffState.active
    )
    return [
        person.name
        for person in session.scalars(working.order_by(Staff.id))
        if may(person.role, "campaigns.launch")
    ]
