"""The API against its own OpenAPI description: no answer that it does not promise, never a 5xx."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from core.database import transaction
from tests.factories.catalogue import make_sku
from tests.factories.merchants import make_merchant, make_store
from tests.wechat_world import Shop


@pytest.fixture
def token(shop: Shop) -> str:
    """A member of a merchant that has a store with something to sell."""
    with transaction() as session:
        store = make_store(session, make_merchant(session, code="qinghe"))
        make_sku(session, store, available=10)
    body = {"code": shop.login_code("aqing")}
    answer: Any = shop.app.test_client().post("/api/v1/sessions", json=body).json
    return str(answer["token"])


def test_answers_are_what_the_description_promises(shop: Shop, token: str) -> None:
    """With a member's token. A cart of made-up goods is well-formed and refused, rightly."""
    schema = schemathesis.openapi.from_wsgi("/openapi.json", shop.app)
    broken: dict[str, str] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        try:
            fuzz(operation, token)
        except (AssertionError, BaseExceptionGroup) as error:
            broken[operation.label] = str(getattr(error, "exceptions", error))

    assert broken == {}


def fuzz(operation: Any, token: str) -> None:
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def call(case: Any) -> None:
        case.call_and_validate(
            headers={"Authorization": f"Bearer {token}"},
            excluded_checks=[positive_data_acceptance],
        )

    call()
