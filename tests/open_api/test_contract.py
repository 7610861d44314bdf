"""The open API against its own description: no answer that it does not promise, never a 5xx."""

import schemathesis
from flask import Flask

from tests.open_api.conftest import Till
from tests.wxapp_api.test_contract import fuzz


def test_answers_are_what_the_description_promises(app: Flask, till: Till) -> None:
    schema = schemathesis.openapi.from_wsgi("/openapi.json", app).include(path_regex="^/open/")
    broken: dict[str, str] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        try:
            fuzz(operation, till.secret)
        except (AssertionError, BaseExceptionGroup) as error:
            broken[operation.label] = str(getattr(error, "exceptions", error))

    assert broken == {}
