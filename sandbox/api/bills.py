"""What is wrong with the bills that WeChat Pay gives out from now on."""

from dataclasses import fields
from typing import Any

from flask import jsonify
from flask.typing import ResponseReturnValue

from sandbox.api.door import Refused, body, control, the_world
from sandbox.pay.billstore import Wrongs

_FIELDS = {field.name: field for field in fields(Wrongs)}


@control.post("/bills")
def spoil_bills() -> ResponseReturnValue:
    """{"missing": [numbers], "amounts_fen": {number: fen}, "fees_fen": {…}, "extra": {number: fen},
    "states": {number: state}, "wrong_hash", "wrong_totals", "bom", "early": true}; {} ends it."""
    given = body()
    if unknown := set(given) - set(_FIELDS):
        raise Refused(400, f"unknown: {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {
        name: set(value) if name == "missing" else value for name, value in given.items()
    }
    the_world().bills.wrongs = Wrongs(**values)
    return jsonify(ok=True)
