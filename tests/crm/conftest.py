"""The merchant's accounts, for tests that ask who can be written to."""

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from core.config import Config
from tests.factories.campaigns import ABOUT_COUPONS, MINI, OFFICIAL
from tests.tables import running

ABOUT_EXPIRY = "expiry-template"
ACCOUNTS = {
    "official_accounts": [{"appid": OFFICIAL, "secret": "s", "merchant": "qinghe"}],
    "mini_programs": [
        {
            "appid": MINI,
            "secret": "s",
            "merchant": "qinghe",
            "subscribe_templates": {
                "coupon_arrived": ABOUT_COUPONS,
                "coupon_expiring": ABOUT_EXPIRY,
            },
        }
    ],
}


@pytest.fixture
def app(make_config: Callable[..., Config]) -> Iterator[Flask]:
    """As everywhere, with an official account and a mini-program."""
    with running(make_config(wechat=ACCOUNTS)) as app:
        yield app
