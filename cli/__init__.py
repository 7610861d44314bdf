"""The door of the shell: `flask --app app demo-data` and `flask --app app doctor`."""

from flask import Flask

from cli.demo_data import demo_data
from cli.doctor import doctor


def register(app: Flask) -> None:
    app.cli.add_command(demo_data)
    app.cli.add_command(doctor)
