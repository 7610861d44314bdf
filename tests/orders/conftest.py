"""A shop that is open."""

import pytest
from sqlalchemy.orm import Session

from tests.orders.shop import Shop, open_shop


@pytest.fixture
def shop(session: Session) -> Shop:
    return open_shop(session)
