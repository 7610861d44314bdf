"""The door of the shell: `flask --app app demo-data`, `doctor` and `replay`."""

from flask import Flask

from cli.demo_data import demo_data
from cli.doctor import doctor
from cli.replay import replay


def register(app: Flask) -> None:
    app.cli.add_command(demo_data)
    app.cli.add_command(doctor)
    app.cli.add_command(replay)
