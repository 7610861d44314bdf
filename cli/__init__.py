"""The door of the shell: `flask --app app demo-data`, `doctor`, `replay`, `settlement-terms`."""

from flask import Flask

from cli.demo_data import demo_data
from cli.doctor import doctor
from cli.replay import replay
from cli.settlement import coupon_terms, settlement_terms


def register(app: Flask) -> None:
    app.cli.add_command(demo_data)
    app.cli.add_command(doctor)
    app.cli.add_command(replay)
    app.cli.add_command(settlement_terms)
    app.cli.add_command(coupon_terms)
