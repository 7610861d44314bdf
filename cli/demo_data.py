"""`demo-data`: the tea shop 青禾茶铺 with its stores, staff, goods, coupons and members."""

import json
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy.orm import Session

import catalogue.demo
import coupons.demo
import crm.demo
import crm.demo_loyalty
import merchants.demo
import messaging.demo
from cli import demo_batches, demo_history, demo_told
from core.clock import now as clock_now
from core.database import reading, transaction
from merchants.models import Merchant
from merchants.queries import list_stores


@click.command("demo-data")
@click.option("--history", default=0, help="how many members get a past of orders")
@click.option("--audience", default=0, help="how many more a finished campaign was for")
@click.option("--crowd", default="{}", help="JSON: appid → how the openids of these members begin")
@click.option("--told", type=click.Path(path_type=Path), help="where to write what channels know")
@with_appcontext
def demo_data(history: int, audience: int, crowd: str, told: Path | None) -> None:
    """Load the demo's data and print its ids as JSON. Safe to repeat."""
    with transaction() as session:
        made = _load(session)
    if history:
        made["history"] = demo_history.write(
            history, json.loads(crowd), audience=audience, now=clock_now()
        )
        if told and made["history"]["orders"]:
            with reading() as session:
                past = demo_told.of_past(session, made["merchant"]["id"])
            told.write_text(json.dumps(past), "utf-8")
    click.echo(json.dumps(made, ensure_ascii=False, indent=2))


def _load(session: Session) -> dict[str, Any]:
    now = clock_now()
    made = merchants.demo.load(session, now)
    merchant = session.get_one(Merchant, made["merchant"]["id"])
    stores = list_stores(session, merchant.id)
    made["goods"] = catalogue.demo.load(session, merchant, stores)
    made["coupons"] = coupons.demo.load(session, merchant, stores)
    made["scenes"] = messaging.demo.load(session, now)
    demo_batches.load(session, merchant, made["coupons"]["徐汇店开业券"], now)
    made["segments"] = crm.demo.load(session, merchant, now)
    made["tiers"] = crm.demo_loyalty.load(session, merchant, made["coupons"], now)
    return made
