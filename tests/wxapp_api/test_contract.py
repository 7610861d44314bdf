"""The API against its own OpenAPI description: no answer that it does not promise, never a 5xx."""

import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, settings

schema = schemathesis.pytest.from_fixture("described")


@pytest.fixture
def described(app: Flask) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_wsgi("/openapi.json", app)


@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_answers_are_what_the_description_promises(case: schemathesis.Case) -> None:
    case.call_and_validate()
