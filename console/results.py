"""活动一览: what all campaigns brought, on one axis; and the margin that profit is counted with."""

from datetime import datetime
from typing import Any

from flask import Blueprint, Response, request, url_for

from analytics import campaigns as reports
from analytics import profit
from catalogue import costs
from console import campaign_report, lift_view, reply, words
from console.access import me, staff
from console.forms import Form, whole
from core.clock import now as clock_now
from core.database import reading, transaction
from crm.campaigns import queries
from crm.models import Campaign

page = Blueprint("results", __name__, url_prefix="/campaigns")

SHOWN = 20


@page.get("/results")
@staff("campaigns.view")
def index() -> Response:
    now = clock_now()
    with reading() as session:
        launched = reports.latest_launched(session, me().merchant_id, SHOWN)
        known = reports.spendings(session, launched, now)
        found = [(each, known[each.id]) for each in launched if each.id in known]
        redeemed = reports.redeemed_of(session, [campaign.id for campaign, _ in found])
        margin = profit.find(session, me().merchant_id)
    drawn = any(spent.lift.enough for _, spent in found)
    return reply.page(
        "campaigns/results.html",
        rows=[
            _row(campaign, spent, redeemed.get(campaign.id, 0), now) for campaign, spent in found
        ],
        forest=_forest(found) if drawn else None,
        margin=None if margin is None else f"{margin.margin_bp / 100:g}%",
        fewest=campaign_report.fewest(),
    )


@page.get("/margin")
@staff("campaigns.manage")
def margin() -> Response:
    with reading() as session:
        said = profit.find(session, me().merchant_id)
    form = Form(
        margin="" if said is None else f"{said.margin_bp / 100:g}",
        message_cost="" if said is None else f"{said.message_fen / 100:g}",
        to=request.args.get("to", ""),
    )
    with reading() as session:
        goods = costs.list_costs(session, me().merchant_id)
        options = costs.list_option_costs(session, me().merchant_id)
    told, listed = _told(goods, options)
    last = f"{words.on(said.said_at, clock_now())}填的" if said else ""
    costed = (told, listed) if listed else None
    return reply.page("campaigns/margin.html", form=form, last=last, costed=costed)


@page.post("/margin")
@staff("campaigns.manage")
def say_margin() -> Response:
    form, now = Form(request.form, margin="", message_cost="", to=""), clock_now()
    margin_bp = _decimal(form, "margin", 100)
    message_fen = _decimal(form, "message_cost", 100) if form["message_cost"].strip() else 0.0
    if margin_bp is not None and message_fen is not None:
        try:
            with transaction() as session:
                profit.say(
                    session,
                    me().merchant_id,
                    margin_bp=round(margin_bp),
                    message_fen=message_fen,
                    actor=me().actor,
                    now=now,
                )
        except profit.AssumptionInvalid as refused:
            form.refuse_with(refused, "margin")
    if form.errors:
        return reply.page("campaigns/margin.html", 422, form=form)
    to = reply.local(form["to"], url_for("console.results.index"))
    return reply.done(to, "记下了，利润按它算")


@page.get("/costs")
@staff("campaigns.manage")
def goods_costs() -> Response:
    return _costs_page(Form(to=request.args.get("to", "")))


@page.post("/costs")
@staff("campaigns.manage")
def say_costs() -> Response:
    """What was typed beside each of the goods and options; an empty field is a cost that nobody
    knows."""
    form, now = Form(request.form, to=""), clock_now()
    goods, options = _typed(form, "cost_"), _typed(form, "option_")
    if form.errors:
        return _costs_page(form, 422)
    with transaction() as session:
        costs.say(session, me().merchant_id, goods, actor=me().actor, now=now)
        costs.say_options(session, me().merchant_id, options, actor=me().actor, now=now)
    return reply.done(reply.local(form["to"], url_for("console.results.margin")), "成本记下了")


def _typed(form: Form, prefix: str) -> dict[int, int | None]:
    """id → fen, or None, of the fields that begin so."""
    names = [name for name in form.given if name.startswith(prefix)]
    given = {whole(name.removeprefix(prefix)): form.yuan(name, needed=False) for name in names}
    return {id_: fen for id_, fen in given.items() if id_ is not None}


def _told(goods: list[costs.Costed], options: list[costs.CostedOption]) -> tuple[int, int]:
    """Of how many the cost is known, and how many there are."""
    costs_fen = [one.cost_fen for one in goods] + [one.cost_fen for one in options]
    return sum(fen is not None for fen in costs_fen), len(costs_fen)


def _costs_page(form: Form, status: int = 200) -> Response:
    with reading() as session:
        listed = costs.list_costs(session, me().merchant_id)
        options = costs.list_option_costs(session, me().merchant_id)
        said = profit.find(session, me().merchant_id)
    told, number = _told(listed, options)
    rows: dict[str, list[dict[str, str]]] = {}
    for one in listed:
        row = _cost_row(form, f"cost_{one.sku_id}", one.product, one.price_fen, one.cost_fen)
        price = f"售价 ¥{words.yuan(one.price_fen)}"
        rows.setdefault(one.category, []).append(row | {"sku": one.sku, "price": price})
    for extra in options:
        name = f"option_{extra.option_id}"
        row = _cost_row(form, name, extra.name, extra.price_fen, extra.cost_fen)
        price = f"加 ¥{words.yuan(extra.price_fen)}"
        if extra.dearest_fen != extra.price_fen:
            price = f"{price} 到 ¥{words.yuan(extra.dearest_fen)}"
        rows.setdefault(extra.group, []).append(row | {"sku": "", "price": price})
    return reply.page(
        "campaigns/costs.html",
        status,
        form=form,
        groups=rows,
        told=words.count(told),
        number=words.count(number),
        pct=round(100 * told / number) if number else 0,
        margin=None if said is None else f"{said.margin_bp / 100:g}%",
    )


def _cost_row(
    form: Form, name: str, label: str, price_fen: int, cost_fen: int | None
) -> dict[str, str]:
    if name not in form.given and cost_fen is not None:
        form.put(name, words.yuan(cost_fen))
    keeps = ""
    if cost_fen is not None and price_fen:
        keeps = f"毛利 {round(100 * (price_fen - cost_fen) / price_fen)}%"
    return {"name": name, "label": label, "keeps": keeps}


@page.get("/<int:campaign_id>/report.csv")
@staff("campaigns.view")
def export(campaign_id: int) -> Response:
    """Sums only, nobody's name."""
    now = clock_now()
    with reading() as session:
        campaign = queries.get_campaign(session, me().merchant_id, campaign_id)
        table = campaign_report.to_csv(session, campaign, now)
    if table is None:
        return reply.done(url_for("console.campaigns.report", campaign_id=campaign_id))
    response = Response("\ufeff" + table, content_type="text/csv; charset=utf-8")
    response.headers["Content-Disposition"] = f"attachment; filename=campaign-{campaign_id}.csv"
    return response


def _decimal(form: Form, name: str, scale: int) -> float | None:
    """A number with up to four decimals, times `scale`."""
    try:
        value = round(float(form[name].strip().rstrip("%").lstrip("¥")), 4)
    except ValueError:
        form.refuse(name, "填一个数")
        return None
    if not 0 <= value <= 1_000:  # also what is no number at all
        form.refuse(name, "填一个数")
        return None
    return value * scale


def _row(
    campaign: Campaign, spent: reports.Spending, redeemed: int, now: datetime
) -> dict[str, Any]:
    people = spent.reached.people
    return {
        "name": campaign.name,
        "href": url_for("console.campaigns.report", campaign_id=campaign.id),
        "launched": words.when(spent.since, now),
        "people": words.count(people),
        "held": words.count(spent.held.people),
        "redeemed": words.count(redeemed) if redeemed or campaign.template_id else "—",
        "revenue": lift_view.said(spent.lift, people),
        "revenue_sure": spent.lift.sure,
        "profit": "" if spent.profit is None else lift_view.said(spent.profit, people),
        "profit_sure": spent.profit is not None and spent.profit.sure,
    }


def _forest(found: list[tuple[Campaign, reports.Spending]]) -> dict[str, Any]:
    return lift_view.forest(
        [
            (
                campaign.name,
                url_for("console.campaigns.report", campaign_id=campaign.id),
                spent.lift,
            )
            for campaign, spent in found
        ]
    )
